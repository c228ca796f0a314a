"""What an agent's function may answer: emit, refuse, wait, perform, forward or done. Data, not deeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.work import Approval, CompensationPlan, Plan, PlanReport


@dataclass(frozen=True, slots=True)
class Emit:
    """Go on with these events. ``approval`` is a record to write by compare-and-set in the same commit."""

    events: tuple[EventModel, ...]
    approval: Approval | None = None

    def __init__(self, *events: EventModel, approval: Approval | None = None) -> None:
        object.__setattr__(self, "events", events)
        object.__setattr__(self, "approval", approval)


@dataclass(frozen=True, slots=True)
class Refuse:
    """The agent will not do it; ``event`` is one of its manifest's refusals and carries the reasons."""

    event: EventModel
    approval: Approval | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Park the branch until people decide ``approval`` or it expires. Holds no worker and no lease."""

    event: EventModel
    approval: Approval


@dataclass(frozen=True, slots=True)
class Perform:
    """Have a plan carried out by the effects room, then turn its report into an answer.

    Only an agent whose manifest says ``performs: true`` may answer this. ``then`` must be pure: after a
    crash it is called again with a report read from the ledger.
    """

    plan: Plan | CompensationPlan
    then: Callable[[PlanReport], Emit | Refuse] = field(compare=False)
    approval_id: str = ""
    kind: Literal["apply", "compensate"] = "apply"


@dataclass(frozen=True, slots=True)
class Done:
    """This branch ends here, on the record; ``note`` says why no event follows."""

    note: str


@dataclass(frozen=True, slots=True)
class Forward:
    """Pass the input on unchanged, where the flow says: an event that the manifest's ``forwards`` names."""


AgentOutcome: TypeAlias = Emit | Refuse | Wait | Perform | Done | Forward
