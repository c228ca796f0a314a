"""Agents that pass an event on: is there a way in, a way on, and only one way to everybody behind?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from wingman_runtime.contracts.finding import Finding
from wingman_runtime.flow.facts import RUNTIME_EVENTS, Facts, Row
from wingman_runtime.flow.hints import unforwarded, usual, way_to
from wingman_runtime.flow.model import RESERVED_NAMES


def check_senders(facts: Facts) -> Iterator[Finding]:
    """Findings about routes that name a sender which does not send the event."""
    flow = facts.flow
    for row in facts.rows():
        manifest = facts.manifests.get(row.sender)
        if manifest is None or row.sender in RESERVED_NAMES or row.event in RUNTIME_EVENTS:
            continue
        agent, event, where = row.sender, row.event, flow.where("routes", row.key)
        if facts.forwards(agent, event) and (row.spec.join or row.spec.outcome_field or row.spec.end):
            yield Finding(
                "flow/forward-route",
                f"{agent} passes {event} on; that can neither join, nor end, nor hold an outcome in a field",
                where,
                f"name the agents it goes on to, or let {agent} answer with an event of its own",
            )
        if event in manifest.emits:
            continue
        if event not in manifest.consumes:
            yield Finding(
                "flow/not-its-sender",
                f"{agent} neither sends nor gets {event}, so it has no route for it",
                where,
                f"to pass it on, {agent} must list {event} under `consumes` and `forwards` of its manifest;"
                " else remove the route",
            )
        elif event not in manifest.forwards:
            yield Finding(
                "flow/not-its-sender",
                f"{agent} gets {event}, but its manifest does not say that it passes it on",
                where,
                f"add `forwards: [{', '.join((*manifest.forwards, event))}]` to the manifest of {agent}",
            )


def check_idle_forwards(facts: Facts) -> Iterator[Finding]:
    """Findings about routes for what an agent passes on that it never gets; if it gets anything at all."""
    arrivals = facts.arrivals()
    reached = {agent for agent, _ in arrivals}
    for row in facts.rows():
        agent, event = row.sender, row.event
        passes = facts.forwards(agent, event) and event not in facts.manifests[agent].emits
        if passes and agent in reached and (agent, event) not in arrivals:
            yield Finding(
                "flow/orphan-route",
                f"{agent} passes {event} on here, but no route brings it one",
                facts.flow.where("routes", row.key),
                f"write `{event}: {agent}` for who sends it, or remove the route",
            )


def check_orphan_forwards(facts: Facts) -> Iterator[Finding]:
    """Findings about gates that have nowhere to pass an event on to."""
    for agent, event in unforwarded(facts):
        onward = usual(event, facts, agent) or "<agent>"
        yield Finding(
            "flow/orphan-forward",
            f"{agent} may pass {event} on, and no route says where to",
            _brings(facts, agent, event),
            f"add `{agent}>{event}: {onward}` (the route {event} is for the other senders)",
        )


def check_passing(facts: Facts) -> Iterator[Finding]:
    """Findings about forwards of the runtime's own events, and about events that reach an agent twice."""
    for agent in facts.agents():
        for event in facts.manifests[agent].forwards:
            if event in RUNTIME_EVENTS:
                yield Finding(
                    "flow/runtime-event",
                    f"{agent} declares that it passes {event} on, which only the runtime sends",
                    next(facts.flow.where(*one.inside) for one in facts.named() if one.agent == agent),
                    f"remove {event} from `forwards` of its manifest; answer with an event of its own",
                )
    for event in dict.fromkeys(row.event for row in facts.rows()):
        told: set[tuple[str, str]] = set()
        for origin in facts.origins(event):
            for row, agent in _again(facts, event, origin):
                if (row.key, agent) in told:
                    continue
                told.add((row.key, agent))
                yield Finding(
                    "flow/forwarded-twice",
                    f"{row.key} brings {agent} an event that it gets another way as well",
                    facts.flow.where("routes", row.key),
                    f"one event comes to an agent once: name {agent} in one route of {event} only",
                )


def in_circle_of_forwards(facts: Facts, circle: list[str]) -> bool:
    """Whether every step of the circle passes one and the same event on: `check_passing` speaks of it."""
    steps = set(pairwise(circle))
    passed = [edge for edge in facts.edges() if facts.forwards(edge.source, edge.event)]
    return any(
        steps <= {(edge.source, edge.target) for edge in passed if edge.event == event}
        for event in {edge.event for edge in passed}
    )


def _again(facts: Facts, event: str, origin: str) -> Iterator[tuple[Row, str]]:
    """Follow one event from who makes it: the rows that bring it to an agent a second time."""
    rows = [row for row in facts.rows() if row.event == event]
    had: set[str] = set()
    queue = [origin]
    for here in queue:
        for row in (row for row in rows if here in facts.senders(row)):
            for agent in row.spec.to:
                if agent in had:
                    yield row, agent
                    continue
                had.add(agent)
                if facts.forwards(agent, event) and agent not in queue:
                    queue.append(agent)


def _brings(facts: Facts, agent: str, event: str) -> str:
    """Where the file hands the event to the agent."""
    keys = [row.key for row in facts.rows() if row.event == event and agent in facts.receivers(row)]
    return facts.flow.where("routes", keys[0]) if keys else facts.flow.where()


def forgotten(facts: Facts, event: str) -> tuple[str, str] | None:
    """An agent that makes ``event`` but is in no route of this flow, and the line that brings it in."""
    here = facts.agents()
    for name, manifest in sorted(facts.manifests.items()):
        if event in manifest.emits and name not in here and name not in RESERVED_NAMES:
            way = way_to(name, facts)[1] or f"route to it one of {', '.join(manifest.consumes)}"
            return name, way
    return None
