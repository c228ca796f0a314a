"""What should never happen, found and mended by one script: see ``lua/reconcile.lua`` for each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from wingman_runtime.contracts.claims import Claim
from wingman_runtime.contracts.ids import partition_of
from wingman_runtime.contracts.work import EffectStatus
from wingman_runtime.redisio.effects import RedisEffects
from wingman_runtime.redisio.store import Store, mapped, text

_GIVEN_UP = "whoever began it is gone, and nobody took it over"


class Lease(NamedTuple):
    """Whose turn it is to look in a partition. ``turn`` rises when it is taken: an older one is void."""

    worker: str
    turn: str


NO_LEASE = Lease("", "")
"""For a look that any worker may take: the script alone keeps it safe, a lease only makes it rare."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that should never happen.

    Attributes:
        anomaly: its kind, as the log has it.
        did: what was done about it; in a dry run, what would be.
        facts: more about it, such as step, agent, timer.
    """

    partition: int
    anomaly: str
    did: str
    request_id: str
    facts: dict[str, Any]

    @classmethod
    def of(cls, partition: int, raw: bytes) -> Finding:
        facts = orjson.loads(raw)
        return cls(partition, facts.pop("anomaly"), facts.pop("did"), facts.pop("request", ""), facts)

    def __str__(self) -> str:
        about = ", ".join(f"{name} {value}" for name, value in sorted(self.facts.items()))
        return " ".join(
            part for part in (self.anomaly, self.request_id, f"({about})" if about else "") if part
        )


@dataclass(frozen=True, slots=True)
class Look:
    """One look. ``cursor`` goes into the next, ``"0"`` when all were seen.

    ``failing`` requests are to be failed, ``doubtful`` effects to be given up (`give_up`).
    """

    cursor: str
    findings: tuple[Finding, ...]
    failing: tuple[str, ...]
    doubtful: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the reconciler of a partition has left behind; times in server milliseconds, 0: never."""

    partition: int
    by: str
    at_ms: int
    found: int
    found_at_ms: int
    last: tuple[str, ...]


async def take_lease(
    store: Store, partition: int, worker: str, *, keep_ms: int, force: bool = False
) -> Lease | None:
    """The right to look in a partition for ``keep_ms`` by the server's clock; None: another has it."""
    reply = await store.run(
        "reconcile", partition, "lease", "0", 0, "", worker, "", keep_ms, "1" if force else ""
    )
    return None if text(reply[0]) == "held" else Lease(worker, text(reply[0]))


async def look(
    store: Store,
    partition: int,
    kind: str,
    cursor: str = "0",
    *,
    more: Sequence[str | int] = (),
    count: int = 100,
    dry: bool = False,
    lease: Lease = NO_LEASE,
) -> Look | None:
    """Look at about ``count`` of a kind, and mend. None: the lease has passed to another.

    Args:
        kind: groups (``more``: agents that living workers have), requests, timers, payloads, approvals,
            inbox and parked (an agent), effects (ms past their deadline), tenants.
        dry: only tell.
    """
    reply = await store.run("reconcile", partition, kind, cursor, count, "1" if dry else "", *lease, *more)
    if text(reply[0]) == "held":
        return None
    following, told, failing, doubtful = reply
    return Look(
        text(following),
        tuple(Finding.of(partition, raw) for raw in told),
        tuple(map(text, failing)),
        tuple(map(text, doubtful)),
    )


async def done(store: Store, partition: int, lease: Lease, findings: Sequence[Finding]) -> None:
    """Leave word for `status` that a look is over."""
    last = orjson.dumps([str(one) for one in findings[-5:]])
    await store.run("reconcile", partition, "done", "0", 0, "", *lease, len(findings), last)


async def give_up(store: Store, member: str) -> None:
    """Record an effect that nobody will find out about as uncertain: a person may settle it."""
    effect_id, request_id = member.split(" ")
    effects = RedisEffects(store)
    for effect in await effects.of_request(request_id):
        if effect.effect_id == effect_id and effect.status is EffectStatus.INTENT:
            claim = Claim(partition_of(request_id), "reconciler", "reconciler", "", "", request_id)
            change = {"status": EffectStatus.UNCERTAIN, "error": _GIVEN_UP}
            await effects.record(claim, effect.model_copy(update=change))


async def reconciled(store: Store) -> list[Reconciled]:
    """When each partition was last looked at, and what was found."""
    out = []
    for number in range(store.partitions):
        raw = mapped(await store.call("HGETALL", store.keys(number).reconciler))
        known = {text(name): value for name, value in raw.items()}
        at, found, found_at = (int(float(known.get(name, 0))) for name in ("at", "found", "found_at"))
        last = tuple(orjson.loads(known.get("last", b"[]")))
        out.append(Reconciled(number, text(known.get("worker")), at, found, found_at, last))
    return out
