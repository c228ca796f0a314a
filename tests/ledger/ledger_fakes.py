"""An in-memory log with the trimming, restoring and failing of a real one, and trails to tamper with."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from wingman_runtime.contracts.canonical import canonical, digest
from wingman_runtime.errors import BackendUnreachableError
from wingman_runtime.ledger.record import Draft
from wingman_runtime.ledger.source import LogEntry
from wingman_runtime.ledger.store import AuditStore

REQUEST = "req_p0_" + "a" * 32


class MemoryLog:
    """A LogSource in memory. Numbers are given out per partition; `trimmed` remembers what was let go."""

    def __init__(self, partitions: int = 1) -> None:
        self.partitions = partitions
        self.entries: dict[int, list[LogEntry]] = {p: [] for p in range(partitions)}
        self.heads = dict.fromkeys(range(partitions), 0)
        self.trimmed: list[tuple[int, str]] = []
        self.clock = 1_000
        self.unreachable = False

    def add(
        self, body: bytes = b"{}", *, partition: int = 0, kind: str = "event", request: str = REQUEST
    ) -> int:
        self.heads[partition] += 1
        self.put(self.heads[partition], body, partition=partition, kind=kind, request=request)
        return self.heads[partition]

    def put(
        self, n: int, body: bytes = b"{}", *, partition: int = 0, kind: str = "event", request: str = REQUEST
    ) -> None:
        """An entry with a number of the caller's choosing, as an intruder could write one."""
        self.clock += 1
        self.entries[partition].append(LogEntry(f"{self.clock}-0", n, self.clock, kind, request, body))

    def snapshot(self) -> tuple[dict[int, list[LogEntry]], dict[int, int]]:
        return {p: list(entries) for p, entries in self.entries.items()}, dict(self.heads)

    def restore(self, snapshot: tuple[dict[int, list[LogEntry]], dict[int, int]]) -> None:
        self.entries = {p: list(entries) for p, entries in snapshot[0].items()}
        self.heads = dict(snapshot[1])

    async def read(self, partition: int, after: str, count: int, block_ms: int) -> list[LogEntry]:
        deadline = asyncio.get_running_loop().time() + block_ms / 1000
        while True:
            if self.unreachable:
                raise BackendUnreachableError("the server is away")
            found = [e for e in self.entries[partition] if order(e.entry_id) > order(after)][:count]
            if found or asyncio.get_running_loop().time() >= deadline:
                await asyncio.sleep(0)
                return found
            await asyncio.sleep(0.005)

    async def trim(self, partition: int, through: str) -> None:
        self.trimmed.append((partition, through))
        kept = [e for e in self.entries[partition] if order(e.entry_id) > order(through)]
        self.entries[partition] = kept

    async def head(self, partition: int) -> int:
        return self.heads[partition]


def order(entry_id: str) -> tuple[int, int]:
    ms, _, rest = entry_id.partition("-")
    return int(ms), int(rest)


def event_body(
    event_id: str,
    event_type: str,
    agent: str,
    *,
    cause: str = "",
    data: dict[str, Any] | None = None,
    actor: str = "alice",
    decisions: Sequence[dict[str, Any]] = (),
) -> bytes:
    return orjson.dumps(
        {
            "agent": agent,
            "worker": "w1",
            "code": "sha256:00",
            "policy": "sha256:11",
            "decisions": list(decisions),
            "event": {
                "specversion": "1.0",
                "id": event_id,
                "type": event_type,
                "causationid": cause,
                "actor": actor,
                "tenant": "demo",
                "data": data or {},
            },
        }
    )


def stamp_body(event_id: str, cause: str, outcome: str = "completed", *, forged: bool = False) -> bytes:
    response: dict[str, Any] = {"request_id": REQUEST, "outcome": outcome, "reasons": [], "stamp": None}
    stamp = {"outcome": outcome, "response_digest": digest({} if forged else response)}
    return event_body(
        event_id, "AuditStamped", "audit", cause=cause, data={"response": response, "stamp": stamp}
    )


def draft(n: int, body: bytes | None = None, *, partition: int = 0, kind: str = "event") -> Draft:
    body = (
        body if body is not None else event_body(f"evt_{partition}_{n}", "RequestValidated", "scope_filter")
    )
    return Draft(partition, 1, n, 1_000 + n, kind, REQUEST, body, n + 1)


def fill(path: Path, count: int = 10, *, partitions: int = 1) -> None:
    """A store with ``count`` records in each partition, closed."""
    with AuditStore(path) as store:
        for partition in range(partitions):
            drafts = [draft(n, partition=partition) for n in range(1, count + 1)]
            store.submit(drafts, cursor=(partition, f"{count}-0")).result(10)


def intruder(path: Path) -> sqlite3.Connection:
    """Somebody with the file and no scruples: no triggers, no store in between."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("DROP TRIGGER records_never_change; DROP TRIGGER records_never_vanish;")
    return connection


def withdraw(connection: sqlite3.Connection) -> None:
    """Put the triggers back, so that only the deed itself is left to be found."""
    connection.executescript(
        "CREATE TRIGGER records_never_change BEFORE UPDATE ON records"
        " BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;"
        "CREATE TRIGGER records_never_vanish BEFORE DELETE ON records"
        " BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;"
    )
    connection.close()


__all__ = [
    "REQUEST", "MemoryLog", "canonical", "draft", "event_body", "fill", "intruder", "order", "stamp_body",
    "withdraw",
]  # fmt: skip
