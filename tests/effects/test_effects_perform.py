"""Carrying out plans: every branch between the intent and the report."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.effects.effects_fakes import REQUEST, Bench, Crash, manifest, specs
from wingman_runtime.contracts.compensation import plan_compensation
from wingman_runtime.contracts.tool import Result, ToolContext, tool
from wingman_runtime.contracts.work import EffectStatus
from wingman_runtime.effects.registry import ToolRegistry
from wingman_runtime.errors import ToolError


class World:
    """What the tools of a test did, and what they shall do next."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.keys: list[str] = []
        self.attempts: list[int] = []
        self.raises: dict[str, list[BaseException | None]] = {}
        self.returns: dict[str, Any] = {}
        self.began, self.hang, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.given_up: list[bool] = []

    def act(self, name: str, context: ToolContext) -> Any:
        self.done.append(name)
        self.keys.append(context.key)
        self.attempts.append(context.attempt)
        plans = self.raises.get(name)
        error = plans.pop(0) if plans else None
        if error is not None:
            raise error
        return self.returns.get(name, {"did": name})


def registry(world: World) -> ToolRegistry:
    @tool("t.once", purpose="p", compensation="t.undo", resource="thing:{name}")
    def once(name: str, context: ToolContext) -> Any:
        return world.act(f"once {name}", context)

    @tool("t.safe", purpose="p", idempotent=True, compensation="t.undo", resource="thing:{name}")
    async def safe(name: str, context: ToolContext) -> Any:
        return world.act(f"safe {name}", context)

    @tool("t.undo", purpose="p", idempotent=True, undo_only=True)
    async def undo(name: str, context: ToolContext) -> Any:
        return world.act(f"undo {name}", context)

    @tool("t.final", purpose="p", irreversible=True)
    async def final(context: ToolContext) -> Any:
        return world.act("final", context)

    @tool("t.slow", purpose="p", idempotent=True, irreversible=True, timeout=0.03)
    async def slow(context: ToolContext, times: int = 1) -> Any:
        world.act("slow", context)
        if len(world.done) <= times:
            await asyncio.sleep(30)
        return "at last"

    @tool("t.stuck", purpose="p", irreversible=True, timeout=0.03)
    def stuck(context: ToolContext) -> None:
        world.act("stuck", context)
        world.began.set()
        world.hang.wait(10)
        world.given_up.append(context.stopped())
        world.ended.set()

    return ToolRegistry(specs(once, safe, undo, final, slow, stuck))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def bench(world: World, tmp_path: Path) -> Bench:
    return Bench(registry(world), tmp_path / "workspace")


async def test_steps_run_in_order_each_after_its_intent(bench: Bench, world: World) -> None:
    """A plan is carried out in order; each effect is recorded with its key, result and undo."""
    report = await bench.run(bench.plan(("t.once", {"name": "a"}), ("t.safe", {"name": "b"})))
    assert report.status == "done"
    assert world.done == ["once a", "safe b"]
    assert world.keys == [effect.effect_id for effect in report.effects]
    assert [effect.status for effect in report.effects] == [EffectStatus.DONE] * 2
    assert report.effects[0].result == {"did": "once a"}
    undo = report.effects[0].undo
    assert undo is not None
    assert (undo.tool, undo.args) == ("t.undo", {"name": "a"})
    assert [tool for tool, _ in bench.store.intents] == ["t.once", "t.safe"]


async def test_policy_is_asked_the_documented_question(bench: Bench) -> None:
    """execute is judged on the executor, the tool and the call's own resource, in the execute gate."""
    await bench.run(bench.plan(("t.once", {"name": "a"})))
    assert bench.policy.asked == [
        (
            "execute",
            "executor",
            "t.once",
            {"request": REQUEST, "approval": "apr_1"},
            {
                "resource": "thing:a",
                "risk": "low",
                "requester": "alice",
                "tenant": "demo",
                "intent": "test",
            },
            "50-execute.cedar",
        )
    ]


async def test_the_store_learns_which_plan_the_approval_must_be_for(bench: Bench) -> None:
    """Each intent carries the digest of the exact plan."""
    plan = bench.plan(("t.once", {"name": "a"}))
    await bench.run(plan)
    assert bench.store.seen_digests == [plan.digest()]


async def test_a_denied_step_runs_nothing_and_stops_the_plan(bench: Bench, world: World) -> None:
    """Policy says no: no intent, no call, no later step; the report says denied."""
    bench.policy.deny.add(("execute", "t.safe"))
    report = await bench.run(
        bench.plan(("t.once", {"name": "a"}), ("t.safe", {"name": "b"}), ("t.once", {"name": "c"}))
    )
    assert (report.status, report.denied, report.failed_step) == ("failed", True, 1)
    assert "the fake says no" in report.error
    assert world.done == ["once a"]
    assert len(bench.store.rows) == 1


