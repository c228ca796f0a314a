"""A worker: some agents, all partitions, one process or task.

1. Turns to the active policy bundle and makes sure the inboxes have their group.
2. Runs a lane per agent and partition.
3. Ticks: fires timers and schedules, posts what is overdue, reads the control record, unparks what is free.
4. Beats: says what it has in hand and when it last came to an end of something; takes up what was parked
   for its release.
5. Watches: reports readers nobody declared, tidies away dead consumers; tells when dead letters pile up.
6. Sweeps, if it performs: removes kept files that nobody needs any more.
7. Stops in order: lanes first, then its heartbeat.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from wingman_runtime.contracts.control import ControlRecord
from wingman_runtime.contracts.event import EventCatalog
from wingman_runtime.effects.perform import Performer
from wingman_runtime.errors import AdmissionClosedError, BackendError
from wingman_runtime.project.agents import MountedAgent
from wingman_runtime.redisio import control, inbox, timers
from wingman_runtime.redisio.admission import AdmissionRules
from wingman_runtime.redisio.ending import cancelled
from wingman_runtime.redisio.store import Store
from wingman_runtime.worker.desk import Desk
from wingman_runtime.worker.eager import Eager
from wingman_runtime.worker.heartbeat import Heartbeat
from wingman_runtime.worker.lane import Lane, LaneLimits
from wingman_runtime.worker.later import Later
from wingman_runtime.worker.lawbook import Lawbook
from wingman_runtime.worker.overdue import post_overdue
from wingman_runtime.worker.piles import PileLimits, Piles
from wingman_runtime.worker.ports import PortRack
from wingman_runtime.worker.reconciler import Reconciler
from wingman_runtime.worker.schedules import fire_due
from wingman_runtime.worker.sweep import Sweep
from wingman_runtime.worker.tables import FlowTables
from wingman_runtime.worker.threads import AgentThreads
from wingman_runtime.worker.usage import SchemaUsage
from wingman_runtime.worker.watch import Watch

_LOG = structlog.get_logger(__name__)
_AWAY = (BackendError, AdmissionClosedError)


def worker_name() -> str:
    """Unique for the life of a consumer group: host, pid, and chance, since pids come round again."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True)
class WorkerTimes:
    """Seconds."""

    grace: float = 20.0
    tick: float = 0.2
    beat: float = 1.0
    watch: float = 5.0
    sweep: float = 3600.0
    reconcile: float = 60.0


