"""What is parked because this release cannot read it yet."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from wingman_runtime.contracts.ids import partition_of
from wingman_runtime.redisio.store import Store, mapped, text


@dataclass(frozen=True, slots=True)
class Newer:
    """Events of one version, parked for an agent.

    ``needs`` is the least version of the event's model that reads them. ``count`` is over what was asked
    about: a partition, all of them, or a request.
    """

    agent: str
    event: str
    version: str
    needs: str
    count: int = 1


async def newer(store: Store, partition: int) -> list[Newer]:
    """What one partition has, by agent, event and version."""
    out = []
    for name, count in mapped(await store.call("HGETALL", store.keys(partition).newer)).items():
        parts = text(name).split(" ")
        if len(parts) == 4:
            agent, event, version, needs = parts
            out.append(Newer(agent, event, version, needs, int(count)))
    return sorted(out, key=_order)


async def all_newer(store: Store) -> list[Newer]:
    """The same over all partitions."""
    parts = await asyncio.gather(*(newer(store, number) for number in range(store.partitions)))
    total: dict[tuple[str, str, str, str], int] = {}
    for one in (one for part in parts for one in part):
        total[_order(one)] = total.get(_order(one), 0) + one.count
    return [Newer(*what, count) for what, count in sorted(total.items())]


async def newer_of(store: Store, request_id: str) -> list[Newer]:
    """What of one request is parked so."""
    keys = store.keys(partition_of(request_id))
    steps = mapped(await store.call("HGETALL", keys.steps(request_id)))
    parked = [
        (text(step).rpartition(">")[2], text(at).removeprefix("@parked "))
        for step, at in steps.items()
        if text(at).startswith("@parked ")
    ]
    found = await asyncio.gather(
        *(store.call("XRANGE", keys.parked(agent), entry, entry) for agent, entry in parked)
    )
    out = []
    for (agent, _), rows in zip(parked, found, strict=True):
        for _, fields in rows:
            told = mapped(fields)
            version, _, needs = text(told.get(b"aw")).partition(" ")
            if needs:
                out.append(Newer(agent, text(told.get(b"ty")), version, needs))
    return sorted(out, key=_order)


def _order(one: Newer) -> tuple[str, str, str, str]:
    return (one.agent, one.event, one.version, one.needs)
