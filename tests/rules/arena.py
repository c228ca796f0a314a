"""The arena: a project of one's own, a real server, the whole chain at work on it, and an attacker beside it.

The attacker has what a leaked Redis password gives (`Arena.raw`), what a user has (`Arena.client`), and what
the author of a project has (`Grounds`, written before the doors open).
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any
from unittest import mock

import orjson
import redis.asyncio

from wingman_runtime import Client, bootstrap
from wingman_runtime.client.request import Request
from wingman_runtime.contracts.work import Response
from wingman_runtime.project.find import reference_root
from wingman_runtime.project.load import LoadedProject, Project
from wingman_runtime.redisio.log import whole
from wingman_runtime.worker.watch import Watch
from wingman_runtime.worker.worker import Worker, WorkerTimes

PATIENCE = 12.0
"""Seconds until a test gives up on what should have happened; mutations, whose attacks succeed, wait less."""
GROUNDWORK = 20.0
"""Seconds for what must be there before an attack can begin, and for what comes after it."""

Fields = dict[bytes, bytes]


class NotReadyError(Exception):
    """The attack could not even begin. No AssertionError, which would say that it succeeded."""


_MANIFEST = """\
name: {name}
version: 1.0.0
purpose: an agent of an attacker
owner: mallory
scope: whatever it can get
handler: agent:handle
consumes: [{consumes}]
emits: [{emits}]
refusals: []
tools: [{tools}]
needs: [{needs}]
output: none to speak of
audit: [none it would want]
{more}
"""


class Grounds:
    """A project's folder: the reference configuration, and what the test writes into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("config", "policies", "tools"):
            shutil.copytree(reference_root() / name, root / name)
        (root / "config" / "wingman.yaml").write_text("name: arena\ntenant: demo\n")

    def agent(
        self,
        name: str,
        code: str,
        *,
        consumes: str = "",
        emits: str = "",
        tools: str = "",
        needs: str = "",
        more: str = "",
        events: str = "",
    ) -> None:
        """An agent of one's own. ``code`` is its ``agent.py``, the import of the SDK given."""
        folder = self.root / "agents" / name
        folder.mkdir(parents=True)
        told = _MANIFEST.format(
            name=name, consumes=consumes, emits=emits, tools=tools, needs=needs, more=more
        )
        (folder / "manifest.yaml").write_text(told)
        (folder / "agent.py").write_text(f"from wingman_runtime.sdk import *\n{dedent(code)}")
        if events:
            declared = "".join(_EVENT.format(name=event) for event in events.split(", "))
            (folder / "events.py").write_text(f"from wingman_runtime.sdk import *\n{declared}")

    def replace(self, name: str, code: str) -> None:
        """An agent that stands in for a shipped one, with its manifest; declared, as it must be."""
        folder = self.root / "agents" / name
        shutil.copytree(reference_root() / "agents" / name, folder)
        manifest = folder / "manifest.yaml"
        manifest.write_text(manifest.read_text() + "replaces: true\n")
        (folder / "agent.py").write_text(f"from wingman_runtime.sdk import *\n{dedent(code)}")

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1))

    def load(self, **flags: Any) -> LoadedProject:
        return Project.find(self.root, **flags).load()

    def findings(self) -> list[str]:
        """The rule ids of all that is wrong with the project."""
        return [finding.rule for finding in Project.check_at(self.root)]


_EVENT = """
class {name}(EventModel):
    note: str = ""
    contract = EventContract(
        purpose="an attack", primitives=(Primitive.SCOPE_LOCK,), failure="none", rollback="none", audit="none"
    )
"""


@dataclass(frozen=True, slots=True)
class Logged:
    """One record of the log, as the recorder stored it or the log still holds it."""

    n: int
    kind: str
    request_id: str
    body: dict[str, Any]


