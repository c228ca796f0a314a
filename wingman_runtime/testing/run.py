"""`run`: a request through a real flow, in this process.

1. Loads the project, its settings overridden for the test.
2. Opens a namespace of its own on the session's server, with a workspace of its own.
3. Runs a worker with every agent; the tools are the project's, or fakes.
4. Submits, votes for whom the test names, waits for the end.
5. Gives back response, trail and calls; stops the worker, removes the namespace.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from wingman_runtime import bootstrap
from wingman_runtime.client import Client, Request, RequestEvent
from wingman_runtime.client.vote import VoteResult
from wingman_runtime.contracts.work import Approval, Effect, Outcome, Response, StepRequest
from wingman_runtime.effects.registry import ToolRegistry
from wingman_runtime.errors import StillPendingError, UsageError
from wingman_runtime.project.load import LoadedProject, Project
from wingman_runtime.redisio import control
from wingman_runtime.redisio.ending import cancelled
from wingman_runtime.redisio.store import Store
from wingman_runtime.testing.crash import CrashPoint, CrashStore
from wingman_runtime.testing.fake import Call, Fake
from wingman_runtime.testing.server import session_folder, session_server
from wingman_runtime.worker.worker import Worker

P = ParamSpec("P")
T = TypeVar("T")

_TICK = 0.02
_CRASH_IDLE = 0.3
_CRASH_TOOL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a request.

    Attributes:
        response: the assembled response, as the client gets it.
        trail: every record of the request, in order.
        votes: what became of the votes that were cast.
        calls: calls of fake tools, in order; empty without a `Fake`.
        workspace: the folder the file tools wrote into; gone when the process exits.
    """

    response: Response
    trail: tuple[RequestEvent, ...]
    votes: tuple[VoteResult, ...]
    calls: tuple[Call, ...]
    workspace: Path

    @property
    def outcome(self) -> Outcome:
        return self.response.outcome

    @property
    def reasons(self) -> tuple[str, ...]:
        return self.response.reasons

    @property
    def effects(self) -> tuple[Effect, ...]:
        return self.response.effects

    @property
    def compensations(self) -> tuple[Effect, ...]:
        return self.response.compensations

    @property
    def events(self) -> tuple[str, ...]:
        """Types of the events on the record, in order."""
        return tuple(record.type for record in self.trail if record.kind == "event")

    def files(self) -> dict[str, str]:
        """What the file tools left, by path: text, undecodable bytes replaced."""
        found = sorted(path for path in self.workspace.rglob("*") if path.is_file())
        plain = {path.relative_to(self.workspace): path for path in found}
        return {
            name.as_posix(): path.read_text(errors="replace")
            for name, path in plain.items()
            if name.parts[0] != ".undo"
        }


async def arun(
    project: Path | str | Project,
    intent: str,
    params: Mapping[str, Any] | None = None,
    *,
    actor: str,
    tenant: str | None = None,
    flow: str = "request",
    steps: Sequence[StepRequest | Mapping[str, Any]] = (),
    planner: str = "",
    approve_as: str | Sequence[str] = (),
    deny_as: str | Sequence[str] = (),
    tools: Fake | None = None,
    ports: Mapping[str, object] | None = None,
    settings: Mapping[str, Any] | None = None,
    crash_at: str | CrashPoint | None = None,
    workspace: Path | None = None,
    timeout: float = 20.0,  # noqa: ASYNC109 - as asyncio.wait_for
) -> Run:
    """Run one request to its end; see the module. `run` is the same where no event loop runs.

    Args:
        project: the project's folder.
        actor: who asks.
        approve_as: who votes ``approve``, in this order, once the request waits for an approval.
        deny_as: who votes ``deny``; after the approving ones.
        tools: fakes in the place of the project's tools.
        ports: objects in the place of the shipped ports, by the name agents use in ``needs``.
        settings: settings for this run, by path: ``{"times.approval": "200ms", "retry.attempts": 2}``.
        crash_at: the worker vanishes there, as if killed, and another takes over: see `CrashPoint`.
        workspace: the folder for file tools; left out: an empty one of this run's own.
        timeout: seconds to wait for the end.

    Raises:
        StillPendingError: not ended in time, or waiting for people the call does not name.
        ConfigError: the project does not load.
        ContractError: the request does not fit.
    """
    point = CrashPoint.parse(crash_at) if isinstance(crash_at, str) else crash_at
    root = project.root if isinstance(project, Project) else Path(project)
    fake = tools
    began = len(fake.calls) if fake else 0
    name = f"t{secrets.token_hex(8)}"
    server = await asyncio.to_thread(session_server)
    flags = {"times.claim_idle": _CRASH_IDLE} if point else {}
    flags |= dict(settings or {})
    place = workspace or session_folder() / name
    loaded = Project.find(
        root,
        **{path.replace(".", "__"): value for path, value in flags.items()},
        redis_url=server.url,
        namespace=name,
        durability="relaxed",
        workspace=place,
    ).load()
    registry = fake.registry(loaded.tools) if fake else loaded.tools
    struck = loaded.agents.get(point.agent) if point else None
    # Only a crash among effects leaves one in doubt; any other call keeps its time, busy machine or not.
    brief = struck is not None and struck.manifest.performs
    loaded = replace(loaded, tools=_brief(registry) if brief else registry)
    voters = [(who, "approve") for who in _listed(approve_as)] + [(who, "deny") for who in _listed(deny_as)]
    async with _opened(loaded, ports, point) as client:
        request = await client.submit(
            intent, params, steps=steps, planner=planner, actor=actor, tenant=tenant, flow=flow
        )
        votes: list[VoteResult] = []
        voting = asyncio.create_task(_vote(client, request, voters, votes, timeout))
        waiting = asyncio.create_task(request.result(timeout))
        try:
            await asyncio.wait([voting, waiting], return_when=asyncio.FIRST_COMPLETED)
            if voting.done():
                voting.result()
            response = await waiting
        finally:
            await cancelled((voting, waiting))
        trail = tuple(await client.trail(request.id))
    return Run(response, trail, tuple(votes), tuple(fake.calls[began:]) if fake else (), place)


