"""How requests end: a stream that wakes clients, kept for seconds only, and the state, which is the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wingman_runtime.contracts.ids import partition_of
from wingman_runtime.redisio.faults import backend_errors, translate
from wingman_runtime.redisio.inbox import stream_rows
from wingman_runtime.redisio.pipeline import pipelined
from wingman_runtime.redisio.store import Store, mapped, text


@dataclass(frozen=True, slots=True)
class Ending:
    """What a request came to, in four fields of `wingman_runtime.redisio.state.RequestState`."""

    request_id: str
    outcome: str
    final: bytes
    closing: bytes


async def endings(store: Store, request_ids: Sequence[str]) -> dict[str, Ending | None]:
    """Those of the given requests that have ended, and None for each that is not there.

    One pipeline for all of them, past the batcher, which would want a task and a future for each.

    Raises:
        UnconfirmedError: an end that was seen could still be lost; ask again.
    """
    fields = ("status", "outcome", "final", "cl_b")
    keys = [store.keys(partition_of(request_id)).request(request_id) for request_id in request_ids]
    commands: list[Sequence[Any]] = [("HMGET", key, *fields) for key in keys]
    if store.quorum is not None:
        commands.append(store.quorum.command)
    async with backend_errors():
        replies = await pipelined(store.commands, commands)
    missing = store.quorum.shortfall(replies.pop()) if store.quorum is not None else None
    found: dict[str, Ending | None] = {}
    for request_id, reply in zip(request_ids, replies, strict=True):
        if isinstance(reply, Exception):
            raise translate(reply)
        status, outcome, final, closing = reply
        if status is None:
            found[request_id] = None
        elif status != b"open":
            if missing is not None:
                raise missing
            found[request_id] = Ending(request_id, text(outcome), final or b"", closing or b"")
    return found


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
