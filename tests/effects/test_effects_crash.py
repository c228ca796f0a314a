"""Crashes between the intent and its end, and rollback: at most once, or UNCERTAIN."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.effects.effects_fakes import REQUEST, Bench, Crash, MemoryStore, specs
from wingman_runtime.contracts.compensation import plan_compensation
from wingman_runtime.contracts.tool import ToolContext, tool
from wingman_runtime.contracts.work import CompensationPlan, Effect, EffectStatus, Plan
from wingman_runtime.effects.registry import ToolRegistry
from wingman_runtime.errors import ToolError


class Ledger:
    """Counts what the tools did to the world, by idempotency key and by call."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.world: set[str] = set()
        self.fail: dict[str, BaseException] = {}
        self.on_call: Callable[[], None] = lambda: None

    def act(self, what: str, context: ToolContext) -> None:
        self.calls.append(what)
        self.on_call()
        if what in self.fail:
            raise self.fail[what]
        self.world.add(f"{what} {context.key}")


def registry(ledger: Ledger) -> ToolRegistry:
    @tool("c.once", purpose="p", compensation="c.undo", resource="thing:{name}")
    async def once(name: str, context: ToolContext) -> None:
        ledger.act(f"once {name}", context)

    @tool("c.safe", purpose="p", idempotent=True, compensation="c.undo", resource="thing:{name}")
    async def safe(name: str, context: ToolContext) -> None:
        ledger.act(f"safe {name}", context)

    @tool("c.final", purpose="p", irreversible=True)
    async def final(context: ToolContext) -> None:
        ledger.act("final", context)

    @tool("c.undo", purpose="p", idempotent=True, undo_only=True)
    async def undo(name: str, context: ToolContext) -> None:
        ledger.act(f"undo {name}", context)

    return ToolRegistry(specs(once, safe, final, undo))


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def bench(ledger: Ledger, tmp_path: Path) -> Bench:
    return Bench(registry(ledger), tmp_path / "workspace")


async def killed_in_the_tool(bench: Bench, ledger: Ledger, plan: Plan) -> None:
    """The worker is gone when the tool is called. What a tool itself raises is only ever its answer."""
    running = asyncio.ensure_future(bench.run(plan))

    def die() -> None:
        ledger.on_call = lambda: None
        running.cancel()
        raise asyncio.CancelledError

    ledger.on_call = die
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("where", ["after the intent", "in the tool", "before the record"])
@pytest.mark.parametrize(("name", "status", "most"), [("c.once", "uncertain", 1), ("c.safe", "done", 2)])
async def test_a_crash_anywhere_never_doubles_what_is_not_idempotent(
    bench: Bench, ledger: Ledger, where: str, name: str, status: str, most: int
) -> None:
    """Another worker waits out the deadline; it re-runs the idempotent tool and calls the other uncertain."""
    plan = bench.plan((name, {"name": "a"}), ("c.once", {"name": "b"}))

    if where == "in the tool":
        await killed_in_the_tool(bench, ledger, plan)
    else:
        if where == "after the intent":
            bench.store.crash_after_intent = 1
        else:
            bench.store.crash_before_record = 1
        with pytest.raises(Crash):
            await bench.run(plan)
    began = bench.store.now_ms
    bench.restart("w2")
    report = await bench.run(plan)
    assert report.status == status
    assert bench.store.now_ms - began >= 30_000
    first = [call for call in ledger.calls if call.endswith(" a")]
    assert len(first) <= most
    assert len({entry for entry in ledger.world if entry.startswith("safe a")}) <= 1
    assert (await bench.run(plan)) == report
    assert len([call for call in ledger.calls if call.endswith(" a")]) == len(first)


async def test_attempts_are_counted_across_workers(bench: Bench, ledger: Ledger) -> None:
    """A tool that kills every worker is given up after three attempts."""
    plan = bench.plan(("c.safe", {"name": "a"}))

    for worker in ("w1", "w2", "w3"):
        bench.restart(worker)
        await killed_in_the_tool(bench, ledger, plan)
    bench.restart("w4")
    assert (await bench.run(plan)).status == "uncertain"
    assert len(ledger.calls) == 3


