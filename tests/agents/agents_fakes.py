"""Small stand-ins for the ports: real classes with real answers, no recording of calls for its own sake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wingman_runtime.contracts.event import Event, EventModel, dataschema_of
from wingman_runtime.contracts.ports import Decision, Planner, Ref, ToolInfo
from wingman_runtime.contracts.work import (
    Approval,
    Effect,
    EffectStatus,
    Grant,
    Outcome,
    Plan,
    Risk,
    Scope,
    Step,
    StepRequest,
    WorkRequest,
)
from wingman_runtime.errors import ContractError, NotFoundError

REQUEST = "req_p0_" + "0" * 32


def envelope(data: EventModel, *, actor: str = "alice", tenant: str = "demo") -> Event[Any]:
    kind = type(data)
    parametrized: Any = Event.__class_getitem__(kind)
    return parametrized(  # type: ignore[no-any-return]
        id="evt_" + "a" * 26,
        source="agent:test",
        type=kind.__name__,
        subject=REQUEST,
        time="2026-01-01T00:00:00Z",
        dataschema=dataschema_of(kind),
        partition=0,
        correlationid=REQUEST,
        actor=actor,
        tenant=tenant,
        flow="request",
        data=data,
    )


@dataclass
class FakePolicy:
    """Allows and forbids by action, or by (action, principal id)."""

    allowed: set[str | tuple[str, str]] = field(default_factory=set)
    forbidden: set[str | tuple[str, str]] = field(default_factory=set)
    tools: set[str] | None = None  # for permit: the tools allowed
    quorum: str = ""
    users: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {"bob": ("approver",), "eve": ("guest",)}
    )
    asked: list[tuple[str, Ref, Ref, dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    digest: str = "sha256:bundle"

    def judge(
        self,
        action: str,
        principal: Ref,
        resource: Ref,
        *,
        context: Mapping[str, Any] | None = None,
        attributes: Mapping[str, Any] | None = None,
        gate: str | None = None,
    ) -> Decision:
        self.asked.append((action, principal, resource, dict(attributes or {}), dict(context or {})))
        keys: set[str | tuple[str, str]] = {action, (action, principal.id)}
        forbidden = bool(keys & self.forbidden)
        allow = bool(keys & self.allowed) and not forbidden
        if action == "permit" and self.tools is not None:
            allow = allow and resource.id in self.tools
        verb = "allow" if allow else "forbid" if forbidden else "missing"
        return Decision(
            allow=allow,
            gate="fake.cedar",
            action=action,
            principal=f"{principal.type}::{principal.id}",
            resource=f"{resource.type}::{resource.id}",
            policies=(f"{action}-{verb}",),
            reasons=(f"{verb}: {principal.id} {action} {resource.id}",),
            bundle=self.digest,
            forbidden=forbidden,
            annotations={"quorum": self.quorum} if self.quorum else {},
        )

    def roles(self) -> tuple[str, ...]:
        return ("approver", "guest")

    def roles_of(self, user: str) -> tuple[str, ...]:
        return self.users.get(user, ())


class FakeTools:
    """Two tools: ``file.write`` (undoable) and ``mail.send`` (high risk, not undoable)."""

    def names(self) -> tuple[str, ...]:
        return ("file.write", "mail.send")

    def info(self, name: str) -> ToolInfo:
        if name not in self.names():
            raise NotFoundError(f"no tool {name!r}")
        mail = name == "mail.send"
        return ToolInfo(
            name=name,
            purpose="a fake",
            risk=Risk.HIGH if mail else Risk.LOW,
            idempotent=not mail,
            timeout=1.0,
            compensation=None if mail else "file.restore",
            schema={},
        )

    def validate(self, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        self.info(name)
        key = "to" if name == "mail.send" else "path"
        if not isinstance(args.get(key), str):
            raise ContractError("not text", where=key)
        # What a real tool does too: the path that is judged is the one that would be written.
        return {**args, key: _normal(args[key])}

    def resource(self, name: str, args: Mapping[str, Any]) -> str:
        return f"mail:{args['to']}" if name == "mail.send" else f"file:{args['path']}"


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts)


@dataclass
class FakeScopes:
    scope: Scope | None
    reasons: tuple[str, ...] = ()

    def find(self, request: WorkRequest, tenant: str) -> tuple[Scope | None, tuple[str, ...]]:
        return self.scope, self.reasons


@dataclass
class FakePlanner:
    calls: Sequence[tuple[str, Mapping[str, Any]]]
    error: ContractError | None = None

    def plan(self, request: WorkRequest, scope: Scope) -> Sequence[tuple[str, Mapping[str, Any]]]:
        if self.error is not None:
            raise self.error
        return self.calls


@dataclass
class FakePlanners:
    planners: dict[str, Planner]

    def get(self, name: str) -> Planner:
        if name not in self.planners:
            raise NotFoundError("no such planner")
        return self.planners[name]


@dataclass
class FakeApprovals:
    records: dict[str, Approval] = field(default_factory=dict)
    quorum: int = 1
    expires_in: float = 60.0

    async def read(self, approval_id: str) -> Approval | None:
        return self.records.get(approval_id)

    def terms(self, plan: Plan) -> tuple[int, float]:
        return self.quorum, self.expires_in


@dataclass
class FakeLedger:
    rows: tuple[Effect, ...] = ()
    outcome: Outcome | None = None

    async def decided(self, request_id: str) -> Outcome | None:
        return self.outcome

    async def effects(self, request_id: str) -> tuple[Effect, ...]:
        return tuple(row for row in self.rows if row.request_id == request_id)


NOTES = Scope(
    name="notes",
    intent="note.write",
    tools=("file.write",),
    resources=("file:notes/*",),
    grants=(Grant(tool="file.write", resource="file:notes/*"),),
)


def a_request(**changes: Any) -> WorkRequest:
    return WorkRequest.model_validate({"intent": "note.write", "params": {"title": "a"}, **changes})


def a_plan(*, steps: int = 2) -> Plan:
    return Plan(
        plan_id="pln_1",
        request_id=REQUEST,
        intent="note.write",
        steps=tuple(
            Step(
                index=index,
                tool="file.write",
                args={"path": f"notes/{index}.md"},
                resource=f"file:notes/{index}.md",
                idempotent=True,
                compensation="file.restore",
            )
            for index in range(steps)
        ),
    )


def an_effect(index: int, status: EffectStatus = EffectStatus.DONE, **changes: Any) -> Effect:
    undo = StepRequest(tool="file.restore", args={"path": f"notes/{index}.md"})
    return Effect.model_validate(
        {
            "effect_id": f"eff_{index}",
            "request_id": REQUEST,
            "plan_id": "pln_1",
            "step": index,
            "tool": "file.write",
            "args": {"path": f"notes/{index}.md"},
            "resource": f"file:notes/{index}.md",
            "status": status,
            "undo": undo,
            "seq": index + 1,
            **changes,
        }
    )
