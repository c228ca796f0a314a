"""`submit(at=, delay=)`: accepted now, begun once at its time, and until then open and cancellable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.schedules.schedules_place import fired, project
from tests.worker.projects import site, until
from wingman_runtime.errors import ConflictError, ContractError, UsageError


async def test_a_delayed_request_waits_then_runs_once(tmp_path: Path, valkey_url: str) -> None:
    """Until its time it is open with one event in its trail; then it completes, and not before."""
    async with site(project(tmp_path / "p", valkey_url, ""), workers=2) as place:
        request = await place.submit("note.write", flow="request", delay=1.0)
        state = await request.state()
        assert state.status == "open"
        assert state.start_ms - state.created_ms == 1_000
        assert [one.type for one in await place.trail(request)] == ["UserRequestReceived"]
        assert (await request.result(10)).outcome == "completed"
        trail = await place.trail(request)
        assert trail[1].at_ms >= state.start_ms
        assert [one.type for one in trail].count("AuditStamped") == 1


async def test_a_moment_survives_workers_that_come_later(tmp_path: Path, valkey_url: str) -> None:
    """Nobody runs at its time: whoever comes next begins it; a moment that is past begins at once."""
    loaded = project(tmp_path / "p", valkey_url, "")
    async with site(loaded, workers=0) as place:
        soon = datetime.now(UTC) + timedelta(milliseconds=300)
        later = await place.submit("note.write", flow="request", at=soon)
        past = await place.submit("note.write", flow="request", at=datetime.now(UTC) - timedelta(hours=1))
        assert (await past.state()).start_ms == 0
    async with site(loaded) as place:
        for one in (later, past):
            assert (await place.client.request(one.id).result(10)).outcome == "completed"


async def test_a_cancelled_start_never_begins(tmp_path: Path, valkey_url: str) -> None:
    """Cancelled a day ahead it ends as cancelled at once, and nothing of it is left among the timers."""
    async with site(project(tmp_path / "p", valkey_url, "")) as place:
        request = await place.submit("note.write", flow="request", delay=timedelta(days=1))
        await request.cancel(reason="not needed", by="alice")
        assert (await request.result(10)).outcome == "cancelled"
        keys = place.store.keys(0)
        assert await place.store.call("ZCARD", keys.timers) == 0
        assert await place.store.call("EXISTS", f"{keys.anchor}:timer") == 0
        assert [one.agent for one in await place.trail(request) if one.kind == "event"][:1] == ["client"]
        assert "work" not in {one.agent for one in await place.trail(request)}


async def test_its_deadline_counts_from_its_start(tmp_path: Path, valkey_url: str) -> None:
    """A request for next month does not expire before it begins."""
    async with site(project(tmp_path / "p", valkey_url, ""), workers=0) as place:
        state = await (await place.submit("note.write", flow="request", delay=30 * 86_400)).state()
        assert state.deadline_ms == state.start_ms + 604_800_000


async def test_the_same_key_for_another_time_is_another_request(tmp_path: Path, valkey_url: str) -> None:
    """An idempotency key covers when: the same again is the same request, another delay a conflict."""
    async with site(project(tmp_path / "p", valkey_url, ""), workers=0) as place:
        more = {"flow": "request", "idempotency_key": "k"}
        first = await place.submit("note.write", delay=60, **more)
        assert (await place.submit("note.write", delay=60, **more)).id == first.id
        with pytest.raises(ConflictError):
            await place.submit("note.write", delay=61, **more)


async def test_a_pause_at_its_start_holds_it(tmp_path: Path, valkey_url: str) -> None:
    """Its time comes while everything is paused: it waits, and completes after the resume."""
    async with site(project(tmp_path / "p", valkey_url, "")) as place:
        request = await place.submit("note.write", flow="request", delay=0.2)
        await place.client.pause("all", reason="a test")

        async def due() -> bool:
            return bool(await place.store.call("ZCARD", place.store.keys(0).timers) == 0)

        await until(due)
        assert not (await request.state()).ended
        await place.client.resume("all", reason="done")
        assert (await request.result(10)).outcome == "completed"


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"at": datetime(2030, 1, 1)}, UsageError),
        ({"at": datetime.now(UTC), "delay": 1}, UsageError),
        ({"at": "2030-01-01"}, UsageError),
        ({"delay": "soon"}, UsageError),
        ({"delay": float("inf")}, ContractError),
        ({"delay": float("nan")}, ContractError),
        ({"delay": timedelta.max}, ContractError),
        ({"delay": -1}, ContractError),
        ({"delay": timedelta(days=400)}, ContractError),
        ({"at": datetime.now(UTC) + timedelta(days=400)}, ContractError),
    ],
)
async def test_what_is_no_time_is_refused(
    tmp_path: Path, valkey_url: str, how: dict[str, object], error: type[Exception]
) -> None:
    """No offset, both, negative, not a number, too far: refused before anything is admitted."""
    async with site(project(tmp_path / "p", valkey_url, ""), workers=0) as place:
        with pytest.raises(error):
            await place.submit("note.write", flow="request", **how)
        assert await place.client.request_ids() == []


async def test_firing_by_hand_is_its_own_request_in_the_name_of_who_does_it(
    tmp_path: Path, valkey_url: str
) -> None:
    """`schedules.run`: at once, linked to the schedule, judged as the person; the due time stays."""
    from wingman_runtime.errors import AdmissionClosedError, NotFoundError

    async with site(project(tmp_path / "p", valkey_url)) as place:
        [before] = await place.client.schedules.list()
        request = await place.client.schedules.run("nightly", reason="the report is late", by="bob")
        assert await fired(place, 1) == [request.id]
        state = await request.state()
        assert (state.actor, state.trigger, state.intent) == ("bob", "run:nightly", "note.write")
        first = (await place.trail(request))[0]
        assert first.record["reason"] == "the report is late"
        assert [one.due_ms for one in await place.client.schedules.list()] == [before.due_ms]
        with pytest.raises(NotFoundError):
            await place.client.schedules.run("nightli", reason="x")
        await place.client.pause("schedule:nightly", reason="a test")
        with pytest.raises(AdmissionClosedError):
            await place.client.schedules.run("nightly", reason="x")
        assert (await place.client.schedules.list())[0].held_by[0].reason == "a test"
