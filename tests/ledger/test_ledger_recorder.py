"""The recorder over an in-memory log: order, trimming, gaps, restored servers, failing disks and servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.ledger.ledger_fakes import MemoryLog, event_body
from wingman_runtime.errors import ConflictError
from wingman_runtime.ledger.query import query, select
from wingman_runtime.ledger.record import ANOMALY, GAP, NEW_INCARNATION, NOTES
from wingman_runtime.ledger.recorder import Recorder
from wingman_runtime.ledger.source import LogEntry, LogSource
from wingman_runtime.ledger.store import AuditStore
from wingman_runtime.ledger.verify import verify


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - health has no event to wait for
            await asyncio.sleep(0.005)


@asynccontextmanager
async def recording(source: LogSource, store: AuditStore, **options: int) -> AsyncIterator[Recorder]:
    recorder = Recorder(source, store, block_ms=20, backoff=0.05, **options)
    stop = asyncio.Event()
    task = asyncio.create_task(recorder.run(stop))
    try:
        yield recorder
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def record_all(source: LogSource, path: Path, **options: int) -> None:
    with AuditStore(path) as store:
        async with recording(source, store, **options):
            pass


def numbers(path: Path, partition: int = 0) -> list[tuple[int, int, str]]:
    return [(r.incarnation, r.n, r.kind) for r in select(path) if r.partition == partition]


async def test_everything_is_stored_in_order_and_the_log_is_trimmed_through_it(tmp_path: Path) -> None:
    """Each partition's records are stored in order, verify is green, and nothing remains in the log."""
    source = MemoryLog(partitions=2)
    for i in range(250):
        source.add(event_body(f"evt_{i}", "RequestValidated", "scope_filter"), partition=i % 2)
    path = tmp_path / "audit.db"
    await record_all(source, path, batch=40)
    assert [n for _, n, _ in numbers(path, 0)] == list(range(1, 126))
    assert [n for _, n, _ in numbers(path, 1)] == list(range(1, 126))
    assert source.entries == {0: [], 1: []}
    result = verify(path)
    assert result.ok
    assert not result.warnings
    assert result.records == 250


async def test_stopping_first_stores_what_the_log_holds(tmp_path: Path) -> None:
    """Setting stop drains what was in the log at that moment before run returns."""
    source = MemoryLog()
    with AuditStore(tmp_path / "audit.db") as store:
        async with recording(source, store, batch=10):
            await asyncio.sleep(0.05)
            for _ in range(95):
                source.add()
    assert len(numbers(tmp_path / "audit.db")) == 95


async def test_what_follows_gathers_and_stopping_does_not_wait_for_it(tmp_path: Path) -> None:
    """The first entry is stored at once; what comes while the recorder lingers is stored when it stops."""
    source, path = MemoryLog(), tmp_path / "audit.db"
    with AuditStore(path) as store:
        async with recording(source, store, linger_ms=3_600_000) as recorder:
            source.add()
            await until(lambda: recorder.health().partitions[0].stored_n == 1)
            for _ in range(20):
                source.add()
    assert [n for _, n, _ in numbers(path)] == list(range(1, 22))
    assert len(source.trimmed) == 2


async def test_a_full_read_is_followed_by_the_next_at_once(tmp_path: Path) -> None:
    """Lingering holds nothing up while there is a whole batch to store."""
    source = MemoryLog()
    with AuditStore(tmp_path / "audit.db") as store:
        for _ in range(31):
            source.add()
        async with recording(source, store, batch=10, linger_ms=3_600_000) as recorder:
            await until(lambda: recorder.health().partitions[0].stored_n == 31)
    assert len(source.trimmed) == 4


async def test_a_gap_is_recorded_and_named(tmp_path: Path) -> None:
    """Numbers the log skips become a gap record in their place; verify warns of it and stays green."""
    source = MemoryLog()
    source.add()
    source.heads[0] = 4
    source.add()
    path = tmp_path / "audit.db"
    await record_all(source, path)
    assert numbers(path) == [(1, 1, "event"), (1, 2, GAP), (1, 5, "event")]
    result = verify(path)
    assert result.ok
    assert [(w.what, w.n) for w in result.warnings] == [("gap", 2)]
    assert "2 to 4" in result.warnings[0].detail


