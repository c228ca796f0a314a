"""Tiny projects for these tests: agents from a few lines, a flow, the reference's policies and scopes."""

from __future__ import annotations

import asyncio
import shutil
import textwrap
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wingman_runtime import bootstrap
from wingman_runtime.client import Client, Request, RequestEvent
from wingman_runtime.project.load import LoadedProject, Project
from wingman_runtime.redisio.log import whole
from wingman_runtime.redisio.store import Store
from wingman_runtime.worker.worker import Worker

REFERENCE = Path(__file__).resolve().parents[2]

EVENTS = """
from wingman_runtime.sdk import EventContract, EventModel, Primitive

def _contract():
    return EventContract("a test", (Primitive.AUDIT_STAMP,), "none", "none", "itself")
"""
ONE_EVENT = """
class {name}(EventModel):
    note: str = ""
    contract = _contract()
"""


@dataclass(frozen=True)
class Agent:
    """An agent: its function's body (``event`` in scope), and what its manifest says beside the usual."""

    body: str
    consumes: Sequence[str] = ("UserRequestReceived",)
    emits: Sequence[str] = ()
    extra: str = ""
    sync: bool = False
    needs: Sequence[str] = ()


@dataclass
class Spec:
    """A project: agents by name, routes of flow ``work``, joins."""

    agents: Mapping[str, Agent]
    routes: Mapping[str, str]
    joins: str = "{}"
    flow: str = "work"
    settings: str = ""
    more_flows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def write(root: Path, spec: Spec) -> Path:
    """Write the project; returns its folder."""
    for part in ("policies", "config", "tools"):
        shutil.copytree(REFERENCE / part, root / part)
    with (root / "policies" / "80-emit.cedar").open("a") as out:
        # In the reference only the executor reports an end; here any agent may, or each test needs the chain.
        out.write(
            '\n@id("emit-tests")\n@reason("a test")\npermit (principal is Wingman::Agent, '
            'action == Wingman::Action::"emit", resource == Wingman::Event::"ExecutionComplete");\n'
        )
    own = sorted({name for agent in spec.agents.values() for name in agent.emits if name not in _SHIPPED})
    for name, agent in spec.agents.items():
        folder = root / "agents" / name
        folder.mkdir(parents=True)
        mine = [event for event in agent.emits if event in own]
        ports = "".join(f", {port}" for port in agent.needs)
        lines = [
            "import asyncio, time, sys, os",
            "from pathlib import Path",
            "from wingman_runtime.sdk import *",
            "from wingman_runtime.sdk import Done, Emit, ExecutionComplete",
            *([f"from .events import {', '.join(mine)}"] if mine else []),
            f"ROOT = Path({str(root)!r})",
            "def mark(name):",
            "    with open(ROOT / name, 'a') as out:",
            "        out.write('x')",
            f"{'' if agent.sync else 'async '}def handle(event{ports}):",
            textwrap.indent(textwrap.dedent(agent.body).strip(), "    "),
        ]
        (folder / "agent.py").write_text("\n".join(lines) + "\n")
        if mine:
            (folder / "events.py").write_text(EVENTS + "".join(ONE_EVENT.format(name=n) for n in mine))
        (folder / "manifest.yaml").write_text(
            f"name: {name}\nversion: 1.0.0\npurpose: a test\nowner: tests\nscope: a test\n"
            f"handler: agent:handle\nconsumes: [{', '.join(agent.consumes)}]\n"
            f"emits: [{', '.join(agent.emits)}]\nrefusals: []\ntools: []\noutput: events\naudit: [events]\n"
            f"needs: [{', '.join(agent.needs)}]\n{agent.extra}"
        )
    for flow, routes in {spec.flow: spec.routes, **spec.more_flows}.items():
        lines = [
            f"flow: {flow}",
            "version: 1.0.0",
            "purpose: a test",
            "owner: tests",
            "start: UserRequestReceived",
            "finally: audit",
            "routes:",
            *(f"  {event}: {route}" for event, route in routes.items()),
            "  AuditStamped: {end: true}",
            f"joins: {spec.joins if flow == spec.flow else '{}'}",
        ]
        (root / "config" / "flows" / f"{flow}.yaml").write_text("\n".join(lines) + "\n")
    if spec.settings:
        with (root / "config" / "wingman.yaml").open("a") as out:
            out.write(spec.settings)
    return root


