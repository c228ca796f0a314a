"""The watch: no silent consumers.

1. A reader that nobody declared is put on the record, once each.
2. What such a consumer took from the workers' group is taken from it and delivered again.
3. Steps whose entry somebody took away are delivered again, or their request fails: at once, while the
   reconciler, which looks at the rest as well, has its turn once a minute (`reconciler.py`).
4. A consumer whose worker has died and that holds nothing is taken out of its group.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from wingman_runtime.redisio import inbox, reconcile, workers
from wingman_runtime.redisio.keys import GROUP
from wingman_runtime.redisio.store import Store
from wingman_runtime.worker.overdue import post_lost

_LOG = structlog.get_logger(__name__)
_AT_ONCE = 1000
_TIDY_MS = 600_000


class Watch:
    """Looks at the inboxes of some agents."""

    def __init__(self, store: Store, agents: Sequence[str]) -> None:
        self._store = store
        self._agents = list(agents)
        self._told: set[tuple[int, str, str, str]] = set()
        self._strange: set[tuple[int, str, str]] = set()
        self._cursors = ["0"] * store.partitions

    async def look(self) -> None:
        """One look at every inbox."""
        beats = await workers.beats(self._store)
        known = {beat.name for beat in beats}
        before, self._strange = self._strange, set()
        for number in range(self._store.partitions):
            for agent in self._agents:
                await self._groups(number, agent)
                await self._readers(number, agent, known, before)
            found = await reconcile.look(self._store, number, "requests", self._cursors[number])
            if found is None:
                continue
            self._cursors[number] = found.cursor
            for finding in found.findings:
                _LOG.error("mended what should never happen", finding=str(finding), did=finding.did)
            await post_lost(self._store, found.failing)
        dead = [beat.name for beat in beats if beat.age_ms > _TIDY_MS]
        if dead:
            await workers.gone(self._store, *dead)

    async def _groups(self, partition: int, agent: str) -> None:
        for group in await workers.groups(self._store, partition, agent):
            if group != GROUP:
                await self._tell(partition, agent, "undeclared_group", group)

    async def _readers(
        self, partition: int, agent: str, known: set[str], before: set[tuple[int, str, str]]
    ) -> None:
        for reader in await workers.readers(self._store, partition, agent):
            if reader.consumer in known:
                continue
            strange = (partition, agent, reader.consumer)
            self._strange.add(strange)
            # A worker may read just before its first beat is seen; a stranger never beats.
            if reader.pending and strange in before:
                await self._tell(partition, agent, "undeclared_consumer", reader.consumer)
                await self._taken_back(partition, agent, reader.consumer)
            elif reader.idle_ms > _TIDY_MS and not reader.pending:
                await inbox.leave(self._store, partition, agent, reader.consumer)

    async def _taken_back(self, partition: int, agent: str, consumer: str) -> None:
        held = await inbox.mine(self._store, partition, agent, consumer, count=_AT_ONCE)
        entries = [entry.entry_id for entry in held]
        if entries:
            await inbox.release(self._store, partition, agent, consumer, entries)

    async def _tell(self, partition: int, agent: str, anomaly: str, name: str) -> None:
        told = (partition, agent, anomaly, name)
        if told in self._told:
            return
        self._told.add(told)
        _LOG.error("undeclared reader of an inbox", anomaly=anomaly, agent=agent, name=name)
        body = {"anomaly": anomaly, "agent": agent, "name": name}
        await workers.note(self._store, partition, "anomaly", body)
