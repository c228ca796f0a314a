"""Approvals as they stand: read one, list the open ones. They are written only by the commit."""

from __future__ import annotations

import asyncio

from wingman_runtime.contracts.work import Approval, ApprovalStatus
from wingman_runtime.redisio.store import Store, text


async def read(store: Store, partition: int, approval_id: str) -> Approval | None:
    """The approval with its current version, status and deadline; None when it is unknown or has gone."""
    fields = await store.call(
        "HMGET", store.keys(partition).approval(approval_id), "json", "v", "status", "expires_at"
    )
    if fields[0] is None:
        return None
    return Approval.model_validate_json(fields[0]).model_copy(
        update={
            "version": int(fields[1]),
            "status": ApprovalStatus(text(fields[2])),
            "expires_at_ms": int(float(fields[3])),
        }
    )


async def find(store: Store, approval_id: str) -> Approval | None:
    """The approval, in whichever partition it lives."""
    found = await asyncio.gather(*(read(store, number, approval_id) for number in range(store.partitions)))
    return next((approval for approval in found if approval is not None), None)


async def open_ids(store: Store, *, limit: int = 1000) -> list[tuple[int, str]]:
    """(partition, id) of open approvals, the next to expire first within each partition."""
    rows = await asyncio.gather(
        *(
            store.call("ZRANGE", store.keys(number).approvals, 0, limit - 1)
            for number in range(store.partitions)
        )
    )
    return [(number, text(item)) for number, items in enumerate(rows) for item in items]
