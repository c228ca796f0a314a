"""The shipped event types, in the order a request meets them."""

from __future__ import annotations

from pydantic import Field

from wingman_runtime.contracts.contract import EventContract, Primitive
from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.system_events import (
    SYSTEM_EVENTS,
    AttemptFailed,
    BranchesJoined,
    DeadLettered,
    DeadLettersCleared,
    DeadLettersPiledUp,
    RequestCancelled,
    RequestExpired,
    RequestFailed,
)
from wingman_runtime.contracts.work import (
    CompensationPlan,
    Effect,
    Grant,
    Outcome,
    Plan,
    Response,
    Scope,
    Stamp,
    Vote,
    WorkRequest,
)

_P = Primitive
_NOTHING_DONE = "nothing was applied, so there is nothing to undo"


class UserRequestReceived(EventModel):
    request: WorkRequest
    contract = EventContract(
        purpose="a request was admitted and is to be routed",
        primitives=(_P.SCOPE_LOCK, _P.INTERRUPT, _P.AUDIT_STAMP),
        failure="not admitted: the client gets an error and nothing is stored",
        rollback=_NOTHING_DONE,
        audit="the request body, its actor and tenant, and the flow it was pinned to",
    )


class RequestValidated(EventModel):
    request: WorkRequest
    scope: Scope
    reasons: tuple[str, ...] = ()
    contract = EventContract(
        purpose="the request lies inside a declared scope",
        primitives=(_P.SCOPE_LOCK,),
        failure="RequestRejected",
        rollback=_NOTHING_DONE,
        audit="the scope that matched and the policies that allowed it",
    )


class RequestRejected(EventModel):
    reasons: tuple[str, ...] = Field(min_length=1)
    policies: tuple[str, ...] = ()
    contract = EventContract(
        purpose="the request lies outside every scope, or no valid plan can be made of it",
        primitives=(_P.SCOPE_LOCK, _P.AUDIT_STAMP),
        failure="ends the request as rejected",
        rollback=_NOTHING_DONE,
        audit="each reason",
    )


class PermissionsVerified(EventModel):
    request: WorkRequest
    scope: Scope
    grants: tuple[Grant, ...]
    reasons: tuple[str, ...] = ()
    contract = EventContract(
        purpose="this actor, through this agent, may use these tools on these resources",
        primitives=(_P.PERMISSION_BOUNDARY,),
        failure="PermissionDenied",
        rollback=_NOTHING_DONE,
        audit="each grant with the policy that gave it",
    )


class PermissionDenied(EventModel):
    reasons: tuple[str, ...] = Field(min_length=1)
    policies: tuple[str, ...] = ()
    contract = EventContract(
        purpose="a right the request needs is missing or forbidden",
        primitives=(_P.PERMISSION_BOUNDARY, _P.AUDIT_STAMP),
        failure="ends the request as denied",
        rollback=_NOTHING_DONE,
        audit="the missing rights and the policies probed",
    )


class ExecutionPlanProposed(EventModel):
    plan: Plan
    plan_digest: str
    grants: tuple[Grant, ...] = ()
    contract = EventContract(
        purpose="a plan, each step valid for its tool and naming its compensation",
        primitives=(_P.RESPONSIBILITY_HANDSHAKE, _P.ROLLBACK_COVENANT),
        failure="RequestRejected, when no valid plan exists",
        rollback=_NOTHING_DONE,
        audit="the plan and its digest",
    )


class ApprovalRequested(EventModel):
    approval_id: str
    plan_digest: str
    roles: tuple[str, ...]
    quorum: int
    expires_in: float
    reasons: tuple[str, ...] = ()
    contract = EventContract(
        purpose="people are asked to answer for a plan; the request is parked meanwhile",
        primitives=(_P.RESPONSIBILITY_HANDSHAKE,),
        failure="expires: ApprovalExpired",
        rollback=_NOTHING_DONE,
        audit="who may vote, how many votes are needed, until when",
    )


class ApprovalVoteCast(EventModel):
    approval_id: str
    vote: Vote
    contract = EventContract(
        purpose="a person voted; the handshake has yet to judge whether the vote counts",
        primitives=(_P.RESPONSIBILITY_HANDSHAKE, _P.AUDIT_STAMP),
        failure="VoteRefused",
        rollback=_NOTHING_DONE,
        audit="the vote as it was cast",
    )


