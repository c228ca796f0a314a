"""Heartbeats of workers, by the server's clock, and who reads the inboxes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from wingman_runtime.redisio.keys import GROUP
from wingman_runtime.redisio.store import Store, mapped, text

DEAD_AFTER_MS = 10_000
"""A worker that has not beaten for this long is taken for dead."""


@dataclass(frozen=True, slots=True)
class WorkerBeat:
    """The last heartbeat of one worker. ``age_ms`` is by the server's clock."""

    name: str
    age_ms: int
    facts: dict[str, Any]

    @property
    def alive(self) -> bool:
        return self.age_ms < DEAD_AFTER_MS


@dataclass(frozen=True, slots=True)
class Reader:
    """One consumer of a consumer group on an inbox."""

    group: str
    consumer: str
    pending: int
    idle_ms: int


async def now_ms(store: Store) -> int:
    """The server's clock in milliseconds."""
    seconds, micros = await store.call("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


async def beat(store: Store, name: str, facts: Mapping[str, Any]) -> None:
    """Say that worker ``name`` lives; ``facts`` are at least one."""
    await store.run("beat", 0, name, orjson.dumps(facts))


async def gone(store: Store, *names: str) -> None:
    await store.call("HDEL", store.keys(0).workers, *names)


async def beats(store: Store) -> list[WorkerBeat]:
    """Every worker that has not taken its heartbeat away, dead ones included."""
    now = await now_ms(store)
    flat = await store.call("HGETALL", store.keys(0).workers)
    out = []
    for name, raw in mapped(flat).items():
        facts = orjson.loads(raw)
        out.append(WorkerBeat(text(name), now - int(facts.pop("at_ms")), facts))
    return sorted(out, key=lambda beat: beat.name)


@dataclass(frozen=True, slots=True)
class SeenSchema:
    """What one agent of one worker has to do with one event, since that worker began.

    ``reads`` is the version of the worker's own model, empty for an event the agent does not consume.
    ``seen`` and ``written`` are versions that came in and went out, with how often.
    """

    worker: str
    alive: bool
    agent: str
    event: str
    reads: str
    seen: dict[str, int]
    written: dict[str, int]


def schemas_of(beats: Iterable[WorkerBeat]) -> list[SeenSchema]:
    """What the workers have told in their heartbeats, in order of event, agent and worker."""
    out = []
    for beat in beats:
        for agent, told in beat.facts.get("schemas", {}).items():
            reads, seen, written = told["reads"], told["seen"], told["written"]
            out += [
                SeenSchema(
                    beat.name,
                    beat.alive,
                    agent,
                    event,
                    reads.get(event, ""),
                    seen.get(event, {}),
                    written.get(event, {}),
                )
                for event in {**reads, **seen, **written}
            ]
    return sorted(out, key=lambda one: (one.event, one.agent, one.worker))


async def seen_schemas(store: Store) -> list[SeenSchema]:
    """Which versions of which events the running workers read, have seen and have written.

    A worker's part is there for as long as its heartbeat: it takes it away when it stops, and what a dead one
    left (``alive`` is False) goes after ten minutes.
    """
    return schemas_of(await beats(store))


async def groups(store: Store, partition: int, agent: str) -> list[str]:
    """Names of every consumer group on an agent's inbox; only ``workers`` should be there."""
    rows = await store.call("XINFO", "GROUPS", store.keys(partition).inbox(agent))
    return [text(mapped(row)[b"name"]) for row in rows]


async def readers(store: Store, partition: int, agent: str) -> list[Reader]:
    """Every consumer of the workers' group of an inbox."""
    rows = await store.call("XINFO", "CONSUMERS", store.keys(partition).inbox(agent), GROUP)
    return [
        Reader(GROUP, text(row[b"name"]), int(row[b"pending"]), int(row[b"idle"]))
        for row in map(mapped, rows)
    ]


async def note(store: Store, partition: int, kind: str, body: Mapping[str, Any]) -> None:
    """A log record that belongs to no request: an anomaly, an administrator's act."""
    await store.run("note", partition, kind, orjson.dumps(body))