async def test_a_tool_the_manifest_does_not_declare_is_denied(bench: Bench, world: World) -> None:
    """The manifest bounds the agent; so does its being no performer at all."""
    plan = bench.plan(("t.once", {"name": "a"}))
    for declared in (manifest("t.safe"), manifest("*", performs=False)):
        report = await bench.run(plan, declared=declared)
        assert (report.status, report.denied) == ("failed", True)
    assert (world.done, bench.store.rows) == ([], {})


async def test_a_call_that_is_not_what_was_approved_is_refused(bench: Bench, world: World) -> None:
    """A step whose resource is not that of its arguments, or whose arguments are not normal, does not run."""
    plan = bench.plan(("t.once", {"name": "secret"}))
    forged = plan.model_copy(update={"steps": (plan.steps[0].model_copy(update={"resource": "thing:a"}),)})
    extra = plan.model_copy(update={"steps": (plan.steps[0].model_copy(update={"args": {"nam": "a"}}),)})
    undoing = plan.model_copy(update={"steps": (plan.steps[0].model_copy(update={"tool": "t.undo"}),)})
    foreign = plan.model_copy(update={"request_id": "req_p0_" + "1" * 32})
    for wrong in (forged, extra, undoing, foreign):
        assert (await bench.run(wrong)).status == "failed"
    assert (await bench.run(plan, kind="compensate")).status == "failed"
    assert (world.done, bench.store.rows) == ([], {})


async def test_tool_error_means_failed_and_the_plan_stops(bench: Bench, world: World) -> None:
    """ToolError: nothing was done; the step is failed, later steps do not run."""
    world.raises["once b"] = [ToolError("no room")]
    report = await bench.run(
        bench.plan(("t.once", {"name": "a"}), ("t.once", {"name": "b"}), ("t.once", {"name": "c"}))
    )
    assert (report.status, report.failed_step, report.denied) == ("failed", 1, False)
    assert "no room" in report.error
    assert [effect.status for effect in report.effects] == [EffectStatus.DONE, EffectStatus.FAILED]
    assert world.done == ["once a", "once b"]


async def test_a_retryable_tool_error_is_tried_three_times(bench: Bench, world: World) -> None:
    """Nothing was done, so even a tool that is not idempotent may try again; three tries are the end."""
    busy = ToolError("busy", retryable=True)
    world.raises["once a"] = [busy, busy, None]
    assert (await bench.run(bench.plan(("t.once", {"name": "a"})))).status == "done"
    world.raises["once a"] = [busy, busy, busy, None]
    bench.store.rows.clear()
    report = await bench.run(bench.plan(("t.once", {"name": "a"})))
    assert (report.status, world.done.count("once a")) == ("failed", 6)


@pytest.mark.parametrize(
    "error", [ValueError("odd"), SystemExit(3), StopIteration(), asyncio.CancelledError()]
)
async def test_any_other_exception_of_a_tool_that_is_not_idempotent_is_uncertain(
    bench: Bench, world: World, error: BaseException
) -> None:
    """Nobody knows what happened: it is not repeated, not called failed, and it does not bring us down."""
    world.raises["once a"] = [error]
    report = await bench.run(bench.plan(("t.once", {"name": "a"}), ("t.once", {"name": "b"})))
    assert (report.status, report.failed_step) == ("uncertain", 0)
    assert world.done == ["once a"]
    assert bench.store.rows[report.effects[0].effect_id].status is EffectStatus.UNCERTAIN


async def test_the_error_says_where_in_the_tool_it_was(bench: Bench, world: World) -> None:
    """An unknown exception is recorded with its type and the line of the tool."""
    world.raises["once a"] = [ValueError("odd")]
    report = await bench.run(bench.plan(("t.once", {"name": "a"})))
    assert "ValueError: odd (line " in report.error
    assert "test_effects_perform.py" in report.error


async def test_an_idempotent_tool_is_tried_three_times_then_uncertain(bench: Bench, world: World) -> None:
    """It may be run again: with the same key; but not for ever."""
    world.raises["safe a"] = [OSError("reset"), OSError("reset"), None]
    assert (await bench.run(bench.plan(("t.safe", {"name": "a"})))).status == "done"
    assert len(set(world.keys)) == 1
    world.raises["safe b"] = [OSError("reset")] * 4
    report = await bench.run(bench.plan(("t.safe", {"name": "a"}), ("t.safe", {"name": "b"})))
    assert (report.status, world.done.count("safe b")) == ("uncertain", 3)


async def test_tool_error_after_an_unknown_try_stays_unknown(bench: Bench, world: World) -> None:
    """ "Nothing was done" speaks of the last try only."""
    world.raises["safe a"] = [OSError("reset"), ToolError("full")]
    report = await bench.run(bench.plan(("t.safe", {"name": "a"})))
    assert report.status == "uncertain"
    assert "full" in report.error
    assert "reset" in report.error


async def test_an_idempotent_tool_that_is_late_is_attempted_again(bench: Bench, world: World) -> None:
    """A timeout of an idempotent coroutine: cancelled, and attempted again under the same key."""
    report = await bench.run(bench.plan(("t.slow", {"times": 1})))
    assert (report.status, report.effects[0].result) == ("done", "at last")
    assert world.attempts == [1, 2]


