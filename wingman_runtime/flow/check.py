"""Is a flow whole and governed? Every answer is a finding with a rule id and a line.

The rules, each in one function:

* names: ``unknown-event`` ``unknown-agent`` ``unknown-join`` ``reserved-name`` ``runtime-event``
* paths: ``start-not-routed`` ``orphan-event`` ``orphan-route`` ``orphan-agent`` ``undeclared-consumer``
  ``fan-out`` ``undeclared-cycle`` ``unneeded-cycle``
* gates (`check_forwards`): ``not-its-sender`` ``forward-route`` ``orphan-forward`` ``orphan-route``
  ``forwarded-twice``
* joins (`check_joins`): ``join-sources`` ``join-starved`` ``join-stranger`` ``join-quorum`` ``unused-join``
* endings (`check_ends`): ``no-finally`` ``finally-without-end`` ``finally-routed`` ``end-not-by-finally``
  ``no-outcome`` ``unknown-outcome`` ``outcome-field``
* governance (`check_ends`): ``bypasses-handshake`` ``forged-post``

One mistake is one finding: a missing route or a misspelt name leaves agents unreached and routes unsent, so
what is found only for that reason is left out (`hints.mended`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise

from wingman_runtime.contracts.event import EventCatalog
from wingman_runtime.contracts.finding import Finding
from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.contracts.system_events import SYSTEM_EVENTS
from wingman_runtime.flow.check_ends import check_ends, check_governance
from wingman_runtime.flow.check_forwards import (
    check_idle_forwards,
    check_orphan_forwards,
    check_passing,
    check_senders,
    forgotten,
    in_circle_of_forwards,
)
from wingman_runtime.flow.check_joins import check_joins
from wingman_runtime.flow.facts import RUNTIME_EVENTS, Edge, Facts
from wingman_runtime.flow.hints import gate_lines, mended, unrouted, usual, way_to
from wingman_runtime.flow.model import RESERVED_NAMES, Flow
from wingman_runtime.yamlfile import suggestion


def check_flow(
    flow: Flow, manifests: Mapping[str, Manifest], catalog: EventCatalog, shipped: Collection[str] = ()
) -> list[Finding]:
    """All that is wrong with the flow, in the order of its file; an empty list is a clean flow.

    Args:
        manifests: those of the whole project, by agent name; the flow need not use them all.
        catalog: every event type the project knows.
        shipped: agents whose manifests are not the project's to edit.
    """
    facts = Facts(flow, manifests)
    whole = mended(facts, catalog)
    # Line numbers are the file's in both, so what stands in both is the same finding.
    standing = {(one.rule, one.message) for one in _following(whole, catalog)}
    following = [one for one in _following(facts, catalog) if (one.rule, one.message) in standing]
    findings = [
        *_names(facts, catalog),
        *_start(facts),
        *_orphan_events(facts, catalog, whole),
        *check_senders(facts),
        *check_orphan_forwards(facts),
        *_consumers(facts, catalog, shipped),
        *_fan_out(facts),
        *_cycles(facts),
        *check_passing(facts),
        *check_governance(facts),
        *following,
    ]
    # Stable: rules that look at one line keep the order above.
    return sorted(findings, key=lambda one: _line(one.where))


def _following(facts: Facts, catalog: EventCatalog) -> Iterator[Finding]:
    """What a missing route elsewhere may alone be the reason for."""
    yield from _orphan_routes(facts)
    yield from _orphan_agents(facts)
    yield from check_idle_forwards(facts)
    yield from _unneeded_cycles(facts)
    yield from check_joins(facts)
    yield from check_ends(facts, catalog)


def _line(where: str) -> int:
    tail = where.rpartition(":")[2]
    return int(tail) if tail.isdigit() else 0


def _names(facts: Facts, catalog: EventCatalog) -> Iterator[Finding]:
    flow = facts.flow
    for row in facts.rows():
        key, event = row.key, row.event
        if event in RUNTIME_EVENTS:
            yield Finding(
                "flow/runtime-event",
                f"{event} is written by the runtime; where it goes is not a flow's to say",
                flow.where("routes", key),
                "remove the route; `failure:` names the agent that settles failures",
            )
        elif event not in catalog:
            yield Finding(
                "flow/unknown-event",
                f"no event is called {event!r}",
                flow.where("routes", key),
                _else(suggestion(event, catalog.names()), "declare it in the events.py of its sender"),
            )
    for agent, inside in facts.named():
        if agent in RESERVED_NAMES and inside[2:] == () and inside[0] == "routes":
            yield Finding(
                "flow/reserved-name",
                f"{agent!r} is the runtime's own and has no route of its own",
                flow.where(*inside),
                "leave the sender out: the plain route is for it",
            )
        elif agent in RESERVED_NAMES:
            yield Finding(
                "flow/reserved-name",
                f"{agent!r} is the runtime's own; nothing can be routed to it",
                flow.where(*inside),
                "name an agent of the project",
            )
        elif agent not in facts.manifests:
            yield Finding(
                "flow/unknown-agent",
                f"no agent is called {agent!r}",
                flow.where(*inside),
                _else(suggestion(agent, facts.manifests), f"write agents/{agent}/manifest.yaml"),
            )
    for row in facts.rows():
        if (spec := row.spec).join and spec.join not in flow.joins:
            yield Finding(
                "flow/unknown-join",
                f"no join is called {spec.join!r}",
                flow.where("routes", row.key, "join"),
                _else(suggestion(spec.join, flow.joins), "declare it under joins:"),
            )
    for agent in facts.agents():
        for event in facts.manifests[agent].emits:
            if event in RUNTIME_EVENTS:
                yield Finding(
                    "flow/runtime-event",
                    f"{agent} declares that it sends {event}, which only the runtime writes",
                    _mention(facts, agent),
                    f"remove {event} from `emits` of agents/{agent}/manifest.yaml",
                )


def _start(facts: Facts) -> Iterator[Finding]:
    flow = facts.flow
    spec = flow.routes.get(flow.start)
    if spec is None or not spec.to:
        yield Finding(
            "flow/start-not-routed",
            f"the start event {flow.start} is routed to no agent",
            flow.where("start") if spec is None else flow.where("routes", flow.start),
            f"add a line {flow.start}: {usual(flow.start, facts) or '<agent>'} under routes:",
        )


def _orphan_events(facts: Facts, catalog: EventCatalog, whole: Facts) -> Iterator[Finding]:
    misspelt = whole.flow.routes.keys() - facts.flow.routes.keys()
    wrong = {key for key in facts.flow.routes if key not in whole.flow.routes}
    for agent, event in unrouted(facts):
        if wrong and event in misspelt and any(suggestion(key, [event]) for key in wrong):
            continue  # the misspelt route has been told of, with this name
        offered = usual(event, facts, agent)
        yield Finding(
            "flow/orphan-event",
            f"{agent} sends {event}, and no route says where it goes",
            _mention(facts, agent),
            f"add {event}: {offered}"
            if offered
            else f"add {event}: <agent>, or {event}: [] if it is only to be recorded",
        )


def _orphan_routes(facts: Facts) -> Iterator[Finding]:
    flow = facts.flow
    for row in facts.rows():
        if row.sender or row.event in RUNTIME_EVENTS or facts.senders(row):
            continue
        event = row.event
        sent = {one for agent in facts.agents() for one in facts.manifests[agent].emits}
        missed = forgotten(facts, event)
        if missed is not None:
            agent, way = missed
            yield Finding(
                "flow/orphan-route",
                f"{event} is routed, but {agent}, which sends it, gets no event in this flow",
                flow.where("routes", row.key),
                f"{way}, so that {agent} has its part",
            )
        elif facts.origins(event):
            yield Finding(
                "flow/orphan-route",
                f"{event} is routed, but everybody who sends it has a route of their own",
                flow.where("routes", row.key),
                "remove the route",
            )
        else:
            yield Finding(
                "flow/orphan-route",
                f"{event} is routed, but no agent of this flow sends it",
                flow.where("routes", row.key),
                suggestion(event, sent) or "remove the route, or add the event to its sender's `emits`",
            )


def _orphan_agents(facts: Facts) -> Iterator[Finding]:
    reached = facts.reached()
    for agent in facts.agents():
        if agent not in reached:
            _, way = way_to(agent, facts)
            yield Finding(
                "flow/orphan-agent",
                f"no request can come to {agent}: nothing that starts here leads to it",
                _mention(facts, agent),
                way
                or f"route an event to {agent} that it consumes: "
                f"{', '.join(facts.manifests[agent].consumes)}",
            )


def _consumers(facts: Facts, catalog: EventCatalog, shipped: Collection[str]) -> Iterator[Finding]:
    flow = facts.flow
    for row in facts.rows():
        if row.event not in catalog:
            continue
        for at, agent in enumerate(facts.receivers(row)):
            inside = ("routes", row.key, "settle") if row.spec.settle else ("routes", row.key, "to", at)
            yield from _consumer(facts, agent, row.event, flow.where(*inside), shipped)
    for event in sorted(SYSTEM_EVENTS):
        for agent in facts.settlers():
            key = "failure" if agent == flow.failure else "finally"
            yield from _consumer(facts, agent, event, flow.where(key), shipped)
    for name, join in flow.joins.items():
        for at, agent in enumerate(join.to):
            where = flow.where("joins", name, "to", at)
            yield from _consumer(facts, agent, "BranchesJoined", where, shipped)


def _consumer(
    facts: Facts, agent: str, event: str, where: str, shipped: Collection[str]
) -> Iterator[Finding]:
    manifest = facts.manifests.get(agent)
    if manifest is not None and event not in manifest.consumes:
        yield Finding(
            "flow/undeclared-consumer",
            f"{agent} would get {event}, which its manifest does not consume",
            where,
            _instead(facts, agent, event, shipped)
            if agent in shipped
            else f"add {event} to `consumes` of agents/{agent}/manifest.yaml, or route it elsewhere",
        )


def _instead(facts: Facts, agent: str, event: str, shipped: Collection[str]) -> str:
    """What to do when the agent is a shipped one, whose manifest is not the project's to change."""
    takes = facts.manifests[agent].consumes
    only = f"{agent} is a shipped agent and takes {', '.join(takes)} only"
    if event == "BranchesJoined":
        return f"{only}: let an agent of your own take the joined branches"
    own = [one for one in facts.origins(event) if one in facts.manifests and one not in shipped]
    fitting = usual(event, facts)
    if not own and fitting:
        return f"{only}: write `{event}: {fitting}`"
    gate = own[0] if own else "GATE"
    return (
        f"{only}: to put {gate} before it, let {gate} pass {takes[0]} on (forwards: [{takes[0]}], answer"
        f" Forward()) and write {gate_lines(gate, takes[0], agent)}"
    )


