"""How one target stands: which rules hold it, and what of it is open; for whoever pauses and resumes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from wingman_runtime.contracts.control import ControlRule, ControlScope, ControlTarget
from wingman_runtime.errors import NotFoundError
from wingman_runtime.redisio import control, counts, state
from wingman_runtime.redisio.counts import AgentCounts
from wingman_runtime.redisio.state import RequestState
from wingman_runtime.redisio.store import Store

_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """Attributes:
    target: what was asked about.
    held_by: every rule that covers it as a whole; empty: it goes on.
    requests: its open requests, newest first, of the newest `_LOOKED_AT` open ones; none for an agent.
    agents: the counts of an agent; for anything else empty.
    """

    target: ControlTarget
    held_by: tuple[ControlRule, ...]
    requests: tuple[RequestState, ...] = ()
    agents: tuple[AgentCounts, ...] = ()


async def read_standing(store: Store, target: ControlTarget) -> Standing:
    """Raises NotFoundError for a request or an agent that is not there."""
    record = await control.read(store, 0)
    covering = {"all", str(target)}
    requests: tuple[RequestState, ...] = ()
    agents: tuple[AgentCounts, ...] = ()
    match target.scope:
        case ControlScope.AGENT:
            names = await counts.agent_names(store)
            if target.name not in names:
                hint = f"the agents are: {', '.join(names)}"
                raise NotFoundError("no such agent in an active flow", where=target.name, hint=hint)
            agents = tuple(await counts.agents(store, [target.name]))
        case ControlScope.REQUEST:
            found = await state.read(store, target.name)
            if found is None:
                raise NotFoundError("no such request on this server", where=target.name)
            # What holds its tenant or its flow holds the request, too.
            covering |= {f"tenant:{found.tenant}", f"flow:{found.flow}"}
            requests = (found,)
        case _:
            requests = tuple(request for request in await _open(store) if _within(request, target))
    held_by = tuple(rule for rule in record.rules if str(rule.target) in covering)
    return Standing(target, held_by, requests, agents)


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
