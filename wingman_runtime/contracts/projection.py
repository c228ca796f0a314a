"""A projection: a consumer's own model of an event, with only the fields it reads.

    class PlanView(EventModel):
        projects: ClassVar[str] = "ExecutionPlanProposed"
        plan_hash: str

A handler annotated ``Event[PlanView]`` gets its events decoded as that. Fields the model does not name are
passed over, so that their producer may remove them. A projection is no event type: nobody emits it, and the
catalog does not know it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

    from wingman_runtime.contracts.event import EventModel

REQUIRED_ENVELOPE = ("id", "source", "specversion", "type")
"""The context attributes CloudEvents 1.0 demands of every event."""


def projected(model: type[EventModel]) -> str:
    """The event type that ``model`` is a projection of; empty for an event of its own.

    Not declared on `EventModel`: an event may well have a field of this name.
    """
    named = getattr(model, "projects", "")
    return named if isinstance(named, str) else ""


def read_as(model: type[EventModel]) -> str:
    """The event type whose data ``model`` reads."""
    return projected(model) or model.__name__


def envelope_reads(model: type[BaseModel]) -> tuple[str, ...]:
    """Envelope fields that a consumer with this model needs, sorted; those CloudEvents demands, and those of
    its ``reads_envelope: ClassVar[tuple[str, ...]]``."""
    more = getattr(model, "reads_envelope", ())
    return tuple(sorted({*REQUIRED_ENVELOPE, *more} if isinstance(more, tuple | list) else REQUIRED_ENVELOPE))
