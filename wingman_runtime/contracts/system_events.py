"""Events the runtime itself writes: in any flow, without being declared by an agent."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from wingman_runtime.contracts.contract import EventContract, Primitive
from wingman_runtime.contracts.event import EventModel

_P = Primitive
_NOTHING_DONE = "nothing was applied, so there is nothing to undo"


class RequestFailed(EventModel):
    """The runtime's own failure event: any agent's step may come to it."""

    agent: str
    cause: str  # budget, undeclared_emit, emit_denied, approval_denied, starved, overtaken, invalid_output …
    reasons: tuple[str, ...] = Field(min_length=1)
    contract = EventContract(
        purpose="a step broke a rule of the runtime or could not go on",
        primitives=(_P.SCOPE_LOCK, _P.AUDIT_STAMP),
        failure="settles to rollback, ends as failed",
        rollback="compensates what was applied",
        audit="the rule that was broken",
    )


class RequestCancelled(EventModel):
    by: str
    reason: str
    contract = EventContract(
        purpose="somebody cancelled the request",
        primitives=(_P.INTERRUPT, _P.AUDIT_STAMP),
        failure="settles to rollback, ends as cancelled",
        rollback="compensates what was applied",
        audit="who and why",
    )


class RequestExpired(EventModel):
    reason: str
    contract = EventContract(
        purpose="the request's own deadline passed",
        primitives=(_P.INTERRUPT, _P.AUDIT_STAMP),
        failure="settles to rollback, ends as expired",
        rollback="compensates what was applied",
        audit="the deadline",
    )


class DeadLettered(EventModel):
    agent: str
    event_id: str
    event_type: str
    error: str
    attempts: int
    contract = EventContract(
        purpose="an agent gave up on an event; it is kept in the agent's dead-letter stream",
        primitives=(_P.AUDIT_STAMP, _P.ROLLBACK_COVENANT),
        failure="settles to rollback, ends as failed",
        rollback="compensates what was applied",
        audit="event, error, attempts, worker",
    )


class DeadLettersPiledUp(EventModel):
    """An agent has too many dead letters, or one that is too old; told once, until it is cleared."""

    agent: str
    depth: int
    oldest_s: float
    depth_limit: int
    age_limit_s: float
    contract = EventContract(
        purpose="an agent's dead letters need a person: too many, or too old",
        primitives=(_P.AUDIT_STAMP,),
        failure="none: it belongs to no request, and nobody has to consume it",
        rollback=_NOTHING_DONE,
        audit="how many, how old, and the limits",
    )


class DeadLettersCleared(EventModel):
    """What `DeadLettersPiledUp` told is over: below half of both limits."""

    agent: str
    depth: int
    oldest_s: float
    contract = EventContract(
        purpose="an agent's dead letters are few again",
        primitives=(_P.AUDIT_STAMP,),
        failure="none: it belongs to no request, and nobody has to consume it",
        rollback=_NOTHING_DONE,
        audit="how many are left",
    )


class AttemptFailed(EventModel):
    agent: str
    event_id: str
    error: str
    attempt: int
    retry_in: float
    contract = EventContract(
        purpose="an attempt failed and another is scheduled",
        primitives=(_P.AUDIT_STAMP,),
        failure="DeadLettered, when attempts run out",
        rollback="none: the step has no outcome yet",
        audit="the error and when the next attempt is due",
    )


class BranchesJoined(EventModel):
    """Delivered by a join: the events of its branches, as they were."""

    join: str
    inputs: tuple[dict[str, Any], ...]
    contract = EventContract(
        purpose="the branches a join waited for have arrived",
        primitives=(_P.SCOPE_LOCK, _P.AUDIT_STAMP),
        failure="RequestFailed (starved), when a needed branch ends without an event",
        rollback=_NOTHING_DONE,
        audit="the ids of the joined events",
    )


# Those that fail a request: routed to the flow's failure agent from wherever they come.
SYSTEM_EVENTS = frozenset({"RequestFailed", "RequestCancelled", "RequestExpired", "DeadLettered"})