async def test_what_is_read_again_after_a_crash_before_the_trim_is_stored_once(tmp_path: Path) -> None:
    """Entries stored but not trimmed are recognised when they are read again."""
    source = MemoryLog()
    for _ in range(5):
        source.add()
    before = source.snapshot()
    path = tmp_path / "audit.db"
    await record_all(source, path)
    source.restore(before)
    source.add()
    await record_all(source, path)
    assert [n for _, n, _ in numbers(path)] == [1, 2, 3, 4, 5, 6]
    assert source.entries[0] == []
    assert not verify(path).warnings


async def test_an_emptied_server_begins_a_new_incarnation(tmp_path: Path) -> None:
    """A server that counts from 1 again adds to the trail, after a record that says so; old records stay."""
    source = MemoryLog()
    for _ in range(3):
        source.add(b'{"old":1}')
    path = tmp_path / "audit.db"
    await record_all(source, path)
    source.restore(({0: []}, {0: 0}))
    await record_all(source, path)
    assert numbers(path)[3:] == [(2, 0, NEW_INCARNATION)]
    source.add(b'{"new":1}')
    await record_all(source, path)
    assert numbers(path)[3:] == [(2, 0, NEW_INCARNATION), (2, 1, "event")]
    result = verify(path)
    assert result.ok
    assert [w.what for w in result.warnings] == ["new_incarnation"]


async def test_a_restored_server_shares_its_past_and_goes_its_own_way(tmp_path: Path) -> None:
    """After a restore to record 4, records 5 and 6 of the new history are kept beside those of the old."""
    source = MemoryLog()
    for i in range(4):
        source.add(b'{"i":%d}' % i)
    backup = source.snapshot()
    for _ in range(4):
        source.add(b'{"lost":1}')
    path = tmp_path / "audit.db"
    await record_all(source, path)
    source.restore(backup)
    source.add(b'{"again":1}')
    source.add(b'{"again":2}')
    await record_all(source, path)
    assert numbers(path)[8:] == [(2, 0, NEW_INCARNATION), (2, 5, "event"), (2, 6, "event")]
    assert verify(path).ok


async def test_a_restored_server_that_has_overtaken_the_store_is_noticed(tmp_path: Path) -> None:
    """The numbers go on past the stored ones, yet the diverging history between is not taken for the old."""
    source = MemoryLog()
    for i in range(3):
        source.add(b'{"i":%d}' % i)
    backup: tuple[dict[int, list[LogEntry]], dict[int, int]] = ({0: []}, {0: 1})
    path = tmp_path / "audit.db"
    await record_all(source, path)
    source.restore(backup)
    for i in range(5):
        source.add(b'{"new":%d}' % i)
    await record_all(source, path)
    assert numbers(path)[3:] == [(2, 0, NEW_INCARNATION), *[(2, n, "event") for n in range(2, 7)]]
    assert verify(path).ok


async def test_flushing_a_running_server_is_noticed(tmp_path: Path) -> None:
    """A log emptied under a running recorder leads to a new incarnation, without any error in between."""
    source = MemoryLog()
    path = tmp_path / "audit.db"
    with AuditStore(path) as store:
        async with recording(source, store) as recorder:
            for _ in range(3):
                source.add(b'{"old":1}')
            await until(lambda: recorder.health().partitions[0].stored_n == 3)
            source.restore(({0: []}, {0: 0}))
            source.add(b'{"new":1}')
            await until(lambda: recorder.health().partitions[0].incarnation == 2)
    assert (2, 1, "event") in numbers(path)


async def test_a_forged_entry_is_noted_and_does_not_stop_or_shift_the_trail(tmp_path: Path) -> None:
    """An entry with a used number, one past the head and one of the recorder's own kinds become anomalies."""
    source = MemoryLog()
    for _ in range(3):
        source.add()
    path = tmp_path / "audit.db"
    await record_all(source, path)
    source.put(2, b'{"forged":1}')
    source.put(1000, b'{"forged":2}')
    source.heads[0] = 5
    source.put(4)
    source.put(5, kind=GAP)
    source.add()
    await record_all(source, path)
    assert numbers(path) == [*[(1, n, "event") for n in range(1, 5)], (1, 5, GAP), (1, 6, "event")]
    notes = [r for r in select(path) if r.partition == NOTES]
    assert [r.kind for r in notes] == [ANOMALY] * 3
    assert b"forged" in notes[0].body
    result = verify(path)
    assert result.ok
    assert [w.what for w in result.warnings].count("anomaly") == 3


