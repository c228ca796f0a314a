"""How one target stands: which rules hold it, and what of it is open; for whoever pauses and resumes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from wingman_runtime.contracts.control import ControlRule, ControlScope, ControlTarget
from wingman_runtime.errors import NotFoundError
from wingman_runtime.redisio import control, counts, flows, schedules, state
from wingman_runtime.redisio.counts import AgentCounts
from wingman_runtime.redisio.newer import Newer, newer_of
from wingman_runtime.redisio.schedules import Kept
from wingman_runtime.redisio.state import RequestState
from wingman_runtime.redisio.store import Store
from wingman_runtime.yamlfile import suggestion

_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """Attributes:
    target: what was asked about.
    held_by: every rule that covers it as a whole; empty: it goes on.
    requests: its open requests, newest first, of the newest `_LOOKED_AT` open ones; none for an agent.
    agents: the counts of an agent; for anything else empty.
    waits_at: the agents that have an event of a request before them; for anything else empty.
    newer: events of a request that are parked until a worker of a later release is there.
    ahead: rules that do not hold a request where it is, and would hold it further on in its flow.
    """

    target: ControlTarget
    held_by: tuple[ControlRule, ...]
    requests: tuple[RequestState, ...] = ()
    agents: tuple[AgentCounts, ...] = ()
    waits_at: tuple[str, ...] = ()
    ahead: tuple[ControlRule, ...] = ()
    newer: tuple[Newer, ...] = ()


async def read_standing(store: Store, target: ControlTarget) -> Standing:
    """Raises NotFoundError for a request or an agent that is not there."""
    record = await control.read(store, 0)
    covering = {"all", str(target)}
    requests: tuple[RequestState, ...] = ()
    agents: tuple[AgentCounts, ...] = ()
    waiting: tuple[str, ...] = ()
    later: set[str] = set()
    newer: tuple[Newer, ...] = ()
    match target.scope:
        case ControlScope.AGENT:
            await ensure_agent(store, target.name)
            agents = tuple(await counts.agents(store, [target.name]))
        case ControlScope.REQUEST:
            found = await ensure_request(store, target.name)
            waiting = () if found.ended else await state.waits_at(store, target.name)
            # What holds its tenant, its flow or the agent it has come to holds the request, too.
            covering |= {f"tenant:{found.tenant}", f"flow:{found.flow}", *(f"agent:{one}" for one in waiting)}
            later = set() if found.ended else await _on_the_way(store, found.flow)
            newer = tuple(await newer_of(store, target.name))
            requests = (found,)
        case _:
            requests = tuple(request for request in await _open(store) if _within(request, target))
    held_by = tuple(rule for rule in record.rules if str(rule.target) in covering)
    ahead = tuple(rule for rule in record.rules if str(rule.target) in later - covering)
    return Standing(target, held_by, requests, agents, waiting, ahead, newer)


async def ensure_there(store: Store, target: ControlTarget) -> None:
    """Refuse to hold what the server knows nothing of: it would look held, and nothing would be.

    Tenants and event types are the project's own affair; the server has no list of them.

    Raises:
        NotFoundError: no such agent or flow is active, no such request or schedule.
    """
    match target.scope:
        case ControlScope.AGENT:
            await ensure_agent(store, target.name)
        case ControlScope.REQUEST:
            await ensure_request(store, target.name)
        case ControlScope.FLOW:
            names = await flows.active(store)
            if target.name not in names:
                raise NotFoundError(
                    f"no flow {target.name!r} is active", where=str(target), hint=_among(target.name, names)
                )
        case ControlScope.SCHEDULE:
            await ensure_schedule(store, target.name)
        case _:
            return


async def ensure_agent(store: Store, name: str) -> None:
    names = await counts.agent_names(store)
    if name not in names:
        raise NotFoundError("no such agent in an active flow", where=name, hint=_among(name, names))


async def ensure_schedule(store: Store, name: str) -> Kept:
    """Raises NotFoundError for a schedule that is not in force."""
    found = {one.name: one for one in await schedules.listed(store)}
    if name not in found:
        raise NotFoundError("no such schedule is in force", where=name, hint=_among(name, found))
    return found[name]


async def ensure_request(store: Store, request_id: str) -> RequestState:
    found = await state.read(store, request_id)
    if found is None:
        hint = "see `wingman request list`"
        raise NotFoundError("no such request on this server", where=request_id, hint=hint)
    return found


def _among(name: str, known: Iterable[str]) -> str:
    return suggestion(name, known) or f"there are: {', '.join(sorted(known)) or 'none yet'}"


async def _on_the_way(store: Store, flow: str) -> set[str]:
    """Targets a request of this flow may come to."""
    digest = (await flows.active(store)).get(flow)
    rows = await flows.table(store, 0, digest) if digest else {}
    pairs = [key.split(">") for key in rows if ">" in key]
    agents = set(rows.get("@agents", "").split(","))
    return {f"agent:{agent}" for agent in agents if agent} | {f"event:{event}" for _, event in pairs}


async def _open(store: Store) -> list[RequestState]:
    ids = await state.listed(store, open_only=True, limit=_LOOKED_AT)
    found = await asyncio.gather(*(state.read(store, request_id) for request_id in ids))
    return [request for request in found if request is not None]


def _within(request: RequestState, target: ControlTarget) -> bool:
    match target.scope:
        case ControlScope.TENANT:
            return request.tenant == target.name
        case ControlScope.FLOW:
            return request.flow == target.name
        case _:
            return target.scope is ControlScope.ALL