async def test_a_lost_answer_to_an_intent_is_no_doubt(bench: Bench, ledger: Ledger) -> None:
    """The same process asks again when the answer got lost; nothing was called, so it may go on."""
    plan = bench.plan(("c.once", {"name": "a"}))
    bench.store.crash_after_intent = 1
    with pytest.raises(Crash):
        await bench.run(plan)
    assert (await bench.run(plan)).status == "done"
    assert ledger.calls == ["once a"]


async def test_the_same_process_does_not_call_twice_what_it_began(bench: Bench, ledger: Ledger) -> None:
    """The store would let the same claim go again; the process knows that it has called the tool."""
    plan = bench.plan(("c.once", {"name": "a"}))
    bench.store.crash_before_record = 1
    with pytest.raises(Crash):
        await bench.run(plan)
    assert (await bench.run(plan)).status == "uncertain"
    assert ledger.calls == ["once a"]


async def test_a_late_end_of_the_earlier_attempt_is_used(bench: Bench, ledger: Ledger) -> None:
    """While one waits for the deadline the earlier worker records its end: that is the end."""
    plan = bench.plan(("c.once", {"name": "a"}))
    bench.store.crash_before_record = 1
    with pytest.raises(Crash):
        await bench.run(plan)
    naps = 0

    async def nap(seconds: float) -> None:
        nonlocal naps
        naps += 1
        await bench.store.sleep(seconds)
        if naps == 3:
            ((effect_id, row),) = bench.store.rows.items()
            bench.store.rows[effect_id] = row.model_copy(update={"status": EffectStatus.DONE, "result": 7})

    bench.restart("w2", sleep=nap)
    report = await bench.run(plan)
    assert (report.status, report.effects[0].result, naps) == ("done", 7, 3)
    assert ledger.calls == ["once a"]


async def test_being_overtaken_is_noticed(bench: Bench, ledger: Ledger) -> None:
    """A worker whose effect was taken over while it ran commits nothing: its news is only kept beside."""
    plan = bench.plan(("c.safe", {"name": "a"}))

    def overtake() -> None:
        (effect_id,) = bench.store.rows
        bench.store.owners[effect_id] = "w2"

    ledger.on_call = overtake
    report = await bench.run(plan)
    assert (report.status, report.error) == ("interrupted", "fenced")
    assert [late.status for late in bench.store.late] == [EffectStatus.DONE]


async def test_denied_today_what_was_in_doubt_stays_in_doubt(bench: Bench, ledger: Ledger) -> None:
    """A policy that says no after a crash does not turn an open intent into 'nothing was done'."""
    plan = bench.plan(("c.safe", {"name": "a"}))
    bench.store.crash_before_record = 1
    with pytest.raises(Crash):
        await bench.run(plan)
    bench.restart("w2")
    bench.policy.deny.add(("execute", "c.safe"))
    report = await bench.run(plan)
    assert (report.status, ledger.calls) == ("uncertain", ["safe a"])


@pytest.mark.parametrize("denied", [False, True], ids=["policy allows", "policy denies"])
@pytest.mark.parametrize("gone", ["approved", "cut"])
async def test_what_cannot_be_taken_over_any_more_is_uncertain(
    bench: Bench, ledger: Ledger, gone: str, denied: bool
) -> None:
    """The approval expired, or the request moved on, while it was in doubt: given up at its deadline."""
    plan = bench.plan(("c.safe", {"name": "a"}))
    bench.store.crash_before_record = 1
    with pytest.raises(Crash):
        await bench.run(plan)
    began = bench.store.now_ms
    setattr(bench.store, gone, gone == "cut")
    if denied:
        bench.policy.deny.add(("execute", "c.safe"))
    bench.restart("w2")
    report = await bench.run(plan)
    assert (report.status, ledger.calls) == ("uncertain", ["safe a"])
    assert bench.store.now_ms - began >= 30_000
    [kept] = await bench.store.of_request(REQUEST)
    assert kept.status is EffectStatus.UNCERTAIN
    assert "an earlier attempt left no result" in kept.error


