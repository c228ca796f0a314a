"""Permission (P-02): may this user, through the executor, use these tools on these resources?

1. list what is needed: the explicit steps' calls, else all the scope asks for; 2. ask the gate once for each;
3. all of them, or denied with every missing right.
"""

from __future__ import annotations

from wingman_runtime.sdk import (
    ContractError,
    Emit,
    Event,
    Grant,
    NotFoundError,
    PermissionDenied,
    PermissionsVerified,
    Policy,
    Ref,
    Refuse,
    RequestValidated,
    Scope,
    Tools,
    WorkRequest,
    because,
    owner_of,
)


async def handle(event: Event[RequestValidated], policy: Policy, tools: Tools) -> Emit | Refuse:
    request, scope = event.data.request, event.data.scope
    context = {"agent": "executor", "tenant": event.tenant, "intent": request.intent}
    allowed: list[str] = []
    missing: list[str] = []
    policies: list[str] = []
    try:
        needed = _needed(request, scope, tools)
        for grant in needed:
            decision = policy.judge(
                "permit",
                Ref("User", event.actor),
                Ref("Tool", grant.tool),
                attributes=_facts(grant, tools),
                context=context,
            )
            said = [f"{grant.tool} on {grant.resource}: {reason}" for reason in because(decision)]
            (allowed if decision.allow else missing).extend(said)
            policies.extend(() if decision.allow else decision.policies)
    except (ContractError, NotFoundError) as error:
        return Refuse(PermissionDenied(reasons=(f"{error.where or 'tool'}: {error.message}",)))
    if missing or not needed:
        reasons = tuple(missing) or (f"scope {scope.name!r} names no tool, so nothing can be granted",)
        return Refuse(PermissionDenied(reasons=reasons, policies=tuple(dict.fromkeys(policies))))
    return Emit(PermissionsVerified(request=request, scope=scope, grants=needed, reasons=tuple(allowed)))


def _facts(grant: Grant, tools: Tools) -> dict[str, str]:
    facts = {"resource": grant.resource, "risk": tools.info(grant.tool).risk.value}
    owner = owner_of(grant.tool, grant.resource)
    return {**facts, "first_requester": owner} if owner else facts


def _needed(request: WorkRequest, scope: Scope, tools: Tools) -> tuple[Grant, ...]:
    calls = [
        Grant(tool=step.tool, resource=tools.resource(step.tool, tools.validate(step.tool, step.args)))
        for step in request.steps
    ]
    return tuple(dict.fromkeys(calls or scope.grants))
