"""The store by itself: append-only, one transaction for what waits, errors that say what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.ledger.ledger_fakes import draft, fill
from wingman_runtime.errors import (
    BackendError,
    BackendRefusedError,
    IntegrityError,
    NotFoundError,
    UsageError,
)
from wingman_runtime.ledger import schema
from wingman_runtime.ledger.query import heads, query, select
from wingman_runtime.ledger.record import ANOMALY, NOTES
from wingman_runtime.ledger.store import AuditStore
from wingman_runtime.ledger.verify import verify


@pytest.mark.parametrize("statement", ["UPDATE records SET kind='x'", "DELETE FROM records"])
def test_records_refuse_change(tmp_path: Path, statement: str) -> None:
    """An ordinary connection can neither update nor delete a record."""
    path = tmp_path / "audit.db"
    fill(path)
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()
    assert verify(path).ok


def test_every_commit_is_on_disk_and_readers_do_not_wait(tmp_path: Path) -> None:
    """The writer uses WAL with synchronous=FULL."""
    with AuditStore(tmp_path / "audit.db") as store:
        connection = store._open()
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_store_with_pages_of_another_size_goes_on(tmp_path: Path) -> None:
    """A file made by an earlier version, with SQLite's own page size, is written on and folds as early."""
    path = tmp_path / "audit.db"
    old = sqlite3.connect(path)
    old.execute("PRAGMA page_size=4096")
    old.execute("PRAGMA journal_mode=WAL")
    old.executescript(f"{schema.SCHEMA}PRAGMA user_version={schema.SCHEMA_VERSION};")
    old.close()
    fill(path, 5)
    with AuditStore(path) as store:
        assert store._open().execute("PRAGMA page_size").fetchone() == (4096,)
        assert store._open().execute("PRAGMA wal_autocheckpoint").fetchone() == (4096,)
        assert store.head(0).n == 5
    assert verify(path).ok


def test_a_store_in_the_making_is_not_there_yet(tmp_path: Path) -> None:
    """A reader that comes while a recorder makes the file is told to wait, not that the file is damaged."""
    path = tmp_path / "audit.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    assert path.stat().st_size > 0
    with pytest.raises(NotFoundError, match="no audit store yet"):
        heads(path)
    connection.close()


def test_the_same_content_again_is_nothing_new(tmp_path: Path) -> None:
    """Appending stored drafts again changes nothing."""
    path = tmp_path / "audit.db"
    fill(path, 5)
    with AuditStore(path) as store:
        store.submit([draft(n) for n in range(3, 8)]).result(10)
        assert store.head(0).n == 7
    assert [r.n for r in select(path)] == [1, 2, 3, 4, 5, 6, 7]


def test_other_content_under_a_stored_number_is_noted_not_stored(tmp_path: Path) -> None:
    """The stored record stays; what came is kept whole in the recorder's notes, in a chain of their own."""
    path = tmp_path / "audit.db"
    fill(path, 3)
    with AuditStore(path) as store:
        store.submit([draft(2, b'{"other":1}'), draft(4), draft(3, b'{"other":2}')]).result(10)
    notes = [r for r in select(path) if r.partition == NOTES]
    assert [(r.kind, r.n, r.data()["found"]) for r in notes] == [
        (ANOMALY, 1, '{"other":1}'),
        (ANOMALY, 2, '{"other":2}'),
    ]
    assert [r.n for r in select(path) if r.partition == 0] == [1, 2, 3, 4]
    result = verify(path)
    assert result.ok
    assert [w.what for w in result.warnings] == ["anomaly", "anomaly"]


def test_head_and_cursor_move_with_the_records(tmp_path: Path) -> None:
    """After a reopening the head is where the last transaction left it, cursor included."""
    path = tmp_path / "audit.db"
    fill(path, 5)
    with AuditStore(path) as store:
        head = store.head(0)
        assert (head.n, head.next_n, head.entry_id, head.total) == (5, 6, "5-0", 5)
    assert heads(path) == (head,)


def test_a_group_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """With no room for all of it, none of the drafts is stored, and the error says what to do."""
    path = tmp_path / "audit.db"
    with AuditStore(path, limit_bytes=128 * 1024) as store:
        store.submit([draft(1)]).result(10)
        with pytest.raises(BackendError, match="free disk space"):
            store.submit([draft(n, b"x" * 4096) for n in range(2, 60)]).result(10)
        store.submit([draft(2)]).result(10)
    assert [r.n for r in select(path)] == [1, 2]
    assert verify(path).ok


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    """A damaged or foreign file is an integrity error, and is left as it is."""
    path = tmp_path / "audit.db"
    path.write_bytes(b"this is no database at all, not even nearly" * 100)
    with pytest.raises(IntegrityError, match="evidence"):
        AuditStore(path)
    assert path.read_bytes().startswith(b"this is no database")
    with pytest.raises(IntegrityError):
        query(path)


def test_a_store_of_a_later_version_is_refused(tmp_path: Path) -> None:
    """A schema this program does not know is not written to."""
    path = tmp_path / "audit.db"
    fill(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(IntegrityError, match="schema 99"):
        AuditStore(path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A path below a file, as an example of no way in, names the path and what to check."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendRefusedError, match="check that the folder exists"):
        AuditStore(tmp_path / "file" / "audit.db")


def test_a_store_on_read_only_media_can_be_read(tmp_path: Path) -> None:
    """Queries and verification need no right to write."""
    path = tmp_path / "folder" / "audit.db"
    fill(path)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        assert verify(path).ok
        assert len(query(path).records) == 10
    finally:
        path.parent.chmod(0o755)


def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    """After close a submit is a usage error; what was submitted before is stored."""
    path = tmp_path / "audit.db"
    store = AuditStore(path)
    waiting = [store.submit([draft(n)]) for n in range(1, 20)]
    store.close()
    assert all(future.done() for future in waiting)
    with pytest.raises(UsageError):
        store.submit([draft(20)])
    assert [r.n for r in select(path)] == list(range(1, 20))