def _fan_out(facts: Facts) -> Iterator[Finding]:
    flow = facts.flow
    wide = [(("routes", row.key), row.spec.to) for row in facts.rows()]
    wide += [(("joins", name), join.to) for name, join in flow.joins.items()]
    for inside, to in wide:
        if len(to) > flow.limits.fan_out:
            yield Finding(
                "flow/fan-out",
                f"{inside[1]} opens {len(to)} branches at once; the limit is {flow.limits.fan_out}",
                flow.where(*inside),
                "route it to fewer agents, or raise limits.fan_out",
            )


def _cycles(facts: Facts) -> Iterator[Finding]:
    """A circle may go round only if ``cycles`` declares it; every step of it must be declared."""
    flow = facts.flow
    edges = facts.edges()
    declared = {step for cycle in flow.cycles for step in pairwise((*cycle, *cycle[:1]))}
    told: set[frozenset[str]] = set()
    for edge in edges:
        back = _way(edges, edge)
        if back is None or (edge.source, edge.target) in declared:
            continue
        circle = [edge.source, *back]
        if frozenset(circle) in told:
            continue
        told.add(frozenset(circle))
        if in_circle_of_forwards(facts, circle):
            continue
        path = " → ".join(circle)
        yield Finding(
            "flow/undeclared-cycle",
            f"{edge.event} closes a circle: {path}",
            flow.where("routes", edge.key),
            f"break it, or declare it: cycles: [[{', '.join(circle[:-1])}]]",
        )


