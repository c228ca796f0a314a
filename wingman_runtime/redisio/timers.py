"""Durable timers: delayed deliveries go out in the script; what is overdue is named for its letter."""

from __future__ import annotations

from dataclasses import dataclass

from wingman_runtime.redisio.store import Store, text

OUTCOMES_KEPT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Fired:
    """``delivered`` retries went back to their inboxes; the ids are past their deadline, schedules due."""

    delivered: int
    approvals: tuple[str, ...]
    requests: tuple[str, ...]
    schedules: tuple[str, ...] = ()


async def fire(store: Store, partition: int, *, count: int = 100) -> Fired:
    """Fire what is due by the server's clock. Any worker may call it, at any time; each timer fires once."""
    delivered, *named = await store.run("fire", partition, count, OUTCOMES_KEPT_MS)
    approvals, requests, schedules = (tuple(text(item) for item in items) for items in named)
    return Fired(int(delivered), approvals, requests, schedules)
