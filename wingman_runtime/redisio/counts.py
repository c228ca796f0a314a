"""Counts for people and for admission: what waits, what is in hand, what is parked or dead."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from wingman_runtime.redisio.keys import GROUP
from wingman_runtime.redisio.store import Store, text


@dataclass(frozen=True, slots=True)
class AgentCounts:
    """Entries of one agent over all partitions: not yet delivered, in hand, held, given up.

    ``oldest_dead_ms``: when it gave up on the oldest of its dead letters, by the server's clock, or 0.
    """

    name: str
    waiting: int
    pending: int
    parked: int
    dead: int
    oldest_dead_ms: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    open_requests: int
    open_approvals: int
    recorder_lag: int
    in_flight: int


async def agent_names(store: Store) -> list[str]:
    """The dispatcher and every agent of an active flow."""
    flows = await store.call("HVALS", store.keys(0).flows)
    rows = await asyncio.gather(
        *(store.call("HGET", store.keys(0).flow(text(digest)), "@agents") for digest in flows)
    )
    named = {name for row in rows for name in text(row).split(",") if name}
    return ["dispatcher", *sorted(named - {"dispatcher"})]


async def everybody(store: Store) -> list[str]:
    """`agent_names`, and agents of flows no longer active that have given up on something."""
    active, *buried = await asyncio.gather(
        agent_names(store),
        *(store.call("SMEMBERS", store.keys(number).buried) for number in range(store.partitions)),
    )
    return [*active, *sorted({text(name) for names in buried for name in names} - {*active})]


async def agents(store: Store, names: Sequence[str]) -> list[AgentCounts]:
    letters = await dead(store, names)
    return list(await asyncio.gather(*(_agent(store, name, letters[name]) for name in names)))


async def dead(store: Store, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """For each agent: how many dead letters, and when it gave up on the oldest (server ms, or 0)."""
    parts = await asyncio.gather(*(store.run("pile", n, "look", *names) for n in range(store.partitions)))
    found = {}
    for name, rows in zip(names, zip(*parts, strict=True), strict=True):
        found[name] = (
            sum(int(row[0]) for row in rows),
            min((int(row[1]) for row in rows if row[1]), default=0),
        )
    return found


async def totals(store: Store) -> Totals:
    async def total(verb: str, attribute: str) -> int:
        keys = [getattr(store.keys(number), attribute) for number in range(store.partitions)]
        return sum(await asyncio.gather(*(store.call(verb, key) for key in keys)))

    return Totals(
        *await asyncio.gather(
            total("ZCARD", "open"),
            total("ZCARD", "approvals"),
            total("XLEN", "log"),
            total("ZCARD", "inflight"),
        )
    )


async def memory(store: Store) -> tuple[int, int]:
    """(bytes used, limit or 0)."""
    raw = await store.call("INFO", "memory")
    # redis-py parses INFO by itself, except inside a pipeline of raw commands.
    info: Mapping[str, Any] = (
        raw
        if isinstance(raw, Mapping)
        else dict(line.split(":", 1) for line in text(raw).split("\r\n") if ":" in line)
    )
    return int(info["used_memory"]), int(info["maxmemory"])


async def _agent(store: Store, name: str, letters: tuple[int, int]) -> AgentCounts:
    parts = await asyncio.gather(*(_part(store, number, name) for number in range(store.partitions)))
    waiting, pending, parked = (sum(column) for column in zip(*parts, strict=True))
    return AgentCounts(name, waiting, pending, parked, *letters)


async def _part(store: Store, partition: int, name: str) -> tuple[int, int, int]:
    keys = store.keys(partition)
    length, parked = await asyncio.gather(
        store.call("XLEN", keys.inbox(name)),
        store.call("XLEN", keys.parked(name)),
    )
    try:
        summary = await store.call("XPENDING", keys.inbox(name), GROUP)
    except ResponseError:  # NOGROUP: no worker has ever run
        summary = (0,)
    pending = int(summary["pending"] if isinstance(summary, Mapping) else summary[0])
    return length - pending, pending, parked
