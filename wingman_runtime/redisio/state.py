"""The state of requests, read-only: what a client, the CLI and a reconciler look at."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from wingman_runtime.contracts.ids import partition_of
from wingman_runtime.contracts.log import LogEntry
from wingman_runtime.redisio.log import whole
from wingman_runtime.redisio.store import Store, mapped, text

_FIELDS = (
    "status", "outcome", "flow_name", "tenant", "actor", "intent", "phase", "open", "events", "created",
    "ended", "deadline", "dec", "final", "cl_b", "trigger", "nominal", "start", "replays",
    "st_ty",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RequestState:
    """One request as the server has it; times in server milliseconds, 0 where there is none yet.

    ``final`` is the closing AuditStamped event as JSON; empty while open, or when it ended unstamped (then
    ``closing`` is the event that decided the outcome). ``trigger`` is empty for what a client handed in, else
    what did, such as ``schedule:nightly``, for the due time ``nominal_ms``. ``start_ms`` is set for what was
    handed in for later. ``replays`` is the request whose dead letter this one replays, or empty.
    """

    request_id: str
    status: str
    outcome: str
    flow: str
    tenant: str
    actor: str
    intent: str
    phase: int
    open_branches: int
    events: int
    created_ms: int
    ended_ms: int
    deadline_ms: int
    decided: str
    final: bytes
    closing: bytes
    trigger: str = ""
    nominal_ms: int = 0
    start_ms: int = 0
    replays: str = ""

    settling: str = ""
    """The event that made it wind up, such as RequestCancelled; empty while it runs."""

    @property
    def ended(self) -> bool:
        return self.status == "ended"


async def read(store: Store, request_id: str) -> RequestState | None:
    """The state of a request; None when there is none (never admitted, or past its time)."""
    key = store.keys(partition_of(request_id)).request(request_id)
    values = await store.call("HMGET", key, *_FIELDS)
    if values[0] is None:
        return None
    plain = [text(value) for value in values]
    whole = [int(float(value or 0)) for value in plain[6:12]]
    return RequestState(
        request_id, plain[0], plain[1], plain[2], plain[3], plain[4], plain[5],
        whole[0], whole[1], whole[2], whole[3], whole[4], whole[5],
        plain[12], values[13] or b"", values[14] or b"",
        plain[15], int(plain[16] or 0), int(float(plain[17] or 0)), plain[18],
        plain[19],
    )  # fmt: skip


async def waits_at(store: Store, request_id: str) -> tuple[str, ...]:
    """The agents that have an event of this request before them and have not finished it."""
    raw = await store.call("HGETALL", store.keys(partition_of(request_id)).steps(request_id))
    found = {
        text(key).rpartition(">")[2]
        for key, value in mapped(raw).items()
        if text(value).startswith("@") and value != b"@line"
    }
    return tuple(sorted(found))


async def ended(store: Store, request_ids: Iterable[str]) -> list[str]:
    """Those of the given requests that have ended or are gone."""
    ids = list(request_ids)
    statuses = await asyncio.gather(
        *(
            store.call("HGET", store.keys(partition_of(request_id)).request(request_id), "status")
            for request_id in ids
        )
    )
    return [request_id for request_id, status in zip(ids, statuses, strict=True) if status != b"open"]


async def records(store: Store, request_id: str, after: int = 0, most: int | None = None) -> list[LogEntry]:
    """The request's log records from position ``after`` on, in the order of the log; at most so many."""
    key = store.keys(partition_of(request_id)).request_log(request_id)
    rows = await store.call("LRANGE", key, after * 3, -1 if most is None else (after + most) * 3 - 1)
    out = []
    for head, body, event in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        number, at_ms, kind = head.split(b" ")
        record = whole(body, event)
        out.append(LogEntry("", int(number), int(float(at_ms)), kind.decode(), request_id, record))
    return out


async def listed(store: Store, *, open_only: bool = False, limit: int = 50) -> list[str]:
    """Request ids, newest first: open ones, and ended ones whose state is still there."""
    sets = ("open",) if open_only else ("open", "ended")
    keys = [getattr(store.keys(number), name) for number in range(store.partitions) for name in sets]
    rows = await asyncio.gather(*(store.call("ZRANGE", key, -limit, -1) for key in keys))
    # Ids begin with their partition, then sort by time.
    found = sorted((text(item) for row in rows for item in row), key=lambda item: item.split("_")[2])
    return found[::-1][:limit]


async def oldest_open(store: Store) -> float | None:
    """When the oldest open request was made, by its id, in seconds since the epoch; None: none is open."""
    oldest: int | None = None
    for number in range(store.partitions):
        cursor = b"0"
        while True:
            cursor, pairs = await store.call("ZSCAN", store.keys(number).open, cursor, "COUNT", 1000)
            # The first 48 bits of a uuid7 are milliseconds. Not gathered: there may be a great many.
            for name in pairs[::2]:
                made = int(text(name).split("_")[2][:12], 16)
                oldest = made if oldest is None else min(oldest, made)
            if int(cursor) == 0:
                break
    return None if oldest is None else oldest / 1000
