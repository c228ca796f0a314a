"""The pools: nothing is repeated, nothing waits for ever, few connections serve many callers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.redisio.redis_impostor import impostor
from wingman_runtime.errors import BackendUnreachableError, UsageError
from wingman_runtime.redisio import connection
from wingman_runtime.redisio.connection import MAX_BLOCK_MS, READ_TIMEOUT, Backend, open_backend
from wingman_runtime.redisio.embedded import start_embedded

MODERN = ("redis_version:7.2.0",)


async def _read(backend: Backend, block: int) -> bool:
    """Whether the stream ``s`` got a new entry within ``block`` ms."""
    return bool(await backend.readers.xread({"s": "$"}, block=block))


async def _blocked(backend: Backend, number: int) -> None:
    """Once the server holds so many in a blocking read."""
    async with asyncio.timeout(10):
        while (await backend.commands.info("clients"))["blocked_clients"] != number:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("pool", ["commands", "readers"])
async def test_a_command_whose_answer_is_lost_was_sent_once(pool: str) -> None:
    """The server takes the XADD and hangs up: one XADD arrived, and the caller is told."""
    async with impostor(MODERN) as server, await open_backend(server.url) as backend:
        server.other = "hang up"
        with pytest.raises(BackendUnreachableError):
            async with backend.errors():
                await getattr(backend, pool).xadd("stream", {"a": "b"})
        assert sum(line.startswith("XADD") for line in server.seen) == 1


@pytest.mark.parametrize(("pool", "limit"), [("commands", "COMMAND_TIMEOUT"), ("readers", "READ_TIMEOUT")])
async def test_a_silent_server_is_noticed(pool: str, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer within the pool's timeout: unreachable, sent once, and said that it may have happened."""
    monkeypatch.setattr(connection, "COMMAND_TIMEOUT", 60.0)
    monkeypatch.setattr(connection, "READ_TIMEOUT", 60.0)
    monkeypatch.setattr(connection, limit, 0.2)
    async with impostor(MODERN) as server, await open_backend(server.url) as backend:
        server.other = "silence"
        with pytest.raises(BackendUnreachableError, match="did not answer in time"):
            async with asyncio.timeout(30), backend.errors():
                await getattr(backend, pool).xadd("stream", {"a": "b"})
        assert sum(line.startswith("XADD") for line in server.seen) == 1


async def test_the_longest_block_ends_before_the_readers_timeout(backend_url: str) -> None:
    """A read that blocks for the whole `MAX_BLOCK_MS` returns empty-handed and raises nothing."""
    assert READ_TIMEOUT > 2 * MAX_BLOCK_MS / 1000
    async with await open_backend(backend_url) as backend:
        began = time.monotonic()
        assert not await backend.readers.xread({"nothing": "$"}, block=MAX_BLOCK_MS)
        assert time.monotonic() - began >= MAX_BLOCK_MS / 1000 - 0.1


async def test_blocked_readers_do_not_hold_up_commands(backend_url: str) -> None:
    """Thirty readers block; a command is answered at once, and wakes them."""
    async with await open_backend(backend_url, command_connections=2) as backend:
        reads = [asyncio.create_task(_read(backend, 5000)) for _ in range(30)]
        await _blocked(backend, len(reads))
        await backend.commands.xadd("s", {"a": "b"})
        assert all(await asyncio.gather(*reads))  # one that had waited to the end would be empty-handed


async def test_many_callers_share_few_connections(backend_url: str) -> None:
    """A thousand commands at once queue for four connections and all are answered."""
    async with await open_backend(backend_url, command_connections=4) as backend:
        answers = await asyncio.gather(*(backend.commands.incr("n") for _ in range(1000)))
        assert sorted(answers) == list(range(1, 1001))
        assert len(await backend.commands.client_list()) <= 4


async def test_a_reader_too_many_is_told_at_once(backend_url: str) -> None:
    """A blocking reader does not queue behind another: it would look like an empty stream."""
    async with await open_backend(backend_url, reader_connections=1) as backend:
        first = asyncio.create_task(_read(backend, 5000))
        await _blocked(backend, 1)
        with pytest.raises(BackendUnreachableError, match="all connections"):
            async with backend.errors():
                await backend.readers.xread({"s": "$"}, block=500)
        await backend.commands.xadd("s", {"a": "b"})
        assert await first


async def test_replies_have_the_shapes_of_resp2(backend_url: str) -> None:
    """Chosen, not left to the library's default: lists of pairs, bytes."""
    async with await open_backend(backend_url) as backend:
        await backend.commands.xadd("s", {"a": "b"}, id="1-1")
        reply = await backend.commands.execute_command("XREAD", "COUNT", 1, "STREAMS", "s", "0")  # type: ignore[no-untyped-call]
        assert reply == [[b"s", [(b"1-1", {b"a": b"b"})]]]


async def test_a_restarted_server_is_reconnected_to_without_a_lost_command(tmp_path: Path) -> None:
    """Pooled connections of before the restart are found stale before a command is written to them."""
    server = start_embedded(tmp_path)
    async with await open_backend(server.url) as backend:
        await backend.commands.set("k", "v")
        await server.astop()
        with pytest.raises(BackendUnreachableError):
            async with backend.errors():
                await backend.commands.get("k")
        with start_embedded(tmp_path):
            assert await backend.commands.get("k") == b"v"


async def test_without_a_url_a_server_is_started_and_stopped_with_the_backend(tmp_path: Path) -> None:
    """A directory: started by the first backend, attached to by the second, ended by the first."""
    async with await open_backend(None, embedded=tmp_path, strict=True) as first:
        async with await open_backend(None, embedded=tmp_path) as second:
            assert first.server is not None
            assert second.server is not None
            assert second.server.pid == first.server.pid
        assert await first.commands.ping()
    assert not first.server.running


async def test_with_neither_url_nor_directory_there_is_nothing_to_open() -> None:
    """A usage error, not a guess at localhost."""
    with pytest.raises(UsageError, match="neither"):
        await open_backend(None)
