"""Executor, rollback and audit: from an approved plan to the stamp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.agents.agents_fakes import (
    REQUEST,
    FakeLedger,
    FakePolicy,
    a_plan,
    a_request,
    an_effect,
    envelope,
)
from wingman_runtime.errors import ContractError, DeniedError
from wingman_runtime.sdk import (
    ApprovalExpired,
    AuditStamped,
    CompensationComplete,
    CompensationFailed,
    CompensationPlanned,
    DeadLettered,
    Done,
    Effect,
    EffectStatus,
    Emit,
    EventModel,
    ExecutionApproved,
    ExecutionBlocked,
    ExecutionComplete,
    ExecutionFailed,
    ExecutionUncertain,
    Outcome,
    Perform,
    PermissionDenied,
    PlanReport,
    RequestCancelled,
    RequestExpired,
    RequestFailed,
    RequestRejected,
    ToolExecutionDenied,
    UserRequestReceived,
    derive,
    digest,
)

Handler = Callable[[str], Any]
PLAN = a_plan()
APPROVED = ExecutionApproved(
    plan=PLAN, plan_digest=PLAN.digest(), approval_id="apr_1", granted_by="people:bob"
)
COMMON: dict[str, Any] = {"plan": PLAN, "approval_id": "apr_1", "granted_by": "people:bob"}
DONE, INTENT, UNCERTAIN = EffectStatus.DONE, EffectStatus.INTENT, EffectStatus.UNCERTAIN
FAILED = ExecutionFailed(**COMMON, effects=(an_effect(0),), failed_step=1, reasons=("disk full",))
DEAD = DeadLettered(agent="executor", event_id="e", event_type="ExecutionApproved", error="boom", attempts=5)
BROKEN = RequestFailed(agent="proposal", cause="budget", reasons=("too many events",))
CANCELLED = RequestCancelled(by="alice", reason="changed my mind")
EXPIRED = RequestExpired(reason="7 days passed")


async def perform(handler: Handler, data: EventModel, report: PlanReport) -> Emit:
    answer = await handler("executor")(envelope(data))
    assert isinstance(answer, Perform)
    events = answer.then(report)
    assert isinstance(events, Emit)
    assert answer.then(report) == events  # called again after a crash, it says the same
    return events


async def test_executor_asks_for_exactly_the_approved_plan(handler: Handler) -> None:
    """The answer names plan and approval; the deeds are the effects room's."""
    answer = await handler("executor")(envelope(APPROVED))
    assert (answer.plan, answer.approval_id, answer.kind) == (PLAN, "apr_1", "apply")


async def test_plan_that_was_not_approved_fails_without_a_deed(handler: Handler) -> None:
    """A plan that differs from the approved digest fails before anything is performed."""
    answer = await handler("executor")(envelope(APPROVED.model_copy(update={"plan_digest": "sha256:x"})))
    assert isinstance(answer, Emit)
    (event,) = answer.events
    assert isinstance(event, ExecutionFailed)
    assert event.effects == ()


@pytest.mark.parametrize(
    ("report", "types"),
    [
        (PlanReport(status="done", effects=(an_effect(0), an_effect(1))), [ExecutionComplete]),
        (PlanReport(status="failed", failed_step=1, error="disk full"), [ExecutionFailed]),
        (PlanReport(status="interrupted"), [ExecutionFailed]),
        (PlanReport(status="uncertain", effects=(an_effect(0, UNCERTAIN),)), [ExecutionUncertain]),
        (
            PlanReport(status="failed", failed_step=1, error="no", denied=True),
            [ToolExecutionDenied, ExecutionFailed],
        ),
        (PlanReport(status="failed", error="no", denied=True), [ExecutionFailed]),
    ],
)
async def test_report_becomes_events(
    handler: Handler, report: PlanReport, types: list[type[EventModel]]
) -> None:
    """Each status of the report has its events; effects, plan and approver travel with them."""
    answer = await perform(handler, APPROVED, report)
    assert [type(event) for event in answer.events] == types
    last: Any = answer.events[-1]
    assert (last.effects, last.granted_by) == (report.effects, "people:bob")
    if types[0] is ToolExecutionDenied:
        denied: Any = answer.events[0]
        assert (denied.tool, denied.step) == ("file.write", 1)


