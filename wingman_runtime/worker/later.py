"""What earlier releases parked because a later one wrote it is taken up by a worker that reads it.

It goes back into the inbox, a few at a time: a worker of the earlier release may get it again, and parks it
again, uncounted. So it comes to an end however few of the workers are of the later release.
"""

from __future__ import annotations

from collections.abc import Mapping

from wingman_runtime.contracts.version import Version
from wingman_runtime.redisio import inbox
from wingman_runtime.redisio.newer import newer
from wingman_runtime.redisio.store import Store
from wingman_runtime.worker.lawbook import Lawbook


class Later:
    """Looks after the agents of one worker.

    Args:
        reads: agent -> event -> version the worker reads it as.
        most: how many entries of an agent and partition go back at a time.
    """

    def __init__(
        self, store: Store, reads: Mapping[str, Mapping[str, str]], lawbook: Lawbook, most: int
    ) -> None:
        self._store = store
        self._reads = reads
        self._lawbook = lawbook
        self._most = most

    async def look(self) -> None:
        """One look at every partition: one command each, where nothing is parked so."""
        if self._lawbook.judge is None:
            return
        for number in range(self._store.partitions):
            parked = await newer(self._store, number)
            ready = {one.agent for one in parked if self._has(one.agent, one.event, one.needs)}
            for agent in sorted(ready):
                await inbox.unpark(self._store, number, agent, reads=self._reads[agent], most=self._most)

    def _has(self, agent: str, event: str, needs: str) -> bool:
        version = self._reads.get(agent, {}).get(event)
        return version is not None and Version.parse(version) >= Version.parse(needs)
