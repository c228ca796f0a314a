"""The store's tables, its triggers, and how its file is opened and locked."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from wingman_runtime.errors import (
    BackendError,
    BackendRefusedError,
    ConflictError,
    IntegrityError,
    NotFoundError,
    WingmanError,
)

APPLICATION_ID = 0x574E4741  # "WNGA"
SCHEMA_VERSION = 1
PAGE_BYTES = 16384  # of a new file: a record has some 2 KB, and each page of a commit costs two writes
_FOLD_AT = 16 * 2**20  # bytes of write-ahead log; the commit that passes them folds them into the file
TRIGGERS = ("records_never_change", "records_never_vanish")
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS records (
  seq INTEGER PRIMARY KEY,               -- order of arrival; pages and tails go by it
  partition INTEGER NOT NULL,
  incarnation INTEGER NOT NULL,
  n INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  kind TEXT NOT NULL,
  request_id TEXT NOT NULL,
  event_type TEXT,                       -- derived from the body, for searching
  agent TEXT,                            -- derived from the body, for searching
  body BLOB NOT NULL,
  prev_hash BLOB NOT NULL,
  hash BLOB NOT NULL,
  UNIQUE (partition, incarnation, n)
);
CREATE INDEX IF NOT EXISTS records_request ON records (request_id, seq) WHERE request_id != '';
CREATE INDEX IF NOT EXISTS records_kind ON records (kind, seq);
CREATE INDEX IF NOT EXISTS records_agent ON records (agent, seq) WHERE agent IS NOT NULL;
CREATE INDEX IF NOT EXISTS records_time ON records (at_ms);
CREATE TABLE IF NOT EXISTS heads (
  partition INTEGER PRIMARY KEY,
  incarnation INTEGER NOT NULL,
  n INTEGER NOT NULL,                    -- of the last record
  next_n INTEGER NOT NULL,               -- the number expected next
  entry_id TEXT NOT NULL,                -- the last log entry that is stored
  hash BLOB NOT NULL,                    -- of the last record
  total INTEGER NOT NULL                 -- how many records the partition has
);
CREATE TRIGGER IF NOT EXISTS {TRIGGERS[0]} BEFORE UPDATE ON records
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER IF NOT EXISTS {TRIGGERS[1]} BEFORE DELETE ON records
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
"""


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, with what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path) from error


def _translate(error: sqlite3.Error, path: Path) -> WingmanError:
    name = getattr(error, "sqlite_errorname", "") or ""
    where, text = str(path), str(error)
    if name.startswith("SQLITE_FULL"):
        return BackendError(
            "no room left for the audit trail",
            where=where,
            hint="free disk space; recording goes on by itself, nothing is trimmed from the log meanwhile",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return BackendError(
            "another process keeps the audit store locked", where=where, hint="end that process, or wait"
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return BackendRefusedError(
            f"the audit store cannot be opened for this: {text}",
            where=where,
            hint="check that the folder exists and that this user may write to it",
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or text.startswith("no such "):
        return IntegrityError(
            f"the audit store is damaged: {text}",
            where=where,
            hint="keep the file as evidence, restore a backup beside it, and run `wingman audit verify`",
        )
    return BackendError(
        f"the audit store failed: {text}", where=where, hint="see the disk and the system log"
    )


def open_writer(path: Path) -> sqlite3.Connection:
    """A connection that appends. WAL, so that readers never wait; every commit is on disk (FULL).

    Raises:
        IntegrityError: the file is no audit store of this version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path, error) from error
    with translated(path):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            connection.execute(f"PRAGMA page_size={PAGE_BYTES}")  # no change to a file that has pages
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            page = int(connection.execute("PRAGMA page_size").fetchone()[0])
            connection.execute(f"PRAGMA wal_autocheckpoint={_FOLD_AT // page}")
            found = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if found not in (0, SCHEMA_VERSION):
                raise IntegrityError(
                    f"the audit store has schema {found}, this program knows {SCHEMA_VERSION}",
                    where=str(path),
                    hint="use the version of Wingman that wrote it",
                )
            if found == 0:
                connection.executescript(
                    f"BEGIN;{SCHEMA}PRAGMA application_id={APPLICATION_ID};"
                    f"PRAGMA user_version={SCHEMA_VERSION};COMMIT;"
                )
        except BaseException:
            connection.close()
            raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection; works beside a running recorder and on read-only media.

    Raises:
        NotFoundError: there is no store yet.
        IntegrityError: the file is no audit store.
    """
    if not path.is_file() or path.stat().st_size == 0:
        raise _not_yet(path)
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    with translated(path):
        try:
            return _probed(path, uri)
        except sqlite3.OperationalError:
            # A folder that cannot be written to has no room for WAL's index; without a WAL none is needed.
            if path.with_name(path.name + "-wal").exists():
                raise
            return _probed(path, uri + "&immutable=1")


def _not_yet(path: Path) -> NotFoundError:
    return NotFoundError(
        "there is no audit store yet",
        where=str(path),
        hint="start a recorder: `wingman dev`, or `wingman worker`",
    )


def _probed(path: Path, uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        # A recorder that is making the store has written the file's first page, and no table yet.
        if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
            raise _not_yet(path)
        connection.execute("SELECT 1 FROM records LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def lock(path: Path) -> BinaryIO:
    """Take the store's lock file: one recorder at a time. Closing the file, or dying, gives it back.

    A file of its own, since SQLite uses POSIX locks on the database and closing any handle drops those.

    Raises:
        ConflictError: somebody else records into this store.
    """
    name = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = name.open("a+b")
    except OSError as error:
        raise _unusable(name, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        holder = handle.read(32).decode(errors="replace").strip() or "unknown"
        handle.close()
        raise ConflictError(
            f"a recorder (process {holder}) already writes this audit store",
            where=str(path),
            hint="one recorder at a time: use the running one, or end it first",
        ) from error
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n".encode())
    handle.flush()
    return handle


def _unusable(path: Path, error: OSError) -> BackendRefusedError:
    return BackendRefusedError(
        f"the audit store cannot be used: {error.strerror or error}",
        where=str(path),
        hint="check that the folder exists and that this user may write to it",
    )
