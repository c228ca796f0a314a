"""The agents: manifest, the code that decodes and dispatches, typed emit helpers, and the stub of what is
written by hand (``work.py``), which is made once.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel

from wingman_runtime.contracts.lifecycle import Move
from wingman_runtime.generate.life import REFUSING, Life, LifeEvent
from wingman_runtime.generate.text import Draft, generated, imports, literal, quoted, used, wrapped
from wingman_runtime.generate.write_events import article, relative, told, with_noqa

_SDK = "from wingman_runtime.sdk import "
BY_HAND = "Written by hand: `wingman generate` made this file once and leaves it alone."


def agent_files(life: Life) -> list[Draft]:
    """Each agent that decides moves, but its events."""
    drafts = []
    for agent in life.agents():
        folder = f"agents/{agent}"
        drafts += [
            generated(life, f"{folder}/manifest.yaml", _manifest(life, agent)),
            generated(life, f"{folder}/moves.py", _moves(life, agent)),
            generated(life, f"{folder}/agent.py", _agent(life, agent)),
            Draft(f"{folder}/work.py", _work(life, agent), once=True),
        ]
    return drafts


def work_functions(life: Life, agent: str) -> dict[str, str]:
    """The functions that ``work.py`` of an agent must have, each with its first line."""
    return {state: _signature(life, state) for state in life.states_of(agent)}


def refusals(life: Life, agent: str) -> tuple[LifeEvent, ...]:
    """The agent's events that say no."""
    return tuple(event for event in life.made_by(agent) if life.ends.get(event.target) in REFUSING)


def manifest_text(**said: Any) -> str:
    """A manifest; values that are text are quoted where YAML could misread them."""
    return "".join(f"{key}: {_yaml(value)}\n" for key, value in said.items() if value is not None)


def _yaml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_yaml(one) for one in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    risky = re.search(r"^[^A-Za-z]|: |:$| #|[\[\]{},]|\s$", text) or text.lower() in {
        "yes",
        "no",
        "on",
        "off",
        "null",
        "true",
        "false",
    }
    return quoted(text) if risky and not isinstance(value, int | float) else text


def _manifest(life: Life, agent: str) -> str:
    states = life.states_of(agent)
    made = life.made_by(agent)
    move = next((one for one in _moves_of(life, agent) if one.retry or one.timeout), None)
    retry = move.retry.model_dump(mode="json", exclude_unset=True) if move and move.retry else None
    named = " or ".join(map(told, states))
    return manifest_text(
        name=agent,
        version=life.entity.lifecycle.version,
        domain=life.domain,
        purpose=f"decide what becomes of {article(life.word)} that is {named}",
        owner=life.entity.owner,
        scope=f"Decides about {article(life.word)} that is {named}, and nothing else. It touches nothing.",
        handler="agent:handle",
        consumes=[event.name for state in states for event in life.into(state)],
        emits=[event.name for event in made],
        refusals=[event.name for event in refusals(life, agent)],
        tools=[],
        output="an event: " + ", ".join(event.name for event in made),
        audit=[f"the {life.word} as it was decided about"],
        timeout=move.timeout if move else None,
        retry=retry,
    )


def _moves_of(life: Life, agent: str) -> tuple[Move, ...]:
    return tuple(move for move in life.entity.lifecycle.moves if move.by == agent)


def _given(life: Life, agent: str) -> list[str]:
    """Names of the events an agent is given."""
    return [event.name for state in life.states_of(agent) for event in life.into(state)]


def _moves(life: Life, agent: str) -> str:
    """Typed emit helpers: each builds its event from the one before it and what the move adds."""
    parts = []
    for event in life.made_by(agent):
        sources = dict.fromkeys(
            before.name
            for move in event.moves
            if move.by == agent
            for state in move.sources
            for before in life.into(state)
        )
        known = [{field.text.name for field in life.events[name].fields} for name in sources]
        shared = set.intersection(*known)
        sets = [field for field in event.fields if field.text.name in event.sets]
        extra = [f"{field.text.name}: {field.text.certain}" for field in sets]
        head = wrapped(
            f"def {event.snake}(",
            [f"{life.word}: {' | '.join(sources)}", *(["*", *extra] if extra else [])],
            f") -> {event.name}:",
        )
        taken = [field.text.name for field in event.fields if field.text.name not in event.sets]
        filled = {name: f"{life.word}.{name}" for name in taken if name in shared}
        filled |= {field.text.name: field.text.name for field in sets}
        order = [field.text.name for field in event.fields if field.text.name in filled]
        made = wrapped(
            f"return {event.name}(", [f"{name}={filled[name]}" for name in order], ")", indent="    "
        )
        parts.append(f'{head}\n    """The {life.word} is {told(event.target)}."""\n{made}')
    body = "\n\n\n".join(parts)
    wanted = []
    kinds = used(life.imports, "\n".join(part.partition('"""')[0] for part in parts))
    for name in kinds:
        wanted.append(life.imports[name] or f"from ..{life.domain}_models import {name}")
    names = dict.fromkeys((*_given(life, agent), *(event.name for event in life.made_by(agent))))
    wanted += [relative(life, agent, name) for name in names]
    shared_kinds = [name for name in kinds if not life.imports[name]]
    exported = sorted(
        {*names, *shared_kinds, *(event.snake for event in life.made_by(agent))}, key=_exported_order
    )
    doc = f'"""What {agent} may answer: a function for each move, and the events themselves."""'
    listing = "__all__ = [\n" + "".join(f"    {quoted(name)},\n" for name in exported) + "]"
    return with_noqa(f"\n{doc}\n\n{imports(wanted)}\n\n{listing}\n\n\n{body}\n").removeprefix("\n")


