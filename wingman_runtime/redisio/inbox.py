"""Inboxes: fetch new entries, and keep, give back or take over pending ones. Each verb is owner-checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from wingman_runtime.redisio.faults import backend_errors
from wingman_runtime.redisio.keys import GROUP
from wingman_runtime.redisio.store import Store, mapped, text

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Entry:
    """One pending entry of an inbox. ``deliveries`` counts this one and every earlier one."""

    partition: int
    agent: str
    entry_id: str
    event_id: str
    request_id: str
    event_type: str
    flow: str
    flow_digest: str
    tenant: str
    phase: int
    deliveries: int
    body: bytes


def _number(value: bytes | None) -> int:
    # Bounded: what was put there from outside may be a number that no JSON header can carry.
    return int(value) if value is not None and len(value) <= 9 and value.isdigit() else 0


def _entry(partition: int, agent: str, entry_id: Any, fields: Any, deliveries: int) -> Entry:
    fields = mapped(fields)
    return Entry(
        partition=partition,
        agent=agent,
        entry_id=text(entry_id),
        event_id=text(fields.get(b"id")),
        request_id=text(fields.get(b"r")),
        event_type=text(fields.get(b"ty")),
        flow=text(fields.get(b"f")),
        flow_digest=text(fields.get(b"fd")),
        tenant=text(fields.get(b"t")),
        phase=_number(fields.get(b"ph")),
        deliveries=_number(fields.get(b"n")) + deliveries,
        body=fields.get(b"b", b""),
    )


async def fetch(
    store: Store, partition: int, agent: str, worker: str, *, count: int, block_ms: int
) -> list[Entry]:
    """New entries for ``worker``, at most ``count``; waits up to ``block_ms`` for the first.

    Raises:
        BackendError: unreachable, or the group is gone.
    """
    stream = store.keys(partition).inbox(agent)
    command: list[Any] = ["XREADGROUP", "GROUP", GROUP, worker, "COUNT", count]
    if block_ms > 0:
        command += ["BLOCK", block_ms]
    async with backend_errors():
        reply = await store.readers.execute_command(  # type: ignore[no-untyped-call]
            *command, "STREAMS", stream, ">"
        )
    return [
        _entry(partition, agent, entry_id, fields, 1)
        for entry_id, fields in stream_rows(reply)
        if fields is not None
    ]


def stream_rows(reply: Any) -> list[tuple[Any, Any]]:
    """(entry id, fields) of one stream out of a RESP2 read reply; empty when the read timed out."""
    return [(row[0], row[1]) for row in reply[0][1]] if reply else []


async def renew(store: Store, partition: int, agent: str, worker: str, entries: Sequence[str]) -> list[str]:
    """Reset the idle time of entries still owned; returns those that are owned by another by now."""
    lost = await store.run("claims", partition, "renew", agent, worker, *entries)
    return [text(entry) for entry in lost]


async def release(store: Store, partition: int, agent: str, worker: str, entries: Sequence[str]) -> int:
    """Give entries back at once, their delivery not counted; returns how many were still owned."""
    return int(await store.run("claims", partition, "release", agent, worker, *entries))


async def reclaim(
    store: Store,
    partition: int,
    agent: str,
    worker: str,
    *,
    idle_ms: int,
    count: int,
    own: bool = False,
    attempts: int = 0,
    suspects: bool | None = None,
) -> list[Entry]:
    """Take over entries that have been idle for ``idle_ms``; each counts one more delivery.

    Args:
        own: also those pending to ``worker`` itself: for a caller that renews whatever it has in hand.
        attempts: deliveries an entry may have.
        suspects: only entries that two workers had in hand when they ended, or that have one delivery left;
            False: none of these.
    """
    how = (idle_ms, count, int(own), attempts, "" if suspects is None else int(suspects))
    rows = await store.run("claims", partition, "reclaim", agent, worker, *how)
    return [_entry(partition, agent, entry_id, fields, int(times)) for entry_id, times, fields in rows]


async def leave(store: Store, partition: int, agent: str, worker: str) -> bool:
    """Take the consumer out of the group, unless entries are pending: deleting it would lose them."""
    return bool(await store.run("claims", partition, "leave", agent, worker))


async def unpark(
    store: Store, partition: int, agent: str, *, reads: Mapping[str, str] = _NOTHING, most: int = 0
) -> int:
    """Put parked entries that nothing holds any longer back into the inbox; returns how many.

    Args:
        reads: event -> version of the caller's model. What awaits a later release than these stays.
        most: of those that awaited one, how many may go back.
    """
    moved, cursor = 0, ""
    told = orjson.dumps(dict(reads))
    while True:
        count, following, newer = await store.run("unpark", partition, agent, cursor, 200, told, most)
        moved, most = moved + int(count), most - int(newer)
        cursor = text(following)
        if not cursor:
            return moved


async def mine(store: Store, partition: int, agent: str, worker: str, *, count: int) -> list[Entry]:
    """Entries pending to ``worker``, no delivery counted: what a lost reply held, nobody else knows of."""
    rows = await store.run("claims", partition, "mine", agent, worker, count)
    return [_entry(partition, agent, entry_id, fields, int(times)) for entry_id, times, fields in rows]
