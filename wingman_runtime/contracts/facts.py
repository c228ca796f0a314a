"""What the gates are told about a plan: one place, so that every stage describes a plan in the same words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wingman_runtime.contracts.work import Grant, Plan


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
