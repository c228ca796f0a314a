"""Every kind of tampering is found, and the record it was done to is named."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledger.ledger_fakes import REQUEST, draft, event_body, fill, intruder, stamp_body, withdraw
from wingman_runtime.errors import NotFoundError, UsageError
from wingman_runtime.ledger.chain import body_digest, link
from wingman_runtime.ledger.sense import EARLIER
from wingman_runtime.ledger.store import AuditStore
from wingman_runtime.ledger.verify import Verification, anchor_of, parse_anchor, verify

COLUMNS = "partition, incarnation, n, at_ms, kind, request_id, event_type, agent, body, prev_hash, hash"


def tampered(tmp_path: Path, *statements: str, count: int = 10) -> Verification:
    """Verification of a store of ``count`` records after an intruder ran these statements."""
    path = tmp_path / "audit.db"
    fill(path, count)
    connection = intruder(path)
    for statement in statements:
        connection.execute(statement)
    withdraw(connection)
    return verify(path)


def named(result: Verification) -> list[tuple[str, int | None]]:
    return [(finding.what, finding.n) for finding in result.findings]


def rehashed(row: tuple[Any, ...]) -> bytes:
    """The hash an intruder who knows the chain's rule computes for a row as selected by COLUMNS."""
    return link(
        row[9],
        partition=row[0],
        incarnation=row[1],
        n=row[2],
        at_ms=row[3],
        kind=row[4],
        request_id=row[5],
        digest=body_digest(row[8]),
    )


def test_an_untouched_store_is_green(tmp_path: Path) -> None:
    """No findings, no warnings, every record counted, progress told to the end."""
    path = tmp_path / "audit.db"
    fill(path, 10, partitions=2)
    told: list[tuple[int, int]] = []
    result = verify(path, progress=lambda done, total: told.append((done, total)))
    assert result.ok
    assert not result.warnings
    assert (result.records, told[-1]) == (20, (20, 20))


def test_no_store_is_not_a_green_store(tmp_path: Path) -> None:
    """Verifying a file that is not there is an error."""
    with pytest.raises(NotFoundError):
        verify(tmp_path / "audit.db")


def test_an_edited_body_is_named(tmp_path: Path) -> None:
    """A changed body: edited, record 4, and no other."""
    assert named(tampered(tmp_path, "UPDATE records SET body=CAST('{}' AS BLOB) WHERE n=4")) == [
        ("edited", 4)
    ]


@pytest.mark.parametrize(
    "change",
    [
        "at_ms=at_ms+1",
        "kind='admin'",
        "request_id='req_p0_other'",
        "event_type='ExecutionComplete'",
        "agent='executor'",
        "agent=NULL",
        "at_ms='soon'",
        "body='text'",
    ],
)
def test_an_edited_column_is_named(tmp_path: Path, change: str) -> None:
    """Any column that is changed: edited, record 7."""
    assert named(tampered(tmp_path, f"UPDATE records SET {change} WHERE n=7")) == [("edited", 7)]


def test_an_edited_hash_is_named(tmp_path: Path) -> None:
    """A changed hash: edited, at its record, and no other."""
    assert named(tampered(tmp_path, "UPDATE records SET hash=zeroblob(32) WHERE n=4")) == [("edited", 4)]


def test_a_deleted_record_is_named(tmp_path: Path) -> None:
    """Records missing in the middle: deleted, with the numbers."""
    result = tampered(tmp_path, "DELETE FROM records WHERE n BETWEEN 4 AND 6")
    assert named(result) == [("deleted", 4)]
    assert "records 4 to 6" in result.findings[0].detail


def test_a_deleted_beginning_is_named(tmp_path: Path) -> None:
    """A trail that does not begin with 1 and has no gap record: deleted."""
    assert named(tampered(tmp_path, "DELETE FROM records WHERE n=1")) == [("deleted", 1)]


def test_a_cut_tail_is_named(tmp_path: Path) -> None:
    """Records missing at the end: truncated, with the numbers."""
    result = tampered(tmp_path, "DELETE FROM records WHERE n>8")
    assert named(result) == [("truncated", 9)]
    assert "records 9 to 10" in result.findings[0].detail


def test_a_partition_that_vanished_is_named(tmp_path: Path) -> None:
    """All records of a partition missing: truncated from 1."""
    assert named(tampered(tmp_path, "DELETE FROM records")) == [("truncated", 1)]


def test_a_partition_that_vanished_with_its_head_is_found_by_an_anchor(tmp_path: Path) -> None:
    """Records and head cut together leave a shorter, valid trail: the anchor finds it."""
    path = tmp_path / "audit.db"
    fill(path, 10)
    anchor = parse_anchor(anchor_of(path))
    connection = intruder(path)
    connection.execute("DELETE FROM records WHERE n>8")
    connection.execute("UPDATE heads SET n=8, next_n=9, total=8, hash=(SELECT hash FROM records WHERE n=8)")
    withdraw(connection)
    assert verify(path).ok
    assert named(verify(path, anchor=anchor)) == [("anchor", 10)]


