"""Our runtime with processes that come and go: workers and a recorder, each started and ended by its role."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestant import WrongAnswerError, end, spawn
from benchmarks.ours import write_project
from wingman_runtime import Client, bootstrap
from wingman_runtime.ledger.verify import verify
from wingman_runtime.project.load import Project
from wingman_runtime.redisio.embedded import EmbeddedServer
from wingman_runtime.redisio.log import RedisLog
from wingman_runtime.settings import Settings

RECORDER = bootstrap.RECORDER
_LOG_DRAINED = 900.0


@dataclass(frozen=True, slots=True)
class Audited:
    """Records in all, ends by outcome, and effects that came to an end."""

    records: int
    outcomes: dict[str, int]
    effects: int


class Fleet:
    """See the module. Roles other than ``recorder`` are workers with all agents."""

    def __init__(self, root: Path, settings: Settings, agents: str, client: Client) -> None:
        self.client = client
        self.agents = agents.split(",")
        self._root = root
        self._audit = settings.audit_store
        self._named = agents
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def processes(self) -> dict[str, int]:
        """Role to process id."""
        return {role: process.pid for role, process in self._running.items()}

    def start(self, role: str) -> None:
        names = RECORDER if role == RECORDER else self._named
        start = ("-m", "wingman_runtime", "worker", "--project", str(self._root), "--agents", names)
        self._running[role] = spawn(self._root, role, *start)

    def check(self) -> None:
        """Raises WrongAnswerError when a process has ended by itself."""
        for role, process in self._running.items():
            if process.poll() is not None:
                said = (self._root / f"{role}.log").read_text(errors="replace")[-500:]
                raise WrongAnswerError(f"{role} has ended with {process.returncode}: {said}")

    async def end(self, *roles: str) -> None:
        """Stop these, or all, in order."""
        ending = [self._running.pop(role) for role in roles or [*self._running]]
        for process in ending:
            process.send_signal(signal.SIGCONT)  # one that is frozen hears of no end
        await asyncio.to_thread(end, ending)

    def freeze(self, role: str) -> None:
        os.kill(self._running[role].pid, signal.SIGSTOP)

    def thaw(self, role: str) -> None:
        os.kill(self._running[role].pid, signal.SIGCONT)

    async def open(self) -> int:
        """Requests that have not ended."""
        return int(await self.client.store.call("ZCARD", self.client.store.keys(0).open))

    async def unrecorded(self) -> int:
        """Log records that are not in the audit store yet."""
        return int(await self.client.store.call("XLEN", self.client.store.keys(0).log))

    async def recorded(self) -> None:
        """Return once the audit store has the whole log."""
        async with asyncio.timeout(_LOG_DRAINED):
            log = RedisLog(self.client.store)
            while await self.unrecorded() or self._stored() < await log.head(0):  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0.2)

    def _stored(self) -> int:
        with closing(sqlite3.connect(f"file:{self._audit}?mode=ro", uri=True)) as store:
            return int(store.execute("SELECT max(n) FROM heads WHERE partition = 0").fetchone()[0] or 0)

    async def left_over(self) -> dict[str, int]:
        """What still waits somewhere, and is not none: nothing should, once every request has ended."""
        store = self.client.store
        keys = store.keys(0)
        found = {"open": await self.open(), "timers": int(await store.call("ZCARD", keys.timers))}
        for agent in self.agents:
            for name, key in (
                ("inbox", keys.inbox(agent)),
                ("parked", keys.parked(agent)),
                ("dead", keys.dead(agent)),
            ):
                found[f"{name} of {agent}"] = int(await store.call("XLEN", key))
        return {name: count for name, count in found.items() if count}

    def audit(self) -> Audited:
        """What the audit store has, its chain verified.

        Raises:
            WrongAnswerError: it is not whole, or a request ended twice.
        """
        checked = verify(self._audit)
        if not checked.ok or checked.warnings:
            raise WrongAnswerError(f"the audit trail: {(*checked.findings, *checked.warnings)[:3]}")
        with closing(sqlite3.connect(f"file:{self._audit}?mode=ro", uri=True)) as store:
            rows = store.execute(
                "SELECT json_extract(CAST(body AS TEXT), '$.event.data.response.outcome'), count(*) "
                "FROM records WHERE event_type = 'AuditStamped' GROUP BY 1"
            ).fetchall()
            requests, effects = store.execute(
                "SELECT count(DISTINCT request_id) FILTER (WHERE event_type = 'AuditStamped'), "
                "count(*) FILTER (WHERE kind = 'effect_result') FROM records"
            ).fetchone()
        outcomes = dict(rows)
        if sum(outcomes.values()) != requests:
            raise WrongAnswerError(f"{requests} requests, and stamps {outcomes}")
        return Audited(checked.records, outcomes, effects)


@asynccontextmanager
async def fleet(server: EmbeddedServer, room: Path, more: str) -> AsyncIterator[Fleet]:
    """The benchmark's project on this server, nothing of it running yet; ``more``: further settings."""
    root = write_project(room, server, more)
    project = Project.find(root).load()
    settings = project.settings
    async with bootstrap.connect(settings) as connected:
        await bootstrap.activate(project, connected.store, by="benchmark")
        agents = ",".join(agent.name for agent in bootstrap.chosen_agents(project, ()))
    async with Client(settings, actor="alice") as client:
        running = Fleet(root, settings, agents, client)
        try:
            yield running
        finally:
            await running.end()
