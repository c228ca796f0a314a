"""The stream of outcomes: a wake-up for clients, kept for seconds only; the state is the truth."""

from __future__ import annotations

from typing import Any

from wingman_runtime.redisio.faults import backend_errors
from wingman_runtime.redisio.inbox import stream_rows
from wingman_runtime.redisio.store import Store, mapped, text


async def last_id(store: Store, partition: int) -> str:
    """Where reading from now on begins."""
    rows = await store.call("XREVRANGE", store.keys(partition).outcomes, "+", "-", "COUNT", 1)
    return text(rows[0][0]) if rows else "0-0"


async def read_outcomes(
    store: Store, partition: int, after: str, *, block_ms: int = 1000
) -> list[tuple[str, str]]:
    """(entry id, request id) of requests that ended after ``after``; waits up to ``block_ms``."""
    async with backend_errors():
        reply = await store.readers.execute_command(  # type: ignore[no-untyped-call]
            "XREAD", "COUNT", 1000, "BLOCK", block_ms, "STREAMS", store.keys(partition).outcomes, after
        )
    return [(text(entry_id), _request(fields)) for entry_id, fields in stream_rows(reply)]


def _request(fields: Any) -> str:
    return text(mapped(fields).get(b"r"))
