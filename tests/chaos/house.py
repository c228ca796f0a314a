"""Everything a run consists of, as its faults reach it.

    processes ──▶ proxy ──▶ server          clients ──▶ server          tools ──▶ sink

Of the worker processes some go through the proxy, the others straight to the server, so that a fault of the
network strikes at a part of the fleet, as it does in life.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.fault import Fault, NotStruckError
from tests.chaos.journal import Journal
from tests.chaos.process import Process
from tests.chaos.project import write_project
from tests.chaos.proxy import Proxy
from tests.chaos.server import ChaosServer
from tests.chaos.sink import SinkProcess
from tests.chaos.waiting import until
from wingman_runtime.client import Client
from wingman_runtime.settings import Settings

if TYPE_CHECKING:
    from tests.chaos.load import Load

Layout = dict[str, tuple[str, ...]]
"""Name of a worker process to its agents (none: all of them)."""

FRONT = ("dispatcher", "scope_filter", "permission")
DESKS = ("proposal", "handshake", "executor", "rollback", "audit")
LAYOUT: Layout = {"front": FRONT, "desk-1": DESKS, "desk-2": DESKS}
PROXIED = ("desk-1", "recorder")
READY_WITHIN = 60.0


@dataclass(slots=True)
class House:
    """One run. Directories: ``root`` is the project, everything else of the run lies beside it.

    Attributes:
        rng: chance, seeded, for faults. What is drawn side by side has a source of its own: `chance`.
        server_env, server_extra: environment and directives of the server, from its next start on.
        worker_env: environment of workers and recorder, from their next start on.
        layout: the worker processes.
        faults_log: the fault log.
        load: what submits; set once it runs. `Load.submit` is how a fault makes a request of its own.
    """

    dir: Path
    rng: random.Random
    seed: int = 0
    layout: Layout = field(default_factory=lambda: dict(LAYOUT))
    proxied: tuple[str, ...] = PROXIED
    settings: dict[str, str] = field(default_factory=dict)
    server_env: dict[str, str] = field(default_factory=dict)
    server_extra: dict[str, str] = field(default_factory=dict)
    worker_env: dict[str, str] = field(default_factory=dict)
    worker_module: tuple[str, ...] = ("wingman_runtime", "worker")
    mending: bool = True
    workers: list[Process] = field(default_factory=list)
    load: Load | None = None
    server: ChaosServer = field(init=False)
    proxy: Proxy = field(init=False)
    sink: SinkProcess = field(init=False)
    recorder: Process = field(init=False)
    faults_log: Journal = field(init=False)

    def __post_init__(self) -> None:
        self.dir.mkdir(parents=True, exist_ok=True)
        self.sink = SinkProcess(self.dir)
        write_project(self.root, self.sink.path, self.settings)
        self.server = ChaosServer(self.dir / "redis", env=self.server_env, extra=self.server_extra)
        self.faults_log = Journal(self.dir / "faults.jsonl")

    def chance(self, what: str) -> random.Random:
        """A source of chance for one purpose, so that what others draw meanwhile does not change it."""
        return random.Random(f"{self.seed} {what}")

    @property
    def root(self) -> Path:
        """The project."""
        return self.dir / "project"

    @property
    def audit_store(self) -> Path:
        return self.root / ".wingman" / "audit.db"

    @property
    def processes(self) -> list[Process]:
        """Workers and recorder."""
        return [*self.workers, self.recorder]

    def a_worker(self, having: str = "") -> Process:
        """A running worker process, by chance; one that has the agent.

        Raises:
            NotStruckError: none runs.
        """
        found = [w for w in self.workers if w.alive and (not having or not w.agents or having in w.agents)]
        if not found:
            raise NotStruckError(f"no worker with {having or 'agents'} runs")
        return self.rng.choice(found)

    @contextlib.asynccontextmanager
    async def running(self, faults: Iterable[Fault] = ()) -> AsyncIterator[None]:
        """Server, proxy, sink, workers and recorder run inside the block; nothing is left behind."""
        for fault in faults:
            fault.prepare(self)
        mender: asyncio.Task[None] | None = None
        self.recorder = self._process("recorder", ("recorder",), "")
        try:
            await self.server.start()
            self.proxy = Proxy(self.server.socket.with_name("proxy.sock"), self.server.socket)
            await self.proxy.start()
            await self.sink.start()
            self.recorder = self._process("recorder", ("recorder",), self._url("recorder"))
            self.workers = [
                self._process(name, agents, self._url(name)) for name, agents in self.layout.items()
            ]
            for worker in self.workers:
                worker.module = self.worker_module
            for process in self.processes:
                await process.start()
            mender = asyncio.create_task(self._mending())
            await self.ready()
            yield
        finally:
            self.mending = False
            if mender is not None:
                mender.cancel()
                await asyncio.gather(mender, return_exceptions=True)
            await asyncio.gather(*(p.stop() for p in self.processes))
            await self.sink.stop()
            if self.server.starts:
                await self.proxy.stop()
                await self.server.stop()
            self.faults_log.close()

    def client(self, actor: str = "alice") -> Client:
        """A client straight at the server."""
        return Client(Settings.load(self.root, redis_url=self.server.url), actor=actor)

    async def ready(self, within: float = READY_WITHIN) -> None:
        """Wait until every worker process works."""
        async with self.client() as client:

            async def working() -> bool:
                return sum(w.alive for w in (await client.status()).workers) >= len(self.workers)

            await until(working, within)

    async def mend(self) -> None:
        """Start again whatever is dead: server first, then processes."""
        if not self.server.alive:
            await self.server.start()
        for process in self.processes:
            if not process.alive:
                process.env = dict(self.worker_env)
                await process.start()

    async def _mending(self) -> None:
        chance = self.chance("mending")
        while True:
            await asyncio.sleep(chance.uniform(0.1, 0.8))
            if not self.mending:
                continue
            for process in self.processes:
                if not process.alive and not process.kept_down:
                    await process.ended()
                    process.env = dict(self.worker_env)
                    await process.start()

    def _process(self, name: str, agents: tuple[str, ...], url: str) -> Process:
        return Process(name, self.root, url, agents, env=dict(self.worker_env))

    def _url(self, name: str) -> str:
        return self.proxy.url if name in self.proxied else self.server.url
