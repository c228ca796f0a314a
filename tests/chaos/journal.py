"""A JSONL file whose lines are on disk before anybody goes on: what an observer writes."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import orjson


class Journal:
    """``at`` of each line is nanoseconds of the machine's monotonic clock: one for all, never faked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._waiting: list[asyncio.Future[None]] = []
        self._syncing: asyncio.Task[None] | None = None

    async def note(self, **facts: Any) -> None:
        """Append a line; on disk when this returns. Lines that come together share one sync."""
        os.write(self._file, orjson.dumps({"at": time.monotonic_ns(), **facts}) + b"\n")
        synced: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(synced)
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.create_task(self._sync())
        await synced

    async def _sync(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            await asyncio.to_thread(os.fsync, self._file)
            for one in waiting:
                if not one.done():
                    one.set_result(None)

    def close(self) -> None:
        os.close(self._file)


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Its lines, in order."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]
