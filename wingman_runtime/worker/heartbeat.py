"""A worker's heartbeat: what it has in hand and when something last came to an end.

Liveness is progress. A worker that is connected but finishes nothing shows an old ``oldest_s`` here, and
`wingman status` calls it stuck.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from wingman_runtime.redisio import workers
from wingman_runtime.redisio.store import Store
from wingman_runtime.worker.lane import Lane
from wingman_runtime.worker.lawbook import Lawbook
from wingman_runtime.worker.usage import SchemaUsage


class Heartbeat:
    """Beats for one worker, in partition 0. ``facts`` go along as they are, such as the project's digest, and
    with them what each agent has read and written (``usage``)."""

    def __init__(
        self,
        store: Store,
        name: str,
        agents: Sequence[str],
        lanes: Sequence[Lane],
        lawbook: Lawbook,
        *,
        facts: Mapping[str, str],
        usage: Mapping[str, SchemaUsage],
    ) -> None:
        self._store = store
        self._name = name
        self._agents = list(agents)
        self._lanes = lanes
        self._lawbook = lawbook
        self._facts = facts
        self._usage = usage

    async def beat(self) -> None:
        now = asyncio.get_running_loop().time()
        last = max((lane.progress.last_commit for lane in self._lanes), default=0.0)
        deaf = [lane.progress.deaf_since for lane in self._lanes if lane.progress.deaf_since]
        await workers.beat(
            self._store,
            self._name,
            {
                **self._facts,
                "agents": self._agents,
                "in_hand": sum(lane.in_hand for lane in self._lanes),
                "oldest_s": round(max((lane.oldest() for lane in self._lanes), default=0.0), 3),
                "committed": sum(lane.progress.committed for lane in self._lanes),
                "idle_s": round(now - last, 3) if last else None,
                "deaf_s": round(now - min(deaf), 3) if deaf else 0.0,
                "policy": self._lawbook.judge.digest if self._lawbook.judge else "",
                "missing_policy": self._lawbook.missing,
                "schemas": {agent: usage.told() for agent, usage in self._usage.items()},
            },
        )

    async def stop(self) -> None:
        """Take the heartbeat away; a server that is gone will forget it by itself."""
        try:
            await workers.gone(self._store, self._name)
        except Exception:
            return
