"""What follows from a flow and its agents' manifests: who sends an event, who gets it, who leads to whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.contracts.system_events import SYSTEM_EVENTS
from wingman_runtime.flow.model import DISPATCHER, POSTED, Flow

# Written by the runtime alone: no route may name them, no agent may send them.
RUNTIME_EVENTS = SYSTEM_EVENTS | {"AttemptFailed", "BranchesJoined"}


class Named(NamedTuple):
    """An agent's name and where in the file it stands."""

    agent: str
    inside: tuple[str | int, ...]


class Edge(NamedTuple):
    """``source`` may send ``event``, and ``target`` gets it while the request runs on."""

    source: str
    event: str
    target: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Questions about a flow that its check, its table and its graph ask alike."""

    flow: Flow
    manifests: Mapping[str, Manifest]

    def named(self) -> Iterator[Named]:
        """Every mention of an agent, in the order of the file's keys."""
        flow = self.flow
        for key, agent in (("finally", flow.finally_), ("failure", flow.failure)):
            if agent:
                yield Named(agent, (key,))
        for event, spec in flow.routes.items():
            yield from (Named(agent, ("routes", event, "to", at)) for at, agent in enumerate(spec.to))
            if spec.settle:
                yield Named(spec.settle, ("routes", event, "settle"))
        for name, join in flow.joins.items():
            yield from (Named(agent, ("joins", name, "of", at)) for at, agent in enumerate(join.of))
            yield from (Named(agent, ("joins", name, "to", at)) for at, agent in enumerate(join.to))

    def agents(self) -> tuple[str, ...]:
        """Agents of the flow that have a manifest, sorted."""
        return tuple(sorted({one.agent for one in self.named() if one.agent in self.manifests}))

    def senders(self, event: str) -> tuple[str, ...]:
        """Who may send ``event`` in this flow: its agents, or the dispatcher, client or timer."""
        if event == self.flow.start:
            return (DISPATCHER,)
        if event in POSTED:
            return (POSTED[event],)
        if event in RUNTIME_EVENTS:
            return ()
        return tuple(agent for agent in self.agents() if event in self.manifests[agent].emits)

    def receivers(self, event: str) -> tuple[str, ...]:
        """Agents that get ``event`` itself: by its route, to settle it, or to stamp its outcome."""
        flow = self.flow
        if event in SYSTEM_EVENTS:
            return tuple(agent for agent in dict.fromkeys((flow.failure, flow.finally_)) if agent)
        spec = flow.routes.get(event)
        if spec is None:
            return ()
        if spec.outcome or spec.outcome_field:
            return (flow.finally_,) if flow.finally_ else ()
        return (spec.settle,) if spec.settle else spec.to

    def edges(self) -> tuple[Edge, ...]:
        """Who leads to whom while a request runs on.

        Routes that settle, decide or end are left out: each fires at most once in a request, so no circle
        through one of them can go round.
        """
        found: list[Edge] = []
        for event, spec in self.flow.routes.items():
            targets = spec.to
            join = self.flow.joins.get(spec.join)
            if join is not None:
                targets = join.to
            found += [
                Edge(source, event, target)
                for source in self.senders(event)
                if source in self.manifests
                for target in targets
            ]
        return tuple(found)

    def reached(self) -> frozenset[str]:
        """Agents a request can come to, starting with what enters from outside."""
        flow = self.flow
        open_: list[str] = [agent for agent in (flow.finally_, flow.failure) if agent]
        entering = {flow.start, *POSTED}
        seen: set[str] = set()
        passed: set[str] = set()
        while open_ or entering:
            events = set(entering)
            entering = set()
            while open_:
                agent = open_.pop()
                if agent not in seen:
                    seen.add(agent)
                    if agent in self.manifests:
                        events |= {one for one in self.manifests[agent].emits if agent in self.senders(one)}
            for event in events - passed:
                passed.add(event)
                open_ += self.receivers(event)
                spec = flow.routes.get(event)
                join = flow.joins.get(spec.join) if spec is not None else None
                if join is not None:
                    open_ += join.to
        return frozenset(seen)
