"""Planning a rollback from the ledger: which effects to undo, in which order. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from wingman_runtime.contracts.ids import derive
from wingman_runtime.contracts.work import CompensationPlan, CompensationStep, Effect, EffectStatus


def plan_compensation(effects: Sequence[Effect], request_id: str, cause_event_id: str) -> CompensationPlan:
    """The compensating plan of a request: what was done and not yet undone, newest first.

    Effects that are uncertain, or an intent without an end, are left alone: undoing what may not have
    happened can do harm. Whoever asks reports those.

    Args:
        effects: the request's effects, in any order.
        request_id: the request they belong to; others are left out.
        cause_event_id: the event that made the rollback necessary; the plan's id derives from it.
    """
    applied = [
        effect
        for effect in effects
        if effect.request_id == request_id and effect.kind == "apply" and effect.status is EffectStatus.DONE
    ]
    applied.sort(key=lambda effect: (effect.seq, effect.step, effect.effect_id), reverse=True)
    return CompensationPlan(
        plan_id=derive("plan", request_id, cause_event_id, "compensate"),
        request_id=request_id,
        steps=tuple(
            CompensationStep(
                undoes=effect.effect_id,
                tool=effect.undo.tool,
                args=effect.undo.args,
                resource=effect.resource,
            )
            for effect in applied
            if effect.undo is not None
        ),
        irreversible=tuple(effect.effect_id for effect in applied if effect.undo is None),
    )
