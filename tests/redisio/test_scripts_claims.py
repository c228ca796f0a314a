"""Claims on entries: renew, release, reclaim and leave act only for the owner; timers deliver once."""

from __future__ import annotations

import asyncio

import pytest

from tests.redisio.harness import House, bury, done, park, retry
from wingman_runtime.redisio import inbox, timers, workers
from wingman_runtime.redisio.keys import GROUP

MINUTE = 60_000


async def reclaim(house: House, worker: str, *, idle_ms: int = 0, count: int = 100) -> list[inbox.Entry]:
    return await inbox.reclaim(house.store, 0, "a", worker, idle_ms=idle_ms, count=count)


async def aged(house: House, entry: inbox.Entry) -> None:
    """As if the owner of an entry in the hands of ``w1`` had not been heard of for two minutes."""
    stream = house.store.keys(0).inbox("a")
    await house.call("XCLAIM", stream, GROUP, "w1", 0, entry.entry_id, "IDLE", 2 * MINUTE, "RETRYCOUNT", 1)


async def owner(house: House) -> str:
    return next(reader.consumer for reader in await workers.readers(house.store, 0, "a") if reader.pending)


async def test_a_zombies_renewal_does_not_steal_the_entry_back(house: House) -> None:
    """After another has reclaimed it, renewing tells the old owner that it is lost and changes nothing."""
    _, entry = await house.started()
    await reclaim(house, "w2")
    assert await inbox.renew(house.store, 0, "a", "w1", [entry.entry_id, "1-1"]) == [entry.entry_id, "1-1"]
    assert await owner(house) == "w2"
    assert await inbox.renew(house.store, 0, "a", "w2", [entry.entry_id]) == []


async def test_renewing_keeps_an_entry_from_being_reclaimed(house: House) -> None:
    """A renewal resets the idle time and counts no delivery."""
    _, entry = await house.started()
    await aged(house, entry)
    assert await inbox.renew(house.store, 0, "a", "w1", [entry.entry_id]) == []
    assert await reclaim(house, "w2", idle_ms=MINUTE) == []
    await aged(house, entry)
    [taken] = await reclaim(house, "w2", idle_ms=MINUTE)
    assert taken.deliveries == 2
    assert (taken.event_id, taken.body) == (entry.event_id, entry.body)


async def test_reclaiming_counts_each_delivery(house: House) -> None:
    """A worker that dies costs a delivery each time, so that poison is noticed; one's own entries stay."""
    await house.started()
    for round_, worker in enumerate(("w2", "w3", "w2", "w3"), start=2):
        assert await reclaim(house, worker, idle_ms=60_000) == []
        [entry] = await reclaim(house, worker)
        assert entry.deliveries == round_
        assert await reclaim(house, worker) == []


async def test_own_idle_entries_do_not_hide_those_of_others(house: House) -> None:
    """With many idle entries of its own in front, a worker still finds the dead worker's behind them."""
    for _ in range(5):
        await house.admit()
    await house.forward()
    await house.fetch("a", "w1", count=4)
    theirs = await house.fetch("a", "dead", count=1)
    found = await reclaim(house, "w1", count=2)
    assert [entry.entry_id for entry in found] == [theirs[0].entry_id]


async def test_releasing_gives_the_entry_back_uncounted(house: House) -> None:
    """A released entry is at once there for another, at the same count; a stranger releases nothing."""
    request_id, entry = await house.started()
    assert await inbox.release(house.store, 0, "a", "w2", [entry.entry_id]) == 0
    for _ in range(7):
        assert await inbox.release(house.store, 0, "a", "w1", [entry.entry_id]) == 1
        entry = await house.take("a")
        assert entry.deliveries == 1
    await house.commit(done(entry, "Finished"))
    await house.close(request_id, "completed")


async def test_what_a_lost_reply_held_is_found_uncounted(house: House) -> None:
    """A worker whose read was answered into the void finds its entries again; looking counts no delivery."""
    _, entry = await house.started()
    for _ in range(3):
        [found] = await inbox.mine(house.store, 0, "a", "w1", count=10)
        assert found == entry
    assert await inbox.mine(house.store, 0, "a", "w2", count=10) == []
    await inbox.release(house.store, 0, "a", "w1", [entry.entry_id])
    assert (await house.take("a")).deliveries == 1


@pytest.mark.parametrize("verb", ["reclaim", "renew", "release", "mine"])
async def test_a_claim_on_a_deleted_entry_is_an_anomaly(house: House, verb: str) -> None:
    """Whoever touches a pending entry that was deleted from outside takes it off the list and says so."""
    _, entry = await house.started()
    await house.call("XDEL", house.store.keys(0).inbox("a"), entry.entry_id)
    if verb == "reclaim":
        assert await reclaim(house, "w2") == []
    elif verb == "renew":
        assert await inbox.renew(house.store, 0, "a", "w1", [entry.entry_id]) == [entry.entry_id]
    elif verb == "release":
        assert await inbox.release(house.store, 0, "a", "w1", [entry.entry_id]) == 0
    else:
        assert await inbox.mine(house.store, 0, "a", "w1", count=10) == []
    assert await house.pending("a") == 0
    told = {"anomaly": "pending_without_entry", "agent": "a", "entry": entry.entry_id, "owner": "w1"}
    assert await house.anomalies() == [told]