def _exported_order(name: str) -> tuple[int, str]:
    return (0 if name[:1].isupper() else 1, name)


def _agent(life: Life, agent: str) -> str:
    states = life.states_of(agent)
    given = _given(life, agent)
    says_no = [event.name for event in refusals(life, agent)]
    says_more = [event.name for event in life.made_by(agent) if event.name not in says_no]
    names = given + says_no
    answer = " | ".join([*(["Emit"] if says_more else []), *(["Refuse"] if says_no else [])])
    wanted = [f"{_SDK}Event"] + [f"{_SDK}{name}" for name in answer.split(" | ")]
    lines = [wrapped("async def handle(", [f"event: Event[{' | '.join(given)}]"], f") -> {answer}:")]
    result = " | ".join(event.name for event in life.made_by(agent))
    if len(states) == 1:
        lines.append(f"    answer = await work.{states[0]}(event.data)")
    else:
        names += [event.name for event in life.made_by(agent)]
        lines.append(f"    answer: {result}")
        lines.append("    match event.data:")
        for state in states[:-1]:
            classes = " | ".join(f"{one.name}()" for one in life.into(state))
            lines.append(f"        case {classes} as {life.word}:")
            lines.append(f"            answer = await work.{state}({life.word})")
        lines.append(f"        case {life.word}:")
        lines.append(f"            answer = await work.{states[-1]}({life.word})")
    if says_no and says_more:
        kinds = " | ".join(says_no)
        lines.append(f"    return Refuse(answer) if isinstance(answer, {kinds}) else Emit(answer)")
    else:
        lines.append(f"    return {'Refuse' if says_no else 'Emit'}(answer)")
    doc = f'"""{agent}: the function of its state, in work.py, decides about {article(life.word)}."""'
    wanted += ["from . import work"] + [f"from .moves import {name}" for name in names]
    return f"{doc}\n\n{imports(wanted)}\n\n\n" + "\n".join(lines) + "\n"


def _signature(life: Life, state: str) -> str:
    given = " | ".join(event.name for event in life.into(state))
    made = " | ".join(event.name for event in life.out_of(state))
    return wrapped(f"async def {state}(", [f"{life.word}: {given}"], f") -> {made}:")


def _work(life: Life, agent: str) -> str:
    parts, names, wanted = [], [], list[str]()
    for state in life.states_of(agent):
        event = life.usual(state)
        sets, unknown = [], ""
        for name in event.sets:
            value, needs = _value(life, name)
            wanted += needs
            unknown = unknown or ("" if value else name)
            sets.append(f"{name}={value}")
        call = wrapped(f"return moves.{event.snake}(", [life.word, *sets], ")", indent="    ")
        if unknown:
            call = (
                f'    raise NotImplementedError("say what {unknown} is, and answer moves.{event.snake}(…)")'
            )
        also = [other.snake for other in life.out_of(state) if other is not event]
        more = f" Or: moves.{', moves.'.join(also)}." if also else ""
        lines = [
            _signature(life, state),
            f'    """{article(life.word).capitalize()} is {told(state)}: what becomes of it?{more}',
            "",
            "    Called with the same event again it must answer the same: after a crash it is.",
            '    """',
            call,
        ]
        parts.append("\n".join(lines))
        names += [one.name for one in (*life.into(state), *life.out_of(state))]
    wanted += ["from . import moves"] if any("return moves." in part for part in parts) else []
    wanted += [f"from .moves import {name}" for name in dict.fromkeys(names)]
    doc = f'"""{agent}: what it decides.\n\n{BY_HAND}\n"""'
    return f"{doc}\n\n{imports(wanted)}\n\n\n" + "\n\n\n".join(parts) + "\n"


def _value(life: Life, field: str) -> tuple[str, list[str]]:
    """The sample of a field as Python, with what it needs to be imported; empty when it cannot be written."""
    sample = life.model.model_validate(life.sample)
    return _expression(life, getattr(sample, field))


def _expression(life: Life, value: Any) -> tuple[str, list[str]]:
    kind = type(value).__name__
    if isinstance(value, Enum | BaseModel):
        if life.imports.get(kind) != "":
            return "", []
        # The literal of its JSON form, validated: nested types need no names of their own.
        plain = "" if isinstance(value, Enum) else literal(value.model_dump(mode="json"))
        text = f"{kind}.{value.name}" if isinstance(value, Enum) else f"{kind}.model_validate({plain})"
        return text, [f"from .moves import {kind}"]
    if isinstance(value, str):
        return quoted(value), []
    if isinstance(value, bool | int | float):
        return repr(value), []
    if isinstance(value, Decimal):
        return f'Decimal("{value}")', ["from decimal import Decimal"]
    if type(value) in (list, tuple):
        parts = [_expression(life, one) for one in value]
        if all(text for text, _ in parts):
            texts = ", ".join(text for text, _ in parts)
            inside = (
                f"[{texts}]"
                if isinstance(value, list)
                else f"({texts},)"
                if len(parts) == 1
                else f"({texts})"
            )
            return inside, [need for _, needs in parts for need in needs]
    if isinstance(value, datetime | date):
        return f"{kind}.fromisoformat({quoted(value.isoformat())})", [f"from datetime import {kind}"]
    return "", []
