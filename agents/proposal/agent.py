"""Proposal: a plan from explicit steps, a template, or a planner of one's own.

1. find the planner by name; 2. validate each call against its tool and note resource, risk, compensation;
3. each step within the grants; 4. ask the proposal gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wingman_runtime.sdk import (
    STEP_LIMIT,
    ContractError,
    Emit,
    Event,
    ExecutionPlanProposed,
    NotFoundError,
    PermissionsVerified,
    Plan,
    Planners,
    Policy,
    Ref,
    Refuse,
    RequestRejected,
    Step,
    Tools,
    because,
    derive,
    plan_attributes,
    uncovered,
)


async def handle(
    event: Event[PermissionsVerified], policy: Policy, planners: Planners, tools: Tools
) -> Emit | Refuse:
    request, scope, grants = event.data.request, event.data.scope, event.data.grants
    name = request.planner or ("steps" if request.steps else scope.planner or request.intent)
    try:
        calls = planners.get(name).plan(request, scope)
        if not 0 < len(calls) <= STEP_LIMIT:
            raise ContractError(f"{len(calls)} steps; a plan has 1 to {STEP_LIMIT}", where="steps")
        steps = tuple(_step(index, tool, args, tools) for index, (tool, args) in enumerate(calls))
    except (ContractError, NotFoundError) as error:
        reason = f"planner {name!r}: {error.where or 'plan'}: {error.message}"
        return Refuse(RequestRejected(reasons=(reason,)))
    plan_id = derive("pln", event.id)
    plan = Plan(plan_id=plan_id, request_id=event.request_id, intent=request.intent, steps=steps)
    outside = uncovered(plan, grants)
    if outside:
        return Refuse(RequestRejected(reasons=outside))
    decision = policy.judge(
        "propose",
        Ref("Agent", "proposal"),
        Ref("Plan", plan_id),
        attributes=plan_attributes(plan, requester=event.actor, tenant=event.tenant, grants=grants),
        context={"requester": event.actor},
    )
    if not decision.allow:
        return Refuse(RequestRejected(reasons=because(decision), policies=decision.policies))
    return Emit(ExecutionPlanProposed(plan=plan, plan_digest=plan.digest(), grants=grants))


def _step(index: int, tool: str, args: Mapping[str, Any], tools: Tools) -> Step:
    """Raises ContractError or NotFoundError, located at the step."""
    try:
        info = tools.info(tool)
        valid = tools.validate(tool, args)
        resource = tools.resource(tool, valid)
    except (ContractError, NotFoundError) as error:
        where = f"steps[{index}].{error.where}" if error.where else f"steps[{index}]"
        raise ContractError(error.message, where=where) from None
    return Step(
        index=index,
        tool=tool,
        args=valid,
        resource=resource,
        risk=info.risk,
        idempotent=info.idempotent,
        compensation=info.compensation,
    )
