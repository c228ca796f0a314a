"""What stays: past the time of many ended requests the keyspace is what it was; and each key is listed."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

from tests.redisio.harness import House, an_approval, done, emission, forwarded, open_house, retry
from tests.worker.projects import until
from wingman_runtime.contracts.claims import Claim
from wingman_runtime.contracts.work import Effect, EffectStatus
from wingman_runtime.redisio import admission, keys
from wingman_runtime.redisio.commit import ApprovalChange
from wingman_runtime.redisio.effects import RedisEffects
from wingman_runtime.redisio.store import text
from wingman_runtime.settings_admission import Admission, TenantLimits
from wingman_runtime.worker.reconciler import Reconciler

ROUNDS = 12


async def a_life(house: House, number: int) -> None:
    """A request with all that one can have: keys, a timer, an approval, an effect; and its end."""
    request = await admission.admit(
        house.store,
        house.request(),
        rules=house.rules,
        idempotency=(f"i{number}", "d"),
        order=f"k{number % 3}",
    )
    await house.commit(forwarded(await house.take("dispatcher")))
    entry = await house.take("a")
    await house.commit(retry(entry, 0))

    async def due() -> bool:
        return bool((await house.fire()).delivered)

    await until(due)
    change = an_approval(request, status="approved")
    await house.step("a", "Next", approval=ApprovalChange(change))
    entry = await house.take("b")
    effect = Effect(
        effect_id=f"eff_{number}", request_id=request, plan_id="plan_1", step=0, tool="note.write", args={},
        resource="notes/x", deadline_ms=1000,
    )  # fmt: skip
    claim = Claim(0, "b", "w1", entry.entry_id, entry.event_id, request)
    effects = RedisEffects(house.store)
    await effects.intend(claim, effect, approval_id=change.approval_id, plan_digest=change.plan_digest)
    await effects.record(claim, effect.model_copy(update={"status": EffectStatus.DONE}))
    if number % 2:
        await house.commit(done(entry, "Finished"))
        await house.close(request, "completed")
    else:
        await house.commit(done(entry, "Broke"))
        await house.step("rollback", emission(entry, "Compensated", outcome="failed"))
        await house.close(request, "failed")


async def test_what_has_ended_leaves_nothing_past_its_time(backend_url: str) -> None:
    """State, receipts, records, effects, approvals, lines, counts, buckets and remembered keys go; what is
    left after a few requests is what is left after many, and the log, which only the recorder may cut.
    """
    async with open_house(backend_url) as house:
        house.rules = replace(
            house.rules,
            state_ttl_ms=150,
            idempotency_ttl_ms=150,
            tenants=Admission(tenants={"demo": TenantLimits(open=9, rate=1000)}).of_tenant,
        )
        left: list[set[str]] = []
        for _ in range(2):
            for number in range(ROUNDS):
                await a_life(house, number)
            assert await Reconciler(house.store, "r").whole() == []
            constant = {house.store.keys(0).log, house.store.keys(0).outcomes}

            async def gone(constant: set[str] = constant) -> bool:
                await house.fire()
                some = [name for name in await house.keys() if ":req:" in name or ":apr:" in name]
                ended = await house.call("ZCARD", house.store.keys(0).ended)
                return not some and not ended

            await until(gone)
            await asyncio.sleep(0.05)
            left.append(set(await house.keys()))
        assert left[0] == left[1]
        families = {name.removeprefix(f"{house.store.keys(0).anchor}:").partition(":")[0] for name in left[0]}
        assert families <= {"in", "log", "logseq", "outcomes", "control", "flows", "flow", "reconciler"}
        entries = [await house.call("XLEN", name) for name in left[0] if ":in:" in name]
        assert set(entries) == {0}


async def test_the_ends_that_wake_clients_are_cut(house: House) -> None:
    """The stream of ends holds those of the last seconds only."""
    await house.admit()
    await house.forward()
    await house.step("a", "Finished")
    await house.step("audit", "Stamped")
    outcomes = house.store.keys(0).outcomes
    assert await house.call("XLEN", outcomes) == 1
    await house.store.run("fire", 0, 100, 10_000)
    assert await house.call("XLEN", outcomes) == 1

    async def cut() -> bool:
        await house.store.run("fire", 0, 100, 1)
        return int(await house.call("XLEN", outcomes)) == 0

    await until(cut)


async def test_every_key_is_in_the_catalogue(house: House) -> None:
    """Whatever key the scripts make, `redisio/keys.py` lists it with its lifetime."""
    listed = re.findall(
        r"^    P:(\S+) +(?:stream|int|hash|zset|list|string|set) ", keys.__doc__ or "", re.MULTILINE
    )
    patterns = [re.compile(re.sub(r"<\w+>", "[^:]+", name) + "$") for name in listed]
    assert len(patterns) > 20
    house.rules = replace(house.rules, tenants=Admission(tenants={"default": TenantLimits(rate=5)}).of_tenant)
    await a_life(house, 1)
    for _ in range(2):
        await admission.admit(
            house.store, house.request(), rules=house.rules, order="k", idempotency=("x", "d")
        )
    await house.forward()
    await house.commit(retry(await house.take("a"), 60_000))
    await house.hold("agent:b")
    await house.ask()
    await Reconciler(house.store, "r").whole()
    for name in await house.keys():
        short = text(name).removeprefix(f"{house.store.keys(0).anchor}:")
        assert any(pattern.match(short) for pattern in patterns), f"{short} is not in the catalogue"