async def rollback(handler: Handler, data: EventModel, *effects: Effect) -> Any:
    answer = await handler("rollback")(envelope(data), ledger=FakeLedger(effects))
    assert isinstance(answer, Emit)
    (event,) = answer.events
    return event


async def test_rollback_goes_newest_first(handler: Handler) -> None:
    """What was done is undone in the opposite order, with the undo the tool left in the ledger."""
    event = await rollback(handler, FAILED, an_effect(0), an_effect(1), an_effect(2, EffectStatus.FAILED))
    assert isinstance(event, CompensationPlanned)
    assert [step.undoes for step in event.plan.steps] == ["eff_1", "eff_0"]
    assert event.plan.steps[0].args == {"path": "notes/1.md"}
    assert event.plan.irreversible == ()
    assert (event.outcome, event.original, event.reasons) == (Outcome.FAILED, PLAN, ("disk full",))
    assert len(event.effects) == 3


@pytest.mark.parametrize(
    ("cause", "outcome", "said"),
    [
        (FAILED, Outcome.FAILED, "disk full"),
        (BROKEN, Outcome.FAILED, "proposal: budget"),
        (DEAD, Outcome.FAILED, "executor gave up on ExecutionApproved after 5 attempts: boom"),
        (CANCELLED, Outcome.CANCELLED, "cancelled by alice: changed my mind"),
        (EXPIRED, Outcome.EXPIRED, "7 days passed"),
    ],
)
async def test_nothing_to_undo_ends_by_its_cause(
    handler: Handler, cause: EventModel, outcome: Outcome, said: str
) -> None:
    """Without effects, or with all undone already, rollback is complete; the cause decides the outcome."""
    undone = an_effect(0, EffectStatus.COMPENSATED)
    undo = an_effect(1, kind="compensate", undoes="eff_0", undo=None)
    for effects in ((), (undone,), (an_effect(0, EffectStatus.FAILED),)):
        event = await rollback(handler, cause, *effects)
        assert isinstance(event, CompensationComplete)
        assert event.outcome is outcome
        assert event.reasons[0] == said
    event = await rollback(handler, cause, undone, undo.model_copy(update={"status": EffectStatus.FAILED}))
    assert [effect.kind for effect in event.compensations] == ["compensate"]


@pytest.mark.parametrize("status", [INTENT, UNCERTAIN])
async def test_what_is_in_doubt_is_never_undone(handler: Handler, status: EffectStatus) -> None:
    """An effect in doubt alone: CompensationFailed naming it. Beside others: only they are undone."""
    event = await rollback(handler, FAILED, an_effect(0, status))
    assert isinstance(event, CompensationFailed)
    assert "may or may not have happened (eff_0)" in event.reasons[-1]
    event = await rollback(handler, FAILED, an_effect(0), an_effect(1, status))
    assert isinstance(event, CompensationPlanned)
    assert [step.undoes for step in event.plan.steps] == ["eff_0"]
    assert event.plan.irreversible == ("eff_1",)


async def test_what_cannot_be_undone_is_named(handler: Handler) -> None:
    """An effect without an undo: CompensationFailed says which."""
    event = await rollback(handler, CANCELLED, an_effect(0, undo=None))
    assert isinstance(event, CompensationFailed)
    assert event.reasons[-1] == "file.write on file:notes/0.md: cannot be undone (eff_0)"


async def test_compensation_done_marks_what_it_undid(handler: Handler) -> None:
    """All undone: CompensationComplete with the outcome of the cause, the effects shown as compensated."""
    planned = await rollback(handler, CANCELLED, an_effect(0), an_effect(1))
    answer = await handler("executor")(envelope(planned))
    assert (answer.kind, answer.plan, answer.approval_id) == ("compensate", planned.plan, "")
    undos = tuple(
        an_effect(10 + n, kind="compensate", undoes=f"eff_{n}", tool="file.restore") for n in (1, 0)
    )
    (event,) = (await perform(handler, planned, PlanReport(status="done", effects=undos))).events
    assert isinstance(event, CompensationComplete)
    assert event.outcome is Outcome.CANCELLED
    assert {effect.status for effect in event.effects} == {EffectStatus.COMPENSATED}
    assert event.compensations == undos


