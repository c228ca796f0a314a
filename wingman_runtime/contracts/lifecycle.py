"""The life of a domain entity, written beside its pydantic model: states, moves, who makes them, how it ends.

Pure words: `wingman generate` reads them and writes events, agents and a flow. Nothing is registered.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from wingman_runtime.contracts.contract import Primitive
from wingman_runtime.contracts.manifest import RetryPolicy

Ending: TypeAlias = Literal["completed", "rejected", "denied", "blocked", "failed"]
"""What a request comes to when its entity has reached an end."""
Upcast: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Data of one major version in, data of the next one out."""
EntityT = TypeVar("EntityT", bound=type)
_MARK = "__wingman_entity__"


def _line() -> int:
    """The line of the call that makes the object whose ``__post_init__`` asks."""
    return sys._getframe(3).f_lineno


@dataclass(frozen=True, slots=True)
class Move:
    """One transition: an entity in state ``source`` comes to ``target``, and ``event`` says so.

    Args:
        source: the state, or states, it leaves.
        target: the state it reaches.
        event: the event type, past tense: ``OrderPaid``. Moves to one state may share an event.
        by: the agent that decides it. All moves out of a state are decided by one agent.
        sets: fields of the entity that come to be known by this move; the event must have them.
        carries: fields the event takes along; left out: all that is known by then.
        retry: attempts of the step; left out: the project's setting.
        timeout: seconds for one attempt; left out: the project's setting.
        seen_by: agents that get the event as well, to look on.
        upcasts: those of this event, in the place of the lifecycle's: where its majors count otherwise.
        purpose, failure, rollback, audit, primitives: the written half of the event's ten-field contract;
            what is left out is derived.
    """

    source: str | tuple[str, ...]
    target: str
    event: str
    by: str
    sets: tuple[str, ...] = ()
    carries: tuple[str, ...] | None = None
    retry: RetryPolicy | None = None
    timeout: float | None = None
    seen_by: tuple[str, ...] = ()
    upcasts: Mapping[int, Upcast] | None = None
    purpose: str = ""
    failure: str = ""
    rollback: str = ""
    audit: str = ""
    primitives: tuple[Primitive, ...] = (Primitive.AUDIT_STAMP,)
    line: int = field(init=False, default=0, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "line", _line())

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,) if isinstance(self.source, str) else self.source


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """All states and moves of an entity.

    Args:
        start: the state a new one is in.
        moves: every transition.
        ends: the states in which it ends, each with the outcome of its request.
        request: what one asks for to begin one: the intent is ``<domain>.<request>``.
        event: the event that says it began; left out: ``<Entity><Start>``, as ``OrderPlaced``.
        purpose: of the start event, in words; left out: derived.
        version: of the flow and the agents that are generated, ``1.2.3``.
        upcasts: by major version of an event, what makes data of the next major of it; see `renamed`.
    """

    start: str
    moves: tuple[Move, ...]
    ends: Mapping[str, Ending]
    request: str = "submit"
    event: str = ""
    purpose: str = ""
    version: str = "1.0.0"
    upcasts: Mapping[int, Upcast] = field(default_factory=dict)
    line: int = field(init=False, default=0, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "line", _line())

    def upcasts_for(self, event: str) -> Mapping[int, Upcast]:
        """Those of one event: its move's own, else the lifecycle's."""
        own = (move.upcasts for move in self.moves if move.event == event and move.upcasts is not None)
        return next(own, self.upcasts)


@dataclass(frozen=True, slots=True)
class Entity:
    """What `entity` was told of a model."""

    domain: str
    owner: str
    key: str
    lifecycle: Lifecycle


def entity(*, domain: str, owner: str, key: str, lifecycle: Lifecycle) -> Callable[[EntityT], EntityT]:
    """Mark a pydantic model as an entity that has a life.

    Args:
        domain: names the flow and the agent at its entrance: ``orders``.
        owner: who answers for it, for people.
        key: the field that tells one from another.
    """

    def mark(model: EntityT) -> EntityT:
        setattr(model, _MARK, Entity(domain, owner, key, lifecycle))
        return model

    return mark


def entity_of(model: type) -> Entity | None:
    """What `entity` was told of this very model; None for any other, subclasses included."""
    found = vars(model).get(_MARK)
    return found if isinstance(found, Entity) else None


def renamed(**names: str) -> Upcast:
    """An upcast that gives fields other names: ``renamed(address="ship_to")``."""

    def upcast(data: dict[str, Any]) -> dict[str, Any]:
        return {names.get(name, name): value for name, value in data.items()}

    return upcast


def upcasts_of(model: type, event: str, major: int) -> dict[int, Upcast]:
    """The upcasts that an event of an entity's lifecycle needs at this major version."""
    found = entity_of(model)
    known = found.lifecycle.upcasts_for(event) if found else {}
    return {key: one for key, one in known.items() if key < major}
