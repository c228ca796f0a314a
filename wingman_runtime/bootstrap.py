"""The only wiring: from a checked project to a running worker, recorder or client. Holds all keys.

Importing this connects to nothing; each function says what it opens, and whoever opened it closes it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from wingman_runtime.contracts.work import Plan, Risk
from wingman_runtime.effects.perform import Performer
from wingman_runtime.effects.workspace import Workspace
from wingman_runtime.errors import (
    BackendRefusedError,
    ConflictError,
    NotFoundError,
    PolicyError,
    WingmanError,
)
from wingman_runtime.ledger.query import heads
from wingman_runtime.ledger.recorder import Recorder
from wingman_runtime.ledger.store import AuditStore
from wingman_runtime.policy.bundle import Bundle
from wingman_runtime.policy.load import load_stored
from wingman_runtime.project.agents import MountedAgent
from wingman_runtime.project.load import LoadedProject
from wingman_runtime.redisio import control, flows
from wingman_runtime.redisio.admission import rules_of
from wingman_runtime.redisio.effects import RedisEffects
from wingman_runtime.redisio.log import RedisLog
from wingman_runtime.redisio.opening import connect
from wingman_runtime.redisio.settling import RedisSettling
from wingman_runtime.redisio.store import Store
from wingman_runtime.settings import Settings
from wingman_runtime.worker.lane import LaneLimits
from wingman_runtime.worker.lawbook import Lawbook
from wingman_runtime.worker.piles import PileLimits
from wingman_runtime.worker.ports import PortRack, Terms
from wingman_runtime.worker.schedules import put_in_force
from wingman_runtime.worker.sweep import Sweep
from wingman_runtime.worker.tables import FlowTables, rows_of
from wingman_runtime.worker.worker import Worker, WorkerTimes

__all__ = [
    "RECORDER",
    "activate",
    "apply_policy",
    "bundles_dir",
    "chosen_agents",
    "connect",
    "find_bundle",
    "make_worker",
    "record",
    "run_worker",
]

_STANDBY = 2.0
RECORDER = "recorder"
"""Named beside agents on the command line: the process that drains the log into the audit store."""


async def activate(project: LoadedProject, store: Store, *, by: str) -> list[str]:
    """Pin new requests to the project's flows; put its schedules in force, and its bundle if none is.

    Returns what changed.

    Raises:
        BackendRefusedError: the server knows nothing of the project, and the audit store does.
    """
    in_force = await control.policies(store)
    active = await flows.active(store)
    if not any(in_force) and not active:
        _must_be_new(project.settings)
    # Before the first request, and for all agents: workers look at each other's inboxes.
    await store.ensure_groups([agent.name for agent in chosen_agents(project, ())])
    changed = []
    for flow in project.flows.values():
        # Asked first: a full server still takes a worker, and refuses to be told even what it knows.
        if store.partitions == 1 and active.get(flow.name) == flow.digest:
            continue
        if await flows.activate(store, flow.name, flow.digest, rows_of(flow), by=by):
            changed.append(f"flow {flow.name} {flow.digest}")
    changed += await put_in_force(store, project.schedules.schedules, by=by)
    if not any(in_force):
        await apply_policy(project, store, by=by, reason="no bundle was active")
        changed.append(f"policy {project.bundle.digest}")
    elif "" in in_force and len({*in_force}) == 2:
        # A first apply died half-way. Of two bundles nobody here can say which is meant: `status` names them.
        [digest] = {*in_force} - {""}
        await control.activate_policy(store, digest, by=by, reason="a partition had no bundle")
        changed.append(f"policy {digest}")
    return changed


def _must_be_new(settings: Settings) -> None:
    """Beginning silently anew would hide that every request under way, and every halt, is lost."""
    if not settings.audit_store.is_file():
        return
    recorded = sum(head.total for head in heads(settings.audit_store))
    if recorded:
        raise BackendRefusedError(
            f"the server knows nothing of this project, and its audit store has {recorded:,} records:"
            " the server was emptied, or it is another one",
            where=str(settings.audit_store),
            hint="restore its data; to begin anew on purpose, run `wingman policy apply --reason ...`",
        )


async def apply_policy(project: LoadedProject, store: Store, *, by: str, reason: str) -> list[int]:
    """Keep a copy of the project's bundle by digest, then make it the one in force; returns the epochs."""
    project.bundle.save(bundles_dir(project.settings))
    return await control.activate_policy(store, project.bundle.digest, by=by, reason=reason)


def bundles_dir(settings: Settings) -> Path:
    """Where applied bundles are kept by digest, so that files may be edited meanwhile."""
    return settings.run_dir / "policies"


