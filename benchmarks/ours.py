"""Our side: the reference project's chain with all governance on, one tool step that gives back what it got.

Dispatcher, scope, permission, proposal, handshake and executor are the six hops; a seventh, audit, stamps the
end. Each is judged by the policies; the step has an intent before it and a result after; a recorder process
of its own stores every record in the hash chain.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

from benchmarks.contestant import ROOT, WrongAnswerError, end, spawn
from benchmarks.server import PAYLOAD
from wingman_runtime import Client, bootstrap
from wingman_runtime.client.request import Request
from wingman_runtime.project.load import Project
from wingman_runtime.redisio.embedded import EmbeddedServer
from wingman_runtime.redisio.log import RedisLog

_TOOL = '''"""A tool that does nothing: what is measured is the way to it and back."""

from wingman_runtime.sdk import tool


@tool("bench.echo", purpose="tell its size", risk="low", timeout=5, irreversible=True, resource="bench:echo")
async def echo(body: str) -> dict[str, int]:
    """Its size."""
    return {"size": len(body)}
'''
_SCOPE = """
  bench:
    purpose: the benchmark
    intents: [bench.echo]
    tenants: [demo]
    limits: {bytes: 65536, steps: 10}
    tools:
      bench.echo: ["bench:echo"]
"""
_PLAN = """plan: bench.echo
purpose: one step
steps:
  - tool: bench.echo
    args:
      body: "{{ params.body }}"
"""


class Ours:
    """The submitting side: the Python client; see `benchmarks.contestant.Contestant`."""

    def __init__(self, client: Client, log: RedisLog, store: Path, processes: dict[str, int]) -> None:
        self.processes = processes
        self._client = client
        self._log = log
        self._store = store
        self._requests: dict[str, Request] = {}

    async def submit(self, count: int) -> Sequence[str]:
        made = await asyncio.gather(
            *(self._client.submit("bench.echo", {"body": PAYLOAD}) for _ in range(count))
        )
        for request in made:
            self._requests[request.id] = request
        return [request.id for request in made]

    async def result(self, request: str) -> None:
        response = await self._requests[request].result(120)
        if response.outcome != "completed":
            raise WrongAnswerError(f"{request}: {response.outcome}: {response.reasons}")

    def forget(self, request: str) -> None:
        """For runs that are longer than what one wants to keep of them."""
        del self._requests[request]

    async def settled(self, total: int) -> None:
        async with asyncio.timeout(60):
            while await self._recorded() < await self._log.head(0):  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0.02)
        with closing(sqlite3.connect(f"file:{self._store}?mode=ro", uri=True)) as store:
            rows = store.execute(
                "SELECT count(*), count(DISTINCT request_id) FROM records WHERE event_type = 'AuditStamped'"
            ).fetchone()
            ran = store.execute("SELECT count(*) FROM records WHERE kind = 'effect_result'").fetchone()
        if (*rows, *ran) != (total, total, total) or len(self._requests) != total:
            raise WrongAnswerError(
                f"{total} submitted; stamped, requests and effects on record: {(*rows, *ran)}"
            )

    async def _recorded(self) -> int:
        with closing(sqlite3.connect(f"file:{self._store}?mode=ro", uri=True)) as store:
            return int(store.execute("SELECT max(n) FROM heads WHERE partition = 0").fetchone()[0] or 0)


def write_project(room: Path, server: EmbeddedServer, more: str = "") -> Path:
    """The reference project with the one tool, set to this server; ``more``: further settings. Its folder."""
    root = room / "project"
    for name in ("config", "policies", "tools"):
        shutil.copytree(ROOT / name, root / name)
    (root / "tools" / "bench.py").write_text(_TOOL)
    (root / "config" / "plans" / "bench.echo.yaml").write_text(_PLAN)
    with (root / "config" / "scopes.yaml").open("a") as scopes:
        scopes.write(_SCOPE)
    with (root / "config" / "wingman.yaml").open("a") as settings:
        settings.write(f"redis: {{url: '{server.url}'}}\n{more}")
    return root


@asynccontextmanager
async def ours(server: EmbeddedServer, room: Path, workers: int, more: str = "") -> AsyncIterator[Ours]:
    """Our runtime with so many worker processes and a recorder, ready to work; ``more``: further settings."""
    root = write_project(room, server, more)
    project = Project.find(root).load()
    settings = project.settings
    store = settings.audit_store
    async with bootstrap.connect(settings) as connected:
        await bootstrap.activate(project, connected.store, by="benchmark")
        agents = ",".join(agent.name for agent in bootstrap.chosen_agents(project, ()))
        roles = {f"worker{number}": agents for number in range(workers)} | {"recorder": bootstrap.RECORDER}
        start = ("-m", "wingman_runtime", "worker", "--project", str(root), "--agents")
        running = [spawn(room, role, *start, names) for role, names in roles.items()]
        processes = {role: process.pid for role, process in zip(roles, running, strict=True)}
        try:
            async with Client(settings, actor="alice") as client:
                log = RedisLog(connected.store)
                yield Ours(client, log, store, {**processes, "server": server.pid})
        finally:
            await asyncio.to_thread(end, running)
