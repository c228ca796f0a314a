"""Eager steps that the commit refuses: the step before is recorded, its event delivered as any other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.redisio.chains import REQUEST, STAMP, anew, chain, facts, file, following, says
from tests.redisio.harness import House, an_approval, done, emission, retry
from wingman_runtime.contracts.control import ControlMode
from wingman_runtime.redisio.commit import ApprovalChange, Emission, StepResult
from wingman_runtime.redisio.inbox import Entry

Spoil = Callable[[StepResult], StepResult]
"""What is wrong with an eager step."""


def _entry(**other: object) -> Spoil:
    return lambda step: replace(step, entry=replace(step.entry, **other))  # type: ignore[arg-type]


def _answer(*events: str | Emission, **rest: object) -> Spoil:
    return lambda step: done(step.entry, *events, **rest)


def _sends(event_type: str = "Next", **rest: Any) -> Spoil:
    return lambda step: done(step.entry, emission(step.entry, event_type, **rest))


def _approval(version: int = 0) -> Spoil:
    def changed(step: StepResult) -> StepResult:
        approval = an_approval(step.entry.request_id).model_copy(update={"version": version})
        return replace(step, approval=ApprovalChange(approval))

    return changed


def _passed_on(identity: str = "", event_type: str = "Next") -> Spoil:
    def forwards(step: StepResult) -> StepResult:
        sent = Emission(identity or step.entry.event_id, event_type, b"", b'{"agent":"b"}', 0, kind="routed")
        return done(step.entry, sent)

    return forwards


WRONG: dict[str, Spoil] = {
    "another agent": _entry(agent="c"),
    "another event": _entry(event_id="evt_other"),
    "another type": _entry(event_type="Forked"),
    "another request": _entry(request_id="req_p0_" + "8" * 32),
    "no request": _entry(request_id="x"),
    "other policies": lambda step: replace(step, policy="sha256:of-yesterday"),
    "a changed approval": _approval(2),
    "no such route": _answer("Undeclared"),
    "a second event without a route": _answer("Next", "Undeclared"),
    "nothing for its join": _sends("Part", join=None),
    "too deep": _sends(depth=9),
    "too wide": _answer(*["Next"] * 17),
    "too many": _answer(*["Next"] * 9),
    "passes on another event": _passed_on("evt_other"),
    "passes on another type": _passed_on(event_type="Noted"),
    "another outcome": lambda step: replace(step, foreseen="completed"),
}  # fmt: skip


async def _alone(house: House) -> tuple[Entry, StepResult]:
    """`a` has its entry, and answers."""
    await house.admit(identity=REQUEST)
    await house.forward()
    entry = await house.take("a")
    return entry, done(entry, "Next")


async def _told(house: House, spoil: Spoil, prepare: Callable[[], Awaitable[object]] | None = None) -> None:
    """With the spoiled step all is as without it, and its agent finds the event in its inbox, uncounted."""
    await anew(house, events=8)
    _, head = await _alone(house)
    if prepare:
        await prepare()
    assert (await file(house, head)).steps == 1
    expected = await facts(house)
    await anew(house, events=8)
    _, head = await _alone(house)
    if prepare:
        await prepare()
    step = spoil(following(head, "b", says("Next")))
    after = following(following(head, "b", says("Next")), "c", says("Next"))
    filed = await file(house, replace(head, eager=(step, after)))
    assert [verdict.kind for verdict in filed.verdicts] == ["committed"]
    assert filed.steps == 1
    assert await facts(house) == expected
    entry = await house.take("b")
    assert (entry.deliveries, entry.event_id, entry.body) == (
        1, head.emissions[0].event_id, head.emissions[0].body
    )  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_step_leaves_no_trace(house: House, wrong: str) -> None:
    """Refused by the clause that would refuse it from the inbox: the event goes there, nothing behind it."""
    await _told(house, WRONG[wrong])


@pytest.mark.parametrize("target", ["agent:b", "event:Next"])
@pytest.mark.parametrize("mode", [ControlMode.PAUSE, ControlMode.HALT])
@pytest.mark.parametrize("answer", ["done", "retry"])
async def test_a_rule_stops_a_chain_before_what_it_covers(
    house: House, target: str, mode: ControlMode, answer: str
) -> None:
    """The agent or the event is held: what it would answer, or fail at, is not recorded."""

    async def hold() -> None:
        await house.hold(target, mode)

    spoil: Spoil = (lambda step: step) if answer == "done" else lambda step: retry(step.entry, 0)
    await _told(house, spoil, hold)


@pytest.mark.parametrize("target", ["all", "flow:story", "tenant:demo", f"request:{REQUEST}"])
async def test_a_rule_over_the_request_lets_settling_pass_and_no_closing(house: House, target: str) -> None:
    """Halted, compensating: what undoes is recorded early as well, the closing behind it waits."""
    _, head = await _alone(house)
    await file(house, done(head.entry, "Broke"))
    await house.hold(target, ControlMode.HALT_COMPENSATE)
    settling = await house.take("rollback")
    undone = done(settling, "Planned")
    step = following(undone, "e", lambda entry: done(entry, emission(entry, "Compensated", outcome="failed")))
    closing = replace(following(step, "audit", says("Stamped"), phase=2), foreseen="failed")
    assert (await file(house, replace(undone, eager=(step, closing)))).steps == 2
    assert (await house.state(REQUEST)).status == "open"
    await house.resume(target)
    await house.close(REQUEST, "failed")


async def test_the_steps_before_a_refused_one_stand(house: House) -> None:
    """The second of three is refused: the first is recorded, the third is not there."""
    _, head = await _alone(house)
    await house.hold("agent:c")
    whole = chain(head, ("b", says("Next")), ("c", says("Next")), ("b", says("Finished")))
    assert (await file(house, whole)).steps == 2
    await house.resume("agent:c")
    entry = await house.take("c")
    assert entry.event_id == whole.eager[0].emissions[0].event_id
    assert await house.fetch("b") == []
    await house.commit(done(entry, "Finished"))
    await house.close(REQUEST, "completed")


@pytest.mark.parametrize(("decided", "foreseen"), [("Finished", "denied"), ("Refused", "completed")])
async def test_a_closing_answered_under_another_outcome_is_asked_again(
    house: House, decided: str, foreseen: str
) -> None:
    """The stamp that came along tells of an outcome that was not decided: audit is asked by its inbox."""
    _, head = await _alone(house)
    head = done(head.entry, decided)
    closing = replace(following(head, *STAMP, phase=2), foreseen=foreseen)
    assert (await file(house, replace(head, eager=(closing,)))).steps == 1
    await house.close(REQUEST, "completed" if decided == "Finished" else "denied")


async def test_the_first_decision_stands_against_a_foreseen_one(house: House) -> None:
    """A sibling has decided already: the stamp is not taken for the outcome that comes second."""
    request_id, entry = await house.started()
    await house.commit(done(entry, "Forked"))
    await house.step("b", "Refused")
    await house.step("e", "Finished")
    branch = await house.take("c")
    head = done(branch, "Finished")
    closing = replace(following(head, *STAMP, phase=2), foreseen="completed")
    assert (await file(house, replace(head, eager=(closing,)))).steps == 1
    await house.close(request_id, "denied")


async def test_an_approval_of_another_request_is_not_written(house: House) -> None:
    """An early step names the approval of another request: a conflict, and both are unchanged."""
    other, approval = await house.ask()
    _, head = await _alone(house)
    step = following(head, "b", says("Next"))
    stolen = approval.model_copy(update={"request_id": step.entry.request_id, "requester": "mallory"})
    step = replace(step, approval=ApprovalChange(stolen))
    assert (await file(house, replace(head, eager=(step,)))).steps == 1
    assert await house.approval(approval.approval_id) == approval
    assert (await house.state(other)).status == "open"
    assert (await house.take("b")).deliveries == 1


async def test_a_request_that_is_cancelled_meanwhile_takes_no_early_step(house: House) -> None:
    """A letter between the answers and their commit: the head is cut, its followers are not recorded."""
    _, head = await _alone(house)
    assert await house.cancel(REQUEST) == "posted"
    assert (await file(house, chain(head, ("b", says("Next"))))).steps == 1
    assert await house.fetch("b") == []
    settling = await house.take("rollback")
    await house.commit(done(settling, emission(settling, "Compensated", outcome="cancelled")))
    await house.close(REQUEST, "cancelled")


async def test_the_chain_that_others_spoil_passes(house: House) -> None:
    """Unspoiled, all of it is recorded: what the other tests see refused is what they did to it."""
    await anew(house, events=8)
    _, head = await _alone(house)
    assert (await file(house, chain(head, ("b", says("Next")), ("c", says("Next"))))).steps == 3
