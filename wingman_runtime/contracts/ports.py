"""What an agent may be handed. An agent names ports in ``needs``; it never reaches for anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from wingman_runtime.contracts.work import Approval, Effect, Outcome, Plan, Risk, Scope, WorkRequest


class Ref(NamedTuple):
    """A Cedar entity: type without namespace (``User``), and id."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question to the judge. ``gate`` is a policy file name; ``attributes`` describe the resource."""

    gate: str
    action: str
    principal: Ref
    resource: Ref
    context: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """A judgement with its grounds. ``forbidden`` tells an explicit forbid from a mere absence of permits."""

    allow: bool
    gate: str
    action: str
    principal: str
    resource: str
    policies: tuple[str, ...]
    reasons: tuple[str, ...]
    bundle: str
    forbidden: bool = False
    errors: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    input_digest: str = ""

    def record(self) -> dict[str, Any]:
        """Plain data for the audit record."""
        return {
            "gate": self.gate,
            "action": self.action,
            "principal": self.principal,
            "resource": self.resource,
            "allow": self.allow,
            "forbidden": self.forbidden,
            "policies": list(self.policies),
            "reasons": list(self.reasons),
            "errors": list(self.errors),
            "bundle": self.bundle,
            "input": self.input_digest,
        }


class Policy(Protocol):
    """The judge, bound to one step: what it decides is recorded with the step's event."""

    @property
    def digest(self) -> str: ...

    def judge(
        self,
        action: str,
        principal: Ref,
        resource: Ref,
        *,
        context: Mapping[str, Any] | None = None,
        attributes: Mapping[str, Any] | None = None,
        gate: str | None = None,
    ) -> Decision: ...

    def roles(self) -> tuple[str, ...]:
        """Every role the project declares."""
        ...

    def roles_of(self, user: str) -> tuple[str, ...]: ...


class Scopes(Protocol):
    def find(self, request: WorkRequest, tenant: str) -> tuple[Scope | None, tuple[str, ...]]:
        """The scope the request is inside of, or None and the reasons why not."""
        ...


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """What may be known of a tool by one who cannot call it."""

    name: str
    purpose: str
    risk: Risk
    idempotent: bool
    timeout: float
    compensation: str | None
    schema: Mapping[str, Any]


class Tools(Protocol):
    def names(self) -> tuple[str, ...]: ...

    def info(self, name: str) -> ToolInfo:
        """Raises NotFoundError for an undeclared tool."""
        ...

    def validate(self, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Normalised arguments. Raises ContractError with the path of what does not fit."""
        ...

    def resource(self, name: str, args: Mapping[str, Any]) -> str:
        """The resource a call touches, e.g. ``file:notes/a.md``."""
        ...


class Planner(Protocol):
    def plan(self, request: WorkRequest, scope: Scope) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """(tool, args) in order. Raises ContractError when no plan can be made."""
        ...


class Planners(Protocol):
    def get(self, name: str) -> Planner:
        """Raises NotFoundError for a planner nobody declared."""
        ...


class Approvals(Protocol):
    async def read(self, approval_id: str) -> Approval | None: ...

    def terms(self, plan: Plan) -> tuple[int, float]:
        """Quorum, and seconds until expiry, that the project's configuration gives this plan."""
        ...


class Ledger(Protocol):
    async def effects(self, request_id: str) -> tuple[Effect, ...]:
        """Every effect of the request, oldest intent first."""
        ...

    async def decided(self, request_id: str) -> Outcome | None:
        """The outcome the request's state holds as decided; None while it is open."""
        ...
