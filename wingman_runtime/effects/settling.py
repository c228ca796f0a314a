"""From a person's word to a line of the ledger: what undoes an effect that is said to be done."""

from __future__ import annotations

from typing import Protocol

from wingman_runtime.contracts.settling import EffectLine, Verdict
from wingman_runtime.contracts.work import Effect, EffectStatus, StepRequest
from wingman_runtime.effects.registry import ToolRegistry
from wingman_runtime.errors import ContractError, NotFoundError, ToolError


class SettlingStore(Protocol):
    """Implemented by `redisio.settling`."""

    async def lines(self, request_id: str) -> tuple[EffectLine, ...]: ...

    async def settle(self, verdict: Verdict, effect: Effect) -> str:
        """``settled``, or why not: ``missing``, ``foreign``, ``open``, ``known``."""
        ...


_REFUSED = {
    "missing": "the ledger has no such effect any more",
    "foreign": "it is an effect of somebody else's request than was said",
    "open": "its request has not ended: wait for its end",
    "known": "its end is known",
}


class Settler:
    """Implements `contracts.settling.Settling`."""

    def __init__(self, registry: ToolRegistry, store: SettlingStore) -> None:
        self._registry = registry
        self._store = store

    async def settle(self, verdict: Verdict) -> EffectLine:
        found = await self._line(verdict)
        effect = found.effect.model_copy(update={"status": EffectStatus(verdict.status), "error": ""})
        if verdict.status == "failed":
            effect = effect.model_copy(update={"error": f"settled as failed: {verdict.reason}"})
        else:
            late = found.late if found.late and found.late.status is EffectStatus.DONE else None
            result = verdict.result if verdict.result is not None or late is None else late.result
            effect = effect.model_copy(
                update={"result": result, "undo": late.undo if late else self._undo(effect)}
            )
        kind = await self._store.settle(verdict, effect)
        if kind != "settled":
            raise ToolError(f"{verdict.effect_id}: {_REFUSED.get(kind, kind)}")
        return await self._line(verdict)

    async def _line(self, verdict: Verdict) -> EffectLine:
        for line in await self._store.lines(verdict.request_id):
            if line.effect.effect_id == verdict.effect_id:
                return line
        raise ToolError(f"{verdict.effect_id}: {_REFUSED['missing']}")

    def _undo(self, effect: Effect) -> StepRequest | None:
        """The undoing a tool promises for a call that returned nothing; None where it needs more to know."""
        try:
            name = self._registry.spec(effect.tool).compensation
            if name is None or effect.kind != "apply":
                return None
            undo = self._registry.spec(name)
            given = {one: effect.args[one] for one in undo.parameters if one in effect.args}
            return StepRequest(tool=name, args=undo.normalise(given))
        except (ContractError, NotFoundError):
            return None