def _unneeded_cycles(facts: Facts) -> Iterator[Finding]:
    flow = facts.flow
    steps = {(edge.source, edge.target) for edge in facts.edges()}
    for at, cycle in enumerate(flow.cycles):
        missing = [step for step in pairwise((*cycle, *cycle[:1])) if step not in steps]
        if missing or not cycle:
            gap = f": {missing[0][0]} does not lead to {missing[0][1]}" if missing else ""
            yield Finding(
                "flow/unneeded-cycle",
                f"the declared circle [{', '.join(cycle)}] does not exist{gap}",
                flow.where("cycles", at),
                "remove it from cycles:",
            )


def _way(edges: tuple[Edge, ...], first: Edge) -> list[str] | None:
    """The shortest way from the end of ``first`` back to where it can be gone again; None: there is none."""
    start = (first.target, first.arrives)
    ways = {start: [first.target]}
    queue = [start]
    for here in queue:
        agent, event = here
        if agent == first.source and (not first.passed or event == first.event):
            return ways[here]
        for edge in edges:
            onward = (edge.target, edge.arrives)
            if edge.source == agent and (not edge.passed or edge.event == event) and onward not in ways:
                ways[onward] = [*ways[here], edge.target]
                queue.append(onward)
    return None


def _else(guess: str, otherwise: str) -> str:
    return f"{guess} Otherwise {otherwise}" if guess else otherwise


def _mention(facts: Facts, agent: str) -> str:
    """Where the file first hands something to the agent; else where it first names it."""
    places = [one.inside for one in facts.named() if one.agent == agent]
    routed = [inside for inside in places if inside[0] == "routes"]
    return facts.flow.where(*(routed or places)[0])
