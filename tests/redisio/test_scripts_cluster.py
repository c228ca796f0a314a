"""Two partitions on a server in cluster mode: the core of the suite, and that no script leaves its slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.redisio.chains import STAMP, chain, facts, file, says
from tests.redisio.harness import House, bury, done, emission, open_house, park, retry
from tests.redisio.test_scripts_effects import effect, hands
from wingman_runtime.contracts.work import EffectStatus
from wingman_runtime.errors import BackendError
from wingman_runtime.redisio import admission, inbox, scripts


@pytest.fixture
async def house(cluster_url: str) -> AsyncIterator[House]:
    async with open_house(cluster_url, partitions=2) as opened:
        yield opened


async def test_the_two_partitions_live_in_different_slots(house: House) -> None:
    """The hash tag of the anchor decides the slot: one for all keys of a partition, another for the
    other's.
    """
    slots = []
    for number in (0, 1):
        keys = house.store.keys(number)
        request_id = admission.new_request_id(number)
        names = (keys.anchor, keys.inbox("a"), keys.log, keys.steps(request_id), keys.approval("apr_1"))
        found = {await house.call("CLUSTER", "KEYSLOT", name) for name in names}
        assert len(found) == 1
        slots.append(found.pop())
    assert slots[0] != slots[1]


@pytest.mark.parametrize("partition", [0, 1])
async def test_a_request_lives_and_ends_in_its_partition(house: House, partition: int) -> None:
    """Fan-out, join, retry, pause and end work in each partition; the other one is not touched."""
    other = house.store.keys(1 - partition)
    request_id, entry = await house.started(partition)
    await house.commit(done(entry, "Forked"))
    for agent in ("b", "c", "e"):
        part = await house.take(agent, partition=partition)
        await house.commit(retry(part, 0))
        await house.fire(partition)
        part = await house.take(agent, partition=partition)
        assert part.deliveries == 2
        await house.hold("all")
        await house.commit(park(part))
        await house.resume("all")
        await house.step(agent, "Part", partition=partition)
    await house.step("d", "Finished", partition=partition)
    await house.close(request_id, "completed")
    touched = [kind for _, kind, _, _ in await house.log(1 - partition)]
    assert set(touched) == {"admin", "control"}
    assert await house.call("EXISTS", other.open) == 0


@pytest.mark.parametrize("partition", [0, 1])
async def test_eager_steps_stay_in_their_partition(house: House, partition: int) -> None:
    """A chain, a join's last part and the stamp behind it, an early failure: all within the slot."""
    before = await facts(house, 1 - partition)
    request_id, entry = await house.started(partition)
    await file(house, chain(done(entry, "Forked"), ("b", says("Part"))))
    await house.step("c", "Part", partition=partition)
    await house.step("e", "Part", partition=partition)
    [verdict] = await house.commit(done(await house.take("d", partition=partition), "Finished"))
    assert verdict.kind == "committed"
    await house.close(request_id, "completed")
    request_id, entry = await house.started(partition)
    await file(house, chain(done(entry, "Next"), ("b", lambda early: retry(early, 0))))
    assert (await house.fire(partition)).delivered == 1
    again = await house.take("b", partition=partition)
    assert (await file(house, chain(done(again, "Finished"), STAMP))).steps == 2
    await house.ended(request_id, "completed")
    after = await facts(house, 1 - partition)
    mine = house.store.keys(partition).anchor
    assert {key: kept for key, kept in after.items() if not key.startswith(mine)} == {
        key: kept for key, kept in before.items() if not key.startswith(mine)
    }


async def test_failures_settle_in_both_partitions(house: House) -> None:
    """Burial, rollback and stamp, interleaved between two partitions."""
    started = [await house.started(partition) for partition in (0, 1)]
    for _, entry in started:
        await house.commit(bury(entry))
    for partition, (request_id, _) in enumerate(started):
        settling = await house.take("rollback", partition=partition)
        await house.commit(done(settling, emission(settling, "Compensated", outcome="failed")))
        await house.close(request_id, "failed")