class ApprovalGiven(EventModel):
    approval_id: str
    vote: Vote
    remaining: int
    contract = EventContract(
        purpose="a vote counted; this many are still needed",
        primitives=(_P.RESPONSIBILITY_HANDSHAKE, _P.AUDIT_STAMP),
        failure="the approval stays open until it expires",
        rollback=_NOTHING_DONE,
        audit="the voter and what is still missing",
    )


class VoteRefused(EventModel):
    approval_id: str
    voter: str
    reasons: tuple[str, ...]
    contract = EventContract(
        purpose="a vote did not count: no right to vote, own request, second vote, or too late",
        primitives=(_P.RESPONSIBILITY_HANDSHAKE, _P.PERMISSION_BOUNDARY),
        failure="the approval stays as it was",
        rollback=_NOTHING_DONE,
        audit="the voter and the reasons",
    )


class ApprovalTimedOut(EventModel):
    approval_id: str
    contract = EventContract(
        purpose="the deadline of an open approval passed",
        primitives=(_P.RESPONSIBILITY_HANDSHAKE, _P.INTERRUPT),
        failure="fires again after a restart until it is answered",
        rollback=_NOTHING_DONE,
        audit="the approval that timed out",
    )


class ApprovalExpired(EventModel):
    approval_id: str
    reasons: tuple[str, ...]
    plan: Plan | None = None
    contract = EventContract(
        purpose="nobody answered for the plan in time; expired is not denied",
        primitives=(_P.RESPONSIBILITY_HANDSHAKE, _P.AUDIT_STAMP),
        failure="ends the request as expired",
        rollback=_NOTHING_DONE,
        audit="the votes there were",
    )


class ExecutionApproved(EventModel):
    plan: Plan
    plan_digest: str
    approval_id: str
    granted_by: str
    reasons: tuple[str, ...] = ()
    contract = EventContract(
        purpose="somebody answerable approved exactly this plan",
        primitives=(_P.RESPONSIBILITY_HANDSHAKE,),
        failure="ExecutionFailed, when the approval is no longer valid at the intent",
        rollback=_NOTHING_DONE,
        audit="approver, digest of the plan, expiry",
    )


class ExecutionBlocked(EventModel):
    outcome: Outcome
    reasons: tuple[str, ...] = Field(min_length=1)
    policies: tuple[str, ...] = ()
    plan: Plan | None = None
    approval_id: str = ""
    contract = EventContract(
        purpose="policy forbids the plan (blocked), or a person said no to it (denied)",
        primitives=(_P.RESPONSIBILITY_HANDSHAKE, _P.AUDIT_STAMP),
        failure="ends the request as blocked or denied",
        rollback=_NOTHING_DONE,
        audit="the policies or voters that said no",
    )


class ExecutionComplete(EventModel):
    plan: Plan
    approval_id: str
    granted_by: str
    effects: tuple[Effect, ...]
    contract = EventContract(
        purpose="every step of the plan was applied and recorded",
        primitives=(_P.AUDIT_STAMP,),
        failure="ends the request as completed",
        rollback="a later rollback is a new, linked request",
        audit="each effect with its result",
    )


class ExecutionFailed(EventModel):
    plan: Plan
    approval_id: str
    granted_by: str
    effects: tuple[Effect, ...]
    failed_step: int | None
    reasons: tuple[str, ...] = Field(min_length=1)
    contract = EventContract(
        purpose="a step failed or was refused; what was applied before it is to be undone",
        primitives=(_P.ROLLBACK_COVENANT, _P.AUDIT_STAMP),
        failure="settles to rollback once every other branch has settled",
        rollback="compensates the effects that were applied, newest first",
        audit="the failing step and its error",
    )


class ToolExecutionDenied(EventModel):
    tool: str
    step: int
    reasons: tuple[str, ...]
    policies: tuple[str, ...] = ()
    contract = EventContract(
        purpose="a tool call was refused at run time: by policy, or because nobody declared it",
        primitives=(_P.PERMISSION_BOUNDARY, _P.AUDIT_STAMP),
        failure="the plan fails: ExecutionFailed follows",
        rollback="the refused call had no effect",
        audit="tool, step and the policies that refused",
    )


