"""The reconciler: finds and mends what should never happen, and says so loudly.

1. Takes the lease of a partition, so that one worker looks at a time; whoever dies loses it with time.
2. Looks at a bounded number of each kind of key, going on next time where it stopped.
3. Has requests failed of which something is gone for good, and effects recorded as uncertain that nobody will
   ever find out about.
4. Logs each finding, and leaves word for `status`.

Only scripts mend, and each looks again in the same step (lua/reconcile.lua): workers need not stop for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import structlog

from wingman_runtime.redisio import counts, reconcile, workers
from wingman_runtime.redisio.reconcile import NO_LEASE, Finding, Lease
from wingman_runtime.redisio.store import Store
from wingman_runtime.worker.overdue import post_lost

_LOG = structlog.get_logger(__name__)
_KEEP_MS = 150_000
_LOOKS = 20
"""Of each kind in one round; a look is about a hundred keys."""
GRACE_MS = 600_000
"""So long past its deadline an effect may be without anybody who asks what became of it."""
_TENANTS_OF = 5000


class Reconciler:
    """Looks at all partitions of a store.

    Args:
        name: whose lease it is: a worker's name.
        grace_ms: see `GRACE_MS`.
    """

    def __init__(self, store: Store, name: str, *, grace_ms: int = GRACE_MS) -> None:
        self._store = store
        self._name = name
        self._grace = grace_ms
        self._cursors: dict[tuple[int, str, str], str] = {}

    async def look(self) -> list[Finding]:
        """One bounded round, where it is this one's turn."""
        found: list[Finding] = []
        for number in range(self._store.partitions):
            lease = await reconcile.take_lease(self._store, number, self._name, keep_ms=_KEEP_MS)
            if lease is not None:
                found += await self._round(number, lease)
        return found

    async def whole(self, *, dry: bool = False) -> list[Finding]:
        """Everything, now: takes the lease from whoever has it. A dry run takes none, and changes nothing."""
        found: list[Finding] = []
        for number in range(self._store.partitions):
            if dry:
                found += [one async for one in self._looks(number, NO_LEASE, dry=True, looks=None)]
                continue
            lease = await reconcile.take_lease(self._store, number, self._name, keep_ms=_KEEP_MS, force=True)
            if lease is not None:
                found += await self._round(number, lease, looks=None)
        return found

    async def _round(self, partition: int, lease: Lease, looks: int | None = _LOOKS) -> list[Finding]:
        found = []
        async for finding in self._looks(partition, lease, dry=False, looks=looks):
            _LOG.error("mended what should never happen", finding=str(finding), did=finding.did)
            found.append(finding)
        await reconcile.done(self._store, partition, lease, found)
        return found

    async def _looks(
        self, partition: int, lease: Lease, *, dry: bool, looks: int | None
    ) -> AsyncIterator[Finding]:
        for kind, more in await self._kinds():
            at = (partition, kind, str(more[:1]))
            cursor, left = "0" if looks is None else self._cursors.get(at, "0"), looks
            while left is None or left > 0:
                count = _TENANTS_OF if kind == "tenants" else 100
                seen = await reconcile.look(
                    self._store, partition, kind, cursor, more=more, count=count, dry=dry, lease=lease
                )
                if seen is None:
                    return
                for finding in seen.findings:
                    yield finding
                if not dry:
                    await post_lost(self._store, seen.failing)
                    for member in seen.doubtful:
                        await reconcile.give_up(self._store, member)
                cursor, left = seen.cursor, None if left is None else left - 1
                if cursor == "0":
                    break
            self._cursors[at] = cursor

    async def _kinds(self) -> list[tuple[str, tuple[str | int, ...]]]:
        """Each kind with what it takes. Timers come before requests: a step that lost its timer is lost."""
        beats = await workers.beats(self._store)
        at_work = {str(name) for beat in beats if beat.alive for name in beat.facts.get("agents", ())}
        agents = sorted(at_work | set(await counts.agent_names(self._store)))
        return [
            ("groups", tuple(sorted(at_work))),
            ("timers", ()),
            ("payloads", ()),
            ("approvals", ()),
            ("requests", ()),
            *(("inbox", (agent,)) for agent in agents),
            *(("parked", (agent,)) for agent in agents),
            ("effects", (self._grace,)),
            ("tenants", ()),
        ]