async def test_what_never_began_and_may_not_leaves_nothing(bench: Bench, ledger: Ledger) -> None:
    """A refusal of what was not begun records no effect, uncertain or other."""
    bench.store.approved = False
    report = await bench.run(bench.plan(("c.safe", {"name": "a"})))
    assert (report.status, report.denied, ledger.calls) == ("failed", True, [])
    assert await bench.store.of_request(REQUEST) == ()


async def test_denied_today_what_was_done_stays_done(bench: Bench, ledger: Ledger) -> None:
    """Nor does it forget a recorded effect: the plan goes on to the step that is denied."""
    plan = bench.plan(("c.safe", {"name": "a"}), ("c.once", {"name": "b"}))
    bench.store.crash_after_intent = 2
    with pytest.raises(Crash):
        await bench.run(plan)
    bench.restart("w2")
    bench.policy.deny |= {("execute", "c.safe")}
    report = await bench.run(plan)
    assert [effect.tool for effect in report.effects] == ["c.safe", "c.once"]
    assert report.effects[0].status is EffectStatus.DONE


async def applied(bench: Bench, *names: str) -> tuple[CompensationPlan, tuple[Effect, ...]]:
    """A plan of c.once steps carried out, and its compensating plan."""
    report = await bench.run(bench.plan(*(("c.once", {"name": name}) for name in names)))
    assert report.status == "done"
    effects = await bench.store.of_request(REQUEST)
    return plan_compensation(effects, REQUEST, "evt_9"), effects


async def test_compensation_undoes_newest_first(bench: Bench, ledger: Ledger) -> None:
    """Each undone effect is marked compensated; a second run does nothing more."""
    plan, effects = await applied(bench, "a", "b", "c")
    report = await bench.run(plan)
    assert report.status == "done"
    assert ledger.calls[3:] == ["undo c", "undo b", "undo a"]
    rows = bench.store.rows
    assert {rows[effect.effect_id].status for effect in effects} == {EffectStatus.COMPENSATED}
    assert (await bench.run(plan)).status == "done"
    assert len(ledger.calls) == 6
    assert plan_compensation(await bench.store.of_request(REQUEST), REQUEST, "evt_9").steps == ()


async def test_compensation_asks_the_rollback_gate_about_the_resource_undone(bench: Bench) -> None:
    """The question is compensate, on the compensating tool, about what the effect had touched."""
    plan, effects = await applied(bench, "a")
    bench.policy.asked.clear()
    await bench.run(plan)
    action, principal, undoing, context, attributes, gate = bench.policy.asked[0]
    assert (action, principal, undoing, gate) == ("compensate", "executor", "c.undo", "70-rollback.cedar")
    assert (attributes["resource"], attributes["undoes"]) == ("thing:a", effects[0].effect_id)
    assert context == {"request": REQUEST}


async def test_a_failed_compensation_does_not_stop_the_others(bench: Bench, ledger: Ledger) -> None:
    """What can be undone is; the report names what is left."""
    plan, effects = await applied(bench, "a", "b", "c")
    ledger.fail = {"undo b": ToolError("locked"), "undo a": ValueError("odd")}
    report = await bench.run(plan)
    assert (report.status, report.failed_step) == ("failed", 1)
    statuses = [bench.store.rows[effect.effect_id].status for effect in effects]
    assert statuses == [EffectStatus.DONE, EffectStatus.DONE, EffectStatus.COMPENSATED]
    for effect in effects[:2]:
        assert effect.effect_id in report.error
    assert effects[2].effect_id not in report.error


async def test_a_denied_compensation_is_reported_as_denied(bench: Bench, ledger: Ledger) -> None:
    """Policy bounds undoing too."""
    plan, _ = await applied(bench, "a")
    bench.policy.deny.add(("compensate", "c.undo"))
    report = await bench.run(plan)
    assert (report.status, report.denied, ledger.calls) == ("failed", True, ["once a"])


