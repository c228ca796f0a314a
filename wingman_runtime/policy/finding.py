"""One thing wrong with the policies, found without asking them anything."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """``rule`` is a stable id such as ``policy/dead``; ``where`` is file:line."""

    rule: str
    message: str
    where: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.message} [{self.rule}]"
        return f"{text}\n  → {self.hint}" if self.hint else text
