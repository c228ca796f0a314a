"""The server of one run: empty, of its own, and durable, whoever runs on it."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded

PAYLOAD = "x" * 960
"""With its field names and an id, 1 KB of JSON."""


DIRECTIVES = {"appendfsync": "always"}
"""It syncs its append-only file before it answers."""


class DurableServer:
    """One that can be killed and started again, where it was, with what it had."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.running = start_embedded(data, extra=DIRECTIVES)

    async def restart(self, away: float = 0.0) -> None:
        """`kill -9`, and for ``away`` seconds nothing is there; returns once it answers again."""
        os.kill(self.running.pid, signal.SIGKILL)
        await self.running.astop()
        await asyncio.sleep(away)
        self.running = await asyncio.to_thread(start_embedded, self._data, extra=DIRECTIVES)


@contextmanager
def restartable() -> Iterator[tuple[DurableServer, Path]]:
    """A server, and an empty folder for the contestant."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        room = Path(folder) / "room"
        room.mkdir()
        server = DurableServer(Path(folder) / "data")
        try:
            yield server, room
        finally:
            server.running.stop()


@contextmanager
def fresh_server() -> Iterator[tuple[EmbeddedServer, Path]]:
    """The same, for a run that lets it be."""
    with restartable() as (server, room):
        yield server.running, room
