"""Every way a server can say no becomes one of our errors, with the next thing to do."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from redis import exceptions as raw

from wingman_runtime.errors import (
    AdmissionClosedError,
    BackendError,
    BackendRefusedError,
    BackendUnreachableError,
    DeniedError,
    UsageError,
    WingmanError,
)
from wingman_runtime.redisio import wire
from wingman_runtime.redisio.connection import backend_errors, open_backend, redact, translate
from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server with a password, an ACL user who may use streams of one prefix, and a loopback port."""
    with start_embedded(tmp_path_factory.mktemp("guarded"), port=0) as server:
        rights = ("~wm:*", "resetchannels", "+@stream", "+info", "+config|get", "+ping", "+client")
        wire.ask(
            server.socket,
            *("ACL", "SETUSER", "wing-man", "reset", "on", ">p@ss:w/rd", *rights),
            password=server.password,
        )
        yield server


def _tcp(server: EmbeddedServer, login: str = "") -> str:
    return f"redis://{login}127.0.0.1:{server.port}/0"


async def test_a_password_in_the_url_opens_the_server(guarded: EmbeddedServer) -> None:
    """Over TCP and over the socket."""
    for url in (guarded.tcp_url, guarded.url):
        async with await open_backend(url, strict=True) as backend:
            assert await backend.commands.ping()


@pytest.mark.parametrize("login", [":wrong@", "nobody:wrong@"])
async def test_a_wrong_password_is_refused_without_showing_it(guarded: EmbeddedServer, login: str) -> None:
    """Refused, so nobody retries; the message names the server but not the password."""
    with pytest.raises(BackendRefusedError, match="does not accept") as caught:
        await open_backend(_tcp(guarded, login))
    assert "check" in str(caught.value)
    assert "wrong" not in str(caught.value)


async def test_a_missing_password_is_asked_for(guarded: EmbeddedServer) -> None:
    """The hint shows where the password goes."""
    with pytest.raises(BackendRefusedError, match="wants a password") as caught:
        await open_backend(_tcp(guarded))
    assert "redis://user:password@" in str(caught.value)


async def test_an_acl_user_in_the_url_or_beside_it(guarded: EmbeddedServer) -> None:
    """The password percent-encoded in the URL, plain as an argument; arguments win over the URL."""
    user, password = "wing-man", "p@ss:w/rd"
    encoded = f"{quote(user, safe='')}:{quote(password, safe='')}@"
    async with await open_backend(_tcp(guarded, encoded), strict=True) as backend:
        await backend.commands.xadd("wm:s", {"a": "b"})
    url = _tcp(guarded, "nobody:nothing@")
    async with await open_backend(url, username=user, password=password) as backend:
        assert await backend.commands.xlen("wm:s") >= 1


@pytest.mark.parametrize(("key", "command"), [("other", "xlen"), ("wm:x", "get")])
async def test_a_missing_right_is_named(guarded: EmbeddedServer, key: str, command: str) -> None:
    """A key or a command the ACL user may not use: refused, with the server's words and ACL SETUSER."""
    async with await open_backend(_tcp(guarded), username="wing-man", password="p@ss:w/rd") as backend:
        with pytest.raises(BackendRefusedError, match="lacks a right") as caught:
            async with backend.errors():
                await getattr(backend.commands, command)(key)
    assert "ACL SETUSER" in str(caught.value)
    assert isinstance(caught.value.__cause__, raw.NoPermissionError)


async def test_a_full_server_closes_admission(tmp_path: Path) -> None:
    """Past maxmemory: the caller may come back after the time the error names."""
    with start_embedded(tmp_path, maxmemory="1mb") as server:
        async with await open_backend(server.url) as backend:
            with pytest.raises(AdmissionClosedError, match="memory is full") as caught:
                async with backend.errors():
                    await backend.commands.set("k", "v" * 2_000_000)
            assert caught.value.retry_after > 0


async def test_a_replica_is_refused(tmp_path: Path) -> None:
    """A read-only replica could never take a commit; refused at the door."""
    with start_embedded(tmp_path) as server:
        wire.ask(server.socket, "REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(BackendRefusedError, match="replica"):
            await open_backend(server.url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://127.0.0.1:1/0", "cannot be reached"),
        ("unix:///nowhere/at/all.sock", "cannot be reached"),
        ("redis://no-such-host.invalid:6379/0", "does not resolve"),
    ],
)
async def test_a_server_that_is_not_there_is_unreachable(url: str, words: str) -> None:
    """Soon, without the library's retries, and saying what to look at."""
    began = time.monotonic()
    with pytest.raises(BackendUnreachableError, match=words) as caught:
        await open_backend(url)
    assert caught.value.hint
    assert time.monotonic() - began < 3.0