class ExecutionUncertain(EventModel):
    plan: Plan
    approval_id: str
    granted_by: str
    effects: tuple[Effect, ...]
    reasons: tuple[str, ...] = Field(min_length=1)
    contract = EventContract(
        purpose="an effect may or may not have happened, and its tool does not allow a second try",
        primitives=(_P.AUDIT_STAMP, _P.RESPONSIBILITY_HANDSHAKE),
        failure="ends the request as uncertain; a person decides",
        rollback="nothing is undone blindly",
        audit="the effect in doubt",
    )


class CompensationPlanned(EventModel):
    plan: CompensationPlan
    cause: str
    outcome: Outcome
    reasons: tuple[str, ...]
    original: Plan | None = None
    effects: tuple[Effect, ...] = ()
    contract = EventContract(
        purpose="the compensating calls for what was applied, newest first",
        primitives=(_P.ROLLBACK_COVENANT,),
        failure="CompensationFailed",
        rollback="this is the rollback",
        audit="each call and the effect it undoes",
    )


class CompensationComplete(EventModel):
    outcome: Outcome
    reasons: tuple[str, ...]
    original: Plan | None = None
    effects: tuple[Effect, ...] = ()
    compensations: tuple[Effect, ...] = ()
    contract = EventContract(
        purpose="all that was applied has been undone (or nothing had been)",
        primitives=(_P.ROLLBACK_COVENANT, _P.AUDIT_STAMP),
        failure="ends the request with the outcome of its cause: failed, cancelled or expired",
        rollback="done",
        audit="each compensation with its result",
    )


class CompensationFailed(EventModel):
    reasons: tuple[str, ...] = Field(min_length=1)
    original: Plan | None = None
    effects: tuple[Effect, ...] = ()
    compensations: tuple[Effect, ...] = ()
    contract = EventContract(
        purpose="something that was applied could not be undone",
        primitives=(_P.ROLLBACK_COVENANT, _P.AUDIT_STAMP),
        failure="ends the request as rollback_incomplete; a person decides",
        rollback="what remains is listed",
        audit="what was undone and what was not",
    )


class AuditStamped(EventModel):
    response: Response
    stamp: Stamp
    contract = EventContract(
        purpose="the outcome of the request, assembled and stamped",
        primitives=(_P.AUDIT_STAMP,),
        failure="dead-lettered: the outcome stands, without a stamp, and says so",
        rollback="a stamp is never taken back",
        audit="this event is the artifact",
    )


SHIPPED: dict[str, type[EventModel]] = {
    model.__name__: model
    for model in (
        UserRequestReceived,
        RequestValidated,
        RequestRejected,
        PermissionsVerified,
        PermissionDenied,
        ExecutionPlanProposed,
        ApprovalRequested,
        ApprovalVoteCast,
        ApprovalGiven,
        VoteRefused,
        ApprovalTimedOut,
        ApprovalExpired,
        ExecutionApproved,
        ExecutionBlocked,
        ExecutionComplete,
        ExecutionFailed,
        ToolExecutionDenied,
        ExecutionUncertain,
        CompensationPlanned,
        CompensationComplete,
        CompensationFailed,
        AuditStamped,
        RequestFailed,
        RequestCancelled,
        RequestExpired,
        DeadLettered,
        DeadLettersPiledUp,
        DeadLettersCleared,
        AttemptFailed,
        BranchesJoined,
    )
}

__all__ = [
    "SHIPPED",
    "SYSTEM_EVENTS",
    "ApprovalExpired",
    "ApprovalGiven",
    "ApprovalRequested",
    "ApprovalTimedOut",
    "ApprovalVoteCast",
    "AttemptFailed",
    "AuditStamped",
    "BranchesJoined",
    "CompensationComplete",
    "CompensationFailed",
    "CompensationPlanned",
    "DeadLettered",
    "DeadLettersCleared",
    "DeadLettersPiledUp",
    "ExecutionApproved",
    "ExecutionBlocked",
    "ExecutionComplete",
    "ExecutionFailed",
    "ExecutionPlanProposed",
    "ExecutionUncertain",
    "PermissionDenied",
    "PermissionsVerified",
    "RequestCancelled",
    "RequestExpired",
    "RequestFailed",
    "RequestRejected",
    "RequestValidated",
    "ToolExecutionDenied",
    "UserRequestReceived",
    "VoteRefused",
]
