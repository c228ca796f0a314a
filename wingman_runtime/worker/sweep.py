"""Tidies away files that effects kept for their undoing, once nobody can undo them any more.

A file serves its request until that has ended, and people for `state_ttl` more. A request may be paused for
longer than that; so what was kept since the oldest open request came in stays, however old it is.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from wingman_runtime.effects.workspace import SWEPT_AT_ONCE, Workspace
from wingman_runtime.redisio import state
from wingman_runtime.redisio.store import Store

_LOG = structlog.get_logger(__name__)
_SKEW = 3600.0  # between the clocks of clients, which are in the ids, and those of workers
_BREATH = 1.0


class Sweep:
    """See the module.

    Args:
        workspace: where the files are.
        keep: seconds a file is kept in any case.
    """

    def __init__(self, store: Store, workspace: Workspace, keep: float) -> None:
        self._store = store
        self._workspace = workspace
        self._keep = keep

    async def look(self) -> None:
        """Remove what has had its time. In threads and portions: an agent's work goes on beside it."""
        # Asked first: a request that comes in later has no file that is old.
        before = time.time() - self._keep
        oldest = await state.oldest_open(self._store)
        if oldest is not None:
            before = min(before, oldest - _SKEW)
        removed = 0
        while True:
            some = await asyncio.to_thread(self._workspace.sweep, before)
            removed += some
            if some < SWEPT_AT_ONCE:
                break
            await asyncio.sleep(_BREATH)
        if removed:
            _LOG.info("kept files removed", files=removed)
