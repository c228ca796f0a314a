"""What follows from a flow and its agents' manifests: who sends an event, who gets it, who leads to whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.contracts.system_events import SYSTEM_EVENTS
from wingman_runtime.flow.model import DISPATCHER, POSTED, RESERVED_NAMES, Flow, RouteSpec, sender_and_event

# Written by the runtime alone: no route may name them, no agent may send them.
RUNTIME_EVENTS = SYSTEM_EVENTS | {
    "AttemptFailed",
    "BranchesJoined",
    "DeadLettersCleared",
    "DeadLettersPiledUp",
}


class Named(NamedTuple):
    """An agent's name and where in the file it stands."""

    agent: str
    inside: tuple[str | int, ...]


class Row(NamedTuple):
    """A line under ``routes``: ``key`` as it is written; ``sender`` is empty where the line names none."""

    key: str
    sender: str
    event: str
    spec: RouteSpec


class Edge(NamedTuple):
    """``source`` may send ``event`` by the route ``key``; ``target`` gets it while the request runs on.

    ``arrives`` is what the target gets of it. ``passed``: the source can only pass on what it got itself.
    """

    source: str
    event: str
    target: str
    key: str
    arrives: str
    passed: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """Questions about a flow that its check, its table and its graph ask alike."""

    flow: Flow
    manifests: Mapping[str, Manifest]

    def named(self) -> Iterator[Named]:
        """Every mention of an agent, in the order of the file's keys; a sender's place is its route's key."""
        flow = self.flow
        for key, agent in (("finally", flow.finally_), ("failure", flow.failure)):
            if agent:
                yield Named(agent, (key,))
        for row in self.rows():
            if row.key != row.event:
                yield Named(row.sender, ("routes", row.key))
            yield from (Named(agent, ("routes", row.key, "to", at)) for at, agent in enumerate(row.spec.to))
            if row.spec.settle:
                yield Named(row.spec.settle, ("routes", row.key, "settle"))
        for name, join in flow.joins.items():
            yield from (Named(agent, ("joins", name, "of", at)) for at, agent in enumerate(join.of))
            yield from (Named(agent, ("joins", name, "to", at)) for at, agent in enumerate(join.to))

    def agents(self) -> tuple[str, ...]:
        """Agents of the flow that have a manifest, sorted."""
        return tuple(sorted({one.agent for one in self.named() if one.agent in self.manifests}))

    def rows(self) -> tuple[Row, ...]:
        """The routes, in the order of the file."""
        return tuple(Row(key, *sender_and_event(key), spec) for key, spec in self.flow.routes.items())

    def origins(self, event: str) -> tuple[str, ...]:
        """Who may make ``event`` in this flow: its agents, or the dispatcher, client or timer."""
        if event == self.flow.start:
            return (DISPATCHER,)
        if event in POSTED:
            return (POSTED[event],)
        if event in RUNTIME_EVENTS:
            return ()
        return tuple(agent for agent in self.agents() if event in self.manifests[agent].emits)

    def forwards(self, agent: str, event: str) -> bool:
        """Whether the agent may pass the event on, unchanged. (The dispatcher's plain route is its own.)"""
        if agent in RESERVED_NAMES or event in RUNTIME_EVENTS or agent not in self.manifests:
            return False
        return event in self.manifests[agent].forwards

    def senders(self, row: Row) -> tuple[str, ...]:
        """Whose sending a route is for.

        A plain route is for those who make the event and have no route of their own for it. One that passes
        the event on always needs its own: by the plain one it would come back to where it is.
        """
        origins = self.origins(row.event)
        if row.sender:
            sends = row.sender in origins or self.forwards(row.sender, row.event)
            return (row.sender,) if sends and row.sender in self.manifests else ()
        own = {other.sender for other in self.rows() if other.event == row.event}
        return tuple(one for one in origins if one not in own and not self.forwards(one, row.event))

    def receivers(self, row: Row) -> tuple[str, ...]:
        """Agents that get the route's event itself: to go on with it, settle it, or stamp its outcome."""
        spec = row.spec
        if spec.outcome or spec.outcome_field:
            return (self.flow.finally_,) if self.flow.finally_ else ()
        return (spec.settle,) if spec.settle else spec.to

    def settlers(self) -> tuple[str, ...]:
        """Agents that get the system events."""
        return tuple(agent for agent in dict.fromkeys((self.flow.failure, self.flow.finally_)) if agent)

    def takers(self, event: str) -> tuple[str, ...]:
        """Agents that get ``event`` by any of its routes."""
        if event in SYSTEM_EVENTS:
            return self.settlers()
        rows = (row for row in self.rows() if row.event == event)
        return tuple(dict.fromkeys(agent for row in rows for agent in self.receivers(row)))

    def edges(self) -> tuple[Edge, ...]:
        """Who leads to whom while a request runs on.

        Routes that settle, decide or end are left out: each fires at most once in a request, so no circle
        through one of them can go round.
        """
        found: list[Edge] = []
        for row in self.rows():
            join = self.flow.joins.get(row.spec.join)
            targets = row.spec.to if join is None else join.to
            arrives = row.event if join is None else "BranchesJoined"
            found += [
                Edge(source, row.event, target, row.key, arrives, source not in self.origins(row.event))
                for source in self.senders(row)
                if source in self.manifests and source != DISPATCHER
                for target in targets
            ]
        return tuple(found)

    def arrivals(self) -> frozenset[tuple[str, str]]:
        """Which agent a request can come to with which event, starting with what enters from outside."""
        flow = self.flow
        found = {(agent, event) for agent in self.settlers() for event in SYSTEM_EVENTS}
        while True:
            reached = {agent for agent, _ in found}
            more: set[tuple[str, str]] = set()
            for row in self.rows():
                if any(self._sends(sender, row.event, reached, found) for sender in self.senders(row)):
                    more |= {(agent, row.event) for agent in self.receivers(row)}
                    join = flow.joins.get(row.spec.join)
                    more |= {(agent, "BranchesJoined") for agent in (join.to if join else ())}
            if more <= found:
                return frozenset(found)
            found |= more

    def _sends(self, sender: str, event: str, reached: set[str], arrived: set[tuple[str, str]]) -> bool:
        if sender in RESERVED_NAMES:
            return True
        emits = sender in reached and sender in self.origins(event)
        return emits or (self.forwards(sender, event) and (sender, event) in arrived)

    def reached(self) -> frozenset[str]:
        """Agents a request can come to."""
        return frozenset(agent for agent, _ in self.arrivals())
