"""What several stages say in the same words: a plan for its gate, a decision, why a request ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.ports import Decision
from wingman_runtime.contracts.system_events import (
    DeadLettered,
    RequestCancelled,
    RequestExpired,
    RequestFailed,
)
from wingman_runtime.contracts.work import Grant, Outcome, Plan

# What a request whose effects are undone ends as, by the event that made it fail.
FAILURE_OUTCOMES: Mapping[str, Outcome] = MappingProxyType(
    {
        "ExecutionFailed": Outcome.FAILED,
        "RequestFailed": Outcome.FAILED,
        "DeadLettered": Outcome.FAILED,
        "RequestCancelled": Outcome.CANCELLED,
        "RequestExpired": Outcome.EXPIRED,
    }
)


def uncovered(plan: Plan, grants: Sequence[Grant]) -> tuple[str, ...]:
    """A reason for each step that no grant covers."""
    return tuple(
        f"steps[{step.index}]: {step.tool} on {step.resource} is not covered by a grant"
        for step in plan.steps
        if not any(grant.covers(step.tool, step.resource) for grant in grants)
    )


def plan_attributes(
    plan: Plan, *, requester: str, tenant: str, grants: Sequence[Grant] | None = None
) -> dict[str, Any]:
    """Attributes of a ``Plan`` entity, for the actions propose and approve.

    Args:
        grants: what the permission stage allowed. None: the plan comes from an approval record, into which
            only a plan within its grants gets.
    """
    return {
        "intent": plan.intent,
        "risk": plan.risk.value,
        "tools": sorted({step.tool for step in plan.steps}),
        "resources": sorted({step.resource for step in plan.steps}),
        "steps": len(plan.steps),
        "requester": requester,
        "tenant": tenant,
        "within_grants": grants is None or not uncovered(plan, grants),
    }


def because(decision: Decision) -> tuple[str, ...]:
    """The reasons of a decision; never empty, so that no refusal goes out without one."""
    if decision.reasons:
        return decision.reasons
    verb = "allowed" if decision.allow else "forbidden" if decision.forbidden else "not permitted"
    return (f"{decision.principal} may {decision.action} {decision.resource}: {verb}",)


def grounds(data: EventModel) -> tuple[str, ...]:
    """Why, as an event tells it: its own reasons, or a sentence made of a system event's fields."""
    if isinstance(data, RequestFailed):
        return (f"{data.agent}: {data.cause}", *data.reasons)
    if isinstance(data, DeadLettered):
        return (f"{data.agent} gave up on {data.event_type} after {data.attempts} attempts: {data.error}",)
    if isinstance(data, RequestCancelled):
        return (f"cancelled by {data.by}: {data.reason}",)
    if isinstance(data, RequestExpired):
        return (data.reason,)
    return tuple(vars(data).get("reasons", ()))
