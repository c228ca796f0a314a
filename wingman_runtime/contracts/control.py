"""The control record: who stopped what, why, and since which epoch (P-03).

Rules are kept by scope; a message is held when any rule covers it. ``pause`` holds work and lets requests
queue; ``halt`` closes the door to them as well; ``halt_compensate`` does that and lets compensations through.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from wingman_runtime.errors import UsageError


class ControlScope(StrEnum):
    ALL = "all"
    AGENT = "agent"
    EVENT = "event"
    FLOW = "flow"
    TENANT = "tenant"
    REQUEST = "request"
    SCHEDULE = "schedule"


class ControlMode(StrEnum):
    PAUSE = "pause"
    HALT = "halt"
    HALT_COMPENSATE = "halt_compensate"


class ControlTarget(BaseModel):
    """What a rule covers. Text form: ``all``, or ``scope:name`` such as ``agent:executor``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    scope: ControlScope
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> ControlTarget:
        """Raises UsageError for text that is no target."""
        scope, _, name = text.partition(":")
        if scope == ControlScope.ALL and not name:
            return cls(scope=ControlScope.ALL)
        if scope in list(ControlScope) and scope != ControlScope.ALL and name:
            return cls(scope=ControlScope(scope), name=name)
        raise UsageError(
            f"{text!r} is no target",
            hint="use all, agent:NAME, flow:NAME, tenant:NAME, event:TYPE, request:ID or schedule:NAME",
        )

    def __str__(self) -> str:
        return self.scope.value if self.scope is ControlScope.ALL else f"{self.scope.value}:{self.name}"


class ControlRule(BaseModel):
    """One rule of the record; its key is ``str(target)``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    target: ControlTarget
    mode: ControlMode = ControlMode.PAUSE
    reason: str = Field(min_length=1, max_length=2000)
    by: str = Field(min_length=1, max_length=200)
    epoch: int = 0
    at_ms: int = 0


class ControlRecord(BaseModel):
    """The whole record of a partition at one epoch, with the active policy bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    epoch: int = 0
    policy: str = ""
    rules: tuple[ControlRule, ...] = ()

    def covering(
        self, *, agent: str, event: str = "", flow: str = "", tenant: str = "", request: str = ""
    ) -> ControlRule | None:
        """The first rule that holds such a message, or None."""
        if not self.rules:
            return None
        keys = {
            "all",
            f"agent:{agent}",
            f"event:{event}",
            f"flow:{flow}",
            f"tenant:{tenant}",
            f"request:{request}",
        }
        return next((rule for rule in self.rules if str(rule.target) in keys), None)


class InFlight(BaseModel):
    """An effect with an intent and no end: the one thing a rule cannot take back. Times in server ms.

    Past ``deadline_ms`` nobody counts on its call any more: whether it was made is for its next claimant, or
    for a person, to find out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    request_id: str
    effect_id: str
    tool: str
    kind: str
    agent: str
    worker: str
    attempt: int
    since_ms: int
    deadline_ms: int


class Held(BaseModel):
    """What was acknowledged: from here on no intent is recorded for what the rule covers.

    Attributes:
        rule: what was set.
        at_ms: the server's time when the last partition had it.
        epochs: of each partition, as the rule advanced it.
        positions: of each partition, the log number of the record; an intent with a later one is not covered.
        in_flight: effects that had begun before and had no end, with the rule of their partition set.
        drained: whether all of them have ended since; None: nobody waited for it.
        left: those that had not, when the wait was over.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    rule: ControlRule
    at_ms: int
    epochs: tuple[int, ...]
    positions: tuple[int, ...]
    in_flight: tuple[InFlight, ...]
    drained: bool | None = None
    left: tuple[InFlight, ...] = ()
