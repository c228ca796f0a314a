"""For whom a plan is carried out, and what comes of it on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wingman_runtime.contracts.event import Event
from wingman_runtime.contracts.work import Effect, PlanReport


@dataclass(frozen=True, slots=True)
class Errand:
    """For whom a plan is carried out: facts of the envelope, for policies and tools."""

    request_id: str
    actor: str
    tenant: str
    flow: str = ""

    @classmethod
    def of(cls, event: Event[Any]) -> Errand:
        return cls(request_id=event.request_id, actor=event.actor, tenant=event.tenant, flow=event.flow)


@dataclass(slots=True)
class Postponed:
    """Whether a step may be put off, and what came of it.

    Attributes:
        tried: how often this plan was put off before.
        seconds: until it is to be carried out again; 0: it was not put off.
        error: what the tool asked for patience with.
    """

    tried: int
    seconds: float = 0.0
    error: str = ""


@dataclass(slots=True)
class Tally:
    effects: list[Effect] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    failed_step: int | None = None
    denied: bool = False

    def report(self, status: Any) -> PlanReport:
        return PlanReport(
            status=status,
            effects=tuple(self.effects),
            failed_step=self.failed_step,
            error="; ".join(self.errors),
            denied=self.denied,
        )