class Worker:
    """See the module. Everything it works with is handed in by `wingman_runtime.bootstrap`."""

    def __init__(
        self,
        store: Store,
        agents: Sequence[MountedAgent],
        *,
        catalog: EventCatalog,
        tables: FlowTables,
        rack: PortRack,
        lawbook: Lawbook,
        performer: Performer,
        limits: LaneLimits,
        times: WorkerTimes,
        rules: AdmissionRules | None = None,
        sweep: Sweep | None = None,
        piles: PileLimits | None = None,
        name: str | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name or worker_name()
        self._store = store
        self._agents = list(agents)
        self._lawbook = lawbook
        self._facts = dict(facts or {})
        self.times = times
        self.sweep = sweep
        self._piles = Piles(store, self.agents, piles or PileLimits())
        self._rules = rules or AdmissionRules()
        self._control = [ControlRecord() for _ in range(store.partitions)]
        self._refresh = [asyncio.Event() for _ in range(store.partitions)]
        self._to_unpark = [True] * store.partitions
        self._behind = [False] * store.partitions
        self._alone = asyncio.Lock()
        self.lanes: list[Lane] = []
        reads = {agent.name: _reads(agent, catalog) for agent in self._agents}
        self._usage = {name: SchemaUsage(events) for name, events in reads.items()}
        self._later = Later(store, reads, lawbook, limits.slots)
        desks = {
            agent.name: Desk(
                agent,
                catalog=catalog,
                tables=tables,
                rack=rack,
                lawbook=lawbook,
                performer=performer,
                control=self._control.__getitem__,
                threads=AgentThreads(agent.name, limits.slots * store.partitions),
                worker=self.name,
                usage=self._usage[agent.name],
            )
            for agent in self._agents
        }
        eager = Eager(desks)
        for name_, desk in desks.items():
            self.lanes += [self._lane(desk, name_, n, limits, eager) for n in range(store.partitions)]

    def _lane(self, desk: Desk, agent: str, partition: int, limits: LaneLimits, eager: Eager) -> Lane:
        return Lane(
            self._store,
            partition,
            agent,
            self.name,
            desk,
            limits=limits,
            lawbook=self._lawbook,
            control=lambda: self._control[partition],
            seen_epoch=lambda epoch: self._seen_epoch(partition, epoch),
            eager=eager,
            alone=self._alone,
        )

    @property
    def agents(self) -> list[str]:
        return [agent.name for agent in self._agents]

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set.

        Raises:
            BackendError: the server cannot be used at the start; later faults are waited out.
        """
        await self._store.ensure_groups(self.agents)
        for number in range(self._store.partitions):
            await self._read_control(number)
        heartbeat = Heartbeat(
            self._store,
            self.name,
            self.agents,
            self.lanes,
            self._lawbook,
            facts=self._facts,
            usage=self._usage,
        )
        watch = Watch(self._store, self.agents)
        reconciler = Reconciler(self._store, self.name)
        beside = [
            asyncio.create_task(self._ticking(number), name=f"ticking {number}")
            for number in range(self._store.partitions)
        ]
        beside.append(asyncio.create_task(self._every(self.times.beat, heartbeat.beat), name="beating"))
        beside.append(asyncio.create_task(self._every(self.times.beat, self._later.look), name="taking up"))
        beside.append(asyncio.create_task(self._every(self.times.watch, watch.look), name="watching"))
        beside.append(asyncio.create_task(self._every(self.times.watch, self._piles.look), name="piling"))
        beside.append(
            asyncio.create_task(self._every(self.times.reconcile, reconciler.look), name="reconciling")
        )
        if self.sweep is not None:
            beside.append(
                asyncio.create_task(self._every(self.times.sweep, self.sweep.look), name="sweeping")
            )
        _LOG.info("worker started", worker=self.name, agents=self.agents)
        try:
            async with asyncio.TaskGroup() as group:
                for lane in self.lanes:
                    group.create_task(lane.run(stop, self.times.grace))
        finally:
            await cancelled(beside)
            await heartbeat.stop()
            _LOG.info("worker stopped", worker=self.name)

    def abandon(self) -> None:
        """From here on behave as if killed: whatever is in hand is given back to nobody. For tests."""
        for lane in self.lanes:
            lane.abandoned = True

    def _seen_epoch(self, partition: int, epoch: int) -> None:
        if epoch != self._control[partition].epoch:
            self._refresh[partition].set()

    async def _ticking(self, partition: int) -> None:
        while True:
            try:
                await self._read_control(partition)
                fired = await timers.fire(self._store, partition)
                await post_overdue(self._store, partition, fired)
                await fire_due(self._store, fired.schedules, self._rules, self.name)
            except _AWAY as error:
                _LOG.warning("tick failed", partition=partition, error=str(error))
            except Exception:
                # A tick must never be the last one: without it nothing expires and no pause is seen.
                _LOG.exception("tick failed", partition=partition)
            try:
                async with asyncio.timeout(self.times.tick):
                    await self._refresh[partition].wait()
                self._refresh[partition].clear()
            except TimeoutError:
                pass

    async def _read_control(self, partition: int) -> None:
        record = await control.read(self._store, partition)
        known = self._control[partition]
        if known.policy and not record.policy:
            # The lawbook closes with it: nothing is fetched any more.
            _LOG.error(
                "stopped: the server has lost the policies, rules and flows of this project: it was emptied",
                partition=partition,
                hint="restore its data; or run `wingman policy apply` and start the workers again",
            )
        elif record.epoch < known.epoch and record.rules != known.rules:
            # What was acknowledged as held stays held, though a failover or a backup has forgotten it.
            if not self._behind[partition]:
                _LOG.error(
                    "the control record went back: rules in force before are kept in force by this worker",
                    partition=partition,
                    epoch=record.epoch,
                    known=known.epoch,
                    hint="see `wingman status`; set the rules again, or start the workers again to take this",
                )
            self._behind[partition] = True
            record = record.model_copy(update={"epoch": known.epoch, "rules": known.rules})
        else:
            self._behind[partition] = False
        changed = record != known
        self._control[partition] = record
        had_judge = self._lawbook.judge is not None
        self._lawbook.turn_to(record.policy)
        if changed or (self._lawbook.judge is not None and not had_judge):
            self._to_unpark[partition] = True
        if self._to_unpark[partition]:
            # Remembered until it is done: a server that is away just now must not leave work parked.
            for agent in self.agents:
                await inbox.unpark(self._store, partition, agent)
            self._to_unpark[partition] = False

    async def _every(self, seconds: float, call: Any) -> None:
        while True:
            try:
                await call()
            except _AWAY as error:
                _LOG.warning("skipped", what=getattr(call, "__qualname__", ""), error=str(error))
            except Exception:
                # A heartbeat or watch that ended of one odd entry would be a guard that fell asleep.
                _LOG.exception("skipped", what=getattr(call, "__qualname__", ""))
            await asyncio.sleep(seconds)


def _reads(agent: MountedAgent, catalog: EventCatalog) -> dict[str, str]:
    """Event -> the version this agent reads it as."""
    return {
        event: str(catalog.reader(event, agent.projections.get(event)).version)
        for event in agent.manifest.consumes
        if event in catalog
    }
