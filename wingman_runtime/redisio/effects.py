"""The effects ledger on the server: intent before effect, one end per intent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from wingman_runtime.contracts.claims import Claim, IntentAnswer
from wingman_runtime.contracts.ids import partition_of
from wingman_runtime.contracts.work import Effect, EffectStatus, Outcome
from wingman_runtime.redisio.store import Store, mapped, text

_LOGGED = ("effect_id", "plan_id", "step", "tool", "args", "resource", "kind", "undoes")


@dataclass(frozen=True, slots=True)
class EffectEnd:
    """What became of an intent, as the scripts take it: alone, or along with the commit of its step."""

    effect_id: str
    header: Mapping[str, str]
    body: bytes
    record: bytes

    @classmethod
    def of(cls, claim: Claim, effect: Effect) -> EffectEnd:
        header = {
            "r": claim.request_id,
            "id": effect.effect_id,
            "own": f"{claim.worker} {claim.entry}",
            "st": effect.status.value,
            "undoes": effect.undoes,
        }
        record = {
            "agent": claim.agent,
            "worker": claim.worker,
            "event_id": claim.event_id,
            "effect": {"effect_id": effect.effect_id, "status": effect.status.value, "error": effect.error},
            "result": effect.result,
        }
        return cls(effect.effect_id, header, effect.model_dump_json().encode(), orjson.dumps(record))


class RedisEffects:
    """Implements `wingman_runtime.effects.store.EffectStore` and the ``ledger`` port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def intend(
        self, claim: Claim, effect: Effect, *, approval_id: str, takeover: bool = False, plan_digest: str = ""
    ) -> IntentAnswer:
        """See `EffectStore.intend`. ``effect.deadline_ms`` is a duration on the way in."""
        header = {
            "agent": claim.agent,
            "worker": claim.worker,
            "e": claim.entry,
            "ev": claim.event_id,
            "r": claim.request_id,
            "id": effect.effect_id,
            "kind": effect.kind,
            "tool": effect.tool,
            "undoes": effect.undoes,
            "apr": approval_id,
            "digest": plan_digest,
            "timeout": effect.deadline_ms,
            "takeover": takeover,
            "attempt": effect.attempt,
        }
        record = {
            "agent": claim.agent,
            "worker": claim.worker,
            "event_id": claim.event_id,
            "effect": effect.model_dump(include=set(_LOGGED)),  # last: the script adds the attempt
        }
        kind, detail, wait = await self._store.run(
            "intent",
            claim.partition,
            orjson.dumps(header),
            effect.model_dump_json(),
            orjson.dumps(record),
        )
        verdict = text(kind)
        if verdict == "refused":
            return IntentAnswer("refused", reason=text(detail))
        if verdict == "go":
            return IntentAnswer("go", effect=effect.model_copy(update={"attempt": int(detail)}))
        recorded = await self._one(claim, effect)
        if verdict == "known":
            return IntentAnswer("known", effect=recorded)
        return IntentAnswer("in_doubt", effect=recorded, wait_ms=int(wait))

    async def record(self, claim: Claim, effect: Effect) -> Effect:
        """See `EffectStore.record`."""
        end = EffectEnd.of(claim, effect)
        verdict, _ = await self._store.run(
            "result", claim.partition, orjson.dumps(end.header), end.body, end.record
        )
        if text(verdict) == "recorded":
            return effect
        return await self._one(claim, effect)

    async def release(self, claim: Claim, effect: Effect, error: str) -> None:
        """See `EffectStore.release`."""
        header: dict[str, Any] = {**EffectEnd.of(claim, effect).header, "st": "released"}
        record = {
            "agent": claim.agent,
            "worker": claim.worker,
            "event_id": claim.event_id,
            "effect_id": effect.effect_id,
            "tool": effect.tool,
            "error": error,
        }
        await self._store.run("result", claim.partition, orjson.dumps(header), b"", orjson.dumps(record))

    async def of_request(self, request_id: str) -> tuple[Effect, ...]:
        """Every effect of the request, oldest intent first."""
        fields = await self._fields(request_id)
        effects = [
            effect_of(body, fields[f"{name}:m"]) for name, body in fields.items() if f"{name}:m" in fields
        ]
        return tuple(sorted(effects, key=lambda effect: effect.seq))

    async def late(self, request_id: str) -> tuple[Effect, ...]:
        """News that came after an effect's end was recorded, as reported; the record itself stands."""
        fields = await self._fields(request_id)
        return tuple(
            Effect.model_validate_json(body) for name, body in fields.items() if name.endswith(":late")
        )

    async def _fields(self, request_id: str) -> dict[str, bytes]:
        key = self._store.keys(partition_of(request_id)).effects(request_id)
        raw = await self._store.call("HGETALL", key)
        return {text(name): value for name, value in mapped(raw).items()}

    async def effects(self, request_id: str) -> tuple[Effect, ...]:
        """The ``ledger`` port: the same as `of_request`."""
        return await self.of_request(request_id)

    async def decided(self, request_id: str) -> Outcome | None:
        """The ``ledger`` port: the outcome that was decided first, whatever the closing event says."""
        key = self._store.keys(partition_of(request_id)).request(request_id)
        name = text(await self._store.call("HGET", key, "dec"))
        return Outcome(name) if name else None

    async def _one(self, claim: Claim, effect: Effect) -> Effect:
        key = self._store.keys(claim.partition).effects(claim.request_id)
        body, meta = await self._store.call("HMGET", key, effect.effect_id, f"{effect.effect_id}:m")
        return effect_of(body, meta) if body and meta else effect


def effect_of(body: bytes, meta: bytes) -> Effect:
    """The effect as it was written, with what the server knows better: status, order, times."""
    effect = Effect.model_validate_json(body)
    known: dict[str, Any] = orjson.loads(meta)
    return effect.model_copy(
        update={
            "status": EffectStatus(known["st"]),
            "seq": int(known["seq"]),
            "attempt": int(known["n"]),
            "intent_at_ms": int(known["ia"]),
            "ended_at_ms": int(known["ea"]),
            "deadline_ms": int(known["dl"]),
        }
    )
