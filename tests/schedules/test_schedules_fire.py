"""Schedules on the embedded server: each due time hands in one request, whoever is there to do it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.schedules.schedules_place import (
    DAILY,
    HOUR_MS,
    fired,
    kept,
    make_due,
    now_ms,
    project,
    rewrite,
    told,
)
from tests.worker.projects import Site, load, site, until
from wingman_runtime import bootstrap
from wingman_runtime.contracts.control import ControlMode, ControlRule, ControlTarget
from wingman_runtime.project.cron import parse_cron
from wingman_runtime.redisio import control, schedules
from wingman_runtime.redisio.admission import rules_of
from wingman_runtime.worker.schedules import fire_due


async def test_a_due_time_hands_in_one_request_as_its_actor(tmp_path: Path, backend_url: str) -> None:
    """It runs to its end as alice's; its trail says what fired it and for when; the schedule moves on. On
    both products, and with two partitions.
    """
    async with site(project(tmp_path / "p", backend_url, partitions=2)) as place:
        due = await now_ms(place) - 5_000
        await make_due(place, due)
        [request_id] = await fired(place, 1)
        request = place.client.request(request_id)
        assert (await request.result(10)).outcome == "completed"
        state = await request.state()
        assert (state.actor, state.tenant, state.intent) == ("alice", "demo", "note.write")
        assert (state.trigger, state.nominal_ms) == ("schedule:nightly", due)
        first = (await place.client.trail(request_id))[0]
        assert first.type == "UserRequestReceived"
        assert first.data["request"]["params"] == {"title": "t", "empty": []}
        assert first.record["trigger"] == "schedule:nightly"
        assert first.record["nominal_ms"] == due
        assert first.at_ms >= due + 5_000
        seen = await kept(place)
        assert (seen.last_ms, seen.last_request) == (due, request_id)
        assert seen.due_ms == parse_cron("0 6 * * *", "Europe/Berlin").after(due)


async def test_many_workers_fire_a_due_time_once(tmp_path: Path, valkey_url: str) -> None:
    """Four workers at the same due times: one request for each, in order."""
    async with site(project(tmp_path / "p", valkey_url), workers=4) as place:
        for number in range(1, 6):
            due = await now_ms(place) - 1
            await make_due(place, due)
            ids = await fired(place, number)
            state = await place.client.request(ids[-1]).state()
            assert state.nominal_ms == due

            async def moved(past: int = due) -> bool:
                return (await kept(place)).due_ms > past

            await until(moved)
        assert len(await place.client.request_ids()) == 5


async def test_a_due_time_set_back_is_not_handed_in_again(tmp_path: Path, valkey_url: str) -> None:
    """When the stored due time is put back, as by a restored server, the same due time is one request."""
    async with site(project(tmp_path / "p", valkey_url)) as place:
        due = await now_ms(place) - 1
        await make_due(place, due)
        await fired(place, 1)
        await make_due(place, due)

        async def moved() -> bool:
            return (await kept(place)).due_ms > due

        await until(moved)
        assert len(await place.client.request_ids()) == 1


async def test_a_loser_of_the_race_admits_nothing(tmp_path: Path, valkey_url: str) -> None:
    """Two firings that read the same due time at once: one request, no error."""
    loaded = project(tmp_path / "p", valkey_url)
    async with site(loaded, workers=0) as place:
        await make_due(place, await now_ms(place) - 1)
        rules = rules_of(loaded.settings)
        await asyncio.gather(*(fire_due(place.store, ["nightly"], rules, f"w{n}") for n in range(5)))
        assert len(await place.client.request_ids()) == 1


async def test_a_restart_at_the_due_time_neither_loses_nor_repeats(tmp_path: Path, valkey_url: str) -> None:
    """Due while nothing runs: the next worker hands it in; the one after finds nothing to do."""
    loaded = project(tmp_path / "p", valkey_url)
    async with site(loaded, workers=0) as place:
        await make_due(place, await now_ms(place) - 2 * HOUR_MS)
    async with site(loaded) as place:
        ids = await fired(place, 1)
    async with site(loaded) as place:
        other = await place.submit("note.write", flow="request")
        await other.result(10)
        assert set(await place.client.request_ids()) == {*ids, other.id}


async def test_one_catches_up_with_the_latest_and_says_what_it_passed_over(
    tmp_path: Path, valkey_url: str
) -> None:
    """Five missed hours under `catch_up: one`: the latest is handed in, the log names the others."""
    body = DAILY.replace("0 6 * * *", "0 * * * *")
    async with site(project(tmp_path / "p", valkey_url, body), workers=0) as place:
        now = await now_ms(place)
        hour = now - now % HOUR_MS
        await make_due(place, hour - 4 * HOUR_MS)
        await place.start()
        [request_id] = await fired(place, 1)
        assert (await place.client.request(request_id).state()).nominal_ms == hour
        [skipped] = await told(place, "schedule_skipped")
        assert (skipped["from_ms"], skipped["to_ms"]) == (hour - 4 * HOUR_MS, hour)
        assert "catch_up one" in skipped["reason"]


async def test_none_passes_over_what_is_late(tmp_path: Path, valkey_url: str) -> None:
    """`catch_up: none`: a due time hours ago is logged and skipped, one just now is handed in."""
    async with site(project(tmp_path / "p", valkey_url, DAILY + "  catch_up: none\n")) as place:
        await make_due(place, await now_ms(place) - 2 * HOUR_MS)

        async def skipped() -> object:
            return await told(place, "schedule_skipped")

        await until(skipped)
        assert await place.client.request_ids() == []
        await make_due(place, await now_ms(place) - 1_000)
        await fired(place, 1)


async def test_all_catches_up_with_so_many_in_order(tmp_path: Path, valkey_url: str) -> None:
    """`catch_up: all(3)` after ten missed hours: the latest three, oldest first."""
    body = DAILY.replace("0 6 * * *", "0 * * * *") + "  catch_up: all(3)\n"
    async with site(project(tmp_path / "p", valkey_url, body), workers=0) as place:
        now = await now_ms(place)
        hour = now - now % HOUR_MS
        await make_due(place, hour - 9 * HOUR_MS)
        await place.start()
        ids = await fired(place, 3)
        states = [await place.client.request(one).state() for one in ids]
        assert [one.nominal_ms for one in states] == [hour - 2 * HOUR_MS, hour - HOUR_MS, hour]
        created = [one.created_ms for one in states]
        assert created == sorted(created)


async def test_a_halted_schedule_waits_is_told_once_and_fires_on_resume(
    tmp_path: Path, valkey_url: str
) -> None:
    """A pause of the schedule holds its firing: nothing is admitted, and the log says so once."""
    async with site(project(tmp_path / "p", valkey_url)) as place:
        await place.client.pause("schedule:nightly", reason="a test")
        due = await now_ms(place) - 1_000
        await make_due(place, due)

        async def waits() -> object:
            return await told(place, "schedule_waits")

        await until(waits)
        # Look again at once, as it would after a while: it is not told twice.
        await make_due(place, due)
        await asyncio.wait_for(_looked_again(place, due), 10)
        assert len(await told(place, "schedule_waits")) == 1
        assert await place.client.request_ids() == []
        await place.client.resume("schedule:nightly", reason="done")
        await make_due(place, due)
        [request_id] = await fired(place, 1)
        assert (await place.client.request(request_id).state()).nominal_ms == due


async def _looked_again(place: Site, due: int) -> None:
    score = float(await place.store.call("ZSCORE", f"{place.store.keys(0).anchor}:due", "nightly"))
    while score <= due:
        await asyncio.sleep(0.02)
        score = float(await place.store.call("ZSCORE", f"{place.store.keys(0).anchor}:due", "nightly"))


async def test_other_words_keep_the_due_time_other_hours_begin_anew(tmp_path: Path, valkey_url: str) -> None:
    """A changed file: parameters do not move the due time, a changed cron does; dropped is dropped; the same
    file again changes nothing and logs nothing.
    """
    root = tmp_path / "p"
    async with site(project(root, valkey_url), workers=0) as place:
        await make_due(place, 1_000)
        rewrite(root, DAILY.replace("title: t", "title: other"))
        changed = await bootstrap.activate(load(root, valkey_url), place.store, by="test")
        assert [line.split()[:2] for line in changed] == [["schedule", "nightly"]]
        assert (await kept(place)).due_ms == 1_000
        assert await bootstrap.activate(load(root, valkey_url), place.store, by="test") == []
        rewrite(root, DAILY.replace("0 6", "0 7"))
        await bootstrap.activate(load(root, valkey_url), place.store, by="test")
        assert (await kept(place)).due_ms > await now_ms(place)
        rewrite(root, DAILY + "  enabled: false\n")
        await bootstrap.activate(load(root, valkey_url), place.store, by="test")
        assert (await kept(place)).due_ms == 0
        rewrite(root, "")
        assert await bootstrap.activate(load(root, valkey_url), place.store, by="test") == [
            "schedule nightly dropped"
        ]
        assert await schedules.listed(place.store) == []
        assert len(await told(place, "schedule_set")) == 4


async def test_a_clock_set_back_does_not_repeat_what_was_fired(tmp_path: Path, valkey_url: str) -> None:
    """The last firing was for a time that is still to come by the server's clock of now: a changed cron
    begins after it, and nothing is due until then.
    """
    root = tmp_path / "p"
    async with site(project(root, valkey_url), workers=1) as place:
        ahead = await now_ms(place) + 72 * HOUR_MS
        await place.store.call("HSET", place.store.keys(0).schedule("nightly"), "last", ahead)
        rewrite(root, DAILY.replace("0 6", "0 7"))
        await bootstrap.activate(load(root, valkey_url), place.store, by="test")
        assert ahead < (await kept(place)).due_ms <= ahead + 25 * HOUR_MS


async def test_a_halt_of_its_tenant_holds_it(tmp_path: Path, valkey_url: str) -> None:
    """What the schedule would run through is halted: it waits, and fires for the same due time afterwards."""
    async with site(project(tmp_path / "p", valkey_url), workers=1) as place:
        rule = ControlRule(
            target=ControlTarget.parse("tenant:demo"), mode=ControlMode.HALT, reason="a test", by="test"
        )
        await control.hold(place.store, rule)
        due = await now_ms(place) - 1_000
        await make_due(place, due)

        async def waits() -> object:
            return await told(place, "schedule_waits")

        [waiting] = await until(waits)
        assert "halted" in waiting["reason"]
        assert waiting["nominal_ms"] == due
        await place.client.resume("tenant:demo", reason="done")
        await make_due(place, due)
        [request_id] = await fired(place, 1)
        assert (await place.client.request(request_id).result(10)).outcome == "completed"


async def test_a_broken_definition_keeps_no_other_from_firing(tmp_path: Path, valkey_url: str) -> None:
    """A definition that cannot be read is told, and not tried again at every tick."""
    body = DAILY + DAILY.replace("nightly:", "other:")
    async with site(project(tmp_path / "p", valkey_url, body), workers=0) as place:
        keys = place.store.keys(0)
        await place.store.call("HSET", keys.schedules, "nightly", b'{"cron": 1}')
        due = await now_ms(place) - 1_000
        await make_due(place, due)
        await make_due(place, due, "other")
        await place.start()
        [request_id] = await fired(place, 1)
        assert (await place.client.request(request_id).state()).trigger == "schedule:other"

        async def waits() -> object:
            return await told(place, "schedule_waits")

        [waiting] = await until(waits)
        assert (waiting["schedule"], waiting["reason"]) == ("nightly", "broken")
        score = float(await place.store.call("ZSCORE", f"{keys.anchor}:due", "nightly"))
        assert score > await now_ms(place) + 30_000
