"""Audit (P-05): one response and one stamp for every way a request can end.

1. the outcome, as the request's state holds it, and where that says nothing as the closing event does;
2. the response, from the event and, where that does not tell of every effect, from the ledger;
3. the stamp over the digest of the response, with the policies in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wingman_runtime.sdk import (
    FAILURE_OUTCOMES,
    AuditStamped,
    ContractError,
    DeadLettered,
    DeniedError,
    Effect,
    Emit,
    Event,
    ExecutionComplete,
    Ledger,
    Outcome,
    Policy,
    Ref,
    RequestFailed,
    Response,
    Stamp,
    because,
    derive,
    digest,
    grounds,
)

_OUTCOMES = {
    "RequestRejected": Outcome.REJECTED,
    "PermissionDenied": Outcome.DENIED,
    "ApprovalExpired": Outcome.EXPIRED,
    "ExecutionComplete": Outcome.COMPLETED,
    "ExecutionUncertain": Outcome.UNCERTAIN,
    "CompensationFailed": Outcome.ROLLBACK_INCOMPLETE,
    **FAILURE_OUTCOMES,
}


async def handle(event: Event[Any], policy: Policy, ledger: Ledger) -> Emit:
    data = event.data
    effects = () if _tells_all(data) else await ledger.effects(event.request_id)
    outcome = await ledger.decided(event.request_id) or _outcome(event, effects)
    decision = policy.judge(
        "audit",
        Ref("Agent", "audit"),
        Ref("Request", event.request_id),
        attributes={"tenant": event.tenant, "flow": event.flow, "outcome": outcome.value},
    )
    if not decision.allow:
        # No event of ours says "not stamped": the step fails, and the runtime puts that on the record.
        raise DeniedError("; ".join(because(decision)), where=event.request_id)
    told = vars(data)  # for a field that a model lacks, getattr takes its time
    response = Response(
        request_id=event.request_id,
        outcome=outcome,
        reasons=grounds(data),
        policies=told.get("policies", ()),
        plan=told.get("plan") or told.get("original"),
        approval_id=told.get("approval_id", ""),
        granted_by=told.get("granted_by", ""),
        effects=told.get("effects") or _of("apply", effects),
        compensations=told.get("compensations") or _of("compensate", effects),
    )
    plain = response.model_dump(mode="json")
    del plain["stamp"]  # the digest is over all the rest
    stamp = Stamp(
        stamp_id=derive("stm", event.id),
        outcome=outcome,
        closing_event=event.id,
        policy_digest=policy.digest,
        response_digest=digest(plain),
    )
    return Emit(AuditStamped(response=response.model_copy(update={"stamp": stamp}), stamp=stamp))


def _tells_all(data: object) -> bool:
    """Does the event name every effect there is? Asking the ledger is a journey to the server and back.

    What closes a request before anything failed has its effects, and nothing was ever undone.
    """
    return isinstance(data, ExecutionComplete) and bool(data.effects)


def _outcome(event: Event[Any], effects: Sequence[Effect]) -> Outcome:
    if event.type in FAILURE_OUTCOMES and _rollback_broke(event.data, effects):
        return Outcome.ROLLBACK_INCOMPLETE
    named = getattr(event.data, "outcome", None)
    if isinstance(named, Outcome):
        return named
    if event.type not in _OUTCOMES:
        raise ContractError("an event that closes a request names its outcome", where=event.type)
    return _OUTCOMES[event.type]


def _rollback_broke(data: object, effects: Sequence[Effect]) -> bool:
    """A failure that reaches the audit directly came after the rollback had begun, where a flow has one."""
    if isinstance(data, DeadLettered) and data.event_type == "CompensationPlanned":
        return True
    if isinstance(data, DeadLettered | RequestFailed) and data.agent == "rollback":
        return True
    return any(effect.kind == "compensate" for effect in effects)


def _of(kind: str, effects: Sequence[Effect]) -> tuple[Effect, ...]:
    return tuple(effect for effect in effects if effect.kind == kind)
