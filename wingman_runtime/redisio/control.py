"""The control record on the server: read it, set and clear rules, activate a policy bundle."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson

from wingman_runtime.contracts.control import ControlRecord, ControlRule, ControlTarget, Held, InFlight
from wingman_runtime.errors import ConflictError
from wingman_runtime.redisio.inbox import unpark
from wingman_runtime.redisio.store import Store, text


async def read(store: Store, partition: int) -> ControlRecord:
    """The record of one partition as it is now."""
    epoch, policy, rules = await store.run("control", partition, "read")
    return ControlRecord(epoch=int(epoch), policy=text(policy), rules=tuple(_rule(raw) for raw in rules))


def _rule(raw: bytes) -> ControlRule:
    value = orjson.loads(raw)
    target = value.pop("target")
    return ControlRule(target=ControlTarget.parse(target), **value)


async def policies(store: Store) -> tuple[str, ...]:
    """Digest of the bundle in force in each partition; empty where none is."""
    records = await asyncio.gather(*(read(store, number) for number in range(store.partitions)))
    return tuple(record.policy for record in records)


async def hold(store: Store, rule: ControlRule) -> Held:
    """Set a rule in every partition. Acknowledged when this returns; after an error, set it again.

    Raises:
        ConflictError: it is a pause, and its target is halted: it would let requests in again.
    """
    target = str(rule.target)
    stored = {"target": target, "mode": rule.mode.value, "reason": rule.reason, "by": rule.by}
    replies = await _everywhere(store, "set", target, stored, {"action": rule.mode.value, **stored})
    epochs, changed, positions, times, flying = zip(*replies, strict=True)
    if not all(changed):
        stands = _rule(next(reply[4] for reply in replies if not reply[1]))
        raise ConflictError(
            f"it is halted by {stands.by}: {stands.reason}",
            where=target,
            hint="a pause would open the door again; resume it first, if that is meant",
        )
    at_ms = max(int(time) for time in times)
    return Held(
        rule=rule.model_copy(update={"epoch": int(epochs[0]), "at_ms": int(times[0])}),
        at_ms=at_ms,
        epochs=tuple(int(epoch) for epoch in epochs),
        positions=tuple(int(position) for position in positions),
        in_flight=_listed(flying),
    )


async def in_flight(store: Store, target: ControlTarget) -> tuple[tuple[InFlight, ...], int]:
    """Effects without an end that ``target`` covers, the next to pass its deadline first, and the server's
    time in ms.
    """
    replies = await asyncio.gather(
        *(store.run("control", number, "in_flight", str(target)) for number in range(store.partitions))
    )
    return _listed(reply[0] for reply in replies), max(int(reply[1]) for reply in replies)


def _listed(raw: Iterable[bytes]) -> tuple[InFlight, ...]:
    found = [InFlight.model_validate(row) for rows in raw for row in orjson.loads(rows)]
    return tuple(sorted(found, key=lambda one: one.deadline_ms))


async def resume(store: Store, target: ControlTarget, *, reason: str, by: str, agents: list[str]) -> int:
    """Clear a rule in every partition and let what it held go on; returns how many entries were parked.

    An unknown target moves nothing and is not an error: resuming twice is the same as once.
    """
    record = {"action": "resume", "target": str(target), "reason": reason, "by": by}
    await _everywhere(store, "clear", str(target), {}, record)
    moved = await asyncio.gather(
        *(unpark(store, number, agent) for number in range(store.partitions) for agent in agents)
    )
    return sum(moved)


async def activate_policy(store: Store, digest: str, *, by: str, reason: str) -> list[int]:
    """Make a bundle the one every commit must have been judged under.

    After an error some partitions may have it and others not: do it again. Where it is in force already
    nothing changes and nothing is logged.
    """
    record = {"action": "policy_applied", "digest": digest, "by": by, "reason": reason}
    replies = await _everywhere(store, "policy", digest, {}, record)
    return [int(reply[0]) for reply in replies]


async def _everywhere(
    store: Store, verb: str, target: str, value: dict[str, Any], record: dict[str, Any]
) -> list[Any]:
    replies = await asyncio.gather(
        *(
            store.run("control", number, verb, target, orjson.dumps(value), orjson.dumps(record))
            for number in range(store.partitions)
        ),
        return_exceptions=True,  # all are tried, whatever becomes of one
    )
    for reply in replies:
        if isinstance(reply, BaseException):
            raise reply
    return replies