@pytest.mark.parametrize(
    "forged",
    [
        {"args": {"name": "other"}},
        {"tool": "c.final", "args": {}},
        {"resource": "thing:other"},
        {"undoes": "eff_unknown"},
    ],
)
async def test_only_what_the_effect_left_for_its_undoing_is_run(
    bench: Bench, ledger: Ledger, forged: dict[str, Any]
) -> None:
    """Nobody approves a compensating plan, so it cannot smuggle in another call, argument or resource."""
    plan, _ = await applied(bench, "a")
    wrong = plan.model_copy(update={"steps": (plan.steps[0].model_copy(update=forged),)})
    report = await bench.run(wrong)
    assert (report.status, report.denied, ledger.calls) == ("failed", True, ["once a"])


async def test_a_held_compensation_is_taken_up_later(bench: Bench, ledger: Ledger) -> None:
    """A halt stops undoing between two steps; afterwards the rest is undone, nothing twice."""
    plan, _ = await applied(bench, "a", "b")

    def halt() -> None:
        bench.store.held = True
        ledger.on_call = lambda: None

    ledger.on_call = halt
    report = await bench.run(plan)
    assert (report.status, report.error) == ("interrupted", "held")
    bench.store.held = False
    assert (await bench.run(plan)).status == "done"
    assert ledger.calls[2:] == ["undo b", "undo a"]


async def test_a_crash_while_compensating_is_finished_by_another(bench: Bench, ledger: Ledger) -> None:
    """Compensations are idempotent, so another worker runs the open one again and goes on."""
    plan, effects = await applied(bench, "a", "b")
    bench.store.crash_before_record = 1
    with pytest.raises(Crash):
        await bench.run(plan)
    bench.restart("w2")
    assert (await bench.run(plan)).status == "done"
    rows = bench.store.rows
    assert {rows[effect.effect_id].status for effect in effects} == {EffectStatus.COMPENSATED}


def effect(number: int, **fields: Any) -> Effect:
    base: dict[str, Any] = {
        "effect_id": f"eff_{number}",
        "request_id": REQUEST,
        "plan_id": "plan_1",
        "step": number,
        "tool": "c.once",
        "args": {},
        "status": EffectStatus.DONE,
        "seq": number,
        "undo": {"tool": "c.undo", "args": {"name": str(number)}},
    }
    return Effect.model_validate({**base, **fields})


def test_a_compensating_plan_takes_what_is_done_and_nothing_else() -> None:
    """Uncertain, open, failed, compensated and foreign effects are left alone; what has no undo is named."""
    plan = plan_compensation(
        [
            effect(2, status=EffectStatus.UNCERTAIN),
            effect(5),
            effect(1),
            effect(3, undo=None),
            effect(4, status=EffectStatus.INTENT),
            effect(6, status=EffectStatus.FAILED),
            effect(7, status=EffectStatus.COMPENSATED),
            effect(8, kind="compensate", undoes="eff_7"),
            effect(9, request_id="req_p0_" + "1" * 32),
        ],
        REQUEST,
        "evt_1",
    )
    assert [step.undoes for step in plan.steps] == ["eff_5", "eff_1"]
    assert plan.irreversible == ("eff_3",)


def test_a_compensating_plan_is_the_same_for_the_same_cause() -> None:
    """Planned twice after a crash it has one id, so its effects have the same keys; another cause differs."""
    one = plan_compensation([effect(1)], REQUEST, "evt_1")
    assert one == plan_compensation([effect(1)], REQUEST, "evt_1")
    assert one.plan_id != plan_compensation([effect(1)], REQUEST, "evt_2").plan_id


async def test_the_fake_ledger_fences_like_the_real_one() -> None:
    """An unknown worker is refused; the fake must not be kinder than the protocol."""
    from tests.effects.effects_fakes import claim

    store = MemoryStore(lost_claims={"w1"})
    answer = await store.intend(claim("w1"), effect(1, status=EffectStatus.INTENT), approval_id="apr_1")
    assert (answer.kind, answer.reason) == ("refused", "fenced")
