"""An in-memory effects ledger with the protocol's semantics, a judge, and tools that record what they did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.contracts.outcome import Emit, Perform
from wingman_runtime.contracts.ports import Decision, Ref
from wingman_runtime.contracts.tool import ToolMark, tool_mark
from wingman_runtime.contracts.work import (
    CompensationPlan,
    Effect,
    EffectStatus,
    Plan,
    PlanReport,
    Step,
)
from wingman_runtime.effects.errand import Errand
from wingman_runtime.effects.perform import Performer
from wingman_runtime.effects.registry import ToolRegistry
from wingman_runtime.effects.store import Claim, IntentAnswer
from wingman_runtime.effects.tool import ToolSpec, spec_of
from wingman_runtime.effects.workspace import Workspace

REQUEST = "req_p0_" + "0" * 32


class Crash(BaseException):
    """The process dies here."""


@dataclass
class MemoryStore:
    """What `EffectStore` promises, on one dict and a clock that only `sleep` moves."""

    now_ms: int = 1_000
    held: bool = False
    cut: bool = False
    missing: bool = False
    approved: bool = True
    lost_claims: set[str] = field(default_factory=set)
    rows: dict[str, Effect] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    late: list[Effect] = field(default_factory=list)
    intents: list[tuple[str, int]] = field(default_factory=list)
    crash_after_intent: int = 0
    crash_before_record: int = 0
    seen_digests: list[str] = field(default_factory=list)

    async def intend(
        self, claim: Claim, effect: Effect, *, approval_id: str, takeover: bool = False, plan_digest: str = ""
    ) -> IntentAnswer:
        self.seen_digests.append(plan_digest)
        for stopped, reason in (
            (claim.worker in self.lost_claims, "fenced"),
            (self.missing, "missing"),
            (self.held, "held"),
        ):
            if stopped:
                return IntentAnswer("refused", reason=reason)
        known = self.rows.get(effect.effect_id)
        attempt = effect.attempt
        if known is not None:
            if known.status is not EffectStatus.INTENT:
                return IntentAnswer("known", effect=known)
            attempt = max(attempt, known.attempt)
            if self.owners[effect.effect_id] != claim.worker:
                wait = max(0, known.deadline_ms - self.now_ms)
                if wait or not takeover:
                    return IntentAnswer("in_doubt", effect=known, wait_ms=wait)
                attempt = known.attempt + 1
        if effect.kind == "apply":
            if self.cut:
                return IntentAnswer("refused", reason="cut")
            if not (self.approved and approval_id):
                return IntentAnswer("refused", reason="approval")
        elif self.rows[effect.undoes].status is not EffectStatus.DONE:
            return IntentAnswer("refused", reason="missing")
        row = effect.model_copy(
            update={
                "seq": known.seq if known else len(self.rows) + 1,
                "attempt": attempt,
                "deadline_ms": self.now_ms + effect.deadline_ms,
            }
        )
        self.rows[effect.effect_id] = row
        self.owners[effect.effect_id] = claim.worker
        self.intents.append((effect.tool, attempt))
        if self.crash_after_intent:
            self.crash_after_intent -= 1
            if not self.crash_after_intent:
                raise Crash
        return IntentAnswer("go", effect=row)

    async def record(self, claim: Claim, effect: Effect) -> Effect:
        if self.crash_before_record:
            self.crash_before_record -= 1
            if not self.crash_before_record:
                raise Crash
        known = self.rows[effect.effect_id]
        given_up = effect.status is EffectStatus.UNCERTAIN and self.now_ms >= known.deadline_ms
        ours = self.owners[effect.effect_id] == claim.worker
        if known.status is not EffectStatus.INTENT or not (ours or given_up):
            self.late.append(effect)
            return known
        self.rows[effect.effect_id] = effect.model_copy(update={"seq": known.seq})
        if effect.undoes and effect.status is EffectStatus.DONE:
            undone = self.rows[effect.undoes]
            self.rows[effect.undoes] = undone.model_copy(update={"status": EffectStatus.COMPENSATED})
        return self.rows[effect.effect_id]

    async def release(self, claim: Claim, effect: Effect, error: str) -> None:
        known = self.rows[effect.effect_id]
        if known.status is EffectStatus.INTENT and self.owners[effect.effect_id] == claim.worker:
            del self.rows[effect.effect_id], self.owners[effect.effect_id]

    async def of_request(self, request_id: str) -> tuple[Effect, ...]:
        rows = [row for row in self.rows.values() if row.request_id == request_id]
        return tuple(sorted(rows, key=lambda row: row.seq))

    async def sleep(self, seconds: float) -> None:
        """Stands in for asyncio.sleep: the server's clock goes on."""
        self.now_ms += max(1, round(seconds * 1000))


