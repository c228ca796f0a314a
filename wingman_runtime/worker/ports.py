"""Ports for one step: what an agent named in ``needs``, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wingman_runtime.contracts.ports import (
    Approvals,
    Decision,
    Ledger,
    Planners,
    Question,
    Ref,
    Scopes,
    Tools,
)
from wingman_runtime.contracts.work import Approval, Effect, Outcome, Plan
from wingman_runtime.policy.bundle import GATES
from wingman_runtime.policy.judge import Judge
from wingman_runtime.redisio import approvals
from wingman_runtime.redisio.store import Store

Terms = Callable[[Plan], tuple[int, float]]
"""Quorum, and seconds until expiry, for a plan."""


class StepPolicy:
    """The ``policy`` port: judges, and remembers each question with its answer for the step's record."""

    def __init__(self, judge: Judge, gate: str) -> None:
        self._judge = judge
        self._gate = gate
        self.asked: list[tuple[Question, Decision]] = []
        self._roles_asked: dict[str, tuple[str, ...]] = {}

    @property
    def digest(self) -> str:
        return self._judge.digest

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
        question = Question(
            gate or self._gate or GATES.get(action, ""),
            action,
            principal,
            resource,
            context or {},
            attributes or {},
        )
        return self.ask(question)

    def ask(self, question: Question) -> Decision:
        decision = self._judge.judge(question)
        self.asked.append((question, decision))
        return decision

    def roles(self) -> tuple[str, ...]:
        return self._judge.roles()

    def roles_of(self, user: str) -> tuple[str, ...]:
        roles = self._roles_asked[user] = self._judge.roles_of(user)
        return roles

    def still_holds(self, judge: Judge) -> StepPolicy | None:
        """The same questions put to another bundle: its record, or None if any answer changed."""
        again = StepPolicy(judge, self._gate)
        if any(judge.roles_of(user) != roles for user, roles in self._roles_asked.items()):
            return None
        for question, before in self.asked:
            after = again.ask(question)
            # A forbid blocks where a mere absence of permits asks people: both words count.
            if (after.allow, after.forbidden) != (before.allow, before.forbidden):
                return None
        return again


class StepApprovals:
    """The ``approvals`` port: reads from the request's own partition."""

    def __init__(self, store: Store, partition: int, terms: Terms) -> None:
        self._store = store
        self._partition = partition
        self._terms = terms

    async def read(self, approval_id: str) -> Approval | None:
        return await approvals.read(self._store, self._partition, approval_id)

    def terms(self, plan: Plan) -> tuple[int, float]:
        return self._terms(plan)


class ForeseenLedger:
    """The ``ledger`` port where the outcome is known: asked for already, or decided in the very commit that
    will record an eager step."""

    def __init__(self, ledger: Ledger, outcome: Outcome) -> None:
        self._ledger = ledger
        self._outcome = outcome

    async def effects(self, request_id: str) -> tuple[Effect, ...]:
        return await self._ledger.effects(request_id)

    async def decided(self, request_id: str) -> Outcome | None:
        return self._outcome


class PortRack:
    """The ports of one worker, from which each step's are picked by name."""

    def __init__(
        self,
        store: Store,
        *,
        scopes: Scopes,
        tools: Tools,
        planners: Planners,
        ledger: Ledger,
        approval_terms: Terms,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self._store = store
        self._terms = approval_terms
        self._fixed: dict[str, Any] = {
            "scopes": scopes,
            "tools": tools,
            "planners": planners,
            "ledger": ledger,
            **(extra or {}),
        }

    async def decided(self, request_id: str) -> Outcome | None:
        """The outcome on record, as the ``ledger`` port tells it."""
        ledger: Ledger = self._fixed["ledger"]
        return await ledger.decided(request_id)

    def pick(
        self, needs: tuple[str, ...], policy: StepPolicy, partition: int, foreseen: Outcome | None = None
    ) -> dict[str, Any]:
        """Exactly the named ports; the manifest's check at load made sure that each is known."""
        out: dict[str, Any] = {}
        for name in needs:
            if name == "policy":
                out[name] = policy
            elif name == "approvals":
                approvals_port: Approvals = StepApprovals(self._store, partition, self._terms)
                out[name] = approvals_port
            elif name == "ledger" and foreseen is not None:
                ledger: Ledger = ForeseenLedger(self._fixed[name], foreseen)
                out[name] = ledger
            else:
                out[name] = self._fixed[name]
        return out
