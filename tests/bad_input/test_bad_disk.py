"""Places that cannot be written, and a disk without room."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bad_input.bad_input_bench import SUBMIT, Bench
from tests.bad_input.bad_input_running import running

NOWHERE = Path("/proc/nowhere")
"""A place nobody can write to, root included. (macOS has no /proc, and nobody may make one.)"""


@pytest.mark.parametrize("words", [SUBMIT, ("status",), ("worker",), ("dev",)])
def test_no_place_for_the_servers_data(bench: Bench, words: tuple[str, ...]) -> None:
    """A file where the run-time folder belongs: no server is started."""
    (bench.root / ".wingman").write_text("mine\n")
    bench.refused(
        *words, code=7,
        says="""
        error: PROJECT/.wingman/redis: cannot use the data directory: Not a directory
          → make it writable, or choose another project directory
        """,
    )  # fmt: skip


def test_no_place_for_the_audit_store(served: Bench) -> None:
    """The recorder says so and the worker ends, before it has taken any work."""
    served.append("config/wingman.yaml", f"audit_store: {NOWHERE}/audit.db\n")
    done = served.run("worker", "--json")
    told = json.loads(done.err.splitlines()[-1])
    assert (done.code, done.out) == (7, "")
    assert told["error"].startswith("the audit store cannot be used: ")
    assert told["where"] == f"{NOWHERE}/audit.db.lock"
    assert told["hint"] == "check that the folder exists and that this user may write to it"
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "what", "folder"),
    [(("init",), "the project", "folder"), (("demo", "--folder"), "the demo", "--folder")],
)
@pytest.mark.parametrize("place", ["file/new", str(NOWHERE)])
def test_no_place_for_a_new_project(
    bench: Bench, words: tuple[str, ...], what: str, folder: str, place: str
) -> None:
    """Nothing is left behind of what could not be written."""
    (bench.root / "file").write_text("mine\n")
    reason = "Not a directory" if place.startswith("file") else "No such file or directory"
    shown = f"PROJECT/{place}" if place.startswith("file") else place
    bench.refused(
        *words, place, code=2,
        says=f"error: {shown}: {what} cannot be written: {reason}\n"
        f"  → choose a {folder} that this user may write to, on a disk with room\n",
    )  # fmt: skip


def test_a_workspace_that_is_lost_midway(served: Bench) -> None:
    """The tool fails and says where; the request ends as failed, with nothing done."""
    with running(served):
        (served.root / "workspace").mkdir(exist_ok=True)
        (served.root / "workspace" / "greetings").write_text("a file in the folder's place\n")
        done = served.run(*SUBMIT, "--wait", "20")
        assert done.out.splitlines()[:2] == [
            "failed  req_…",
            "  reason        steps[0] greeting.send: greetings/ada.txt leads over a link or through a file",
        ]
        assert (done.code, done.err) == (1, "")


def test_no_room_for_the_audit_trail(served: Bench) -> None:
    """The recorder says what is missing and goes on trying; with room again the trail is whole."""
    limit = served.root / "limit"
    limit.write_text("40960")
    with running(served, program="bad_input_small_disk.py") as log:
        first = served.run(*SUBMIT, "--wait", "20")
        assert first.code == 0, first.err + log.read_text()
        deadline = time.monotonic() + 20
        while "no room left for the audit trail" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            served.run(
                "submit", "greeting.send", "-p", "to=eve", "-p", f"text={'x' * 20_000}", "--as", "alice"
            )
        told = log.read_text()
        assert "free disk space; recording goes on by itself" in told
        assert "Traceback" not in told
        limit.write_text("")
        while "recording_again" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
    verified = served.run("audit", "verify")
    assert verified.code == 0, verified.out + verified.err


def test_a_report_nobody_has_room_for(served: Bench) -> None:
    """`/dev/full` is a disk without room: said as such, not as a bug of ours."""
    if sys.platform != "linux":
        return
    done = served.run("config", "show")
    assert done.code == 0
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            served.command("config", "show"), cwd=served.root, env=served.environment(), stdout=full,
            stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert b"No space left on device" in ended.stderr
    assert b"Traceback" not in ended.stderr