def find_bundle(project: LoadedProject) -> Callable[[str], Bundle]:
    """Looks a bundle up by digest: the kept copies, then the project's own files as they were loaded."""

    def find(digest: str) -> Bundle:
        if digest == project.bundle.digest:
            return project.bundle
        try:
            return load_stored(bundles_dir(project.settings), digest)
        except PolicyError as error:
            raise PolicyError(
                f"bundle {digest} is in force, and this project has {project.bundle.digest}",
                where=str(project.root),
                hint="copy the policies it was applied from, or run `wingman policy apply` for these",
            ) from error

    return find


def approval_terms(settings: Settings) -> Terms:
    def terms(plan: Plan) -> tuple[int, float]:
        high = plan.risk is Risk.HIGH
        quorum = settings.approvals.quorum_high if high else settings.approvals.quorum
        return quorum, settings.times.approval

    return terms


def chosen_agents(project: LoadedProject, names: Sequence[str]) -> list[MountedAgent]:
    """The named agents, or every agent that a flow uses.

    Raises:
        NotFoundError: no such agent.
    """
    used = {"dispatcher"} | {name for flow in project.flows.values() for name in flow.agents}
    for name in names:
        if name not in project.agents and name != RECORDER:
            raise NotFoundError(
                f"no agent named {name!r}",
                hint=f"the agents are: {', '.join(sorted(project.agents))}, {RECORDER}",
            )
    wanted = [name for name in names if name != RECORDER] if names else sorted(used)
    return [project.agents[name] for name in wanted]


def make_worker(
    project: LoadedProject,
    store: Store,
    agents: Sequence[MountedAgent],
    *,
    concurrency: int | None = None,
    name: str | None = None,
    extra_ports: dict[str, object] | None = None,
) -> Worker:
    """A worker for some agents of the project, on an open server."""
    from wingman_runtime.effects.web import Web  # loads an HTTP client, which commands do not need

    settings = project.settings
    ledger = RedisEffects(store)
    workspace = Workspace(settings.workspace)
    performs = any(agent.manifest.performs for agent in agents)
    return Worker(
        store,
        agents,
        catalog=project.catalog,
        tables=FlowTables(store, project.flows.values()),
        rack=PortRack(
            store,
            scopes=project.scopes,
            tools=project.tools,
            planners=project.planners,
            ledger=ledger,
            approval_terms=approval_terms(settings),
            extra=extra_ports,
        ),
        lawbook=Lawbook(find_bundle(project)),
        performer=Performer(
            project.tools, ledger, workspace, http=Web(settings.http), settling=RedisSettling(store)
        ),
        limits=LaneLimits(
            slots=concurrency or settings.worker.concurrency,
            batch=settings.worker.batch,
            batch_bytes=settings.worker.batch_bytes,
            block_ms=int(settings.times.block * 1000),
            claim_idle=settings.times.claim_idle,
        ),
        times=WorkerTimes(grace=settings.times.grace),
        rules=rules_of(settings),
        piles=PileLimits(settings.limits.dead_letters, settings.limits.dead_letter_age),
        sweep=Sweep(store, workspace, settings.times.state_ttl) if performs else None,
        name=name,
        facts={"project": project.digest},
    )


async def run_worker(
    project: LoadedProject,
    *,
    agents: Sequence[str] = (),
    concurrency: int | None = None,
    stop: asyncio.Event,
    ready: Callable[[Worker | None], None] | None = None,
) -> None:
    """Run a worker until ``stop`` is set; the recorder beside it, when it is named or nothing is.

    Args:
        agents: names of agents, and ``recorder``; none: every agent of the flows, and the recorder if no
            other process holds the audit store.
        ready: called once the worker is about to work.

    Raises:
        NotFoundError: no such agent.
        BackendError: the server cannot be used.
    """
    chosen = chosen_agents(project, agents)
    lanes = (len(chosen) + 1) * project.settings.partitions
    async with connect(project.settings, readers=lanes + 4) as connected:
        store = connected.store
        await activate(project, store, by=project.settings.actor or "worker")
        worker = make_worker(project, store, chosen, concurrency=concurrency) if chosen else None
        if ready is not None:
            ready(worker)
        with _plainly():
            async with asyncio.TaskGroup() as group:
                if not agents or RECORDER in agents:
                    group.create_task(record(project.settings, store, stop), name="recorder")
                if worker is not None:
                    group.create_task(worker.run(stop), name="worker")


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """What one task raised, not a group of one; of several, the first that says what to do."""
    try:
        yield
    except BaseExceptionGroup as group:
        found = list(_leaves(group))
        raise next((one for one in found if isinstance(one, WingmanError)), found[0]) from group


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one


async def record(settings: Settings, store: Store, stop: asyncio.Event) -> None:
    """Drain the log into the audit store until ``stop`` is set; stand by while another process does.

    Raises:
        BackendRefusedError: the audit store cannot be written.
        IntegrityError: the audit store is damaged.
    """
    while not stop.is_set():
        try:
            audit = AuditStore(settings.audit_store)
        except ConflictError:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _STANDBY)
            continue
        with audit:
            await Recorder(RedisLog(store), audit).run(stop)
