"""Rollback (P-06): from a failure, a compensating plan made of the effects ledger, newest effect first.

1. read what was applied; 2. plan the calls that undo it; 3. what is in doubt or cannot be undone
is named, never undone blindly. With nothing to undo it answers for the whole rollback itself.
"""

from __future__ import annotations

from typing import Any

from wingman_runtime.sdk import (
    FAILURE_OUTCOMES,
    CompensationComplete,
    CompensationFailed,
    CompensationPlanned,
    EffectStatus,
    Emit,
    Event,
    ExecutionFailed,
    Ledger,
    grounds,
    plan_compensation,
)

_IN_DOUBT = (EffectStatus.INTENT, EffectStatus.UNCERTAIN)


async def handle(event: Event[Any], ledger: Ledger) -> Emit:
    effects = await ledger.effects(event.request_id)
    outcome = FAILURE_OUTCOMES[event.type]
    reasons = grounds(event.data)
    original = event.data.plan if isinstance(event.data, ExecutionFailed) else None
    applied = tuple(effect for effect in effects if effect.kind == "apply")
    doubtful = [effect for effect in effects if effect.status in _IN_DOUBT]
    plan = plan_compensation(effects, event.request_id, event.id)
    stays = (*plan.irreversible, *(effect.effect_id for effect in doubtful))
    if plan.steps:
        return Emit(
            CompensationPlanned(
                plan=plan.model_copy(update={"irreversible": stays}),
                cause=event.id,
                outcome=outcome,
                reasons=reasons,
                original=original,
                effects=applied,
            )
        )
    common: dict[str, Any] = {
        "original": original,
        "effects": applied,
        "compensations": tuple(effect for effect in effects if effect.kind == "compensate"),
    }
    if stays:
        names = {effect.effect_id: f"{effect.tool} on {effect.resource}" for effect in effects}
        doubts = {effect.effect_id for effect in doubtful}
        told = (
            f"{names[one]}: {'may or may not have happened' if one in doubts else 'cannot be undone'} ({one})"
            for one in stays
        )
        return Emit(CompensationFailed(reasons=(*reasons, *told), **common))
    return Emit(CompensationComplete(outcome=outcome, reasons=reasons, **common))