async def test_compensation_that_fails_lists_what_remains(handler: Handler) -> None:
    """A failed compensation: CompensationFailed with its error and each effect that stayed."""
    planned = await rollback(handler, FAILED, an_effect(0), an_effect(1))
    undo = an_effect(10, kind="compensate", undoes="eff_1")
    report = PlanReport(status="failed", effects=(undo,), failed_step=1, error="no such folder")
    (event,) = (await perform(handler, planned, report)).events
    assert isinstance(event, CompensationFailed)
    assert event.reasons == (
        "disk full",
        "no such folder",
        "not undone: eff_0 (file.restore on file:notes/0.md)",
    )
    assert [effect.status for effect in event.effects] == [DONE, EffectStatus.COMPENSATED]


async def test_rollback_with_something_irreversible_is_incomplete(handler: Handler) -> None:
    """What could be undone was; what could not, or is in doubt, makes it CompensationFailed."""
    planned = await rollback(handler, FAILED, an_effect(0), an_effect(1, undo=None), an_effect(2, UNCERTAIN))
    undo = an_effect(10, kind="compensate", undoes="eff_0")
    (event,) = (await perform(handler, planned, PlanReport(status="done", effects=(undo,)))).events
    assert isinstance(event, CompensationFailed)
    assert any("cannot be undone (eff_1)" in reason for reason in event.reasons)
    assert any("may or may not have happened (eff_2)" in reason for reason in event.reasons)


async def test_executor_ignores_other_events(handler: Handler) -> None:
    """What the executor does not consume performs nothing."""
    assert isinstance(await handler("executor")(envelope(UserRequestReceived(request=a_request()))), Done)


AUDITOR = FakePolicy({"audit"})


async def audit(
    handler: Handler, data: EventModel, *effects: Effect, policy: FakePolicy = AUDITOR
) -> AuditStamped:
    answer = await handler("audit")(envelope(data), policy=policy, ledger=FakeLedger(effects))
    assert isinstance(answer, Emit)
    (event,) = answer.events
    assert isinstance(event, AuditStamped)
    return event


UNDO = an_effect(9, kind="compensate", undoes="eff_0")
CLOSINGS = [
    (RequestRejected(reasons=("r",), policies=("p",)), (), Outcome.REJECTED),
    (PermissionDenied(reasons=("r",), policies=("p",)), (), Outcome.DENIED),
    (ExecutionBlocked(outcome=Outcome.BLOCKED, reasons=("r",), plan=PLAN), (), Outcome.BLOCKED),
    (ExecutionBlocked(outcome=Outcome.DENIED, reasons=("r",), plan=PLAN), (), Outcome.DENIED),
    (ApprovalExpired(approval_id="apr_1", reasons=("r",), plan=PLAN), (), Outcome.EXPIRED),
    (ExecutionComplete(**COMMON, effects=(an_effect(0),)), (an_effect(0),), Outcome.COMPLETED),
    (ExecutionUncertain(**COMMON, effects=(), reasons=("r",)), (an_effect(0, UNCERTAIN),), Outcome.UNCERTAIN),
    (CompensationComplete(outcome=Outcome.CANCELLED, reasons=("r",)), (), Outcome.CANCELLED),
    (CompensationFailed(reasons=("r",), original=PLAN), (UNDO,), Outcome.ROLLBACK_INCOMPLETE),
    (BROKEN, (), Outcome.FAILED),
    (DEAD, (an_effect(0),), Outcome.FAILED),
    (CANCELLED, (), Outcome.CANCELLED),
    (EXPIRED, (), Outcome.EXPIRED),
    (DEAD.model_copy(update={"event_type": "CompensationPlanned"}), (), Outcome.ROLLBACK_INCOMPLETE),
    (DEAD.model_copy(update={"agent": "rollback"}), (), Outcome.ROLLBACK_INCOMPLETE),
    (BROKEN.model_copy(update={"agent": "rollback"}), (), Outcome.ROLLBACK_INCOMPLETE),
    (BROKEN, (an_effect(0), UNDO), Outcome.ROLLBACK_INCOMPLETE),
]


