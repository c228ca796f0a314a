"""The tool sink: a process of its own that keeps what tools really did, in a SQLite file nobody else writes.

One JSON line in, one out, one connection a call. What comes of a call is in its ``mode``:

    put, once   applied each time it is called; a caller that calls twice has done it twice
    set         applied once per idempotency key
    take        undoes the effect ``of``; applied once per key; refused for names under ``stuck/``
    fail        refused, nothing done
    vanish      applied, and the connection closed without an answer

Names under ``slow/`` are applied at once and answered late.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tests.chaos.process import ROOT

_TABLE = """
CREATE TABLE IF NOT EXISTS calls (
    n INTEGER PRIMARY KEY, at INTEGER, key TEXT, mode TEXT, request TEXT, name TEXT, attempt INTEGER,
    of TEXT, pid INTEGER, applied INTEGER
);
CREATE INDEX IF NOT EXISTS by_key ON calls (key);
"""
_LATE = 0.3
_REPEATABLE = ("set", "take")


@dataclass(slots=True)
class Ledger:
    """The file, and the rule of each mode."""

    path: Path
    _base: sqlite3.Connection = field(init=False)

    def __post_init__(self) -> None:
        self._base = sqlite3.connect(self.path, isolation_level=None)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=NORMAL")
        self._base.executescript(_TABLE)

    def call(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Do it and write it down; the answer, or None: none is to be given."""
        mode, key, name = asked["mode"], asked["key"], asked["name"]
        refused = mode == "fail" or (mode == "take" and name.startswith("stuck/"))
        seen = self._base.execute("SELECT 1 FROM calls WHERE key = ? AND applied", (key,)).fetchone()
        applied = not refused and not (mode in _REPEATABLE and seen)
        self._base.execute(
            "INSERT INTO calls (at, key, mode, request, name, attempt, of, pid, applied)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                time.monotonic_ns(), key, mode, asked["request"], name, asked["attempt"],
                asked.get("of", ""), asked["pid"], int(applied),
            ),
        )  # fmt: skip
        if mode == "vanish":
            return None
        return {"refused": f"{name} cannot be done"} if refused else {"ok": True}


async def serve(path: Path, database: Path) -> None:
    """Serve until standard input ends."""
    ledger = Ledger(database)

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            asked = orjson.loads(await reader.readline())
            answer = ledger.call(asked)
            if answer is not None:
                if asked["name"].startswith("slow/"):
                    await asyncio.sleep(_LATE)
                writer.write(orjson.dumps(answer) + b"\n")
                await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(one, str(path), backlog=512):
        await asyncio.to_thread(sys.stdin.read)


@dataclass(slots=True)
class SinkProcess:
    """The sink of a run. ``path`` is its socket, short enough for one, wherever the run is."""

    dir: Path
    path: Path = field(init=False)
    _home: tempfile.TemporaryDirectory[str] = field(init=False)
    _process: asyncio.subprocess.Process | None = None

    def __post_init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="wingman-sink-")
        self.path = Path(self._home.name) / "sink.sock"

    @property
    def database(self) -> Path:
        return self.dir / "sink.db"

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.sink", str(self.path), str(self.database),
            stdin=asyncio.subprocess.PIPE, cwd=ROOT, process_group=0,
        )  # fmt: skip
        async with asyncio.timeout(20):
            while not self.path.exists():
                assert self._process.returncode is None, "the sink ended by itself"
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """End it; its file stays."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()
        self._home.cleanup()


def read_sink(database: Path) -> list[dict[str, Any]]:
    """Every call it got, in order."""
    base = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    base.row_factory = sqlite3.Row
    with contextlib.closing(base):
        return [dict(row) for row in base.execute("SELECT * FROM calls ORDER BY n")]


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
