"""What is wrong with a flow, as a check says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wingman_runtime.errors import FlowError


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem. ``rule`` is a stable id such as ``flow/orphan-event``; ``where`` is file:line."""

    rule: str
    message: str
    where: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.message} [{self.rule}]"
        return f"{text}\n  → {self.hint}" if self.hint else text


def require(findings: Sequence[Finding]) -> None:
    """Refuse to go on with a flow that has findings.

    Raises:
        FlowError: naming all of them; ``where`` is that of the first.
    """
    if not findings:
        return
    first = findings[0]
    message = f"{first.message} [{first.rule}]"
    if len(findings) > 1:
        others = "".join(f"\n  also {one.where}: {one.message} [{one.rule}]" for one in findings[1:])
        message = f"{message} (1 of {len(findings)} problems){others}"
    raise FlowError(message, where=first.where, hint=first.hint or None)
