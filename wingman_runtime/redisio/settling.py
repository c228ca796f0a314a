"""The effects ledger line by line, and a person's word written into it."""

from __future__ import annotations

import orjson

from wingman_runtime.contracts.ids import partition_of
from wingman_runtime.contracts.settling import EffectLine, Settlement, Verdict
from wingman_runtime.contracts.work import Effect
from wingman_runtime.redisio.effects import effect_of
from wingman_runtime.redisio.store import Store, mapped, text


class RedisSettling:
    """Implements `wingman_runtime.effects.settling.SettlingStore`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def lines(self, request_id: str) -> tuple[EffectLine, ...]:
        """Every effect of the request, oldest intent first, with all that is known of it."""
        raw = await self._store.call(
            "HGETALL", self._store.keys(partition_of(request_id)).effects(request_id)
        )
        fields = {text(name): value for name, value in mapped(raw).items()}
        lines = [
            _line(body, fields[f"{name}:m"], fields.get(f"{name}:late"))
            for name, body in fields.items()
            if f"{name}:m" in fields
        ]
        return tuple(sorted(lines, key=lambda line: line.effect.seq))

    async def settle(self, verdict: Verdict, effect: Effect) -> str:
        partition = partition_of(verdict.request_id)
        header = {
            "r": verdict.request_id,
            "id": verdict.effect_id,
            "st": verdict.status,
            "owner": verdict.owner,
            "tenant": verdict.tenant,
            "by": verdict.by,
            "why": verdict.reason,
            "into": verdict.into,
            "undoes": effect.undoes,
        }
        told = {"effect_id": effect.effect_id, "status": effect.status.value, "error": effect.error}
        record = {
            "agent": "executor",
            "action": "effect_settled",
            "by": verdict.by,
            "reason": verdict.reason,
            "settled_by_request": verdict.into,
            "effect": told,
            "result": effect.result,
        }
        kind, _ = await self._store.run(
            "settle", partition, orjson.dumps(header), effect.model_dump_json(), orjson.dumps(record)
        )
        return text(kind)


def _line(body: bytes, meta: bytes, late: bytes | None) -> EffectLine:
    known = orjson.loads(meta)
    settled = None
    if known.get("into"):
        settled = Settlement(known["by_whom"], known["why"], int(known["sa"]), known["into"])
    return EffectLine(
        effect_of(body, meta),
        worker=str(known.get("own", "")).split(" ")[0],
        late=Effect.model_validate_json(late) if late else None,
        settled=settled,
    )
