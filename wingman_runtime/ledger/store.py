"""The append-only store. Duties, in order:

1. hold the lock: one writer for one file;
2. take drafts from any task, and write everything that is waiting in one transaction (group commit);
3. give each record its place in its partition's chain, and move the partition's head in the same transaction;
4. never write a number twice: the same content again is nothing new, other content is noted as an anomaly;
5. after an error forget what is in memory, and begin again from the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import orjson

from wingman_runtime.errors import IntegrityError, UsageError
from wingman_runtime.ledger import schema
from wingman_runtime.ledger.chain import GENESIS, body_digest, link
from wingman_runtime.ledger.record import ANOMALY, NOTES, Draft, Record, body_data, columns_of

GROUP_LIMIT = 5000  # rows a transaction: past it a commit takes long enough to be felt as lag

_INSERT = (
    "INSERT INTO records (partition, incarnation, n, at_ms, kind, request_id, event_type, agent, body,"
    " prev_hash, hash) VALUES (?,?,?,?,?,?,?,?,?,?,?)"
)
_UPSERT = (
    "INSERT INTO heads (partition, incarnation, n, next_n, entry_id, hash, total) VALUES (?,?,?,?,?,?,?)"
    " ON CONFLICT (partition) DO UPDATE SET incarnation=excluded.incarnation, n=excluded.n,"
    " next_n=excluded.next_n, entry_id=excluded.entry_id, hash=excluded.hash, total=excluded.total"
)


class Head(NamedTuple):
    """The end of a partition's chain. ``entry_id`` is the last log entry that is stored."""

    partition: int
    incarnation: int = 1
    n: int = 0
    next_n: int = 1
    entry_id: str = "0-0"
    hash: bytes = GENESIS
    total: int = 0


@dataclass(slots=True)
class _Job:
    drafts: Sequence[Draft]
    cursor: tuple[int, str] | None
    done: Future[dict[int, Head]]