_SHIPPED = {"ExecutionComplete"}
END = {"ExecutionComplete": "{outcome: completed}"}
COMPLETE = (
    'return Emit(ExecutionComplete(plan=Plan(plan_id="pln_" + event.id[4:], request_id=event.request_id, '
    'intent="t", steps=(Step(index=0, tool="t", args={}, resource="t"),)), '
    'approval_id="a", granted_by="test", effects=()))'
)


def load(root: Path, url: str, **flags: Any) -> LoadedProject:
    """Loaded for a test: short times, the given server."""
    quick = {"times__claim_idle": 1.0, "times__grace": 2.0, "times__block": 0.2}
    return Project.find(root, **{**quick, **flags}, redis_url=url).load()


@dataclass
class Site:
    """A project at work: its store, a client, and workers that come and go."""

    project: LoadedProject
    store: Store
    client: Client
    _stack: AsyncExitStack

    async def start(self, *agents: str, slots: int | None = None, times: Any = None) -> Running:
        """One more worker, working."""
        chosen = bootstrap.chosen_agents(self.project, agents)
        worker = bootstrap.make_worker(self.project, self.store, chosen, concurrency=slots)
        worker.times = replace(worker.times, tick=0.05, beat=0.1, watch=0.2, **(times or {}))
        running = Running(worker, asyncio.Event())
        running.task = asyncio.create_task(worker.run(running.stop_event))
        self._stack.push_async_callback(running.stop)
        return running

    async def submit(self, intent: str = "t", flow: str = "work", **more: Any) -> Request:
        return await self.client.submit(intent, flow=flow, **{"actor": "alice", "tenant": "demo", **more})

    async def trail(self, request: Request) -> list[RequestEvent]:
        found: list[RequestEvent] = await self.client.trail(request.id)
        return found

    async def log(self, kind: str) -> list[dict[str, Any]]:
        """Bodies of the log's records of one kind."""
        import orjson

        out = []
        for number in range(self.store.partitions):
            for _, fields in await self.store.call("XRANGE", self.store.keys(number).log, "-", "+"):
                pairs = (
                    dict(zip(fields[::2], fields[1::2], strict=True)) if isinstance(fields, list) else fields
                )
                if pairs[b"k"] == kind.encode():
                    out.append(orjson.loads(whole(pairs[b"b"], pairs[b"e"])))
        return out


@dataclass
class Running:
    worker: Worker
    stop_event: asyncio.Event
    task: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        self.stop_event.set()
        if self.task is not None:
            async with asyncio.timeout(30):
                await asyncio.gather(self.task, return_exceptions=True)

    @property
    def alive(self) -> bool:
        return self.task is not None and not self.task.done()


@asynccontextmanager
async def site(project: LoadedProject, *agents: str, workers: int = 1, **start: Any) -> AsyncIterator[Site]:
    """The project on its server with ``workers`` workers, stopped afterwards."""
    async with AsyncExitStack() as stack:
        connected = await stack.enter_async_context(bootstrap.connect(project.settings, readers=128))
        await bootstrap.activate(project, connected.store, by="test")
        client = await stack.enter_async_context(Client(project.settings))
        place = Site(project, connected.store, client, stack)
        for _ in range(workers):
            await place.start(*agents, **start)
        yield place


async def until(check: Any, seconds: float = 10.0) -> Any:
    """Wait until ``check()`` is true, at most ``seconds``; returns what it gave."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        found = await check()
        if found:
            return found
        assert asyncio.get_running_loop().time() < end, "did not come true in time"
        await asyncio.sleep(0.03)
