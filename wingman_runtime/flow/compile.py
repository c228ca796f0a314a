"""A checked flow as the table the commit script routes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from wingman_runtime.contracts.canonical import digest
from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.contracts.system_events import SYSTEM_EVENTS
from wingman_runtime.contracts.work import Outcome
from wingman_runtime.errors import FlowError
from wingman_runtime.flow.facts import Facts
from wingman_runtime.flow.model import ANYONE, Flow, Limits
from wingman_runtime.flow.route import JoinRoute, Route, key_of, next_of
from wingman_runtime.yamlfile import suggestion

# What a failure decides in a flow that has no agent to settle it.
_UNSETTLED = {
    "RequestFailed": Outcome.FAILED,
    "DeadLettered": Outcome.FAILED,
    "RequestCancelled": Outcome.CANCELLED,
    "RequestExpired": Outcome.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class CompiledFlow:
    """A flow ready to be stored under its digest; requests are pinned to that digest at admission.

    ``table`` maps ``sender>EventType`` to a route; the sender ``*`` is the runtime, for any agent.
    """

    name: str
    version: str
    digest: str
    start: str
    finally_: str
    failure: str
    limits: Limits
    agents: tuple[str, ...]
    table: Mapping[str, Route] = field(compare=False)  # the digest is over it

    def route(self, agent: str, event_type: str) -> Route | None:
        """Where the event goes when ``agent`` sends it; None: this flow does not let it."""
        return next_of(self.table, agent, event_type)


def compile_flow(flow: Flow, manifests: Mapping[str, Manifest]) -> CompiledFlow:
    """The flow's table. A row exists only for an agent whose manifest sends or forwards the event.

    Check the flow first (`check_flow`): what compiles may still be ungoverned.

    Raises:
        FlowError: an agent or join is named that does not exist, or an agent is routed an event that its
            manifest does not consume; ``where`` is file:line.
    """
    facts = Facts(flow, manifests)
    _refuse_unknown(facts)
    table: dict[str, Route] = {}
    for row in facts.rows():
        spec = row.spec
        for sender in facts.senders(row):
            join = flow.joins.get(spec.join)
            if join is not None and sender not in join.of:
                continue  # no row: a stranger to the join may not send this
            table[key_of(sender, row.event)] = Route(
                to=spec.to,
                settle=spec.settle,
                outcome=spec.outcome,
                outcome_field=spec.outcome_field,
                join=_join_route(flow, spec.join) if join is not None else None,
                end=spec.end,
            )
    for name, join in flow.joins.items():
        if join.on_branch_failure == "continue":
            for agent in join.of:
                table.setdefault(key_of(agent, "DeadLettered"), Route(join=_join_route(flow, name)))
    for event in SYSTEM_EVENTS:
        table[key_of(ANYONE, event)] = (
            Route(settle=flow.failure) if flow.failure else Route(outcome=_UNSETTLED[event].value)
        )
    rows = MappingProxyType(dict(sorted(table.items())))
    compiled = CompiledFlow(
        name=flow.name,
        version=flow.version,
        digest="",
        start=flow.start,
        finally_=flow.finally_,
        failure=flow.failure,
        limits=flow.limits,
        agents=facts.agents(),
        table=rows,
    )
    object.__setattr__(compiled, "digest", digest(_pinned(compiled)))
    return compiled


def _pinned(flow: CompiledFlow) -> dict[str, Any]:
    """All a request's path depends on: what the digest is over."""
    return {
        "name": flow.name,
        "version": flow.version,
        "start": flow.start,
        "finally": flow.finally_,
        "failure": flow.failure,
        "limits": flow.limits.model_dump(),
        "agents": list(flow.agents),
        "table": {key: route.to_json() for key, route in flow.table.items()},
    }


def _join_route(flow: Flow, name: str) -> JoinRoute:
    join = flow.joins[name]
    return JoinRoute(name=name, need=join.need, of=join.of, to=join.to)


def _refuse_unknown(facts: Facts) -> None:
    flow, manifests = facts.flow, facts.manifests
    for agent, inside in facts.named():
        if agent not in manifests:
            raise FlowError(
                f"no agent is called {agent!r}",
                where=flow.where(*inside),
                hint=suggestion(agent, manifests) or "write its manifest under agents/",
            )
    for row in facts.rows():
        if row.spec.join and row.spec.join not in flow.joins:
            raise FlowError(
                f"no join is called {row.spec.join!r}",
                where=flow.where("routes", row.key, "join"),
                hint=suggestion(row.spec.join, flow.joins) or "declare it under joins:",
            )
    routed = [(row.event, facts.receivers(row), flow.where("routes", row.key)) for row in facts.rows()]
    routed += [(event, facts.settlers(), flow.where("finally")) for event in sorted(SYSTEM_EVENTS)]
    for event, agents, where in routed:
        for agent in agents:
            if event not in manifests[agent].consumes:
                raise FlowError(
                    f"{agent} is routed {event} but does not consume it",
                    where=where,
                    hint=f"let {agent} consume {event}, or route it elsewhere",
                )
    for name, join in flow.joins.items():
        for agent in join.to:
            if "BranchesJoined" not in manifests[agent].consumes:
                raise FlowError(
                    f"{agent} gets the join {name} but does not consume BranchesJoined",
                    where=flow.where("joins", name, "to"),
                    hint=f"add BranchesJoined to `consumes` of agents/{agent}/manifest.yaml",
                )
