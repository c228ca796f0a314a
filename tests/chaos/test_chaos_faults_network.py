"""Each fault of the network does what it says, to a connection that goes through the proxy."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.chaos.bench import bench
from tests.chaos.faults_network import Delays, HalfOpen, LostReplies, Refused, Resets
from wingman_runtime.errors import BackendUnreachableError
from wingman_runtime.redisio.connection import Backend, open_backend


async def _say(backend: Backend, *words: str) -> object:
    async with backend.errors():
        return await backend.commands.execute_command(*words)  # type: ignore[no-untyped-call]


async def test_a_lost_reply_hides_what_was_done(tmp_path: Path) -> None:
    """The command counted on the server, its sender was told nothing but that the connection ended."""
    fault = LostReplies()
    fault.lasts, fault.share = (1.5, 1.5), 1.0
    async with bench(tmp_path, fault) as house, await open_backend(house.proxy.url) as backend:
        assert await _say(backend, "INCR", "n") == 1
        striking = asyncio.create_task(fault.strike(house))
        await asyncio.sleep(0.1)
        with pytest.raises(BackendUnreachableError):
            await _say(backend, "INCR", "n")
        assert house.server.ask("GET", "n") == b"2"
        assert (await striking)["lost"] >= 1
        assert await _say(backend, "INCR", "n") == 3


async def test_a_reset_cuts_every_connection(tmp_path: Path) -> None:
    """An open connection is gone at once; a new one works when the fault has ended."""
    fault = Resets()
    fault.lasts = (0.3, 0.3)
    async with bench(tmp_path, fault) as house, await open_backend(house.proxy.url) as backend:
        reading = asyncio.create_task(_say(backend, "BLPOP", "nothing", "2"))
        await asyncio.sleep(0.1)
        assert (await fault.strike(house))["reset"] >= 1
        with pytest.raises(BackendUnreachableError):
            await reading
        assert await _say(backend, "PING") in (b"PONG", True)


async def test_a_refused_connection_stays_refused_until_the_end(tmp_path: Path) -> None:
    """Nobody gets through while it lasts; afterwards everybody does."""
    fault = Refused()
    fault.lasts = (0.5, 0.5)
    async with bench(tmp_path, fault) as house, await open_backend(house.proxy.url) as backend:
        striking = asyncio.create_task(fault.strike(house))
        await asyncio.sleep(0.1)
        with pytest.raises(BackendUnreachableError):
            await _say(backend, "PING")
        await striking
        assert await _say(backend, "PING") in (b"PONG", True)


async def test_a_half_open_connection_says_nothing(tmp_path: Path) -> None:
    """No answer and no error while it lasts; what was sent never arrives; the end is a reset."""
    fault = HalfOpen()
    fault.lasts = (1.0, 1.0)
    async with bench(tmp_path, fault) as house, await open_backend(house.proxy.url) as backend:
        striking = asyncio.create_task(fault.strike(house))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        with pytest.raises(BackendUnreachableError):
            await _say(backend, "INCR", "n")
        assert time.monotonic() - began > 0.5
        assert (await striking)["swallowed"] >= 1
        assert house.server.ask("GET", "n") is None
        assert await _say(backend, "PING") in (b"PONG", True)


async def test_a_delay_is_late_and_in_order(tmp_path: Path) -> None:
    """Answers come, later than without it, and each to its own command."""
    fault = Delays()
    fault.lasts, fault.longest = (1.0, 1.0), 0.2
    async with bench(tmp_path, fault) as house, await open_backend(house.proxy.url) as backend:
        striking = asyncio.create_task(fault.strike(house))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        assert [await _say(backend, "ECHO", word) for word in "abc"] == [b"a", b"b", b"c"]
        assert time.monotonic() - began > 0.1
        assert (await striking)["delayed"] >= 6
