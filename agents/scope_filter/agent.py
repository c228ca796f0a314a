"""Scope filter (P-01): is the request inside a declared scope, and does the scope's gate let it in?

1. find the scope by intent, tenant and limits; 2. explicit steps must stay inside its tools and resources;
3. ask the policies of the scope gate.
"""

from __future__ import annotations

from wingman_runtime.sdk import (
    ContractError,
    Emit,
    Event,
    NotFoundError,
    Policy,
    Ref,
    Refuse,
    RequestRejected,
    RequestValidated,
    Scope,
    Scopes,
    Tools,
    UserRequestReceived,
    WorkRequest,
    because,
)


async def handle(
    event: Event[UserRequestReceived], policy: Policy, scopes: Scopes, tools: Tools
) -> Emit | Refuse:
    request = event.data.request
    scope, reasons = scopes.find(request, event.tenant)
    if scope is None:
        return Refuse(RequestRejected(reasons=reasons or (f"no scope holds {request.intent!r}",)))
    outside = _outside(request, scope, tools)
    if outside:
        return Refuse(RequestRejected(reasons=outside))
    attributes = {"tenant": event.tenant, "intent": request.intent, "flow": event.flow}
    if event.trigger:
        attributes["trigger"] = event.trigger
    decision = policy.judge(
        "validate",
        Ref("User", event.actor),
        Ref("Request", event.request_id),
        attributes={**attributes, "steps": len(request.steps)},
        context={"scope": scope.name},
    )
    if not decision.allow:
        return Refuse(RequestRejected(reasons=because(decision), policies=decision.policies))
    return Emit(RequestValidated(request=request, scope=scope, reasons=because(decision)))


def _outside(request: WorkRequest, scope: Scope, tools: Tools) -> tuple[str, ...]:
    """A reason for each explicit step outside the scope, by the resource its final arguments touch."""
    reasons: list[str] = []
    for index, step in enumerate(request.steps):
        try:
            resource = tools.resource(step.tool, tools.validate(step.tool, step.args))
        except (ContractError, NotFoundError) as error:
            reasons.append(f"steps[{index}]: {error.where or step.tool}: {error.message}")
            continue
        if not any(grant.covers(step.tool, resource) for grant in scope.grants):
            reasons.append(f"steps[{index}]: {step.tool} on {resource} is outside scope {scope.name!r}")
    return tuple(reasons)