async def test_unstorable_values_cannot_stop_the_recorder(tmp_path: Path) -> None:
    """Lone surrogates and bodies that are no JSON are stored; the records after them too."""
    source = MemoryLog()
    source.add(b"\xff\x00 not json", kind="ev\udcffent", request="\ud800")
    source.add()
    path = tmp_path / "audit.db"
    await record_all(source, path)
    assert [n for _, n, _ in numbers(path)] == [1, 2]
    assert verify(path).ok


async def test_a_full_disk_holds_the_trimming_and_heals(tmp_path: Path) -> None:
    """With no room left the recorder says so and trims nothing; given room it stores everything."""
    source = MemoryLog()
    path = tmp_path / "audit.db"
    with AuditStore(path, limit_bytes=128 * 1024) as store:
        async with recording(source, store, batch=20) as recorder:
            for i in range(200):
                source.add(b'{"i":%d,"pad":"%s"}' % (i, b"x" * 2000))
            await until(lambda: "no room left" in recorder.health().last_error)
            assert not recorder.health().ok
            stuck = recorder.health().partitions[0].stored_n
            assert source.entries[0][0].n == stuck + 1
            assert source.entries[0][-1].n == 200
            store.set_limit(None)
            await until(lambda: recorder.health().ok and recorder.health().partitions[0].stored_n == 200)
    assert source.entries[0] == []
    assert [n for _, n, _ in numbers(path)] == list(range(1, 201))
    assert verify(path).ok


async def test_an_unreachable_server_is_reported_and_waited_for(tmp_path: Path) -> None:
    """While the server is away health says so; afterwards recording goes on where it was."""
    source = MemoryLog()
    path = tmp_path / "audit.db"
    with AuditStore(path) as store:
        async with recording(source, store) as recorder:
            source.add()
            await until(lambda: recorder.health().ok and recorder.health().partitions[0].stored_n == 1)
            source.unreachable = True
            await until(lambda: not recorder.health().ok)
            assert "away" in recorder.health().last_error
            source.unreachable = False
            source.add()
            await until(lambda: recorder.health().ok and recorder.health().partitions[0].stored_n == 2)
            assert recorder.health().lag == 0
    assert [n for _, n, _ in numbers(path)] == [1, 2]


async def test_a_store_begun_late_says_what_it_does_not_hold(tmp_path: Path) -> None:
    """A new store on a log that was trimmed before begins with a gap from 1."""
    source = MemoryLog()
    source.heads[0] = 56
    source.add()
    path = tmp_path / "audit.db"
    await record_all(source, path)
    assert numbers(path) == [(1, 1, GAP), (1, 57, "event")]
    assert query(path).records[-1].data() == {"partition": 0, "from": 1, "to": 56}


def test_a_second_recorder_is_refused(tmp_path: Path) -> None:
    """One store, one writer: the second gets an error naming the first; after it has gone, it may."""
    path = tmp_path / "audit.db"
    with AuditStore(path), pytest.raises(ConflictError, match=r"process \d+"):
        AuditStore(path)
    AuditStore(path).close()


def remove_store(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


async def test_a_store_removed_beneath_the_recorder_is_noticed(tmp_path: Path) -> None:
    """Nothing is written into a nameless file: a new store begins, and says which records it lacks."""
    source = MemoryLog()
    path = tmp_path / "audit.db"
    with AuditStore(path) as store:
        async with recording(source, store) as recorder:
            for _ in range(3):
                source.add()
            await until(lambda: recorder.health().partitions[0].stored_n == 3)
            remove_store(path)
            source.add()
            await until(lambda: recorder.health().ok and recorder.health().partitions[0].stored_n == 4)
    assert numbers(path) == [(1, 1, GAP), (1, 4, "event")]


async def test_an_unexpected_error_does_not_end_the_recorder(tmp_path: Path) -> None:
    """A source that breaks in a way nobody foresaw is reported and tried again."""

    class Broken(MemoryLog):
        broken = True

        async def read(self, partition: int, after: str, count: int, block_ms: int) -> list[LogEntry]:
            if self.broken:
                raise KeyError("n")
            return await super().read(partition, after, count, block_ms)

    source = Broken()
    source.add()
    path = tmp_path / "audit.db"
    with AuditStore(path) as store:
        async with recording(source, store) as recorder:
            await until(lambda: recorder.health().last_error != "")
            assert not recorder.health().ok
            source.broken = False
            await until(lambda: recorder.health().ok)
    assert numbers(path) == [(1, 1, "event")]