class AuditStore:
    """The writer's side of one audit store file.

    Args:
        path: the database, usually ``.wingman/audit.db``; folders are made.
        limit_bytes: refuse to grow past this size (as if the disk were full); None: no limit.

    Raises:
        ConflictError: another recorder writes this file.
        BackendRefusedError: no permission. IntegrityError: the file is damaged or something else.
    """

    def __init__(self, path: Path, *, limit_bytes: int | None = None) -> None:
        self.path = path
        self._limit = limit_bytes
        self._lock = schema.lock(path)
        self._connection: sqlite3.Connection | None = None
        self._heads: dict[int, Head] = {}
        self._identity = (0, 0)  # device and inode of the open file
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._mutex = threading.Lock()  # the connection: writer thread, and the rare look-up
        self._closed = False
        try:
            self._open()
        except BaseException:
            self._lock.close()
            raise
        self._thread = threading.Thread(target=self._write_loop, name="audit-writer", daemon=True)
        self._thread.start()

    def head(self, partition: int) -> Head:
        """The end of a partition's chain, as stored.

        Raises:
            BackendError: the file cannot be read now.
        """
        with self._mutex:
            self._open()
            return self._heads.get(partition, Head(partition))

    def find(self, partition: int, n: int) -> Record | None:
        """The stored record with this number, of the latest incarnation that has one."""
        with self._mutex, schema.translated(self.path):
            row = (
                self._open()
                .execute(
                    "SELECT n, at_ms, kind, request_id, body FROM records WHERE partition=? AND n=?"
                    " ORDER BY incarnation DESC LIMIT 1",
                    (partition, n),
                )
                .fetchone()
            )
        return Record(*row) if row else None

    async def append(
        self, drafts: Sequence[Draft], *, cursor: tuple[int, str] | None = None
    ) -> dict[int, Head]:
        """Append drafts; returns once they are on disk, together with whatever else was waiting.

        Args:
            drafts: in the order of their chain.
            cursor: (partition, id of the last log entry these drafts cover).

        Returns:
            The new heads of the partitions that were touched.

        Raises:
            BackendError: nothing of it was written; the call may be repeated.
        """
        return await asyncio.wrap_future(self.submit(drafts, cursor=cursor))

    def submit(
        self, drafts: Sequence[Draft], *, cursor: tuple[int, str] | None = None
    ) -> Future[dict[int, Head]]:
        """As `append`, for callers without an event loop."""
        if self._closed:
            raise UsageError("the audit store is closed", where=str(self.path), hint="open a new one")
        done: Future[dict[int, Head]] = Future()
        self._jobs.put(_Job(drafts, cursor, done))
        return done

    def set_limit(self, limit_bytes: int | None) -> None:
        """Change the size limit; takes effect with the next transaction."""
        with self._mutex:
            self._limit = limit_bytes
            self._forget()

    def close(self) -> None:
        """Write what is waiting, fold the write-ahead log into the file, give the lock back."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        self._thread.join()
        with self._mutex:
            if self._connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._forget()
        self._lock.close()

    def __enter__(self) -> AuditStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        connection = schema.open_writer(self.path)
        try:
            with schema.translated(self.path):
                if self._limit is not None:
                    size = int(connection.execute("PRAGMA page_size").fetchone()[0])
                    connection.execute(f"PRAGMA max_page_count={max(1, self._limit // size)}")
                rows = connection.execute(
                    "SELECT partition, incarnation, n, next_n, entry_id, hash, total FROM heads"
                ).fetchall()
        except BaseException:
            connection.close()
            raise
        self._heads = {row[0]: Head(*row) for row in rows}
        self._connection = connection
        self._identity = _identity(self.path)
        return connection

    def _forget(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None
        self._heads = {}

    def _write_loop(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            group, closing, waiting = [job], False, len(job.drafts)
            while waiting < GROUP_LIMIT:
                try:
                    more = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    closing = True
                    break
                group.append(more)
                waiting += len(more.drafts)
            self._write_group(group)
            if closing:
                return

    def _write_group(self, group: list[_Job]) -> None:
        # A caller that was cancelled meanwhile gets nothing written; from here on it can no longer cancel.
        group = [job for job in group if job.done.set_running_or_notify_cancel()]
        with self._mutex:
            try:
                with schema.translated(self.path):
                    heads = self._transaction(group)
            except Exception as error:
                self._forget()
                for job in group:
                    job.done.set_exception(error)
                return
            self._heads.update(heads)
        for job in group:
            job.done.set_result(heads)

    def _transaction(self, group: list[_Job]) -> dict[int, Head]:
        connection = self._open()
        if _identity(self.path) != self._identity:
            # Writing on into a file that has lost its name would keep nothing, and let the log be trimmed.
            raise IntegrityError(
                "the audit store was removed or replaced while it was being written",
                where=str(self.path),
                hint="find out who did it; recording goes on in a new file, which says what it lacks",
            )
        heads: dict[int, Head] = {}
        rows: list[tuple[object, ...]] = []
        for job in group:
            for draft in job.drafts:
                head = heads.get(draft.partition) or self._heads.get(draft.partition, Head(draft.partition))
                if (
                    draft.partition != NOTES
                    and head.total
                    and (draft.incarnation, draft.n)
                    <= (
                        head.incarnation,
                        head.n,
                    )
                ):
                    self._flush(connection, rows)
                    note = self._second_writing(connection, draft)
                    if note is not None:
                        notes = heads.get(NOTES) or self._heads.get(NOTES, Head(NOTES))
                        heads[NOTES] = _chain(notes, note, rows)
                    continue
                heads[draft.partition] = _chain(head, draft, rows)
            if job.cursor is not None:
                partition, entry_id = job.cursor
                head = heads.get(partition) or self._heads.get(partition, Head(partition))
                heads[partition] = head._replace(entry_id=entry_id)
        self._flush(connection, rows)
        if heads:
            self._begin(connection)
            connection.executemany(_UPSERT, list(heads.values()))
        if connection.in_transaction:
            connection.execute("COMMIT")
        return heads

    @staticmethod
    def _begin(connection: sqlite3.Connection) -> None:
        if not connection.in_transaction:
            connection.execute("BEGIN IMMEDIATE")

    def _flush(self, connection: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
        if rows:
            self._begin(connection)
            connection.executemany(_INSERT, rows)
            rows.clear()

    def _second_writing(self, connection: sqlite3.Connection, draft: Draft) -> Draft | None:
        """None when the same content is stored under this number; else the anomaly to note."""
        row = connection.execute(
            "SELECT at_ms, kind, request_id, body FROM records WHERE partition=? AND incarnation=? AND n=?",
            (draft.partition, draft.incarnation, draft.n),
        ).fetchone()
        if row == (draft.at_ms, draft.kind, draft.request_id, draft.body):
            return None
        return anomaly(
            "a number was written a second time with other content",
            partition=draft.partition,
            n=draft.n,
            request_id=draft.request_id,
            at_ms=draft.at_ms,
            kind=draft.kind,
            body=draft.body,
            stored=body_digest(row[3]).hex() if row else "",
        )


def _identity(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)


def anomaly(
    what: str,
    *,
    partition: int,
    n: int,
    request_id: str,
    at_ms: int,
    kind: str,
    body: bytes,
    stored: str = "",
) -> Draft:
    """A note about something the log should never hold; it keeps what was found, word for word."""
    found = {
        "what": what,
        "partition": partition,
        "n": str(n),
        "at_ms": str(at_ms),
        "kind": kind,
        "request_id": request_id,
        "found": body.decode(errors="backslashreplace"),
        "found_digest": body_digest(body).hex(),
        "stored_digest": stored,
    }
    text = orjson.dumps(found)
    return Draft(NOTES, 1, 0, int(time.time() * 1000), ANOMALY, request_id, text, 0)


def _chain(head: Head, draft: Draft, rows: list[tuple[object, ...]]) -> Head:
    """Put a draft at the end of its chain: appends the row, returns the new head."""
    partition, incarnation = draft.partition, draft.incarnation
    n, next_n = (head.next_n, head.next_n + 1) if partition == NOTES else (draft.n, draft.next_n)
    event_type, agent = columns_of(body_data(draft.body))
    digest = body_digest(draft.body)
    value = link(
        head.hash,
        partition=partition,
        incarnation=incarnation,
        n=n,
        at_ms=draft.at_ms,
        kind=draft.kind,
        request_id=draft.request_id,
        digest=digest,
    )
    place = (partition, incarnation, n, draft.at_ms, draft.kind, draft.request_id)
    # Python's sqlite3 asks every `bytes` whether it wants to be adapted, no `bytearray`.
    blobs = (bytearray(draft.body), bytearray(head.hash), bytearray(value))
    rows.append((*place, event_type, agent, *blobs))
    return Head(partition, incarnation, n, next_n, head.entry_id, value, head.total + 1)
