"""Schedules on the server: put in force, looked at, passed over. Firing one is an admission (`admission`).

All of it is in partition 0. What a definition means is not known here: it is kept as it was given.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from wingman_runtime.redisio.admission import SCHEDULES_IN
from wingman_runtime.redisio.store import Store, mapped, text

_MEMORY_MS = 7 * 86_400_000
"""How long a dropped schedule is remembered: put back, it does not hand in what it has handed in."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A schedule as the server has it; times in server milliseconds, 0 where there is none.

    ``last_ms`` is the due time of the last firing, ``last_at_ms`` when it was admitted as ``last_request``.
    """

    name: str
    definition: bytes
    due_ms: int
    last_ms: int
    last_at_ms: int
    last_request: str


@dataclass(frozen=True, slots=True)
class Look:
    """What a firing needs to know, of one moment: ``now_ms`` is the server's clock.

    ``definition`` is empty when there is no such schedule.
    """

    now_ms: int
    definition: bytes
    due_ms: int
    salt: str
    last_ms: int


async def put(
    store: Store,
    name: str,
    definition: bytes,
    *,
    digest: str,
    timing: str,
    due_ms: int | None,
    record: Mapping[str, object],
) -> bool:
    """Put a definition in force; returns whether it was another one before.

    Args:
        digest: of the definition: the same again changes nothing and is not logged.
        timing: of what decides the due times: only if it changes does ``due_ms`` count (None: never due).
    """
    due = "" if due_ms is None else str(due_ms)
    told = orjson.dumps({"action": "schedule_set", "schedule": name, "digest": digest, **record})
    salt = secrets.token_hex(8)
    return bool(
        await store.run("schedule", SCHEDULES_IN, "put", name, definition, digest, timing, due, salt, told)
    )


async def drop(store: Store, name: str, *, record: Mapping[str, object]) -> bool:
    """Take a schedule out of force; returns whether it was there."""
    told = orjson.dumps({"action": "schedule_dropped", "schedule": name, **record})
    return bool(await store.run("schedule", SCHEDULES_IN, "drop", name, _MEMORY_MS, told))


async def look(store: Store, name: str) -> Look:
    """What is in force now."""
    now, definition, due, salt, last = await store.run("schedule", SCHEDULES_IN, "look", name)
    return Look(int(now), definition, int(due or 0), text(salt), int(last or 0))


async def skip(
    store: Store, name: str, *, due_ms: int, following_ms: int | None, record: Mapping[str, object]
) -> bool:
    """Pass over due times from ``due_ms`` up to ``following_ms``; False: the next one is another by now."""
    told = orjson.dumps({"action": "schedule_skipped", "schedule": name, "from_ms": due_ms, **record})
    following = "" if following_ms is None else str(following_ms)
    return bool(await store.run("schedule", SCHEDULES_IN, "skip", name, str(due_ms), following, told))


async def wait(store: Store, name: str, *, due_ms: int, again_ms: int, reason: str) -> bool:
    """A firing was refused: look again in ``again_ms``; logged once for each due time, True if just now."""
    told = {"action": "schedule_waits", "schedule": name, "nominal_ms": due_ms, "reason": reason}
    args = (name, str(due_ms), again_ms, orjson.dumps(told))
    return bool(await store.run("schedule", SCHEDULES_IN, "wait", *args))


async def listed(store: Store) -> list[Kept]:
    """Every schedule in force, by name."""
    keys = store.keys(SCHEDULES_IN)
    raw = await store.call("HGETALL", keys.schedules)
    found = sorted((text(name), definition) for name, definition in mapped(raw).items())
    fields = ("due", "last", "last_at", "last_req")
    rows = await asyncio.gather(*(store.call("HMGET", keys.schedule(name), *fields) for name, _ in found))
    return [
        Kept(name, definition, int(due or 0), int(last or 0), int(float(at or 0)), text(request))
        for (name, definition), (due, last, at, request) in zip(found, rows, strict=True)
    ]
