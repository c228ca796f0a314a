"""Why a step of a plan was not done, in words for the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wingman_runtime.contracts.work import CompensationStep, Effect

_REFUSALS: Final = {
    "approval": "there is no valid approval of this plan",
    "cut": "the request is being wound up",
    "missing": "the request, or the effect to undo, is not there any more",
    "undoing": "another call has undone it, or is about to",
}


@dataclass(frozen=True, slots=True)
class NotDone:
    """Why a step has no effect.

    Attributes:
        denied: policy, manifest or approval said no.
        stop: the work is not ours, or not now; ``error`` is ``held``, ``fenced``, ``unlogged``, ``later``.
    """

    error: str
    denied: bool = False
    stop: bool = False


def refused_intent(reason: str) -> NotDone:
    """The store's refusal of an intent."""
    if reason in ("fenced", "held", "unlogged"):
        return NotDone(reason, stop=True)
    return NotDone(_REFUSALS.get(reason, reason), denied=reason == "approval")


def not_the_undo(step: CompensationStep, effect: Effect | None) -> NotDone | None:
    """None if the step is the very call that the effect left for its undoing.

    Nobody approves a compensating plan; so it may hold nothing else.
    """
    if effect is not None and effect.undo is not None:
        promised = (effect.undo.tool, effect.undo.args, effect.resource)
        if effect.kind == "apply" and promised == (step.tool, step.args, step.resource):
            return None
    return NotDone("the ledger knows no such undoing of it", denied=True)


def still_in_doubt(repeatable: bool, earlier: int) -> str:
    """What to tell the person who has to find out."""
    why = f"{earlier} times now" if repeatable else "and the call is not idempotent"
    return f"an earlier attempt left no result, {why}; find out by hand whether it was done"