async def test_a_rule_is_set_in_every_partition(house: House) -> None:
    """A hold is acknowledged with one epoch per partition, and holds in each."""
    entries = [(await house.started(partition))[1] for partition in (0, 1)]
    assert await house.hold("agent:a") == [1, 1]
    for entry in entries:
        assert (await house.commit(done(entry, "Next")))[0].kind == "stale_control"
        await house.commit(park(entry))
    assert await house.resume("agent:a") == 2


async def test_claims_letters_and_effects_in_cluster_mode(house: House) -> None:
    """Renewal, reclaim, release, cancellation, intents and results stay within the slot."""
    h = await hands(house)
    await h.intend(effect(h.entry))
    assert (await h.record(effect(h.entry), EffectStatus.DONE)).status is EffectStatus.DONE
    assert await inbox.renew(house.store, 0, "b", "w1", [h.entry.entry_id]) == []
    [taken] = await inbox.reclaim(house.store, 0, "b", "w2", idle_ms=0, count=10)
    await inbox.release(house.store, 0, "b", "w2", [taken.entry_id])
    assert await inbox.leave(house.store, 0, "b", "w2")
    assert await house.cancel(h.entry.request_id) == "posted"
    await house.step("b", "Finished")
    await house.step("rollback", emission(h.entry, "Compensated", outcome="cancelled"))
    await house.close(h.entry.request_id, "cancelled")


async def test_an_idempotency_key_always_meets_its_partition(house: House) -> None:
    """Keys spread over the partitions, each always to the same one, so that a repeat finds the first."""
    chosen = [house.store.partition_for("demo", f"key {n}") for n in range(50)]
    assert set(chosen) == {0, 1}
    assert chosen == [house.store.partition_for("demo", f"key {n}") for n in range(50)]

    async def submit(number: int) -> str:
        event = house.request(chosen[number])
        return await admission.admit(house.store, event, rules=house.rules, idempotency=(f"k{number}", "d"))

    first = await asyncio.gather(*(submit(number) for number in range(50)))
    assert await asyncio.gather(*(submit(number) for number in range(50))) == first


async def test_a_request_of_the_other_partition_is_none_here(house: House) -> None:
    """A result sent to the wrong partition finds no claim there: fenced, nothing written."""
    _, entry = await house.started(0)
    assert (await house.commit(done(replace(entry, partition=1), "Next")))[0].kind == "fenced"
    assert (await house.commit(done(entry, "Next")))[0].kind == "committed"


@pytest.mark.parametrize("write", ["foreign", "untagged"])
async def test_a_script_cannot_reach_another_slot(
    house: House, write: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With our first line the server refuses a script that leaves its slot: nothing is written there.

    The scripts go through the loader as shipped; only their source folder is another.
    """
    mine, other = house.store.keys(0), house.store.keys(1)
    target = f"{other.anchor}:stolen" if write == "foreign" else "stolen"
    shipped = scripts.source("note")
    stealing = shipped.text.replace("return append", f"call('SET', '{target}', '1')\nreturn append")
    assert stealing.startswith("#!lua")
    assert stealing != shipped.text
    monkeypatch.setattr(scripts, "source", lambda name, *, shebang: scripts.Source(stealing, "0" * 40))
    with pytest.raises(BackendError, match=r"slot|non local key"):
        await house.store.scripts.run("note", mine.anchor, "admin", "{}")
    assert await house.call("EXISTS", target) == 0


async def test_an_anchor_that_does_not_fix_the_slot_is_refused(house: House) -> None:
    """An anchor without the hash tag cannot work: what derives from it lies in other slots, and nothing is
    written.
    """
    before = await house.snapshot()
    with pytest.raises(BackendError):
        await house.store.scripts.run("note", "wm:p0", "admin", "{}")
    assert await house.snapshot() == before
