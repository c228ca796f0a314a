"""Executor: has the effects room carry a plan out, and turns its report into events.

1. an approved plan: complete, failed or uncertain; 2. a compensating plan (P-06): complete or failed.
The functions over the report are pure: after a crash they run again over a report read from the ledger.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from wingman_runtime.sdk import (
    AgentOutcome,
    CompensationComplete,
    CompensationFailed,
    CompensationPlanned,
    Done,
    Effect,
    EffectStatus,
    Emit,
    Event,
    ExecutionApproved,
    ExecutionComplete,
    ExecutionFailed,
    ExecutionUncertain,
    Perform,
    PlanReport,
    ToolExecutionDenied,
)


async def handle(event: Event[Any]) -> AgentOutcome:
    match event.data:
        case ExecutionApproved() as approved if approved.plan.digest() != approved.plan_digest:
            changed = PlanReport(status="failed", error="the plan is not the one that was approved")
            return _applied(approved, changed)
        case ExecutionApproved() as approved:
            return Perform(approved.plan, then=partial(_applied, approved), approval_id=approved.approval_id)
        case CompensationPlanned() as planned:
            return Perform(planned.plan, then=partial(_undone, planned), kind="compensate")
        case other:
            return Done(f"{type(other).__name__} is nothing an executor carries out")


def _applied(approved: ExecutionApproved, report: PlanReport) -> Emit:
    common = {
        "plan": approved.plan,
        "approval_id": approved.approval_id,
        "granted_by": approved.granted_by,
        "effects": report.effects,
    }
    if report.status == "done":
        return Emit(ExecutionComplete(**common))
    reasons = (report.error or f"the plan was {report.status}",)
    if report.status == "uncertain":
        return Emit(ExecutionUncertain(**common, reasons=reasons))
    failed = ExecutionFailed(**common, failed_step=report.failed_step, reasons=reasons)
    if not report.denied or report.failed_step is None:
        return Emit(failed)
    tool = approved.plan.steps[report.failed_step].tool
    return Emit(ToolExecutionDenied(tool=tool, step=report.failed_step, reasons=reasons), failed)


def _undone(planned: CompensationPlanned, report: PlanReport) -> Emit:
    undone = {effect.undoes for effect in report.effects if effect.status is EffectStatus.DONE}
    now = {"status": EffectStatus.COMPENSATED}
    effects = tuple(
        effect.model_copy(update=now) if effect.effect_id in undone else effect for effect in planned.effects
    )
    common = {"original": planned.original, "effects": effects, "compensations": report.effects}
    remains = [_remains(effect) for effect in effects if effect.effect_id in planned.plan.irreversible]
    if report.status != "done":
        remains.insert(0, report.error or f"the compensation was {report.status}")
        untold = [
            step
            for step in planned.plan.steps
            if step.undoes not in undone and step.undoes not in report.error
        ]
        remains.extend(f"not undone: {step.undoes} ({step.tool} on {step.resource})" for step in untold)
    if remains:
        return Emit(CompensationFailed(reasons=(*planned.reasons, *remains), **common))
    return Emit(CompensationComplete(outcome=planned.outcome, reasons=planned.reasons, **common))


def _remains(effect: Effect) -> str:
    doubt = effect.status is not EffectStatus.DONE
    why = "may or may not have happened" if doubt else "cannot be undone"
    return f"step {effect.step}, {effect.tool} on {effect.resource}: {why} ({effect.effect_id})"
