"""The newest ids of the trail."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.ledger.ledger_fakes import event_body
from wingman_runtime.ledger import recent
from wingman_runtime.ledger.recent import recent_approvals, recent_requests
from wingman_runtime.ledger.record import Draft
from wingman_runtime.ledger.store import AuditStore

# (partition, time within the id): in partition 1 and 10, whose names sort otherwise than their numbers.
PLACES = [(1, 1), (10, 2), (1, 3), (10, 4)]
IDS = [f"req_p{partition}_{time:032x}" for partition, time in PLACES]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Four requests of three records each; each asked for an approval."""
    path = tmp_path / "audit.db"
    counts: dict[int, int] = {}
    drafts = []
    for (partition, time), request in zip(PLACES, IDS, strict=True):
        asked = event_body(
            f"evt_{time}", "ApprovalRequested", "handshake", data={"approval_id": f"apr_{time}"}
        )
        for kind, body in (("event", b"{}"), ("event", asked), ("retry", b"no json")):
            n = counts[partition] = counts.get(partition, 0) + 1
            drafts.append(Draft(partition, 1, n, 1_000 * time, kind, request, body, n + 1))
    with AuditStore(path) as store:
        store.submit(drafts).result(10)
    return path


def test_requests_come_newest_first_across_partitions(path: Path) -> None:
    """By the time in their ids, each once, no more than were asked for."""
    assert recent_requests(path) == IDS[::-1]
    assert recent_requests(path, 2) == IDS[:1:-1]


def test_approvals_come_newest_first_from_the_last_records(path: Path) -> None:
    """Only so many records are looked at; one that is no JSON is passed over."""
    assert recent_approvals(path) == ["apr_4", "apr_3", "apr_2", "apr_1"]
    assert recent_approvals(path, 3) == ["apr_4"]


def test_ids_are_found_along_the_index(path: Path) -> None:
    """Each id is one step down the index of requests: the cost does not grow with the trail."""
    with closing(sqlite3.connect(path)) as connection:
        bounds = {"low": "req_p1_", "high": "req_p1_g", "limit": 5}
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {recent._REQUESTS}", bounds)]
    steps = [step for step in plan if "records" in step]
    assert len(steps) == 2
    assert all("SEARCH records USING COVERING INDEX records_request" in step for step in steps), plan
