"""Lines: requests with the same ordering key begin one after the other; read-only, the scripts keep them.

``P:line:<name>`` is the list of a key's open requests in order of admission. The first is under way. The
script that ends a request, whatever its outcome, begins the next one in the same step (lua/line.lua).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from wingman_runtime.contracts.ids import derive, partition_of
from wingman_runtime.redisio.store import Store, text


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an open request among those of its ordering key.

    Attributes:
        ordering_key: as the client gave it.
        number: how many are before it; 0: it is under way.
        waits_for: the request right before it; empty: none.
        behind: how many wait for it.
    """

    ordering_key: str
    number: int
    waits_for: str
    behind: int

    def __str__(self) -> str:
        if not self.waits_for:
            return f"is under way, {self.behind} behind it in line" if self.behind else "is under way"
        return f"waits for {self.waits_for}, {_nth(self.number)} in line"


def _nth(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def name_of(tenant: str, ordering_key: str) -> str:
    """What a line is called on the server: its key may be any text, and belongs to its tenant."""
    return derive("line", tenant, ordering_key)


async def place(store: Store, request_id: str) -> Place | None:
    """Where a request stands in its line; None when it has ended, or has no ordering key."""
    keys = store.keys(partition_of(request_id))
    order, name = await store.call("HMGET", keys.request(request_id), "order", "line")
    if name is None:
        return None
    members = keys.line(text(name))
    number, length = await asyncio.gather(
        store.call("LPOS", members, request_id), store.call("LLEN", members)
    )
    if number is None:
        return None
    # What moved on between the two looks shows as it was or as it is.
    before = await store.call("LINDEX", members, number - 1) if number else None
    return Place(text(order), number, text(before), max(0, length - number - 1))
