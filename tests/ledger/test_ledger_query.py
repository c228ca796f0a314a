"""Questions to the trail: filters, pages, following."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from tests.ledger.ledger_fakes import REQUEST, draft, event_body, fill, stamp_body
from wingman_runtime.errors import NotFoundError, UsageError
from wingman_runtime.ledger.query import Filter, follow, of_request, query, select, tail
from wingman_runtime.ledger.record import Draft
from wingman_runtime.ledger.store import AuditStore

OTHER = "req_p0_" + "b" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "audit.db"
    bodies = [
        ("event", REQUEST, event_body("evt_1", "UserRequestReceived", "dispatcher", actor="alice")),
        ("event", OTHER, event_body("evt_2", "UserRequestReceived", "dispatcher", actor="bob")),
        ("retry", REQUEST, b'{"agent":"executor","error":"100% of_it\\\\failed"}'),
        ("event", OTHER, event_body("evt_3", "ExecutionBlocked", "handshake", data={"outcome": "blocked"})),
        ("event", REQUEST, stamp_body("evt_4", "evt_1")),
        ("control", "", b"no json at all"),
    ]
    with AuditStore(path) as store:
        drafts = [
            Draft(0, 1, n, 1_000 * n, kind, request, body, n + 1)
            for n, (kind, request, body) in enumerate(bodies, 1)
        ]
        store.submit(drafts).result(10)
    return path


@pytest.mark.parametrize(
    ("which", "found"),
    [
        (Filter(), [1, 2, 3, 4, 5, 6]),
        (Filter(request_id=OTHER), [2, 4]),
        (Filter(kind="retry"), [3]),
        (Filter(agent="dispatcher"), [1, 2]),
        (Filter(event_type="AuditStamped"), [5]),
        (Filter(actor="bob"), [2]),
        (Filter(outcome="blocked"), [4]),
        (Filter(outcome="completed"), [5]),
        (Filter(since_ms=2_000, until_ms=4_000), [2, 3]),
        (Filter(text="100% OF_IT\\\\"), [3]),
        (Filter(text="no json"), [6]),
        (Filter(text="%"), [3]),
        (Filter(agent="dispatcher", actor="alice"), [1]),
        (Filter(partition=1), []),
    ],
)
def test_each_filter_finds_exactly_its_records(path: Path, which: Filter, found: list[int]) -> None:
    """Filters narrow by what they name, together; special characters in a text mean themselves."""
    assert [record.n for record in select(path, which)] == found


def test_pages_cover_everything_once_in_both_directions(tmp_path: Path) -> None:
    """Following `next` gives every record once; the last page has none."""
    path = tmp_path / "audit.db"
    fill(path, 25)
    for newest, expected in ((True, list(range(25, 0, -1))), (False, list(range(1, 26)))):
        seen: list[int] = []
        cursor = ""
        for _ in range(3):
            page = query(path, newest=newest, limit=10, cursor=cursor)
            seen += [record.n for record in page.records]
            cursor = page.next
        assert seen == expected
        assert cursor == ""


def test_bad_questions_are_usage_errors(path: Path, tmp_path: Path) -> None:
    """A limit or cursor out of range is refused; a missing store is not found."""
    with pytest.raises(UsageError):
        query(path, limit=0)
    with pytest.raises(UsageError):
        query(path, cursor="1; DROP TABLE records")
    with pytest.raises(NotFoundError):
        query(tmp_path / "nowhere.db")


def test_of_request_is_its_whole_trail(path: Path) -> None:
    """All records of one request, oldest first, with their bodies as data."""
    assert [record.n for record in of_request(path, REQUEST)] == [1, 3, 5]
    assert of_request(path, REQUEST)[0].data()["event"]["actor"] == "alice"


def test_tail_begins_with_the_last_and_follows_what_comes(tmp_path: Path) -> None:
    """A following tail sees records appended by a writer beside it, each once, filter applied."""
    path = tmp_path / "audit.db"
    fill(path, 5)
    done = threading.Event()
    with AuditStore(path) as store:
        seen: list[int] = []
        for record in tail(path, Filter(kind="event"), last=2, follow=True, poll=0.01, stopped=done.is_set):
            seen.append(record.n)
            if record.n == 5:
                store.submit([draft(6), draft(7, kind="admin"), draft(8)]).result(10)
            if record.n == 8:
                done.set()
    assert seen == [4, 5, 6, 8]
    assert [record.n for record in tail(path, last=0)] == []


async def test_follow_is_tail_for_an_event_loop(tmp_path: Path) -> None:
    """The async form sees the same records."""
    path = tmp_path / "audit.db"
    fill(path, 3)
    seen: list[int] = []
    with AuditStore(path) as store:
        async with asyncio.timeout(10):
            async for record in follow(path, last=1, poll=0.01):
                seen.append(record.n)
                if record.n == 5:
                    break
                await store.append([draft(record.n + 1)])
    assert seen == [3, 4, 5]
