"""``agents/<name>/events.py``: the event models, each with its version and its ten-field contract."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wingman_runtime.contracts.contract import Primitive
from wingman_runtime.generate.life import EventField, Life, LifeEvent
from wingman_runtime.generate.text import WIDTH, Draft, generated, imports, quoted, used

NOTHING_DONE = "nothing was applied, so there is nothing to undo"
_MUTABLE = r"^    \w+: .* = (\[|\{)"


def event_files(life: Life) -> list[Draft]:
    """The models as they are shared, and one file of events for each agent that has any."""
    body = life.text if life.text.endswith("\n") else life.text + "\n"
    copied = f"# ruff: noqa - a copy: the original is what is linted\n{body}"
    drafts = [generated(life, f"agents/{life.domain}_models.py", copied)]
    homes = dict.fromkeys(event.home for event in life.events.values())
    drafts += [_events_file(life, agent) for agent in homes]
    drafts.append(generated(life, f"agents/{life.failures}/events.py", _failed(life)))
    return drafts


def relative(life: Life, agent: str, event: str) -> str:
    """How ``agent`` imports an event."""
    home = life.events[event].home if event in life.events else life.failures
    return f"from {'.' if home == agent else f'..{home}.'}events import {event}"


def home_module(life: Life, agent: str, names: Iterable[str]) -> list[str]:
    return [relative(life, agent, name) for name in names]


def with_noqa(text: str) -> str:
    """What a linter may be told: agents share events by parent-relative imports; pydantic copies defaults.

    RUF100 goes along: where a project does not select those rules, naming them is a finding itself.
    """
    rules = [
        rule
        for rule, sign in (("RUF012", _MUTABLE), ("TID252", r"^from \.\."))
        if re.search(sign, text, re.M)
    ]
    return (f"# ruff: noqa: {', '.join([*rules, 'RUF100'])} - generated\n" if rules else "") + text


def _events_file(life: Life, agent: str) -> Draft:
    own = [event for event in life.events.values() if event.home == agent]
    classes = [_class(life, event) for event in own]
    body = "\n\n\n".join(classes)
    wanted = [
        "from typing import ClassVar",
        "from wingman_runtime.sdk import EventContract, EventModel, Primitive",
    ]
    for name in used(life.imports, body):
        wanted.append(life.imports[name] or f"from ..{life.domain}_models import {name}")
    if "LIFECYCLE" in body:
        wanted += ["from wingman_runtime.sdk import upcasts_of"]
        wanted += [f"from ..{life.domain}_models import {life.name}"]
        body = body.replace("LIFECYCLE", f"upcasts_of({life.name}")
    said = (
        "Events of the agent that decides about"
        if agent != life.domain
        else "The event that begins the life of"
    )
    what = ", ".join(life.states_of(agent)) or article(life.word)
    doc = f'"""{said} {what}: {", ".join(event.name for event in own)}."""'
    if len(doc) > WIDTH:
        doc = f'"""{said} {what}."""'
    text = with_noqa(f"\n{doc}\n\n{imports(wanted)}\n\n\n{body}\n")
    return generated(life, f"agents/{agent}/events.py", text.removeprefix("\n"))


def _class(life: Life, event: LifeEvent) -> str:
    version = life.version(event.name)
    lines = [f"class {event.name}(EventModel):"]
    lines += [f"    {_field(field)}" for field in event.fields]
    lines.append("")
    lines.append(f'    schema_version: ClassVar[str] = "{version}"')
    major = int(version.partition(".")[0])
    if any(key < major for key in life.entity.lifecycle.upcasts_for(event.name)):
        lines.append(f'    upcasts = LIFECYCLE, "{event.name}", {major})')
    lines.append(_contract(_written(life, event)))
    return "\n".join(lines)


def _field(field: EventField) -> str:
    text = field.text
    annotation, value = (text.certain, text.required) if field.certain else (text.annotation, text.default)
    return f"{text.name}: {annotation}" + (f" = {value}" if value else "")


def _contract(written: tuple[str, tuple[Primitive, ...], str, str, str]) -> str:
    purpose, primitives, failure, rollback, audit = written
    named = ", ".join(f"Primitive.{one.name}" for one in primitives) + ("," if len(primitives) == 1 else "")
    return "\n".join(
        (
            "    contract = EventContract(",
            _long("purpose", purpose),
            f"        primitives=({named}),",
            _long("failure", failure),
            _long("rollback", rollback),
            _long("audit", audit),
            "    )",
        )
    )


def _long(name: str, text: str) -> str:
    """An argument with a text of any length, as the formatter leaves it."""
    line = f"        {name}={quoted(text)},"
    if len(line) <= WIDTH:
        return line
    lines, part = [], ""
    for word in text.split(" "):
        if len(part) + len(word) > WIDTH - 20:
            lines.append(part)
            part = ""
        part += word + " "
    parts = "".join(f"            {quoted(one)}\n" for one in [*lines, part.rstrip()])
    return f"        {name}=(\n{parts}        ),"


def _written(life: Life, event: LifeEvent) -> tuple[str, tuple[Primitive, ...], str, str, str]:
    """The written half of the ten fields: as the moves say it, the rest derived."""
    moves = event.moves
    states = tuple(dict.fromkeys(state for move in moves for state in move.sources))
    outcome = life.ends.get(event.target)
    start = not moves
    purpose = next((move.purpose for move in moves if move.purpose), "") or (
        life.entity.lifecycle.purpose or f"{article(life.word)} was accepted and is {told(event.target)}"
        if start
        else f"{article(life.word)} that was {' or '.join(map(told, states))} is {told(event.target)}"
    )
    nobody = life.decider(event.target)
    failure = next((move.failure for move in moves if move.failure), "") or (
        f"ends the request as {outcome}"
        if outcome
        else f"{life.failed}, when {nobody} gives up on it; the letter lies with {nobody}"
    )
    rollback = next((move.rollback for move in moves if move.rollback), "") or NOTHING_DONE
    carried = ", ".join(event.sets) or ", ".join(field.text.name for field in event.fields)
    audit = next((move.audit for move in moves if move.audit), "") or (
        f"{life.key} and {carried}" if event.sets else f"the {life.word} as it is then: {carried}"
    )
    primitives = moves[0].primitives if moves else (Primitive.SCOPE_LOCK, Primitive.PERMISSION_BOUNDARY)
    return purpose, primitives, failure, rollback, audit


def _failed(life: Life) -> str:
    contract = _contract(
        (
            f"the life of {article(life.word)} was cut short: given up, cancelled or expired",
            (Primitive.ROLLBACK_COVENANT, Primitive.AUDIT_STAMP),
            "ends the request as failed, cancelled or expired",
            NOTHING_DONE,
            "the step that was given up, why, and after how many attempts",
        )
    )
    return f'''"""What is told when the life of {article(life.word)} is cut short."""

from typing import ClassVar

from wingman_runtime.sdk import EventContract, EventModel, Outcome, Primitive


class {life.failed}(EventModel):
    outcome: Outcome
    reasons: tuple[str, ...]
    agent: str = ""
    event_type: str = ""
    attempts: int = 0
    note: str = ""

    schema_version: ClassVar[str] = "{life.version(life.failed)}"
{contract}
'''


def told(state: str) -> str:
    """A state in words."""
    return state.replace("_", " ")


def article(word: str) -> str:
    said = told(word)
    return f"{'an' if said[:1] in 'aeiou' else 'a'} {said}"