async def test_a_step_whose_entry_was_deleted_can_still_be_finished(house: House) -> None:
    """The claim proves ownership, not existence: what was worked on commits, or is buried; it is not
    parked.
    """
    request_id, entry = await house.started()
    await house.call("XDEL", house.store.keys(0).inbox("a"), entry.entry_id)
    assert [v.kind for v in await house.commit(park(entry))] == ["fenced"]
    assert [v.kind for v in await house.commit(retry(entry, 0))] == ["fenced"]
    assert [v.kind for v in await house.commit(done(entry, "Finished"))] == ["committed"]
    await house.close(request_id, "completed")
    _, entry = await house.started()
    await house.call("XDEL", house.store.keys(0).inbox("a"), entry.entry_id)
    assert [v.kind for v in await house.commit(bury(entry))] == ["committed"]
    assert (await house.take("rollback")).event_type == "DeadLettered"


async def test_leaving_is_refused_while_entries_are_pending(house: House) -> None:
    """A consumer with pending entries stays: deleting it would lose them. Then it goes."""
    _, entry = await house.started()
    assert await inbox.leave(house.store, 0, "a", "w1") is False
    assert await house.pending("a") == 1
    await house.commit(done(entry, "Next"))
    assert await inbox.leave(house.store, 0, "a", "w1") is True
    assert await inbox.leave(house.store, 0, "a", "never-there") is True
    assert await workers.readers(house.store, 0, "a") == []


async def test_a_retry_waits_its_time_and_carries_the_count(house: House) -> None:
    """Each retry comes back after its delay, at the next delivery; the attempt is on record."""
    request_id, entry = await house.started()
    for attempt in (1, 2, 3):
        assert entry.deliveries == attempt
        assert (await house.commit(retry(entry, MINUTE)))[0].kind == "committed"
        assert (await house.fire()).delivered == 0
        assert await house.fetch("a") == []
        due = house.store.keys(0).timers
        assert await house.call("ZINCRBY", due, -MINUTE, (await house.call("ZRANGE", due, 0, 0))[0])
        assert (await house.fire()).delivered == 1
        entry = await house.take("a")
    assert (await house.kinds(request_id)).count("retry") == 3
    await house.commit(done(entry, "Finished"))
    await house.close(request_id, "completed")
    assert await house.call("EXISTS", f"{house.store.keys(0).anchor}:timer", house.store.keys(0).timers) == 0


async def test_counts_add_up_over_reclaims_retries_and_parkings(house: House) -> None:
    """Deliveries before a retry or a parking, reclaims included, are carried on; a parking is not."""
    await house.started()
    [entry] = await reclaim(house, "w2")
    await house.commit(retry(entry, 0), worker="w2")
    await house.fire()
    entry = await house.take("a")
    assert entry.deliveries == 3
    await house.hold("all")
    await house.commit(park(entry))
    await house.resume("all")
    assert (await house.take("a")).deliveries == 3


async def test_a_timer_fires_once_however_many_ask(house: House) -> None:
    """Many callers at once deliver a due retry once."""
    _, entry = await house.started()
    await house.commit(retry(entry, 0))
    fired = await asyncio.gather(*(timers.fire(house.store, 0) for _ in range(10)))
    assert sum(each.delivered for each in fired) == 1
    await house.take("a")


async def test_a_retry_whose_reply_was_lost_is_not_doubled(house: House) -> None:
    """Repeating a retry is fenced: the entry has gone to its timer, and comes back once."""
    _, entry = await house.started()
    await house.commit(retry(entry, 0))
    assert (await house.commit(retry(entry, 0)))[0].kind == "fenced"
    await house.fire()
    assert (await house.commit(done(entry, "Next")))[0].kind == "fenced"
    assert (await house.take("a")).deliveries == 2


async def test_two_workers_never_hold_the_same_entry(house: House) -> None:
    """Entries are spread over the workers that fetch at once, none twice."""
    for _ in range(20):
        await house.admit()
    await house.forward()
    hands = await asyncio.gather(*(house.fetch("a", f"w{n}", count=6) for n in range(4)))
    ids = [entry.entry_id for hand in hands for entry in hand]
    assert len(ids) == len(set(ids)) == 20


async def test_a_fetch_waits_for_the_first_entry(house: House) -> None:
    """A blocking fetch answers as soon as there is work, and empty-handed when there is none."""
    assert await inbox.fetch(house.store, 0, "b", "w1", count=5, block_ms=20) == []
    waiting = asyncio.create_task(inbox.fetch(house.store, 0, "dispatcher", "w1", count=5, block_ms=2000))
    await asyncio.sleep(0.02)
    request_id = await house.admit()
    [entry] = await waiting  # empty-handed at the end of its block
    assert entry.request_id == request_id