def test_an_anchor_finds_a_trail_rewritten_from_end_to_end(tmp_path: Path) -> None:
    """An intruder who recomputes every hash after his change is found by the anchor."""
    path = tmp_path / "audit.db"
    fill(path, 5)
    anchor = parse_anchor(anchor_of(path))
    connection = intruder(path)
    connection.execute(
        'UPDATE records SET body=CAST(\'{"agent":"scope_filter"}\' AS BLOB), event_type=NULL WHERE n=3'
    )
    prev = bytes(32)
    for n in range(1, 6):
        row = connection.execute(f"SELECT {COLUMNS} FROM records WHERE n=?", (n,)).fetchone()
        value = rehashed((*row[:9], prev, b""))
        connection.execute("UPDATE records SET prev_hash=?, hash=? WHERE n=?", (prev, value, n))
        prev = value
    connection.execute("UPDATE heads SET hash=?", (prev,))
    withdraw(connection)
    assert verify(path).ok
    assert named(verify(path, anchor=anchor)) == [("anchor", 5)]


def test_an_anchor_of_an_earlier_day_holds(tmp_path: Path) -> None:
    """A trail that has grown since the anchor was taken still contains it."""
    path = tmp_path / "audit.db"
    fill(path, 5)
    anchor = anchor_of(path)
    with AuditStore(path) as store:
        store.submit([draft(6)]).result(10)
    assert verify(path, anchor=parse_anchor(anchor)).ok
    with pytest.raises(UsageError):
        parse_anchor("not an anchor")


def test_swapped_records_are_named(tmp_path: Path) -> None:
    """Two records that exchanged their numbers: reordered, both, with where they were."""
    result = tampered(
        tmp_path,
        "UPDATE records SET n=-1 WHERE n=4",
        "UPDATE records SET n=4 WHERE n=8",
        "UPDATE records SET n=8 WHERE n=-1",
    )
    wrong = {(f.what, f.n, f.detail) for f in result.findings if "it was record" in f.detail}
    assert wrong == {("reordered", 4, "it was record 8"), ("reordered", 8, "it was record 4")}


def test_records_swapped_in_order_of_arrival_are_named(tmp_path: Path) -> None:
    """Two records that exchanged their places in the order of arrival: reordered."""
    result = tampered(
        tmp_path,
        "UPDATE records SET seq=-1 WHERE n=4",
        "UPDATE records SET seq=4 WHERE n=5",
        "UPDATE records SET seq=5 WHERE n=4",
    )
    assert named(result) == [("reordered", 5)]


def forge(path: Path, n: int, *, replace: bool) -> None:
    """A record with a right local hash, as new or in the place of the one with the same number."""
    connection = intruder(path)
    prev = connection.execute("SELECT hash FROM records WHERE n=?", (n - 1,)).fetchone()[0]
    body = event_body("evt_forged", "ExecutionApproved", "handshake")
    row = (0, 1, n, 5_000, "event", REQUEST, "ExecutionApproved", "handshake", body, prev, b"")
    verb = "REPLACE" if replace else "INSERT"
    seq = "(SELECT seq FROM records WHERE n=?)" if replace else "?+100"
    connection.execute(
        f"{verb} INTO records (seq, {COLUMNS}) VALUES ({seq},?,?,?,?,?,?,?,?,?,?,?)",
        (n, *row[:10], rehashed(row)),
    )
    withdraw(connection)


def test_a_forged_record_in_place_of_another_is_named(tmp_path: Path) -> None:
    """A forged record with its hash recomputed: replaced, since the next one does not follow from it."""
    path = tmp_path / "audit.db"
    fill(path, 10)
    forge(path, 6, replace=True)
    assert named(verify(path)) == [("replaced", 6)]


def test_a_forged_last_record_is_named(tmp_path: Path) -> None:
    """A forged record in place of the last one: replaced, since the head was not made from it."""
    path = tmp_path / "audit.db"
    fill(path, 10)
    forge(path, 10, replace=True)
    assert named(verify(path)) == [("replaced", 10)]


def test_a_forged_record_at_the_end_is_named(tmp_path: Path) -> None:
    """A forged record behind the last one, hash and all: inserted."""
    path = tmp_path / "audit.db"
    fill(path, 10)
    forge(path, 11, replace=False)
    assert named(verify(path)) == [("inserted", 11)]


def test_a_record_with_both_links_forged_is_named_itself(tmp_path: Path) -> None:
    """A forged record that follows from nothing: replaced, not its innocent predecessor."""
    path = tmp_path / "audit.db"
    fill(path, 10)
    connection = intruder(path)
    row = list(connection.execute(f"SELECT {COLUMNS} FROM records WHERE n=5").fetchone())
    row[9] = b"\x01" * 32
    connection.execute("UPDATE records SET prev_hash=?, hash=? WHERE n=5", (row[9], rehashed(tuple(row))))
    withdraw(connection)
    assert named(verify(path)) == [("replaced", 5)]


def test_an_invented_incarnation_is_found(tmp_path: Path) -> None:
    """A record of an incarnation that nothing began: found."""
    result = tampered(tmp_path, "UPDATE records SET incarnation=2 WHERE n=10")
    assert ("deleted", 10) in named(result)
    assert not result.ok


