"""One thing a schema check found: which rule, where, in which direction, and who must do what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Direction(StrEnum):
    """Backward: may new readers read what old writers wrote? Forward: may old readers read the new?"""

    BACKWARD = "backward"
    FORWARD = "forward"
    NEITHER = ""


class Weight(StrEnum):
    BREAKING = "breaking"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class SchemaFinding:
    """A finding is the same from run to run: rule, event and path name it, and a waiver refers to these.

    Attributes:
        rule: stable id, such as ``schema/field-removed``.
        event: event type.
        path: JSON Pointer into the event's data; ``*`` for any item.
        against: the recorded version it was held against, as text; "" if none.
        witness: a document that shows it; None where there is none.
        act: who must act, and in which order: ``producer``, ``consumers first``, names of consumers.
        remedy: what to do, in the imperative.
        where: file:line of the model, or of the recorded version.
        reason: why the answer is unknown, where it is.
    """

    rule: str
    event: str
    path: str
    direction: Direction
    weight: Weight
    message: str
    against: str = ""
    witness: Any = None
    act: str = ""
    remedy: str = ""
    where: str = ""
    reason: str = ""
