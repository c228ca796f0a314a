"""Liveness for a supervisor: does the work of *this machine* get on? Being connected is not enough.

- A worker is alive when a heartbeat of one of its processes is fresh, it has the policies in force and reads
  its inboxes, and it has not sat on one event for longer than any tool may take without finishing another.
- The recorder is alive when the log is empty, or the audit store is written to while one watches.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wingman_runtime.cli.common import Common, with_client
from wingman_runtime.cli.out import note

if TYPE_CHECKING:
    from wingman_runtime.client import Client
    from wingman_runtime.redisio.workers import WorkerBeat

STUCK_SECONDS = 900.0
"""A tool may take ten minutes; after fifteen on one event, with nothing else finished, somebody must look."""
DEAF_SECONDS = 30.0
"""A worker that beats and cannot read an inbox for this long is connected, and does not consume."""
_LOOK_SECONDS = 3.0


def worker_alive(common: Common) -> int:
    """0: a worker of this machine gets on; 1: none does."""

    async def look(client: Client) -> int:
        status = await client.status()
        return _told(worker_problem(status.workers, socket.gethostname()))

    return with_client(common, look)


def recorder_alive(common: Common) -> int:
    """0: the audit store keeps up or is being written to; 1: records wait and nothing is written."""
    store = common.found().settings.audit_store

    async def look(client: Client) -> int:
        async def waiting() -> int:
            return (await client.status()).recorder_lag

        return _told(await recorder_problem(waiting, lambda: written_at(store), _LOOK_SECONDS))

    return with_client(common, look)


def worker_problem(beats: Sequence[WorkerBeat], host: str) -> str:
    """Why no worker of ``host`` gets on; empty when one does."""
    # A worker is named after its host, its process and a chance number.
    own = [beat for beat in beats if beat.name.rsplit("-", 2)[0] == host[:40]]
    if not own:
        return f"no worker of {host} has a heartbeat"
    fresh = [beat for beat in own if beat.alive]
    if not fresh:
        return f"the last heartbeat is {min(beat.age_ms for beat in own) / 1000:.0f} s old"
    judging = [beat for beat in fresh if not beat.facts.get("missing_policy")]
    if not judging:
        return "it fetches nothing: the active policy bundle is missing (see `wingman status`)"
    hearing = [beat for beat in judging if float(beat.facts.get("deaf_s") or 0.0) <= DEAF_SECONDS]
    if not hearing:
        deaf = min(float(beat.facts["deaf_s"]) for beat in judging)
        return f"an inbox could not be read for {deaf:.0f} s (see its log)"
    held = min(_stuck_for(beat) for beat in hearing)
    return f"nothing was finished for {held:.0f} s" if held > STUCK_SECONDS else ""


async def recorder_problem(
    waiting: Callable[[], Awaitable[int]],
    written: Callable[[], float],
    seconds: float,
) -> str:
    """Why the recorder does not get on; empty when it does.

    Args:
        waiting: asks how many log records are not in the audit store yet.
        written: when the audit store was last written to.
        seconds: how long to watch when records wait.
    """
    before = written()
    if not await waiting():
        return ""
    await asyncio.sleep(seconds)
    count = await waiting()
    if not count or written() > before:
        return ""
    return f"{count} records wait and the audit store was not written to for {seconds:g} s"


def written_at(store: Path) -> float:
    """When the audit store was last written to; 0 when it is not there."""
    files = (store, store.with_name(store.name + "-wal"))
    return max((file.stat().st_mtime for file in files if file.exists()), default=0.0)


def _stuck_for(beat: WorkerBeat) -> float:
    """Seconds on the oldest event without finishing any other."""
    oldest = float(beat.facts.get("oldest_s") or 0.0)
    idle = beat.facts.get("idle_s")
    return oldest if idle is None else min(oldest, float(idle))


def _told(problem: str) -> int:
    note(problem or "alive")
    return 1 if problem else 0
