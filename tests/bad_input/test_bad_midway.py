"""What is found out only by the chain itself, and a server that is gone in the middle of a command."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_input.bad_input_bench import FIELDS, SUBMIT, Bench, Done
from tests.bad_input.bad_input_running import running
from wingman_runtime.client import Client
from wingman_runtime.errors import BackendUnreachableError
from wingman_runtime.project.load import Project
from wingman_runtime.redisio import wire
from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded


@pytest.fixture
def mortal(bench: Bench, tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that a test may kill; the bench's."""
    with start_embedded(tmp_path / "mortal") as server:
        bench.serve(server)
        bench.replaced[server.url.removeprefix("unix://")] = "SOCKET"
        yield server


def test_an_unknown_intent(served: Bench) -> None:
    """The chain rejects it, says what was probably meant, and has done nothing: exit code 4."""
    with running(served):
        done = served.run("submit", "greeting.sned", "-p", "to=ada", "--as", "alice", "--wait", "20")
        assert done == Done(
            4,
            "rejected  req_…\n"
            "  reason        no scope holds the intent 'greeting.sned'; did you mean 'greeting.send'?\n"
            "  stamp         stm_…\n",
            "",
        )
    assert not (served.root / "workspace").exists()


def test_a_parameter_that_is_missing(served: Bench) -> None:
    """The plan's words: which parameter, and which step needs it."""
    with running(served):
        done = served.run("submit", "greeting.send", "-p", "to=ada", "--as", "alice", "--wait", "20")
        assert done.code == 4
        assert "params.text" in done.out
    assert not (served.root / "workspace").exists()


def killed_meanwhile(bench: Bench, server: EmbeddedServer, *words: str) -> Done:
    """Run a command; kill -9 the server once the command waits."""
    process = subprocess.Popen(
        bench.command(*words), cwd=bench.root, env=bench.environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        first = b""
        if "watch" in words:
            assert process.stdout is not None
            first = process.stdout.readline()  # the event of the admission: it watches
        deadline = time.monotonic() + 30
        while not wire.ask(server.socket, "KEYS", "*req_p0_*", password=server.password):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1)  # handed in; the answer has come and it waits
        assert process.poll() is None
        os.kill(server.pid, signal.SIGKILL)
        out, err = process.communicate(timeout=40)
        out = first + out
    finally:
        process.kill()
        process.wait()
    return Done(process.returncode, bench.plain(out.decode()), bench.plain(err.decode()))


@pytest.mark.parametrize("verb", ["submit", "watch"])
def test_the_server_is_killed_while_a_command_waits(bench: Bench, mortal: EmbeddedServer, verb: str) -> None:
    """Told: that the server is away; at the end, that the request was admitted and how to go on."""
    words = [*SUBMIT, "--wait", "8"]
    if verb == "watch":
        request = json.loads(bench_raw(bench, *SUBMIT, "--json"))["request_id"]
        words = ["request", "watch", request, "--timeout", "8"]
    done = killed_meanwhile(bench, mortal, *words)
    assert done.code == 7, done
    away, error, hint = done.err.splitlines()
    assert away.startswith("the server is away, waiting for it: the server cannot be reached (Error ")
    assert error.startswith(
        "error: req_…: not ended after 8 s as far as can be seen: the server cannot be reached ("
    )
    assert hint == "  → it was admitted and is kept: once the server is back, wingman request watch req_…"
    assert "UserRequestReceived" in done.out if verb == "watch" else done.out == ""


def test_the_server_is_killed_while_a_command_waits_as_json(bench: Bench, mortal: EmbeddedServer) -> None:
    """The id on stdout, so that a program can go on; the error on stderr, the only line that is JSON."""
    done = killed_meanwhile(bench, mortal, *SUBMIT, "--wait", "8", "--json")
    assert done.code == 7, done
    assert json.loads(done.out) == {"request_id": "req_…", "outcome": None}
    told = json.loads(done.err.splitlines()[-1])
    assert list(told) == FIELDS
    assert (told["kind"], told["where"]) == ("BackendUnreachableError", "req_…")


def test_a_request_survives_the_death_of_the_server(
    bench: Bench, mortal: EmbeddedServer, tmp_path: Path
) -> None:
    """What was admitted is there after kill -9; the same id is watched to its end."""
    request = json.loads(bench_raw(bench, *SUBMIT, "--json"))["request_id"]
    os.kill(mortal.pid, signal.SIGKILL)
    done = bench.run("request", "show", request)
    assert (done.code, done.out) == (7, "")
    assert done.err.endswith("an embedded server is started\n")
    deadline = time.monotonic() + 20
    while mortal.running:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with start_embedded(tmp_path / "mortal") as again:
        bench.env["WINGMAN_REDIS_URL"] = again.url
        with running(bench):
            watched = bench.run("request", "watch", request, "--timeout", "20")
        assert watched.code == 0, watched.err
        assert "completed" in watched.out


def test_the_same_from_a_program(bench: Bench, mortal: EmbeddedServer) -> None:
    """The client waits for the server, and at the end says that it is the server that is away."""

    async def wait() -> None:
        settings = Project.find(bench.root, redis_url=mortal.url).settings
        async with Client(settings, actor="alice") as client:
            request = await client.submit("greeting.send", {"to": "ada", "text": "hello"})
            os.kill(mortal.pid, signal.SIGKILL)
            await request.result(2)

    with pytest.raises(BackendUnreachableError, match=r"not ended after 2 s as far as can be seen"):
        asyncio.run(wait())


def bench_raw(bench: Bench, *words: str) -> str:
    """stdout as it is, ids included."""
    return subprocess.run(
        bench.command(*words), cwd=bench.root, env=bench.environment(), capture_output=True, check=True,
        text=True, stdin=subprocess.DEVNULL,
    ).stdout  # fmt: skip
