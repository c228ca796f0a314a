"""The watch: no silent consumers. Readers that nobody declared are put on the record, once each.

Also tidies: a consumer whose worker has died and that holds nothing is taken out of its group.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from wingman_runtime.redisio import inbox, workers
from wingman_runtime.redisio.keys import GROUP
from wingman_runtime.redisio.store import Store

_LOG = structlog.get_logger(__name__)
_STRANGER_MS = 3_000
_TIDY_MS = 600_000


class Watch:
    """Looks at the inboxes of some agents."""

    def __init__(self, store: Store, agents: Sequence[str]) -> None:
        self._store = store
        self._agents = list(agents)
        self._told: set[tuple[int, str, str, str]] = set()

    async def look(self) -> None:
        """One look at every inbox."""
        beats = await workers.beats(self._store)
        known = {beat.name for beat in beats}
        for number in range(self._store.partitions):
            for agent in self._agents:
                await self._groups(number, agent)
                await self._readers(number, agent, known)
        dead = [beat.name for beat in beats if beat.age_ms > _TIDY_MS]
        if dead:
            await workers.gone(self._store, *dead)

    async def _groups(self, partition: int, agent: str) -> None:
        for group in await workers.groups(self._store, partition, agent):
            if group != GROUP:
                await self._tell(partition, agent, "undeclared_group", group)

    async def _readers(self, partition: int, agent: str, known: set[str]) -> None:
        for reader in await workers.readers(self._store, partition, agent):
            if reader.consumer in known:
                continue
            # A worker reads before its first beat; a stranger never beats.
            if reader.idle_ms > _STRANGER_MS and reader.pending:
                await self._tell(partition, agent, "undeclared_consumer", reader.consumer)
            elif reader.idle_ms > _TIDY_MS and not reader.pending:
                await inbox.leave(self._store, partition, agent, reader.consumer)

    async def _tell(self, partition: int, agent: str, anomaly: str, name: str) -> None:
        told = (partition, agent, anomaly, name)
        if told in self._told:
            return
        self._told.add(told)
        _LOG.error("undeclared reader of an inbox", anomaly=anomaly, agent=agent, name=name)
        body = {"anomaly": anomaly, "agent": agent, "name": name}
        await workers.note(self._store, partition, "anomaly", body)