@dataclass
class FakePolicy:
    """Allows all but the (action, tool) pairs in ``deny``; keeps the questions."""

    deny: set[tuple[str, str]] = field(default_factory=set)
    asked: list[tuple[str, str, str, Mapping[str, Any], Mapping[str, Any], str | None]] = field(
        default_factory=list
    )
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
        self.asked.append((action, str(principal.id), resource.id, context or {}, attributes or {}, gate))
        allow = (action, resource.id) not in self.deny
        return Decision(
            allow=allow,
            gate=gate or "",
            action=action,
            principal=principal.id,
            resource=resource.id,
            policies=("p",),
            reasons=() if allow else ("the fake says no",),
            bundle=self.digest,
        )

    def roles(self) -> tuple[str, ...]:
        return ()

    def roles_of(self, user: str) -> tuple[str, ...]:
        return ()


def specs(*functions: Callable[..., Any]) -> list[ToolSpec]:
    """Checked declarations of functions marked in a test."""
    found = []
    for function in functions:
        mark = tool_mark(function)
        assert isinstance(mark, ToolMark)
        found.append(spec_of(function, mark, where="test:1", timeout=30.0))
    return found


def manifest(*tools: str, performs: bool = True) -> Manifest:
    return Manifest(
        name="executor",
        version="1.0.0",
        purpose="p",
        owner="o",
        scope="s",
        handler="agent:handle",
        consumes=("ExecutionApproved",),
        emits=("ExecutionComplete",),
        refusals=(),
        tools=tools or ("*",),
        output="o",
        audit=("a",),
        performs=performs,
    )


def claim(worker: str = "w1") -> Claim:
    return Claim(
        partition=0, agent="executor", worker=worker, entry="1-0", event_id="evt_1", request_id=REQUEST
    )


def _then(report: PlanReport) -> Emit:
    raise AssertionError("the worker calls this, not the performer")


@dataclass
class Bench:
    """A performer on fakes. ``worker`` changes whose claim it is; ``restart`` is a new process."""

    registry: ToolRegistry
    root: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    policy: FakePolicy = field(default_factory=FakePolicy)
    performer: Performer = field(init=False)
    worker: str = "w1"

    def __post_init__(self) -> None:
        self.restart(self.worker)

    def restart(self, worker: str, *, sleep: Callable[[float], Awaitable[None]] | None = None) -> None:
        self.worker = worker
        self.performer = Performer(
            self.registry, self.store, Workspace(self.root), sleep=sleep or self.store.sleep
        )

    def plan(self, *steps: tuple[str, Mapping[str, Any]]) -> Plan:
        built = []
        for index, (name, args) in enumerate(steps):
            normal = self.registry.validate(name, args)
            resource = self.registry.resource(name, normal)
            built.append(Step(index=index, tool=name, args=normal, resource=resource))
        return Plan(plan_id="plan_1", request_id=REQUEST, intent="test", steps=tuple(built))

    async def run(
        self,
        plan: Plan | CompensationPlan,
        *,
        approval: str = "apr_1",
        declared: Manifest | None = None,
        kind: Any = None,
    ) -> PlanReport:
        kind = kind or ("apply" if isinstance(plan, Plan) else "compensate")
        perform = Perform(plan, then=_then, approval_id=approval, kind=kind)
        errand = Errand(request_id=REQUEST, actor="alice", tenant="demo", flow="request")
        return await self.performer.carry_out(
            perform, claim(self.worker), errand, declared or manifest(), self.policy
        )
