"""What a lifecycle must be to be generated from: every problem with the line it stands on."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.contracts.lifecycle import Entity, Lifecycle, Move
from wingman_runtime.contracts.manifest import NAME_PATTERN
from wingman_runtime.flow.model import RESERVED_NAMES
from wingman_runtime.generate.life import FieldText, Life, snake
from wingman_runtime.project.find import reference_root
from wingman_runtime.yamlfile import suggestion

_EVENT = r"^[A-Z][A-Za-z0-9]{2,99}$"
_OUTCOMES = ("completed", "rejected", "denied", "blocked", "failed")
_VERSION = r"^\d+\.\d+\.\d+$"
_TAKEN = {
    "Annotated", "Any", "BaseModel", "Client", "ClassVar", "ConfigDict", "ContractError", "DeadLetter",
    "Decimal", "Emit", "Event", "EventContract", "EventModel", "Field", "Literal", "NewerSchemaError",
    "Outcome", "Path", "Policy", "Primitive", "Project", "Ref", "Refuse", "Request", "Sequence", "Which",
}  # fmt: skip
"""What generated modules import by these names."""
_RESERVED_FIELDS = ("schema_version", "contract", "upcasts", "projects", "unknown_variant")


@dataclass(frozen=True, slots=True)
class Problem:
    """``line`` is in the models file."""

    line: int
    message: str
    hint: str


def name_problem(name: str, what: str = "agent") -> Problem | None:
    """Why ``name`` cannot be an agent's or a domain's name; None: it can."""
    if not re.match(NAME_PATTERN, name) or keyword.iskeyword(name):
        better = re.sub(r"\W+", "_", snake(name)).strip("_")[:48]
        fits = bool(re.match(NAME_PATTERN, better)) and not keyword.iskeyword(better)
        hint = f"write {better!r}" if fits else "use small letters, digits and _, a letter first"
        return Problem(0, f"{name!r} is no name of an {what}", hint)
    shipped = {path.name for path in (reference_root() / "agents").iterdir() if path.is_dir()}
    if name in RESERVED_NAMES | shipped:
        return Problem(0, f"{name!r} is the name of a shipped agent, or the runtime's own", "choose another")
    return None


def event_problem(name: str) -> Problem | None:
    """Why ``name`` cannot be an event type of a project."""
    if not re.match(_EVENT, name):
        better = "".join(part[:1].upper() + part[1:] for part in re.split(r"\W+|_", name))
        hint = f"write {better!r}" if re.match(_EVENT, better) else "write it like OrderPaid"
        return Problem(0, f"{name!r} is no event type", hint)
    if name in _TAKEN or keyword.iskeyword(name) or hasattr(builtins, name):
        return Problem(
            0, f"{name} means something else in Python or in generated code", "choose another name"
        )
    if name in SHIPPED:
        return Problem(0, f"{name} is a shipped event", "choose another name")
    return None


def check_lifecycle(
    name: str, node: ast.ClassDef, entity: Entity, fields: Mapping[str, FieldText]
) -> list[Problem]:
    """All that is wrong with one entity's lifecycle."""
    life = entity.lifecycle
    strange = [one for one in life.moves if not isinstance(one, Move)]
    if strange:
        return [Problem(life.line, f"{strange[0]!r:.100} is no move", 'write Move("from", "to", …)')]
    return [
        *_entity(name, node, entity, fields),
        *_names(name, life),
        *_states(life),
        *_deciders(life),
        *_fields_of(life, fields, entity),
        *_ends(life),
    ]


def _entity(
    name: str, node: ast.ClassDef, entity: Entity, fields: Mapping[str, FieldText]
) -> Iterator[Problem]:
    found = name_problem(entity.domain, "agent, which a domain gives its name to")
    if found:
        yield Problem(node.lineno, found.message, found.hint)
    if not re.match(r"^[A-Z]", name):
        yield Problem(node.lineno, f"{name!r} names events that are none", "begin it with a capital: Order")
    if not entity.owner.strip() or not entity.owner.isprintable():
        yield Problem(node.lineno, f"{name} has no owner", "say who answers for it, in one line")
    if entity.key not in fields:
        hint = suggestion(entity.key, fields) or "key= names one of its fields"
        yield Problem(node.lineno, f"{name} has no field {entity.key!r} to be its key", hint)
    for field in fields:
        if field in _RESERVED_FIELDS:
            yield Problem(node.lineno, f"{field!r} is the runtime's own in an event", "rename the field")
    life = entity.lifecycle
    if not re.match(_VERSION, life.version):
        yield Problem(life.line, f"{life.version!r} is no version", "write it as 1.0.0")
    if not re.match(NAME_PATTERN, life.request) or keyword.iskeyword(life.request):
        yield Problem(
            life.line, f"request={life.request!r} cannot be a function's name", "write a verb: place"
        )
    if life.event:
        wrong = event_problem(life.event)
        if wrong:
            yield Problem(life.line, wrong.message, wrong.hint)
    for major in life.upcasts:
        if not isinstance(major, int) or major < 1:
            yield Problem(life.line, f"upcasts: {major!r} is no major version", "write the major it reads: 1")


