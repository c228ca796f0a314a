"""What became of a vote: the handshake's answer, found in the request's trail by its cause."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from wingman_runtime.client.request import request_event
from wingman_runtime.contracts.work import Approval
from wingman_runtime.redisio import approvals, state
from wingman_runtime.redisio.store import Store


@dataclass(frozen=True, slots=True)
class VoteResult:
    """``counted``: None while the handshake has not answered (is its worker running?)."""

    counted: bool | None
    reasons: tuple[str, ...]
    approval: Approval


async def vote_result(store: Store, approval: Approval, vote_event: str, wait: float) -> VoteResult:
    """Wait up to ``wait`` seconds for the answer to the vote with event id ``vote_event``."""
    deadline = asyncio.get_running_loop().time() + wait
    seen = 0
    while True:
        records = await state.records(store, approval.request_id, seen)
        seen += len(records)
        for record in records:
            event = request_event(record)
            if event.record.get("event", {}).get("causationid") == vote_event:
                after = await approvals.find(store, approval.approval_id) or approval
                counted = event.type != "VoteRefused"
                return VoteResult(counted, tuple(event.data.get("reasons", ())), after)
        if asyncio.get_running_loop().time() >= deadline:
            return VoteResult(None, ("the handshake has not answered yet",), approval)
        await asyncio.sleep(0.02)
