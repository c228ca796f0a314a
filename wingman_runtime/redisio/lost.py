"""Steps that wait for an entry somebody took away: deleted, acknowledged unfinished, or skipped."""

from __future__ import annotations

from dataclasses import dataclass

from wingman_runtime.redisio.store import Store, text


@dataclass(frozen=True, slots=True)
class Lost:
    """One look. ``restored`` entries were delivered again; of ``requests`` an entry is gone for good.

    ``cursor`` goes into the next look; ``"0"`` when every open request has been seen.
    """

    cursor: str
    restored: int
    requests: tuple[str, ...]


async def look(store: Store, partition: int, cursor: str = "0", *, count: int = 100) -> Lost:
    """Look at about ``count`` open requests; any worker may, at any time. Each finding is on the log."""
    following, restored, requests = await store.run("lost", partition, cursor, count)
    return Lost(text(following), int(restored), tuple(text(item) for item in requests))
