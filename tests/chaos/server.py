"""The server of a run: an embedded one that can be killed, restarted, and asked past every proxy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wingman_runtime.redisio import wire
from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded


@contextlib.contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """These variables for whatever is started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


@dataclass(slots=True)
class ChaosServer:
    """``env`` and ``extra`` (directives) count from the next start on."""

    data_dir: Path
    env: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    binary: Path | None = None
    starts: int = 0
    _running: EmbeddedServer | None = None

    @property
    def pid(self) -> int:
        assert self._running is not None
        return self._running.pid

    @property
    def alive(self) -> bool:
        return self._running is not None and self._running.running

    @property
    def socket(self) -> Path:
        """The same over every restart."""
        assert self._running is not None
        return self._running.socket

    @property
    def url(self) -> str:
        """Straight to the server, no proxy between."""
        assert self._running is not None
        return self._running.url

    async def start(self) -> None:
        """Start it, and wait until it answers."""

        def started() -> EmbeddedServer:
            with environment(self.env):
                return start_embedded(self.data_dir, extra=self.extra, binary=self.binary)

        self._running = await asyncio.to_thread(started)
        assert self._running.owned, "somebody else's server runs on this data"
        self.starts += 1

    async def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        server = self._running
        assert server is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGKILL)
        await asyncio.to_thread(server.stop)

    async def restart(self) -> None:
        """`kill -9` and start again."""
        await self.kill()
        await self.start()

    async def stop(self) -> None:
        """Shut it down cleanly."""
        if self._running is not None:
            await asyncio.to_thread(self._running.stop)

    def ask(self, *words: str) -> wire.Reply:
        """One command, past every proxy: ``ask("CONFIG", "SET", "maxmemory", "10mb")``.

        Raises:
            OSError: it does not answer.
            wire.ReplyError: it answers with an error.
        """
        return wire.ask(self.socket, *words)

    async def answers(self, within: float = 30.0) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + within
        while True:
            with contextlib.suppress(OSError, wire.ReplyError):
                if self.ask("PING") == b"PONG":
                    return
            assert time.monotonic() < deadline, f"the server does not answer after {within:g} s"
            await asyncio.sleep(0.05)
