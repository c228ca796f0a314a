"""Dead letters that pile up: told once when they do, and once when that is over. See docs/dead-letters.md.

Every worker looks at its agents; the server keeps who was told, so that many workers tell it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from wingman_runtime.contracts.event import EventModel, dataschema_of, envelope_of
from wingman_runtime.contracts.events import DeadLettersCleared, DeadLettersPiledUp
from wingman_runtime.contracts.ids import derive
from wingman_runtime.redisio import counts, dead, workers
from wingman_runtime.redisio.store import Store

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PileLimits:
    """What is too much: so many letters of one agent, or one that lies there for so many seconds."""

    depth: int = 100
    age: float = 86_400.0


class Piles:
    """Looks at the dead letters of some agents, over all partitions."""

    def __init__(self, store: Store, agents: Sequence[str], limits: PileLimits) -> None:
        self._store = store
        self._agents = list(agents)
        self._limits = limits
        # As last told to the server; unknown after a start, since another may have told it.
        self._told: dict[str, bool] = {}

    async def look(self) -> None:
        """One look at every agent's."""
        now = await workers.now_ms(self._store)
        for agent, (depth, oldest_ms) in (await counts.dead(self._store, self._agents)).items():
            oldest = max(0, now - oldest_ms) / 1000 if depth else 0.0
            high = self._high(depth, oldest)
            if high is None or self._told.get(agent) is high:
                continue
            record = self._record(agent, depth, oldest, high, now)
            if await dead.pile(self._store, agent, high, record):
                tell = _LOG.warning if high else _LOG.info
                tell("dead letters piled up" if high else "dead letters cleared", agent=agent, depth=depth)
            self._told[agent] = high

    def _high(self, depth: int, oldest: float) -> bool | None:
        """Past a limit, below half of both, or between: then nothing changes."""
        limits = self._limits
        if depth >= limits.depth or (depth and oldest >= limits.age):
            return True
        return False if depth * 2 < limits.depth and oldest * 2 < limits.age else None

    def _record(self, agent: str, depth: int, oldest: float, high: bool, now: int) -> bytes:
        """The event's log record. It belongs to no request, and nobody consumes it."""
        told = {"agent": agent, "depth": depth, "oldest_s": oldest}
        data: EventModel = DeadLettersCleared.model_validate(told)
        if high:
            limits = {"depth_limit": self._limits.depth, "age_limit_s": self._limits.age}
            data = DeadLettersPiledUp.model_validate(told | limits)
        kind = type(data)
        event = envelope_of(kind)(
            id=derive("evt", kind.__name__, agent, now),
            source="/runtime",
            type=kind.__name__,
            subject=agent,  # a CloudEvents subject is never empty
            time=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            dataschema=dataschema_of(kind),
            partition=0,
            correlationid="",
            actor="",
            tenant="",
            flow="",
            data=data,
        )
        return b'{"agent":"runtime","event":' + event.to_bytes() + b"}"