def _blocking(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """The same call, waited for: it takes what ``function`` takes, for people, tools and type checkers."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise UsageError("run() blocks, and an event loop is running here", hint="use `await arun(...)`")
        return asyncio.run(function(*args, **kwargs))

    call.__name__ = call.__qualname__ = "run"
    return call


run = _blocking(arun)


@contextlib.asynccontextmanager
async def _opened(
    loaded: LoadedProject, ports: Mapping[str, object] | None, point: CrashPoint | None
) -> AsyncIterator[Client]:
    """A client, and a worker beside it; the namespace is gone afterwards."""
    lanes = (len(loaded.agents) + 1) * loaded.settings.partitions
    async with bootstrap.connect(loaded.settings, readers=2 * lanes + 8) as connected:
        store = connected.store
        # Put in force directly: `bootstrap.activate` would keep a copy in the project's folder.
        await control.activate_policy(store, loaded.bundle.digest, by="test", reason="a test run")
        await bootstrap.activate(loaded, store, by="test")
        stop = asyncio.Event()
        working = asyncio.create_task(_work(loaded, store, dict(ports or {}), point, stop))
        try:
            async with Client(loaded.settings) as client:
                yield client
        finally:
            stop.set()
            try:
                await working
            finally:
                await _forget(store, loaded.settings.namespace)


async def _work(
    loaded: LoadedProject,
    store: Store,
    ports: dict[str, object],
    point: CrashPoint | None,
    stop: asyncio.Event,
) -> None:
    def worker(place: Store) -> Worker:
        agents = bootstrap.chosen_agents(loaded, ())
        made = bootstrap.make_worker(loaded, place, agents, extra_ports=ports)
        made.times = replace(made.times, tick=_TICK, grace=1.0)
        return made

    if point is not None:
        doomed_store = CrashStore(store, point)
        doomed = worker(doomed_store)
        running = asyncio.create_task(doomed.run(stop))
        ends = [asyncio.create_task(doomed_store.crashed.wait()), asyncio.create_task(stop.wait())]
        await asyncio.wait([running, *ends], return_when=asyncio.FIRST_COMPLETED)
        await cancelled(ends)
        if not doomed_store.crashed.is_set():
            await running
            return
        doomed.abandon()
        await cancelled([running])
    await worker(store).run(stop)


async def _vote(
    client: Client, request: Request, voters: list[tuple[str, str]], votes: list[VoteResult], patience: float
) -> None:
    """Cast the votes, then look whether anybody is still waited for who will not come."""
    left = list(voters)
    while True:
        waiting = await client.approvals(request_id=request.id)
        if waiting and left:
            who, verdict = left.pop(0)
            votes.append(await client.vote(waiting[0].approval_id, verdict, voter=who, reason="a test"))
            continue
        if waiting and waiting[0].expires_in > patience:
            raise _nobody(waiting[0], votes, request)
        await asyncio.sleep(_TICK)


def _nobody(approval: Approval, votes: list[VoteResult], request: Request) -> StillPendingError:
    refused = "".join(f"; a vote was refused: {', '.join(v.reasons)}" for v in votes if v.counted is False)
    return StillPendingError(
        f"it waits for {approval.quorum} of the roles {', '.join(approval.roles)}{refused}",
        where=request.id,
        hint="say approve_as= or deny_as=, or let it expire: settings={'times.approval': '200ms'}",
    )


def _brief(registry: ToolRegistry) -> ToolRegistry:
    """The same tools with little time: an effect in doubt is waited for until its deadline."""
    specs = [registry.spec(name) for name in registry.names()]
    return ToolRegistry(replace(spec, timeout=min(spec.timeout, _CRASH_TOOL_SECONDS)) for spec in specs)


async def _forget(store: Store, namespace: str) -> None:
    cursor = b"0"
    while True:
        cursor, keys = await store.call("SCAN", cursor, "MATCH", f"{namespace}:*", "COUNT", 1000)
        if keys:
            await store.call("UNLINK", *keys)
        if int(cursor) == 0:
            return


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