def _names(name: str, life: Lifecycle) -> Iterator[Problem]:
    by_event: dict[str, Move] = {}
    for move in life.moves:
        for state in (*move.sources, move.target):
            if not re.match(NAME_PATTERN, state) or keyword.iskeyword(state):
                yield Problem(move.line, f"{state!r} is no state", "use small letters, digits and _")
        for agent in (move.by, *move.seen_by):
            found = name_problem(agent)
            if found:
                yield Problem(move.line, found.message, found.hint)
        wrong = event_problem(move.event)
        if wrong:
            yield Problem(move.line, wrong.message, wrong.hint)
        if move.event in {life.event, f"{name}Failed"}:
            yield Problem(move.line, f"{move.event} is another event of {name} already", "rename it")
        first = by_event.setdefault(move.event, move)
        alike = (first.target, first.sets, first.carries) == (move.target, move.sets, move.carries)
        if not alike:
            yield Problem(
                move.line,
                f"{move.event} leads elsewhere, or carries something else, at line {first.line}",
                "one event means one thing: name another",
            )


def _states(life: Lifecycle) -> Iterator[Problem]:
    states = {state for move in life.moves for state in move.sources}
    reached, fresh = {life.start}, [life.start]
    while fresh:
        state = fresh.pop()
        for move in life.moves:
            if state in move.sources and move.target not in reached:
                reached.add(move.target)
                fresh.append(move.target)
    if life.start not in states:
        hint = suggestion(life.start, states) or "the first move starts there"
        yield Problem(life.line, f"nothing leaves the start {life.start!r}", hint)
        return
    told: set[str] = set()
    for move in life.moves:
        for state in move.sources:
            if state not in reached and state not in told:
                told.add(state)
                hint = suggestion(state, reached) or "write a move that leads to it"
                yield Problem(move.line, f"no move leads to {state!r}", hint)
        if move.target not in states and move.target not in life.ends and move.target not in told:
            told.add(move.target)
            hint = suggestion(move.target, {*states, *life.ends}) or (
                f"write a move that leaves it, or ends={{{move.target!r}: …}}"
            )
            yield Problem(move.line, f"{move.target!r} is no end, and no move leaves it", hint)


def _deciders(life: Lifecycle) -> Iterator[Problem]:
    by_state: dict[str, Move] = {}
    by_agent: dict[str, Move] = {}
    for move in life.moves:
        for state in move.sources:
            first = by_state.setdefault(state, move)
            if first.by != move.by:
                yield Problem(
                    move.line,
                    f"{first.by} decides about {state!r} (line {first.line}); two agents would race",
                    f"let one of them decide: by={first.by!r}",
                )
        if move.retry is not None or move.timeout is not None:
            other = by_agent.setdefault(move.by, move)
            if (other.retry, other.timeout) != (move.retry, move.timeout):
                yield Problem(
                    move.line,
                    f"{move.by} has another retry or timeout at line {other.line}",
                    "an agent has one; say it once, or give the step to another agent",
                )


def _fields_of(life: Lifecycle, fields: Mapping[str, FieldText], entity: Entity) -> Iterator[Problem]:
    for move in life.moves:
        for field in (*move.sets, *(move.carries or ())):
            if field not in fields:
                hint = suggestion(field, fields) or "its fields are: " + ", ".join(fields)
                yield Problem(move.line, f"there is no field {field!r}", hint)
            elif field in move.sets and field == entity.key:
                yield Problem(move.line, f"the key {field!r} is known from the start", "take it out of sets")
            elif field in move.sets and not fields[field].default:
                yield Problem(
                    move.line,
                    f"{field!r} is set by this move, and cannot be known when one begins",
                    f"give it a default: `{field}: {fields[field].annotation} | None = None`",
                )


def _ends(life: Lifecycle) -> Iterator[Problem]:
    targets = {move.target for move in life.moves}
    for state, outcome in life.ends.items():
        if outcome not in _OUTCOMES:
            hint = suggestion(outcome, _OUTCOMES) or "one of " + ", ".join(_OUTCOMES)
            yield Problem(life.line, f"ends: {outcome!r} is no outcome of a life", hint)
        if state not in targets:
            hint = suggestion(state, targets) or "remove it"
            yield Problem(life.line, f"ends: no move leads to {state!r}", hint)
        for move in life.moves:
            if state in move.sources:
                yield Problem(move.line, f"{state!r} is an end; nothing leaves it", "take it out of ends")
            if move.target == state and move.seen_by:
                yield Problem(move.line, "an event that ends a request goes to nobody else", "remove seen_by")
    if "completed" not in life.ends.values():
        yield Problem(life.line, "no end is `completed`", "say which state is the good one")


def check_carried(entity: Entity, lacking: Mapping[str, tuple[str, ...]]) -> Iterator[Problem]:
    """Fields that an event is said to carry and that nobody knows by then."""
    for move in entity.lifecycle.moves:
        for field in lacking.get(move.event, ()):
            yield Problem(
                move.line,
                f"{move.event} is to carry {field!r}, which is not known by then",
                "let the events before it carry it, or set it here",
            )


def check_names(lives: Iterable[Life]) -> Iterator[Problem]:
    """Entities of one file that want the same agent, domain or event."""
    taken: dict[str, Life] = {}
    for life in lives:
        names = (life.domain, life.failures, *life.agents(), *life.events, life.failed)
        for name in dict.fromkeys(names):
            other = taken.setdefault(name, life)
            if other is not life:
                yield Problem(
                    life.entity.lifecycle.line,
                    f"{name} belongs to {other.name} already",
                    "give this one a name of its own",
                )
        double = [name for name in life.agents() if name in {life.domain, life.failures}]
        for name in double:
            yield Problem(
                life.entity.lifecycle.line,
                f"{name} is the agent at the entrance, or the one that settles failures",
                "let an agent of another name decide",
            )
