"""What a request asks for, what a plan would do, and what was done: the nouns the chain hands on."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wingman_runtime.contracts.canonical import digest

STEP_LIMIT = 50


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Outcome(StrEnum):
    """Terminal outcomes. Exactly one per accepted request; immutable."""

    COMPLETED = "completed"
    REJECTED = "rejected"  # outside every declared scope, or no valid plan
    DENIED = "denied"  # a permission or a person said no
    BLOCKED = "blocked"  # policy forbids the plan
    FAILED = "failed"  # it broke; what had been applied was rolled back
    ROLLBACK_INCOMPLETE = "rollback_incomplete"
    UNCERTAIN = "uncertain"  # an effect may or may not have happened; a person decides
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Risk(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


_RISKS = tuple(Risk)  # in rising order


class StepRequest(_Frozen):
    """A step a request asks for explicitly, instead of a plan template."""

    tool: str = Field(min_length=1, max_length=100)
    args: dict[str, Any] = Field(default_factory=dict)


class WorkRequest(_Frozen):
    """The body of a request: an intent, its parameters, and optionally explicit steps."""

    intent: str = Field(min_length=1, max_length=100)
    params: dict[str, Any] = Field(default_factory=dict)
    steps: tuple[StepRequest, ...] = Field(default=(), max_length=STEP_LIMIT)
    planner: str = Field(default="", max_length=100)


class Grant(_Frozen):
    """One tool on one resource pattern: asked for by a scope, given by the permission stage.

    In a pattern ``*`` stands for any run of characters, as it does in a policy's ``like``.
    """

    tool: str
    resource: str

    def covers(self, tool: str, resource: str) -> bool:
        """May a call of ``tool`` that touches ``resource`` rely on this grant?

        A resource with a ``..`` in it names something else than it seems to; no grant covers it.
        """
        if tool != self.tool or (".." in resource and ".." in re.split(r"[/:\\]", resource)):
            return False
        if "*" not in self.resource:
            return resource == self.resource
        return _pattern(self.resource).fullmatch(resource) is not None


@lru_cache(maxsize=1024)
def _pattern(resource: str) -> re.Pattern[str]:
    pieces = (re.escape(piece) for piece in resource.split("*"))
    return re.compile(".*".join(pieces), re.DOTALL)


class Scope(_Frozen):
    """The declared scope a request was found to be inside of.

    ``grants`` pairs each tool with the resource patterns it may touch; ``tools`` and ``resources`` list both
    sides of it. ``planner`` names the planner of requests that name none.
    """

    name: str
    intent: str
    tools: tuple[str, ...]
    resources: tuple[str, ...]
    grants: tuple[Grant, ...] = ()
    planner: str = ""


class Step(_Frozen):
    """One tool call of a plan, with the compensation its tool declares."""

    index: int = Field(ge=0)
    tool: str
    args: dict[str, Any]
    resource: str
    risk: Risk = Risk.LOW
    idempotent: bool = False
    compensation: str | None = None  # name of the compensating tool; None: cannot be undone


class Plan(_Frozen):
    """An ordered list of steps. Its digest is what an approval binds to."""

    plan_id: str
    request_id: str
    intent: str
    steps: tuple[Step, ...] = Field(min_length=1, max_length=STEP_LIMIT)

    def digest(self) -> str:
        return digest(self.model_dump(mode="json"))

    @property
    def risk(self) -> Risk:
        """The highest risk among the steps."""
        return max((step.risk for step in self.steps), key=_RISKS.index)


class Vote(_Frozen):
    """One person's vote. ``signature`` is reserved: votes are not signed yet."""

    voter: str = Field(min_length=1, max_length=200)
    verdict: Literal["approve", "deny"]
    reason: str = Field(default="", max_length=2000)
    plan_digest: str
    signature: str = ""


class ApprovalStatus(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Approval(_Frozen):
    """Somebody answerable says yes to one exact plan; changed only by compare-and-set on ``version``.

    ``version`` is the one that was read (0: new). ``expires_in`` is seconds from the commit, on the
    server's clock; the stored record's deadline is `expires_at_ms`.
    """

    approval_id: str
    request_id: str
    tenant: str
    requester: str
    plan: Plan
    plan_digest: str
    roles: tuple[str, ...] = ()
    quorum: int = Field(default=1, ge=1)
    votes: tuple[Vote, ...] = ()
    status: ApprovalStatus = ApprovalStatus.OPEN
    granted_by: str = ""  # "policy:<ids>" or "people:<voters>"
    expires_in: float = Field(gt=0)
    expires_at_ms: int = 0
    version: int = 0


class EffectStatus(StrEnum):
    INTENT = "intent"
    DONE = "done"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    COMPENSATED = "compensated"


class Effect(_Frozen):
    """One row of the effects ledger. ``undo`` is the compensating call the tool returned, if any."""

    effect_id: str
    request_id: str
    plan_id: str
    step: int
    tool: str
    args: dict[str, Any]
    resource: str = ""
    kind: Literal["apply", "compensate"] = "apply"
    undoes: str = ""  # effect id, for kind "compensate"
    status: EffectStatus = EffectStatus.INTENT
    result: Any = None
    undo: StepRequest | None = None
    error: str = ""
    attempt: int = 1
    seq: int = 0  # order of intents within the request; rollback goes newest first
    intent_at_ms: int = 0
    ended_at_ms: int = 0
    deadline_ms: int = 0  # server time until which another claimant waits before re-running


class CompensationStep(_Frozen):
    """One step of a compensating plan: the call that undoes ``undoes``."""

    undoes: str
    tool: str
    args: dict[str, Any]
    resource: str = ""


class CompensationPlan(_Frozen):
    plan_id: str
    request_id: str
    steps: tuple[CompensationStep, ...]
    irreversible: tuple[str, ...] = ()  # effect ids that declare no compensation


class PlanReport(_Frozen):
    """What performing a plan (or a compensating plan) came to."""

    status: Literal["done", "failed", "uncertain", "interrupted"]
    effects: tuple[Effect, ...] = ()
    failed_step: int | None = None
    error: str = ""
    denied: bool = False  # the failure was a policy or manifest refusal


class Stamp(_Frozen):
    """The audit stamp of a terminal outcome (P-05)."""

    stamp_id: str
    outcome: Outcome
    closing_event: str
    policy_digest: str
    response_digest: str


class Response(_Frozen):
    """The one assembled answer to a request."""

    request_id: str
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    plan: Plan | None = None
    approval_id: str = ""
    granted_by: str = ""
    effects: tuple[Effect, ...] = ()
    compensations: tuple[Effect, ...] = ()
    stamp: Stamp | None = None
