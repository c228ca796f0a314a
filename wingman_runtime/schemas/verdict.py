"""What the inclusion check answers: yes, no with a document that shows it, or not known and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Answer(StrEnum):
    """``unknown`` counts as breaking wherever something hangs on it."""

    COMPATIBLE = "compatible"
    INCOMPATIBLE = "incompatible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Gap:
    """One place where the reader may refuse what the writer may write.

    Attributes:
        rule: stable id of the rule that found it, such as ``type/narrowed``.
        path: JSON Pointer (RFC 6901) into the documents, ``*`` for any item or any unnamed property; ``""``
            is the whole document.
        reason: one sentence for a person.
        witness: a whole document that the writer admits and the reader refuses, confirmed by a validator that
            is not the checker; None where ``confirmed`` is false.
        confirmed: whether there is a witness; without one the gap is unknown, not proven.
    """

    rule: str
    path: str
    reason: str
    witness: Any = None
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether every document the writer's schema admits is admitted by the reader's."""

    gaps: tuple[Gap, ...] = ()

    @property
    def answer(self) -> Answer:
        if not self.gaps:
            return Answer.COMPATIBLE
        return Answer.INCOMPATIBLE if any(gap.confirmed for gap in self.gaps) else Answer.UNKNOWN

    @property
    def compatible(self) -> bool:
        return not self.gaps
