"""What should never happen is made here by hand: each kind is found, told, mended and on the log; once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson
import pytest

from tests.redisio.harness import AGENTS, House, an_approval, bury, done, emission, park, retry
from wingman_runtime.contracts.claims import Claim
from wingman_runtime.contracts.work import Effect
from wingman_runtime.redisio import admission, line, reconcile, workers
from wingman_runtime.redisio.commit import ApprovalChange
from wingman_runtime.redisio.effects import RedisEffects
from wingman_runtime.redisio.store import text
from wingman_runtime.worker.reconciler import Reconciler

Break = Callable[[House], Awaitable[str]]


async def orphan(house: House) -> str:
    """A request that counts a branch which is nowhere."""
    request_id, entry = await house.started()
    await house.call("HSET", house.store.keys(0).steps(request_id), f"{entry.event_id}>a", "gone")
    await house.call("XACK", house.store.keys(0).inbox("a"), "workers", entry.entry_id)
    await house.call("XDEL", house.store.keys(0).inbox("a"), entry.entry_id)
    return "branches_miscounted"


async def entry_gone(house: House) -> str:
    """A step whose entry somebody deleted."""
    _, entry = await house.started()
    await house.call("XACK", house.store.keys(0).inbox("a"), "workers", entry.entry_id)
    await house.call("XDEL", house.store.keys(0).inbox("a"), entry.entry_id)
    return "lost_step"


async def payload_gone(house: House) -> str:
    """A timer without what it is to deliver."""
    _, entry = await house.started()
    await house.commit(retry(entry, 60_000))
    await house.call("HDEL", f"{house.store.keys(0).anchor}:timer", f"{entry.event_id}>a")
    return "timer_without_payload"


async def time_gone(house: House) -> str:
    """A delivery among the timers that has no time."""
    _, entry = await house.started()
    await house.commit(retry(entry, 60_000))
    await house.call("ZREM", house.store.keys(0).timers, f"{entry.event_id}>a")
    return "timer_without_time"


async def stray_timer(house: House) -> str:
    """A timer for a step of no request."""
    await house.call("HSET", f"{house.store.keys(0).anchor}:timer", "evt_x>a", orjson.dumps({"id": "x"}))
    await house.call("ZADD", house.store.keys(0).timers, 2**50, "evt_x>a")
    return "timer_without_step"


async def stray_entry(house: House) -> str:
    """An entry that was handed out, acknowledged by somebody, and belongs to nothing."""
    inbox = house.store.keys(0).inbox("a")
    entry = await house.call("XADD", inbox, "*", "id", "evt_x", "r", "req_x", "ty", "Next", "b", "{}")
    await house.fetch("a")
    await house.call("XACK", inbox, "workers", entry)
    return "message_without_state"


async def stray_parked(house: House) -> str:
    """A parked entry that belongs to nothing."""
    await house.call("XADD", house.store.keys(0).parked("a"), "*", "id", "evt_x", "r", "req_x", "b", "{}")
    return "message_without_state"


async def approval_of_nothing(house: House) -> str:
    """An open approval whose request is not there any more."""
    await house.call("HSET", house.store.keys(0).approval("apr_x"), "status", "open", "req", "req_x", "v", 1)
    await house.call("ZADD", house.store.keys(0).approvals, 2**50, "apr_x")
    return "approval_not_open"


async def approval_off_the_list(house: House) -> str:
    """An open approval that would never expire."""
    _, approval = await house.ask()
    await house.call("ZREM", house.store.keys(0).approvals, approval.approval_id)
    return "approval_without_timer"


async def state_gone(house: House) -> str:
    """A request on the list of open ones whose state somebody deleted."""
    request_id = await house.admit()
    await house.fetch("dispatcher")
    keys = house.store.keys(0)
    await house.call("DEL", keys.request(request_id), keys.inbox("dispatcher"))
    await house.call("HDEL", keys.tenants, "demo")
    await house.store.ensure_groups(["dispatcher"])
    return "not_open"


async def line_held_up(house: House) -> str:
    """The first of a line has ended, and the next was not begun."""
    event, after = house.request(), house.request()
    for one in (event, after):
        await admission.admit(house.store, one, rules=house.rules, order="k")
    await house.call("LPUSH", house.store.keys(0).line(line.name_of("demo", "k")), "req_p0_" + "0" * 32)
    return "line_held_up"


async def out_of_line(house: House) -> str:
    """One that waits in a line that somebody deleted."""
    for _ in range(2):
        await admission.admit(house.store, house.request(), rules=house.rules, order="k")
    await house.call("DEL", house.store.keys(0).line(line.name_of("demo", "k")))
    return "out_of_line"


async def tenant_wrong(house: House) -> str:
    """A tenant with a count that nothing is left of."""
    await house.call("HSET", house.store.keys(0).tenants, "gone", 7)
    return "tenant_miscounted"


BREAKS = (
    orphan, entry_gone, payload_gone, time_gone, stray_timer, stray_entry, stray_parked, approval_of_nothing,
    approval_off_the_list, state_gone, line_held_up, out_of_line, tenant_wrong,
)  # fmt: skip


@pytest.mark.parametrize("broken", BREAKS, ids=lambda one: str(one.__name__))
async def test_it_is_found_and_mended(house: House, broken: Break) -> None:
    """A dry run tells and changes nothing; the run mends; each finding is on the log; then all is well."""
    anomaly = await broken(house)
    reconciler = Reconciler(house.store, "r1")
    before = await house.snapshot()
    foretold = {finding.anomaly for finding in await reconciler.whole(dry=True)}
    assert anomaly in foretold
    assert await house.snapshot() == before
    found = await reconciler.whole()
    assert anomaly in {finding.anomaly for finding in found}
    logged = {one["anomaly"] for one in await house.anomalies()}
    assert {finding.anomaly for finding in found} <= logged
    assert await reconciler.whole() == []
    [left] = await reconcile.reconciled(house.store)
    assert (left.found, left.by) == (len(found), "r1")
    assert any(anomaly in told for told in left.last)


@pytest.mark.parametrize("broken", [orphan, entry_gone, payload_gone])
async def test_a_request_that_cannot_go_on_fails(house: House, broken: Break) -> None:
    """Nothing waits for ever for what is gone: it is settled, as any failure."""
    await broken(house)
    await Reconciler(house.store, "r1").whole()
    entry = await house.take("rollback")
    await house.commit(done(entry, emission(entry, "Compensated", outcome="failed")))
    await house.close(entry.request_id, "failed")


async def test_the_next_of_a_line_begins(house: House) -> None:
    """A line that was held up goes on in its order."""
    await line_held_up(house)
    await Reconciler(house.store, "r1").whole()
    first = await house.take("dispatcher")
    assert int(await house.call("XLEN", house.store.keys(0).inbox("dispatcher"))) == 1
    place = await line.place(house.store, first.request_id)
    assert place is not None
    assert (place.number, place.behind) == (0, 1)


async def test_nothing_is_amiss_in_work_under_way(house: House) -> None:
    """Entries in an inbox, in hand, parked, on timers, approvals, lines and forks are as they should be."""
    await house.ask()
    _, entry = await house.started()
    await house.commit(done(entry, "Forked"))
    hands = {agent: await house.take(agent) for agent in ("b", "c", "e")}
    await house.commit(retry(hands["c"], 60_000))
    await house.hold("agent:e")
    await house.commit(park(hands["e"]))
    for _ in range(3):
        await admission.admit(house.store, house.request(), rules=house.rules, order="k")
    before = await house.snapshot()
    assert await Reconciler(house.store, "r1").whole(dry=True) == []
    assert await house.snapshot() == before
    assert await Reconciler(house.store, "r1").whole() == []
    await house.call("DEL", house.store.keys(0).reconciler)
    assert await house.snapshot() == before


async def test_a_missing_group_is_made(house: House) -> None:
    """An inbox of a living worker without its group would be read by nobody."""
    await workers.beat(house.store, "w1", {"agents": list(AGENTS)})
    await house.call("XGROUP", "DESTROY", house.store.keys(0).inbox("a"), "workers")
    [found] = await Reconciler(house.store, "r1").whole()
    assert (found.anomaly, found.facts) == ("group_missing", {"agent": "a"})
    assert await workers.groups(house.store, 0, "a") == ["workers"]
    await house.call("DEL", house.store.keys(0).workers)


async def test_an_effect_that_nobody_asks_about_is_uncertain(house: House) -> None:
    """Its claimant is gone and its step is done: after a while it is recorded, and a person may settle it."""
    request_id, entry = await house.started()
    change = an_approval(request_id, status="approved")
    await house.commit(done(entry, "Next", approval=ApprovalChange(change)))
    entry = await house.take("b")
    effect = Effect(
        effect_id="eff_1", request_id=request_id, plan_id="plan_1", step=0, tool="note.write", args={},
        resource="notes/x", deadline_ms=1,
    )  # fmt: skip
    claim = Claim(0, "b", "w1", entry.entry_id, entry.event_id, request_id)
    effects = RedisEffects(house.store)
    answer = await effects.intend(
        claim, effect, approval_id=change.approval_id, plan_digest=change.plan_digest
    )
    assert answer.kind == "go"
    reconciler = Reconciler(house.store, "r1", grace_ms=-60_000)
    assert await reconciler.whole() == []  # its step is under way: whoever has it will find out
    await house.commit(done(entry, "Finished"))
    [found] = await reconciler.whole()
    assert found.anomaly == "effect_without_claimant"
    [kept] = await effects.of_request(request_id)
    assert kept.status == "uncertain"
    assert "effect_result" in await house.kinds(request_id)
    assert await reconciler.whole() == []


async def test_an_effect_of_a_step_that_was_given_up_on_is_uncertain_in_the_end(house: House) -> None:
    """Its step is with the dead letters and its request has ended: that is no anomaly, only its end."""
    request_id, entry = await house.started()
    change = an_approval(request_id, status="approved")
    await house.commit(done(entry, "Next", approval=ApprovalChange(change)))
    entry = await house.take("b")
    effect = Effect(
        effect_id="eff_1", request_id=request_id, plan_id="plan_1", step=0, tool="note.write", args={},
        resource="notes/x", deadline_ms=1,
    )  # fmt: skip
    claim = Claim(0, "b", "w1", entry.entry_id, entry.event_id, request_id)
    effects = RedisEffects(house.store)
    await effects.intend(claim, effect, approval_id=change.approval_id, plan_digest=change.plan_digest)
    await house.commit(bury(entry))
    await house.step("rollback", emission(entry, "Compensated", outcome="failed"))
    await house.close(request_id, "failed")
    assert await Reconciler(house.store, "r1", grace_ms=-60_000).whole() == []
    [kept] = await effects.of_request(request_id)
    assert kept.status == "uncertain"


async def test_one_looks_at_a_time(house: House) -> None:
    """The lease is one worker's until its time is over or somebody takes it; an older turn may do nothing."""
    lease = await reconcile.take_lease(house.store, 0, "r1", keep_ms=60_000)
    assert lease is not None
    assert await reconcile.take_lease(house.store, 0, "r2", keep_ms=60_000) is None
    assert await Reconciler(house.store, "r2").look() == []
    assert await reconcile.look(house.store, 0, "tenants", lease=lease) is not None
    taken = await reconcile.take_lease(house.store, 0, "r2", keep_ms=0, force=True)
    assert taken is not None
    await tenant_wrong(house)
    assert await reconcile.look(house.store, 0, "tenants", lease=lease) is None
    assert text(await house.call("HGET", house.store.keys(0).tenants, "gone")) == "7"
    assert [one.anomaly for one in await Reconciler(house.store, "r1").look()] == ["tenant_miscounted"]