class Arena:
    """See the module."""

    def __init__(self, project: LoadedProject, client: Client, raw: Any, worker: Worker) -> None:
        self.project = project
        self.client = client
        self.raw = raw
        self.worker = worker
        self.keys = client.store.keys(0)

    # What a user does.

    async def submit(self, intent: str = "note.write", *, actor: str = "alice", **params: Any) -> Request:
        return await self.client.submit(intent, params or NOTE, actor=actor)

    async def ended(self, request: Request) -> Response:
        async def look() -> bool:
            return (await request.state()).ended

        await self.until(look, f"{request.id} has ended")
        return await request.result(1)

    async def publish(self, slug: str = "news", channel: str = "team") -> tuple[Request, Any]:
        """A request that waits for people, and its open approval."""
        request = await self.submit("page.publish", slug=slug, title="News", body="b", channel=channel)
        await self.ready(lambda: self.client.approvals(request_id=request.id), "an approval is open")
        [approval] = await self.client.approvals(request_id=request.id)
        return request, approval

    # What a raw connection does.

    async def inject(self, agent: str, fields: Fields, **changed: str | bytes | int) -> str:
        """XADD an entry to an inbox; ``changed`` overwrites fields."""
        entry: Fields = {**fields, **{name.encode(): _bytes(value) for name, value in changed.items()}}
        return bytes(await self.raw.xadd(self.keys.inbox(agent), entry)).decode()

    def forged(
        self, request: str, event_type: str, identity: str, data: dict[str, Any], **rest: Any
    ) -> Fields:
        """An entry like those the runtime makes, well-formed in every way."""
        envelope = {
            "id": identity,
            "source": "/agents/handshake",
            "type": event_type,
            "subject": request,
            "time": "2026-01-01T00:00:00.000Z",
            "dataschema": f"urn:wingman:event:{event_type}:1.0.0",
            "partition": 0,
            "correlationid": request,
            "depth": 3,
            "actor": "alice",
            "tenant": "demo",
            "flow": "request",
            "data": data,
        }
        fields: dict[str, str | bytes | int] = {
            "id": identity,
            "r": request,
            "ty": event_type,
            "f": "request",
            "fd": self.project.flows["request"].digest,
            "t": "demo",
            "ph": 0,
            "n": 0,
            "b": orjson.dumps(envelope),
        }
        return {name.encode(): _bytes(value) for name, value in (fields | rest).items()}

    async def inbox(self, agent: str) -> list[tuple[str, Fields]]:
        rows = await self.raw.xrange(self.keys.inbox(agent))
        return [(entry.decode(), fields) for entry, fields in rows]

    async def waiting(self, agent: str, request: Request, *, put_by: bool = False) -> tuple[str, Fields]:
        """The entry of the request that waits in an inbox or is parked; ``put_by``: only once it is."""

        async def look() -> list[tuple[str, Fields]]:
            rows = [] if put_by else await self.inbox(agent)
            parked = await self.raw.xrange(self.keys.parked(agent))
            found = [*rows, *((entry.decode(), fields) for entry, fields in parked)]
            return [row for row in found if row[1][b"r"] == request.id.encode()]

        await self.ready(look, f"an event waits for {agent}")
        return (await look())[0]

    # What is on the record.

    async def log(self, request: Request | None = None) -> list[Logged]:
        """The log: of one request, or what the recorder has stored and the stream still holds."""
        if request is not None:
            rows = await self.raw.lrange(self.keys.request_log(request.id), 0, -1)
            records = ((*head.split(b" "), whole(b, e)) for head, b, e in zip(*[iter(rows)] * 3, strict=True))
            return [Logged(int(n), kind.decode(), request.id, orjson.loads(b)) for n, _, kind, b in records]
        stream = await self.raw.xrange(self.keys.log)
        return [
            Logged(int(f[b"n"]), f[b"k"].decode(), f[b"req"].decode(), orjson.loads(whole(f[b"b"], f[b"e"])))
            for _, f in stream
        ]

    async def told(self, kind: str, text: str = "") -> list[Logged]:
        """Records of a kind whose body holds a text."""
        return [
            one for one in await self.log() if one.kind == kind and text.encode() in orjson.dumps(one.body)
        ]

    async def expect(self, kind: str, text: str = "") -> Logged:
        """The record that must be there; waits for it."""
        await self.until(lambda: self.told(kind, text), f"the log has a record {kind!r} with {text!r}")
        return (await self.told(kind, text))[0]

    async def quiet(self) -> None:
        """Every inbox is empty: what was put there was dealt with, one way or the other."""

        async def empty() -> bool:
            return not any([await self.raw.xlen(self.keys.inbox(name)) for name in self.worker.agents])

        await self.until(empty, "the inboxes are empty")

    async def until(self, true: Callable[[], Awaitable[Any]], what: str) -> None:
        """Wait for what the test is about."""
        assert await _within(PATIENCE, true), f"not in {PATIENCE:g} s: {what}"

    async def ready(self, true: Callable[[], Awaitable[Any]], what: str) -> None:
        """Wait for what the test needs before it can begin."""
        if not await _within(GROUNDWORK, true):
            raise NotReadyError(f"not in {GROUNDWORK:g} s: {what}")

    def effects(self) -> list[str]:
        """Files in the workspace: what tools have really done."""
        folder = self.project.settings.workspace
        files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        return sorted(str(path) for path in files if not path.parts[0].startswith("."))


NOTE = {"title": "hello", "body": "hi there"}


async def _within(seconds: float, true: Callable[[], Awaitable[Any]]) -> bool:
    """Whether it came true in time; looked at once more when the time is over."""
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        if await true():
            return True
        await asyncio.sleep(0.02)
    return bool(await true())


def _bytes(value: str | bytes | int) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@asynccontextmanager
async def open_arena(
    url: str, grounds: Grounds, *, recorder: bool = False, watch: float | None = 0.2, **flags: Any
) -> AsyncIterator[Arena]:
    """The chain at work on ``url``.

    Args:
        recorder: without one the log keeps every record for the test to read.
        watch: seconds between two looks of the watch; None: it never looks, not even at the start.
    """
    quick = {"redis_url": url, "times__claim_idle": 1.0, "times__block": 0.05}
    project = grounds.load(**(quick | flags))
    stop = asyncio.Event()
    ready: asyncio.Future[Worker | None] = asyncio.get_running_loop().create_future()
    agents = [] if recorder else bootstrap.chosen_agents(project, [])
    times = partial(WorkerTimes, watch=watch or GROUNDWORK, tick=0.05)
    with ExitStack() as changed:
        changed.enter_context(mock.patch.object(bootstrap, "WorkerTimes", times))
        if watch is None:
            changed.enter_context(mock.patch.object(Watch, "look", mock.AsyncMock()))
        running = asyncio.create_task(
            bootstrap.run_worker(
                project, agents=[agent.name for agent in agents], stop=stop, ready=ready.set_result
            )
        )
        either: list[asyncio.Future[Any]] = [ready, running]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
        worker = ready.result()
        assert worker is not None
        raw = redis.asyncio.Redis.from_url(url)
        try:
            async with (
                asyncio.timeout(3 * GROUNDWORK),
                Client(project.settings, actor="alice", tenant="demo") as client,
            ):
                yield Arena(project, client, raw, worker)
        finally:
            await raw.aclose()
            stop.set()
            async with asyncio.timeout(GROUNDWORK):
                await running