@pytest.mark.parametrize(("data", "effects", "outcome"), CLOSINGS)
async def test_every_closing_event_is_stamped(
    handler: Handler, data: EventModel, effects: tuple[Effect, ...], outcome: Outcome
) -> None:
    """Each way to end has one response and a stamp over its digest, made under the policies in force."""
    stamped = await audit(handler, data, *effects)
    response, stamp = stamped.response, stamped.stamp
    assert response.outcome is stamp.outcome is outcome
    assert response.request_id == REQUEST
    assert response.stamp == stamp
    assert stamp.stamp_id == derive("stm", envelope(data).id)
    assert stamp.policy_digest == "sha256:bundle"
    assert stamp.response_digest == digest(response.model_dump(mode="json", exclude={"stamp"}))
    if outcome is not Outcome.COMPLETED:
        assert response.reasons
    assert [effect.effect_id for effect in (*response.effects, *response.compensations)] == [
        effect.effect_id for effect in effects
    ]


async def test_the_ledger_is_not_asked_for_what_the_event_tells(handler: Handler) -> None:
    """A completed plan names its effects itself, so the audit waits for no ledger; no effects: it asks."""

    class Asked(FakeLedger):
        async def effects(self, request_id: str) -> tuple[Effect, ...]:
            asked.append(request_id)
            return await super().effects(request_id)

    asked: list[str] = []
    ledger = Asked((an_effect(0),), Outcome.COMPLETED)
    for told in ((an_effect(0),), ()):
        event = envelope(ExecutionComplete(**COMMON, effects=told))
        stamped = (await handler("audit")(event, policy=FakePolicy({"audit"}), ledger=ledger)).events[0]
        assert [effect.effect_id for effect in stamped.response.effects] == ["eff_0"]
    assert asked == [REQUEST]


async def test_response_tells_plan_approver_and_policies(handler: Handler) -> None:
    """What the closing event knows is in the response."""
    complete = (await audit(handler, ExecutionComplete(**COMMON, effects=()))).response
    assert (complete.plan, complete.approval_id, complete.granted_by) == (PLAN, "apr_1", "people:bob")
    rejected = (await audit(handler, RequestRejected(reasons=("r",), policies=("p",)))).response
    assert (rejected.reasons, rejected.policies, rejected.plan) == (("r",), ("p",), None)
    undone = (await audit(handler, CompensationFailed(reasons=("r",), original=PLAN))).response
    assert undone.plan == PLAN


async def test_no_stamp_against_policy(handler: Handler) -> None:
    """A gate that does not let the audit stamp fails the step; nothing is stamped quietly."""
    with pytest.raises(DeniedError, match="missing: audit audit"):
        await audit(handler, BROKEN, policy=FakePolicy())


async def test_event_that_names_no_outcome_is_refused(handler: Handler) -> None:
    """A closing event of another kind must carry its outcome."""
    with pytest.raises(ContractError, match="names its outcome"):
        await audit(handler, UserRequestReceived(request=a_request()))


async def test_audit_stamps_the_outcome_that_was_decided(handler: Handler) -> None:
    """What the request's state holds is the truth, whatever the closing event would suggest."""
    event = envelope(RequestFailed(agent="executor", cause="budget", reasons=("r",)))
    ledger = FakeLedger(outcome=Outcome.ROLLBACK_INCOMPLETE)
    answer = await handler("audit")(event, policy=AUDITOR, ledger=ledger)
    assert answer.events[0].stamp.outcome is answer.events[0].response.outcome is Outcome.ROLLBACK_INCOMPLETE
