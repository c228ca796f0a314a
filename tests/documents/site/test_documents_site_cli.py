"""``wingman docs build`` and ``serve`` as they are typed."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from wingman_runtime.cli.app import run

ROOT = Path(__file__).parents[3]


def test_build_says_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The index is the data on stdout; as JSON with how much there is; what is no site is a conflict."""
    out = tmp_path / "public" / "map"
    assert run(["docs", "build", "--out", str(out), "--project", str(ROOT)]) == 0
    assert capsys.readouterr().out == f"{out / 'index.html'}\n"
    assert run(["docs", "build", "--out", str(out), "--project", str(ROOT), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["index"] == str(out / "index.html")
    assert told["nodes"] > 30
    (tmp_path / "public" / "cv.txt").write_text("mine")
    assert run(["docs", "build", "--out", str(tmp_path / "public"), "--project", str(ROOT)]) == 6
    assert "--out" in capsys.readouterr().err


def test_serve_stays_on_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    """Another address needs a word of its own, said in the error."""
    assert run(["docs", "serve", "--host", "0.0.0.0", "--project", str(ROOT)]) == 2
    assert "--remote" in capsys.readouterr().err


def test_serve_answers_until_it_is_interrupted(tmp_path: Path) -> None:
    """It says its address, shows the map while no server runs, and ends cleanly on Ctrl-C."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WINGMAN_")}
    environment = {**clean, "PYTHONPATH": str(ROOT), "WINGMAN_REDIS_URL": f"unix://{tmp_path}/none.sock"}
    command = [sys.executable, "-m", "wingman_runtime", "docs", "serve", "--port", "0", "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            address = urlsplit(json.loads(line)["url"])
            assert address.hostname == "127.0.0.1"
            connection = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=20)
            connection.request("GET", "/")
            page = connection.getresponse()
            assert (page.status, b"wingman-live" in page.read()) == (200, True)
            connection.request("GET", "/live.json")
            told = json.loads(connection.getresponse().read())
            assert told["up"] is False
            assert told["error"]
            connection.close()
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