async def test_an_idempotent_tool_that_is_always_late_is_uncertain(bench: Bench, world: World) -> None:
    """Three attempts are the end."""
    report = await bench.run(bench.plan(("t.slow", {"times": 9})))
    assert (report.status, world.attempts) == ("uncertain", [1, 2, 3])


async def test_a_thread_that_hangs_is_uncertain_and_learns_that_it_was_given_up(
    bench: Bench, world: World
) -> None:
    """A thread cannot be killed: we go on without it, and it can ask whether it should stop."""
    report = await bench.run(bench.plan(("t.stuck", {})))
    assert report.status == "uncertain"
    assert "no answer within" in report.error
    world.hang.set()
    await asyncio.to_thread(world.ended.wait, 5)
    assert world.given_up == [True]


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"at": {1, 2}}, "result.at"),
        ({"x": [1.0, float("nan")]}, "result.x[1]"),
        ({1: "x"}, "result"),
        (2**70, "result"),
        ("x" * 70_000, "result"),
        ("\ud800", "result"),
    ],
)
async def test_a_result_that_is_not_json_fails_the_plan_but_the_effect_is_done(
    bench: Bench, world: World, value: Any, where: str
) -> None:
    """It did its work: the ledger says done and keeps the undo; the plan fails and says where."""
    world.returns["once a"] = value
    plan = bench.plan(("t.once", {"name": "a"}), ("t.once", {"name": "b"}))
    report = await bench.run(plan)
    assert (report.status, world.done) == ("failed", ["once a"])
    assert where in report.error
    effect = bench.store.rows[report.effects[0].effect_id]
    assert (effect.status, effect.result) == (EffectStatus.DONE, None)
    assert effect.undo is not None
    bench.restart("w2")
    assert (await bench.run(plan)).status == "failed"
    assert world.done == ["once a"]


async def test_undo_arguments_that_do_not_fit_the_compensation_fail_the_plan(
    bench: Bench, world: World
) -> None:
    """What cannot be undone as promised is known at once, and the effect counts as irreversible."""
    world.returns["once a"] = Result({}, undo={"nmae": "a"})
    report = await bench.run(bench.plan(("t.once", {"name": "a"})))
    assert report.status == "failed"
    assert "cannot be undone by t.undo" in report.error
    planned = plan_compensation(report.effects, REQUEST, "evt_2")
    assert (planned.steps, planned.irreversible) == ((), (report.effects[0].effect_id,))


@pytest.mark.parametrize(
    ("switch", "status", "error", "denied"),
    [
        ("held", "interrupted", "held", False),
        ("fenced", "interrupted", "fenced", False),
        ("cut", "failed", "wound up", False),
        ("missing", "failed", "not there", False),
        ("approval", "failed", "no valid approval", True),
    ],
)
async def test_a_refused_intent_runs_nothing(
    bench: Bench, world: World, switch: str, status: str, error: str, denied: bool
) -> None:
    """held and fenced interrupt, all else fails; in no case is the tool called."""
    if switch == "fenced":
        bench.store.lost_claims.add("w1")
    elif switch == "approval":
        bench.store.approved = False
    else:
        setattr(bench.store, switch, True)
    report = await bench.run(bench.plan(("t.once", {"name": "a"})))
    assert (report.status, report.denied, world.done) == (status, denied, [])
    assert error in report.error


async def test_a_pause_between_two_steps_is_taken_up_where_it_stopped(bench: Bench, world: World) -> None:
    """What was done before a pause is read from the ledger afterwards, not done again."""
    plan = bench.plan(("t.once", {"name": "a"}), ("t.once", {"name": "b"}))
    world.returns["once a"] = {"n": 1}
    original = bench.store.record

    async def pause_after_first(claim: Any, effect: Any) -> Any:
        bench.store.held = True
        return await original(claim, effect)

    bench.store.record = pause_after_first  # type: ignore[method-assign]
    report = await bench.run(plan)
    assert (report.status, len(report.effects)) == ("interrupted", 1)
    bench.store.record = original  # type: ignore[method-assign]
    bench.store.held = False
    bench.restart("w2")
    report = await bench.run(plan)
    assert (report.status, world.done) == ("done", ["once a", "once b"])
    assert report.effects[0].result == {"n": 1}


async def test_cancelling_leaves_the_effect_in_doubt(bench: Bench, world: World) -> None:
    """A worker that is told to stop drops the call; the intent stays without an end."""
    task = asyncio.create_task(bench.run(bench.plan(("t.stuck", {}))))
    await asyncio.to_thread(world.began.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    world.hang.set()
    assert [row.status for row in bench.store.rows.values()] == [EffectStatus.INTENT]


async def test_a_crash_exception_is_no_exception_of_a_tool(bench: Bench) -> None:
    """The fake's crash passes through, so that the crash tests test what they say."""
    bench.store.crash_after_intent = 1
    with pytest.raises(Crash):
        await bench.run(bench.plan(("t.once", {"name": "a"})))
