"""What is going on: what waits where, who works, what is held. Read-only."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from wingman_runtime.contracts.control import ControlRule
from wingman_runtime.redisio import control, counts, dead, reconcile, workers
from wingman_runtime.redisio.counts import AgentCounts
from wingman_runtime.redisio.newer import Newer, all_newer
from wingman_runtime.redisio.reconcile import Reconciled
from wingman_runtime.redisio.store import Store
from wingman_runtime.redisio.workers import SeenSchema, WorkerBeat, schemas_of


@dataclass(frozen=True, slots=True)
class Status:
    """A snapshot over all partitions.

    Attributes:
        agents: per agent what is waiting, in hand, parked and dead.
        now_ms: the server's clock.
        newer: events parked until a worker of a later release is there.
        reconciled: per partition when the reconciler last looked, and what it found.
        piled: agents with too many dead letters, or too old ones, as the workers have told.
        rules: what is held, and why.
        workers: heartbeats, dead workers included.
        open_requests: admitted and not ended.
        open_approvals: waiting for people.
        in_flight: effects that have begun and not ended.
        recorder_lag: log records not yet in the audit store.
        policy: digest of the bundle in force in partition 0.
        policies: the same for each partition; see ``disagreement``.
        epoch: the control epoch of partition 0.
        used_memory: bytes; ``max_memory`` is 0 without a limit.
    """

    agents: tuple[AgentCounts, ...]
    rules: tuple[ControlRule, ...]
    workers: tuple[WorkerBeat, ...]
    open_requests: int
    open_approvals: int
    in_flight: int
    recorder_lag: int
    policy: str
    policies: tuple[str, ...]
    epoch: int
    used_memory: int
    max_memory: int
    now_ms: int
    piled: tuple[str, ...]
    reconciled: tuple[Reconciled, ...]
    newer: tuple[Newer, ...] = ()

    @property
    def disagreement(self) -> str:
        """Which partitions have which bundle, when they differ: an apply died half-way. Else empty."""
        if len({*self.policies}) < 2:
            return ""
        told = (f"{number}: {digest[:19] or 'none'}" for number, digest in enumerate(self.policies))
        return f"partitions have different bundles ({', '.join(told)}); run `wingman policy apply` again"

    def oldest_dead(self, agent: AgentCounts) -> float | None:
        """Seconds since the agent gave up on the oldest of its dead letters; None: it has none."""
        return max(0, self.now_ms - agent.oldest_dead_ms) / 1000 if agent.dead else None

    @property
    def mended(self) -> tuple[str, ...]:
        """What should never have happened and was mended, the latest of each partition."""
        return tuple(
            f"{one.found} mended in partition {one.partition}, "
            f"the last {(self.now_ms - one.found_at_ms) // 1000} s ago: {'; '.join(one.last)}"
            for one in self.reconciled
            if one.found
        )

    @property
    def schemas(self) -> tuple[SeenSchema, ...]:
        """Which versions of events the workers read, have seen and have written."""
        return tuple(schemas_of(self.workers))

    @property
    def later(self) -> tuple[str, ...]:
        """What is parked because no worker of its agent could read it yet: which version, what they read."""
        return tuple(
            f"parked at {one.agent}: {one.event} {one.version} ({one.count}), {self._reading(one)}"
            for one in self.newer
        )

    def _reading(self, one: Newer) -> str:
        read = {
            seen.reads
            for seen in self.schemas
            if seen.alive and (seen.agent, seen.event) == (one.agent, one.event) and seen.reads
        }
        told = ", ".join(sorted(read)) or "nothing: none runs"
        return f"its workers read {told}; it waits for one that reads {one.version}"

    @property
    def stuck(self) -> tuple[str, ...]:
        """Agents that have work waiting, hold no rule, and no living worker."""
        covered = {agent for beat in self.workers if beat.alive for agent in beat.facts.get("agents", ())}
        return tuple(
            agent.name for agent in self.agents if agent.waiting + agent.pending and agent.name not in covered
        )


async def read_status(store: Store) -> Status:
    """One look at everything; figures of different keys may be milliseconds apart."""
    record, policies, totals, beats, memory = await asyncio.gather(
        control.read(store, 0),
        control.policies(store),
        counts.totals(store),
        workers.beats(store),
        counts.memory(store),
    )
    now_ms, piled, reconciled, newer = await asyncio.gather(
        workers.now_ms(store), dead.piled(store), reconcile.reconciled(store), all_newer(store)
    )
    agents = await counts.agents(store, await counts.everybody(store))
    return Status(
        agents=tuple(agents),
        rules=record.rules,
        workers=tuple(beats),
        open_requests=totals.open_requests,
        open_approvals=totals.open_approvals,
        in_flight=totals.in_flight,
        recorder_lag=totals.recorder_lag,
        policy=record.policy,
        policies=policies,
        epoch=record.epoch,
        used_memory=memory[0],
        max_memory=memory[1],
        now_ms=now_ms,
        piled=tuple(sorted(piled)),
        reconciled=tuple(reconciled),
        newer=tuple(newer),
    )
