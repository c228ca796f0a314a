"""What a finding offers as the line to write, and the flow as it would be with the plain mistakes mended."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from wingman_runtime.contracts.event import EventCatalog
from wingman_runtime.flow.facts import RUNTIME_EVENTS, Facts
from wingman_runtime.flow.model import DISPATCHER, Flow, RouteSpec, sender_and_event

_OUTCOME = RouteSpec(outcome_field="outcome")
# The shipped events that end or settle a request, and those that are for the record alone.
_ENDS: Final[Mapping[str, RouteSpec]] = MappingProxyType(
    {
        "RequestRejected": RouteSpec(outcome="rejected"),
        "PermissionDenied": RouteSpec(outcome="denied"),
        "ApprovalExpired": RouteSpec(outcome="expired"),
        "ExecutionBlocked": _OUTCOME,
        "ExecutionComplete": RouteSpec(outcome="completed"),
        "ExecutionUncertain": RouteSpec(outcome="uncertain"),
        "CompensationComplete": _OUTCOME,
        "CompensationFailed": RouteSpec(outcome="rollback_incomplete"),
        "AuditStamped": RouteSpec(end=True),
        **dict.fromkeys(
            ("ApprovalRequested", "ApprovalGiven", "VoteRefused", "ToolExecutionDenied"), RouteSpec()
        ),
    }
)


def usual(event: str, facts: Facts, sender: str = "") -> str:
    """The route to write for ``event`` as YAML; empty when only its author can know it."""
    spec = _usual(event, facts, sender)
    return "" if spec is None else written(spec)


def written(spec: RouteSpec) -> str:
    """A route as YAML, in its short form."""
    if spec.to:
        return spec.to[0] if len(spec.to) == 1 else f"[{', '.join(spec.to)}]"
    said = [f"{name}: {'true' if value is True else value}" for name, value in spec if value]
    return f"{{{said[0]}}}" if said else "[]"


def gate_lines(gate: str, event: str, onward: str) -> str:
    """The two lines that put ``gate`` before what ``event`` is routed to."""
    return f"`{event}: {gate}` and `{gate}>{event}: {onward}`"


def way_to(agent: str, facts: Facts) -> tuple[str, str]:
    """An event the agent consumes and how to bring it one; both empty when no route lends itself."""
    manifest = facts.manifests[agent]
    for event in manifest.consumes:
        spec = facts.flow.routes.get(event)
        if spec is None or spec != RouteSpec(to=spec.to) or agent in spec.to:
            continue
        if facts.forwards(agent, event):
            return event, f"write {gate_lines(agent, event, written(spec))}"
        return event, f"write `{event}: {written(RouteSpec(to=(*spec.to, agent)))}`"
    return "", ""


def mended(facts: Facts, catalog: EventCatalog) -> Facts:
    """The flow with every missing route and `forwards` added and every misspelt name put right.

    What a check still finds there stands by itself; what it finds only in the flow as it is follows from
    another finding.
    """
    flow = facts.flow
    routes = {_event(key, flow, catalog): _names(spec, facts) for key, spec in flow.routes.items()}
    manifests = dict(facts.manifests)
    for sender, event in map(sender_and_event, routes):
        known = manifests.get(sender)
        if known is not None and event in known.consumes and event not in known.emits:
            manifests[sender] = known.model_copy(update={"forwards": (*known.forwards, event)})
    out = Facts(flow.model_copy(update={"routes": routes}), manifests)
    for _ in manifests:  # a mended route brings in agents whose own routes may be missing, too
        routes = {**_missing(out), **out.flow.routes}
        if routes.keys() == out.flow.routes.keys():
            break
        out = Facts(flow.model_copy(update={"routes": routes}), manifests)
    return out


def _missing(facts: Facts) -> dict[str, RouteSpec]:
    keys = [(facts.flow.start, facts.flow.start, "")]
    keys += [(event, event, "") for _, event in unrouted(facts)]
    keys += [(f"{agent}>{event}", event, agent) for agent, event in unforwarded(facts)]
    found = {key: _usual(event, facts, sender) for key, event, sender in keys if key not in facts.flow.routes}
    return {key: spec for key, spec in found.items() if spec is not None}


def unrouted(facts: Facts) -> list[tuple[str, str]]:
    """Agents of the flow and the events they make that no route takes from them."""
    return [
        (agent, event)
        for agent in facts.agents()
        for event in facts.manifests[agent].emits
        if event not in RUNTIME_EVENTS
        and event not in facts.flow.routes
        and f"{agent}>{event}" not in facts.flow.routes
    ]


def unforwarded(facts: Facts) -> list[tuple[str, str]]:
    """Agents that get an event they pass on, and the event, where no route says where to."""
    arrivals = facts.arrivals()
    return [
        (agent, event)
        for agent in facts.agents()
        for event in facts.manifests[agent].forwards
        if facts.forwards(agent, event)
        and (agent, event) in arrivals
        and f"{agent}>{event}" not in facts.flow.routes
    ]


def _usual(event: str, facts: Facts, sender: str) -> RouteSpec | None:
    if event == "ExecutionFailed":
        settles = facts.flow.failure
        return RouteSpec(settle=settles) if settles else RouteSpec(outcome="failed")
    if event in _ENDS:
        return _ENDS[event]
    takers = [
        name
        for name, manifest in sorted(facts.manifests.items())
        if event in manifest.consumes and name not in {sender, DISPATCHER} and not facts.forwards(name, event)
    ]
    return RouteSpec(to=tuple(takers)) if takers else None


def _event(key: str, flow: Flow, catalog: EventCatalog) -> str:
    sender, event = sender_and_event(key)
    if event in catalog:
        return key
    close = [
        right
        for name in get_close_matches(event, catalog.names(), n=1)
        if (right := f"{sender}>{name}" if sender else name) not in flow.routes
    ]
    return close[0] if close else key


def _names(spec: RouteSpec, facts: Facts) -> RouteSpec:
    def right(name: str) -> str:
        if not name or name in facts.manifests:
            return name
        return (get_close_matches(name, list(facts.manifests), n=1) or [name])[0]

    return spec.model_copy(
        update={"to": tuple(dict.fromkeys(map(right, spec.to))), "settle": right(spec.settle)}
    )
