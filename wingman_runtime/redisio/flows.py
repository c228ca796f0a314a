"""Flow tables on the server: activated once per digest, read by workers for what they must prepare."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import orjson

from wingman_runtime.redisio.store import Store, mapped, text


async def activate(store: Store, name: str, digest: str, rows: Mapping[str, str], *, by: str) -> bool:
    """Store a table and pin new requests to it; returns whether it was another one before."""
    record = orjson.dumps({"action": "flow_activated", "flow": name, "digest": digest, "by": by})
    flat = [item for row in rows.items() for item in row]
    changed = await asyncio.gather(
        *(store.run("activate", number, name, digest, record, *flat) for number in range(store.partitions))
    )
    return any(changed)


async def active(store: Store) -> dict[str, str]:
    """Active flows by name, with the digest new requests are pinned to."""
    raw = await store.call("HGETALL", store.keys(0).flows)
    return {text(key): text(value) for key, value in mapped(raw).items()}


async def table(store: Store, partition: int, digest: str) -> dict[str, str]:
    """The rows of a stored table; empty when the digest is unknown."""
    raw = await store.call("HGETALL", store.keys(partition).flow(digest))
    return {text(key): text(value) for key, value in mapped(raw).items()}