@pytest.mark.parametrize(
    "url",
    ["http://host", "localhost:6379", "", "redis://host:port/0", "redis://:secret@[::1/0", "redis://h/x"],
)
async def test_a_url_that_is_none_is_a_usage_error(url: str) -> None:
    """Said before anything is connected to, with an example of a right one."""
    with pytest.raises((UsageError, BackendUnreachableError)) as caught:
        await open_backend(url)
    assert "secret" not in str(caught.value)
    if url != "redis://h/x":  # the library reads a path that is no number as no database at all
        assert isinstance(caught.value, UsageError)


async def test_a_port_that_speaks_no_redis_is_an_error_of_ours() -> None:
    """Whatever listens there, the error is one of the tree."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        other.settimeout(5)

        def answer() -> None:
            peer, _ = other.accept()
            with peer:
                peer.recv(100)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(BackendError):
            await open_backend(f"redis://127.0.0.1:{port}/0")
        thread.join()


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (
            raw.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
            AdmissionClosedError,
            "memory",
        ),
        (raw.ResponseError("OOM command not allowed"), AdmissionClosedError, "memory"),
        (
            raw.ReadOnlyError("You can't write against a read only replica."),
            BackendUnreachableError,
            "primary",
        ),
        (raw.ResponseError("UNBLOCKED force unblock from blocking"), BackendUnreachableError, "replica"),
        (raw.MasterDownError("Link with MASTER is down"), BackendUnreachableError, "lost its primary"),
        (raw.ClusterDownError("The cluster is down"), BackendUnreachableError, "cluster is down"),
        (raw.ResponseError("NOGROUP No such key 'wm:{p0}:in:a'"), BackendUnreachableError, "group is gone"),
        (raw.BusyLoadingError("Redis is loading the dataset in memory"), BackendUnreachableError, "loading"),
        (raw.ResponseError("MISCONF Errors writing to the AOF file"), BackendUnreachableError, "disk"),
        (raw.TimeoutError("Timeout reading from host"), BackendUnreachableError, "may have happened"),
        (raw.MovedError("1234 10.0.0.1:6379"), BackendRefusedError, "all slots"),
        (raw.MaxConnectionsError("Too many connections"), BackendUnreachableError, "in use"),
        (raw.ConnectionError("max number of clients reached"), BackendUnreachableError, "maxclients"),
        (raw.ResponseError("BUSY Redis is busy running a script."), BackendUnreachableError, "script"),
        (raw.ResponseError("WRONGTYPE Operation against a key"), BackendError, "WRONGTYPE"),
        (raw.NoPermissionError("this user has no permissions to run x"), BackendRefusedError, "ACL SETUSER"),
    ],
)
def test_each_error_has_its_translation(error: Exception, kind: type[WingmanError], words: str) -> None:
    """Kind says whether to retry; the text says what it is and what to do."""
    translated = translate(error, "redis://host")
    assert type(translated) is kind
    assert words in str(translated)
    assert translated.where == "redis://host"


async def test_errors_of_ours_and_of_others_pass_unchanged() -> None:
    """The context translates the library's errors and nothing else."""
    ours = DeniedError("no")
    assert translate(ours) is ours
    with pytest.raises(DeniedError):
        async with backend_errors("here"):
            raise ours
    with pytest.raises(ZeroDivisionError), backend_errors("here"):
        raise ZeroDivisionError
    with pytest.raises(BackendUnreachableError, match="here"), backend_errors("here"):
        raise raw.ConnectionError("gone")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@host:1/0", "redis://user:***@host:1/0"),
        ("redis://:se@cret@host", "redis://:***@host"),
        ("unix://:secret@/run/redis.sock", "unix://:***@/run/redis.sock"),
        ("redis://host:1/0", "redis://host:1/0"),
        ("redis://host/0?password=secret&db=1", "redis://host/0?password=***&db=1"),
    ],
)
def test_passwords_are_never_shown(url: str, shown: str) -> None:
    """In messages, a URL's password is three stars."""
    assert redact(url) == shown