def test_an_edited_or_removed_head_is_found(tmp_path: Path) -> None:
    """The heads table is checked against the records."""
    path = tmp_path / "a"
    path.mkdir()
    assert named(tampered(path, "DELETE FROM heads")) == [("head", 10)]
    path = tmp_path / "b"
    path.mkdir()
    assert named(tampered(path, "UPDATE heads SET total=9")) == [("head", 10)]


def test_missing_triggers_are_found(tmp_path: Path) -> None:
    """Whoever removes the triggers leaves a trace, even if no record was touched."""
    path = tmp_path / "audit.db"
    fill(path)
    intruder(path).close()
    assert [finding.what for finding in verify(path).findings] == ["unguarded", "unguarded"]


def test_a_missing_table_is_found(tmp_path: Path) -> None:
    """Dropping a table is damage; an emptied file is no store."""
    for table in ("records", "heads"):
        path = tmp_path / table / "audit.db"
        fill(path)
        connection = intruder(path)
        connection.execute(f"DROP TABLE {table}")
        connection.close()
        assert "damaged" in {finding.what for finding in verify(path).findings}
    path.write_bytes(b"")
    with pytest.raises(NotFoundError):
        verify(path)


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    """Pages overwritten with noise lead to findings, never to a traceback."""
    path = tmp_path / "audit.db"
    fill(path, 300)
    raw = bytearray(path.read_bytes())
    raw[20_000:40_000] = b"\xa5" * 20_000
    path.write_bytes(raw)
    result = verify(path)
    assert not result.ok
    assert "damaged" in {finding.what for finding in result.findings}


def test_a_stamp_that_does_not_fit_its_response_is_found(tmp_path: Path) -> None:
    """A response digest that is not the response's: stamp, at its record. A right one is fine."""
    path = tmp_path / "audit.db"
    with AuditStore(path) as store:
        drafts = [
            draft(1, event_body("evt_1", "ExecutionComplete", "executor")),
            draft(2, stamp_body("evt_2", "evt_1")),
            draft(3, stamp_body("evt_3", "evt_1", forged=True)),
        ]
        store.submit(drafts).result(10)
    result = verify(path)
    assert named(result) == [("stamp", 3)]
    assert not result.warnings


def test_an_event_without_its_cause_is_a_warning(tmp_path: Path) -> None:
    """A cause that the trail does not hold before the event is reported, without failing the trail."""
    path = tmp_path / "audit.db"
    with AuditStore(path) as store:
        store.submit([draft(1, event_body("evt_1", "ExecutionComplete", "executor", cause="evt_9"))]).result(
            10
        )
    result = verify(path)
    assert result.ok
    assert [(warning.what, warning.n) for warning in result.warnings] == [("cause", 1)]


MUTATIONS = st.one_of(
    st.tuples(st.just("at_ms"), st.integers(0, 2**40)),
    st.tuples(st.just("n"), st.integers(-5, 40)),
    st.tuples(st.just("incarnation"), st.integers(-1, 3)),
    st.tuples(st.just("partition"), st.integers(-1, 3)),
    st.tuples(st.just("seq"), st.integers(1, 100)),
    st.tuples(st.sampled_from(["kind", "request_id", "event_type", "agent"]), st.text(max_size=12)),
    st.tuples(st.sampled_from(["body", "prev_hash", "hash"]), st.binary(max_size=40)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutation=MUTATIONS, n=st.integers(1, 8), recompute=st.booleans())
def test_any_single_mutation_is_detected(mutation: tuple[str, Any], n: int, recompute: bool) -> None:
    """Whatever one column of one record is changed to, with its own hash recomputed or not, is found."""
    column, value = mutation
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.db"
        fill(path, 8)
        connection = intruder(path)
        before = connection.execute(f"SELECT seq, {COLUMNS} FROM records ORDER BY seq").fetchall()
        connection.execute(f"UPDATE OR REPLACE records SET {column}=? WHERE n=?", (value, n))
        if recompute and column not in ("seq", "event_type", "agent", "hash"):
            where = (value if column == "n" else n,)
            row = connection.execute(f"SELECT {COLUMNS} FROM records WHERE n=?", where).fetchone()
            connection.execute("UPDATE records SET hash=? WHERE n=?", (rehashed(row), *where))
        after = connection.execute(f"SELECT seq, {COLUMNS} FROM records ORDER BY seq").fetchall()
        withdraw(connection)
        # The last record's seq may rise: nothing came after it, so its order of arrival is the same.
        same_order = column == "seq" and [row[1:] for row in before] == [row[1:] for row in after]
        assert verify(path).ok == (before == after or same_order)


def test_what_came_before_in_a_request_is_found_by_its_index(tmp_path: Path) -> None:
    """Asked once for each request: without the index a trail of millions would take hours to verify."""
    path = tmp_path / "audit.db"
    fill(path, 10)
    with contextlib.closing(intruder(path)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {EARLIER}", ("req", 5)).fetchall()
    assert [row[3] for row in plan] == ["SEARCH records USING INDEX records_request (request_id=? AND seq<?)"]
