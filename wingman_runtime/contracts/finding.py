"""One thing wrong with a project, as a check says it: of a flow, the policies, or anything else of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """``rule`` is a stable id such as ``flow/orphan-event``; ``where`` is file:line."""

    rule: str
    message: str
    where: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.message} [{self.rule}]"
        return f"{text}\n  → {self.hint}" if self.hint else text
