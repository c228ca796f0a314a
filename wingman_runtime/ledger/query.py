"""Questions to the stored trail: filters, pages, following its end. Read-only, beside a running recorder."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wingman_runtime.errors import UsageError
from wingman_runtime.ledger import schema
from wingman_runtime.ledger.record import StoredRecord
from wingman_runtime.ledger.store import Head

COLUMNS = "n, at_ms, kind, request_id, body, seq, partition, incarnation, event_type, agent, prev_hash, hash"
_CHUNK = 500
_PAGE_LIMIT = 10_000
_JSON = "CASE WHEN json_valid(CAST(body AS TEXT)) THEN json_extract(CAST(body AS TEXT), '{path}') END"
_ACTOR = _JSON.format(path="$.event.actor")
# Where an outcome is said: by the stamp, or by an event that decides one.
_OUTCOMES = (
    _JSON.format(path="$.event.data.stamp.outcome"),
    _JSON.format(path="$.event.data.outcome"),
    _JSON.format(path="$.outcome"),
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records; empty fields do not narrow.

    ``since_ms`` is inclusive, ``until_ms`` exclusive, both milliseconds of the server's clock. ``text`` is
    found anywhere in the body, ASCII letters in either case.
    """

    request_id: str = ""
    kind: str = ""
    agent: str = ""
    event_type: str = ""
    actor: str = ""
    outcome: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    text: str = ""
    partition: int | None = None

    def sql(self) -> tuple[list[str], list[Any]]:
        """Conditions and their arguments."""
        where: list[str] = []
        args: list[Any] = []
        for column in ("request_id", "kind", "agent", "event_type"):
            if value := getattr(self, column):
                where.append(f"{column} = ?")
                args.append(value)
        for condition, bound in (("at_ms >= ?", self.since_ms), ("at_ms < ?", self.until_ms)):
            if bound is not None:
                where.append(condition)
                args.append(bound)
        if self.partition is not None:
            where.append("partition = ?")
            args.append(self.partition)
        if self.text:
            where.append("CAST(body AS TEXT) LIKE ? ESCAPE '\\'")
            escaped = self.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            args.append(f"%{escaped}%")
        if self.actor:
            where.append(f"{_ACTOR} = ?")
            args.append(self.actor)
        if self.outcome:
            where.append("(" + " OR ".join(f"{path} = ?" for path in _OUTCOMES) + ")")
            args.extend([self.outcome] * len(_OUTCOMES))
        return where, args


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, and the cursor of the next page; empty when there is none."""

    records: tuple[StoredRecord, ...]
    next: str


def query(
    path: Path, which: Filter | None = None, *, newest: bool = True, limit: int = 100, cursor: str = ""
) -> Page:
    """One page of records, newest or oldest first, in the order they arrived.

    Raises:
        NotFoundError: no store. UsageError: bad limit or cursor.
    """
    if not 1 <= limit <= _PAGE_LIMIT:
        raise UsageError(f"limit {limit} is out of range", hint=f"use 1 to {_PAGE_LIMIT}")
    if cursor and not cursor.isdecimal():
        raise UsageError(f"{cursor[:40]!r} is no cursor", hint="pass the `next` of the page before")
    with closing(schema.open_reader(path)) as connection, schema.translated(path):
        rows = _select(connection, which or Filter(), newest=newest, limit=limit + 1, cursor=cursor)
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(tuple(rows), str(rows[-1].seq) if more else "")


def select(path: Path, which: Filter | None = None) -> Iterator[StoredRecord]:
    """Every record that fits, oldest first, in constant memory."""
    with closing(schema.open_reader(path)) as connection, schema.translated(path):
        cursor = ""
        while rows := _select(connection, which or Filter(), newest=False, limit=_CHUNK, cursor=cursor):
            yield from rows
            cursor = str(rows[-1].seq)


def of_request(path: Path, request_id: str) -> tuple[StoredRecord, ...]:
    """The whole trail of one request, oldest first."""
    return tuple(select(path, Filter(request_id=request_id)))


def tail(
    path: Path,
    which: Filter | None = None,
    *,
    last: int = 10,
    follow: bool = False,
    poll: float = 0.2,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[StoredRecord]:
    """The last records, oldest first; with ``follow``, then each new one, until ``stopped()`` says so.

    Args:
        last: how many to begin with; 0 begins with what comes next.
        poll: seconds between looks.
    """
    with closing(schema.open_reader(path)) as connection:
        rows, seq = _begin(connection, path, which, last)
        yield from rows
        while follow and not stopped():
            rows = _newer(connection, path, which, seq)
            yield from rows
            seq = rows[-1].seq if rows else seq
            if not rows:
                time.sleep(poll)


async def follow(
    path: Path, which: Filter | None = None, *, last: int = 10, poll: float = 0.2
) -> AsyncIterator[StoredRecord]:
    """As `tail` with ``follow``, without holding up the event loop; ends when its task is cancelled."""
    with closing(schema.open_reader(path)) as connection:
        rows, seq = _begin(connection, path, which, last)
        for record in rows:
            yield record
        while True:
            rows = await asyncio.to_thread(_newer, connection, path, which, seq)
            for record in rows:
                yield record
            seq = rows[-1].seq if rows else seq
            if not rows:
                await asyncio.sleep(poll)


def heads(path: Path) -> tuple[Head, ...]:
    """The end of each partition's chain, as the store says: what an anchor is made of."""
    with closing(schema.open_reader(path)) as connection, schema.translated(path):
        rows = connection.execute(
            "SELECT partition, incarnation, n, next_n, entry_id, hash, total FROM heads ORDER BY partition"
        )
        return tuple(Head(*row) for row in rows)


def _begin(
    connection: sqlite3.Connection, path: Path, which: Filter | None, last: int
) -> tuple[list[StoredRecord], int]:
    """The last records that fit, oldest first, and the seq to go on from."""
    with schema.translated(path):
        end = int(connection.execute("SELECT COALESCE(MAX(seq), 0) FROM records").fetchone()[0])
        rows = _select(connection, which or Filter(), newest=True, limit=last, cursor=str(end + 1))
    return rows[::-1], end


def _newer(connection: sqlite3.Connection, path: Path, which: Filter | None, seq: int) -> list[StoredRecord]:
    with schema.translated(path):
        return _select(connection, which or Filter(), newest=False, limit=_CHUNK, cursor=str(seq))


def _select(
    connection: sqlite3.Connection, which: Filter, *, newest: bool, limit: int, cursor: str
) -> list[StoredRecord]:
    where, args = which.sql()
    if cursor:
        where.append("seq < ?" if newest else "seq > ?")
        args.append(int(cursor))
    condition = f"WHERE {' AND '.join(where)}" if where else ""
    order = "DESC" if newest else "ASC"
    sql = f"SELECT {COLUMNS} FROM records {condition} ORDER BY seq {order} LIMIT ?"  # noqa: S608 - fixed parts
    return [StoredRecord(*row) for row in connection.execute(sql, (*args, limit))]
