"""What follows from a lifecycle: states, events with their fields, agents with what they take and make.

Nothing here knows files or text; `read` fills it, the writers (`write_*`) read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from pydantic import BaseModel

from wingman_runtime.contracts.lifecycle import Entity, Move

REFUSING = frozenset({"rejected", "denied", "blocked"})
"""Outcomes that say no: an agent answers their events with `Refuse`."""


@dataclass(frozen=True, slots=True)
class FieldText:
    """A field as its source has it.

    Args:
        default: what stands behind ``=``; empty when there is nothing.
        certain: its type without ``None``.
        required: what stands behind ``=`` once it must be there.
    """

    name: str
    annotation: str
    default: str
    certain: str
    required: str
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class EventField:
    """A field of an event; ``certain``: it is always known there, so it has no default of None."""

    text: FieldText
    certain: bool


@dataclass(frozen=True, slots=True)
class LifeEvent:
    """One event type: what it carries, who makes it, which state it leads to."""

    name: str
    target: str
    makers: tuple[str, ...]
    fields: tuple[EventField, ...]
    sets: tuple[str, ...]
    moves: tuple[Move, ...]

    @property
    def home(self) -> str:
        """The agent whose ``events.py`` defines it."""
        return self.makers[0]

    @property
    def snake(self) -> str:
        return snake(self.name)


@dataclass(frozen=True, slots=True)
class Life:
    """An entity with everything that follows from its lifecycle.

    Args:
        source: the models file as generated headers name it, relative to the project.
        module: what one imports it as from the project's folder.
        fields: of the model, in order.
        events: in the order of the lifecycle, the start event first.
        imports: how each name that a field uses is imported; empty text: it is defined in the models file.
        sample: plain data of an entity with every field known.
        versions: of events, where they are not 1.0.0.
    """

    name: str
    source: str
    module: str
    text: str
    entity: Entity
    model: type[BaseModel]
    fields: Mapping[str, FieldText]
    events: Mapping[str, LifeEvent]
    imports: Mapping[str, str]
    sample: Mapping[str, object]
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def domain(self) -> str:
        return self.entity.domain

    @property
    def key(self) -> str:
        return self.entity.key

    @property
    def intent(self) -> str:
        return f"{self.domain}.{self.entity.lifecycle.request}"

    @property
    def start(self) -> LifeEvent:
        return next(iter(self.events.values()))

    @property
    def failed(self) -> str:
        """The event that says a life was cut short."""
        return f"{self.name}Failed"

    @property
    def failures(self) -> str:
        """The agent that makes `failed` of what the runtime says."""
        return f"{self.domain}_failures"

    @property
    def ends(self) -> Mapping[str, str]:
        return self.entity.lifecycle.ends

    @property
    def word(self) -> str:
        """The entity as a variable."""
        return snake(self.name)

    def version(self, event: str) -> str:
        return self.versions.get(event, "1.0.0")

    def into(self, state: str) -> tuple[LifeEvent, ...]:
        """The events that lead to a state."""
        return tuple(event for event in self.events.values() if event.target == state)

    def out_of(self, state: str) -> tuple[LifeEvent, ...]:
        """The events that may follow from it."""
        return tuple(
            event
            for event in self.events.values()
            if any(state in move.sources for move in event.moves)
        )  # fmt: skip

    def agents(self) -> tuple[str, ...]:
        """The agents that decide moves, in the order of the lifecycle."""
        return tuple(dict.fromkeys(move.by for move in self.entity.lifecycle.moves))

    def states_of(self, agent: str) -> tuple[str, ...]:
        """The states an agent decides about, in the order of the lifecycle."""
        moves = self.entity.lifecycle.moves
        return tuple(dict.fromkeys(state for move in moves if move.by == agent for state in move.sources))

    def decider(self, state: str) -> str:
        """The agent that decides about a state; empty for an end."""
        moves = self.entity.lifecycle.moves
        return next((move.by for move in moves if state in move.sources), "")

    def made_by(self, agent: str) -> tuple[LifeEvent, ...]:
        return tuple(event for event in self.events.values() if agent in event.makers)

    def usual(self, state: str) -> LifeEvent:
        """The event by which an entity in ``state`` comes to a good end soonest, or to any."""
        good = [end for end, outcome in self.ends.items() if outcome == "completed"]
        for ends in (good, list(self.ends)):
            far = self._distances(ends)
            near = [event for event in self.out_of(state) if event.target in far]
            if near:
                return min(near, key=lambda event: far[event.target])
        return self.out_of(state)[0]

    def _distances(self, ends: Iterable[str]) -> dict[str, int]:
        far = dict.fromkeys(ends, 0)
        moves = self.entity.lifecycle.moves
        for _ in moves:
            for move in moves:
                for state in move.sources:
                    if move.target in far:
                        far[state] = min(far.get(state, len(moves) + 1), far[move.target] + 1)
        return far

    def circles(self) -> tuple[tuple[str, ...], ...]:
        """The circles of agents that a flow has to declare."""
        steps: dict[str, dict[str, None]] = {}
        for event in self.events.values():
            after = self.decider(event.target)
            for maker in event.makers:
                if after and maker != self.domain:
                    steps.setdefault(maker, {})[after] = None
        found: list[tuple[str, ...]] = []
        covered: set[tuple[str, str]] = set()
        for first, nexts in steps.items():
            for then in nexts:
                back = _way(steps, then, first)
                if back is None or (first, then) in covered:
                    continue
                circle = (first, *back[:-1])
                found.append(circle)
                covered |= set(pairwise((*circle, circle[0])))
        return tuple(found)


def _way(steps: Mapping[str, Iterable[str]], start: str, goal: str) -> list[str] | None:
    """The shortest way from ``start`` to ``goal``, both included."""
    ways, seen = [[start]], {start}
    for way in ways:
        if way[-1] == goal:
            return way
        fresh = [one for one in steps.get(way[-1], ()) if one not in seen]
        seen.update(fresh)
        ways += [[*way, one] for one in fresh]
    return None


def snake(name: str) -> str:
    """``OrderPaid`` as ``order_paid``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def pascal(name: str) -> str:
    """``in_transit`` as ``InTransit``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def events_of(
    name: str, entity: Entity, fields: Mapping[str, FieldText]
) -> tuple[dict[str, LifeEvent], dict[str, tuple[str, ...]]]:
    """The events of a lifecycle that is sound, and for each what it is said to carry and does not know."""
    life = entity.lifecycle
    grouped: dict[str, list[Move]] = {}
    for move in life.moves:
        grouped.setdefault(move.event, []).append(move)
    later = {one for move in life.moves for one in move.sets}
    given = {one for one in fields if one not in later}
    always: dict[str, set[str]] = {life.start: set(given)}
    maybe: dict[str, set[str]] = {life.start: set(given)}
    states = {state for move in life.moves for state in (*move.sources, move.target)}
    always |= {state: set(fields) for state in states - {life.start}}
    maybe |= {state: set() for state in states - {life.start}}
    certain: dict[str, set[str]] = {}
    possible: dict[str, set[str]] = {}
    settled = False
    while not settled:
        before = (
            {state: set(known) for state, known in always.items()},
            {s: set(k) for s, k in maybe.items()},
        )
        for event, moves in grouped.items():
            comes = [state for move in moves for state in move.sources]
            sets = set(moves[0].sets)
            kept = set(fields) if moves[0].carries is None else {*moves[0].carries, *sets, entity.key}
            certain[event] = (set.intersection(*(always[state] for state in comes)) | sets) & kept
            possible[event] = (set.union(*(maybe[state] for state in comes)) | sets) & kept
        for state in states - {life.start}:
            comes_by = [event for event, moves in grouped.items() if moves[0].target == state]
            always[state] = set.intersection(*(certain[event] for event in comes_by)) if comes_by else set()
            maybe[state] = set.union(*(possible[event] for event in comes_by)) if comes_by else set()
        settled = before == (always, maybe)
    first = life.event or name + pascal(life.start)
    start = LifeEvent(
        first,
        life.start,
        (entity.domain,),
        tuple(EventField(text, False) for one, text in fields.items() if one in given),
        (),
        (),
    )
    found, lacking = {first: start}, {}
    for event, moves in grouped.items():
        told = tuple(
            EventField(text, one in later)
            if one in certain[event]
            else EventField(text, False)
            for one, text in fields.items()
            if one in certain[event] or (one in possible[event] and text.default)
        )  # fmt: skip
        makers = tuple(dict.fromkeys(move.by for move in moves))
        found[event] = LifeEvent(event, moves[0].target, makers, told, moves[0].sets, tuple(moves))
        lost = tuple(one for one in moves[0].carries or () if one not in {each.text.name for each in told})
        if lost:
            lacking[event] = lost
    return found, lacking
