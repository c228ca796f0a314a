"""One agent, or one event, at a time: what they need to be sound, as a start. Nothing is overwritten.

A flow is not edited: the line that brings the agent an event is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.errors import ConfigError, ConflictError, NotFoundError, UsageError
from wingman_runtime.flow.model import Flow
from wingman_runtime.generate.rules import Problem, event_problem, name_problem
from wingman_runtime.generate.text import header_of, imports, literal, wrapped
from wingman_runtime.generate.write_agents import manifest_text
from wingman_runtime.project.agents import MountedAgent, collect_events
from wingman_runtime.project.load import Project
from wingman_runtime.schemas.derive import writer_schema
from wingman_runtime.schemas.samples import sample_of
from wingman_runtime.yamlfile import shown, suggestion

_SDK = "from wingman_runtime.sdk import "
_REFUSALS = ("RequestRejected", "PermissionDenied")
_CLASS_NEEDS = ("EventContract", "EventModel", "Primitive")


@dataclass(frozen=True, slots=True)
class Begun:
    """What was written, by path inside the project, and what is left to say by hand."""

    files: tuple[str, ...]
    to_do: tuple[str, ...]


def new_agent(
    project: Project,
    name: str,
    *,
    consumes: Sequence[str] = (),
    emits: Sequence[str] = (),
    flow: str = "request",
) -> Begun:
    """Write an agent: manifest, function, events, test.

    Args:
        consumes: event types the project knows; left out: what its flow sends after the scope filter.
        emits: new event types; or of the shipped ones RequestRejected and PermissionDenied.
        flow: the flow whose lines are said.

    Raises:
        UsageError: a name that cannot be.
        NotFoundError: no such event or flow.
        ConflictError: files of these names are there, or an event.
    """
    _refuse(name_problem(name))
    agents, events, flows = _known(project)
    if flow not in flows:
        raise NotFoundError(f"no flow {flow!r}", hint=suggestion(flow, flows) or "see `wingman flow check`")
    wanted = tuple(consumes) or ("RequestValidated",)
    for event in wanted:
        if event not in events:
            hint = suggestion(event, events) or "the events are: " + ", ".join(sorted(events))
            raise NotFoundError(f"no event {event!r}", hint=hint)
    fresh = [event for event in emits if event not in _REFUSALS]
    for event in fresh:
        _refuse(event_problem(event))
        if event in events:
            raise ConflictError(f"there is an event {event} already", hint="choose another name")
    files = {
        f"agents/{name}/manifest.yaml": _manifest(name, wanted, emits),
        f"agents/{name}/agent.py": _agent(name, wanted, emits, agents),
        f"tests/test_agent_{name}.py": _test(name, {event: events[event] for event in wanted}, emits),
    }
    if fresh:
        text = "\n\n\n".join(_class(event) for event in fresh)
        needs = imports(f"{_SDK}{one}" for one in _CLASS_NEEDS)
        files[f"agents/{name}/events.py"] = f'"""Events of {name}."""\n\n{needs}\n\n\n{text}\n'
    _write(project.root, files)
    return Begun(tuple(sorted(files)), _lines(name, wanted, fresh, flows[flow]))


def new_event(project: Project, name: str, *, agent: str) -> Begun:
    """Write an event of one agent: into its ``events.py``, at the end of it where there is one.

    Raises:
        UsageError, NotFoundError, ConflictError: as `new_agent`; or its events are generated.
    """
    _refuse(event_problem(name))
    agents, events, flows = _known(project)
    own = [one.name for one in agents.values() if not one.shipped]
    if agent not in own:
        known = f"its own are: {', '.join(sorted(own))}" if own else f"begin it: wingman agent new {agent}"
        raise NotFoundError(f"no agent {agent!r} of this project's own", hint=suggestion(agent, own) or known)
    if name in events:
        raise ConflictError(f"there is an event {name} already", hint="choose another name")
    path = project.root / "agents" / agent / "events.py"
    place = f"agents/{agent}/events.py"
    if path.exists():
        text = path.read_text(encoding="utf-8")
        if header_of(text) is not None:
            raise ConflictError(
                "these events are generated", where=shown(path), hint="add a move to the models"
            )
        lacking = [one for one in _CLASS_NEEDS if not re.search(rf"\b{one}\b", text)]
        if lacking:
            raise ConflictError(
                f"it does not import {', '.join(lacking)}",
                where=shown(path),
                hint=f"write `{_SDK}{', '.join(lacking)}` into it, and run this again",
            )
        path.write_text(f"{text.rstrip()}\n\n\n{_class(name)}\n", encoding="utf-8")
    else:
        needs = imports(f"{_SDK}{one}" for one in _CLASS_NEEDS)
        _write(project.root, {place: f'"""Events of {agent}."""\n\n{needs}\n\n\n{_class(name)}\n'})
    emits = ", ".join((*agents[agent].manifest.emits, name))
    to_do = [f"agents/{agent}/manifest.yaml: emits: [{emits}]"]
    to_do += [
        f"{flow.where('routes')}: add `{name}: []`, or name who gets it"
        for flow in flows.values()
        if any(agent in spec.to for spec in flow.routes.values())
    ]
    return Begun((place,), tuple(to_do))


def _known(
    project: Project,
) -> tuple[Mapping[str, MountedAgent], Mapping[str, type[EventModel]], Mapping[str, Flow]]:
    """The project's agents, events and flows; raises the first thing that is wrong with them."""
    problems: list[ConfigError] = []
    agents = project.mount(problems)
    events = collect_events(agents, problems)
    flows = project.load_flows(problems)
    if problems:
        raise problems[0]
    return agents, events, flows


def _refuse(problem: Problem | None) -> None:
    if problem is not None:
        raise UsageError(problem.message, hint=problem.hint)


def _write(root: Path, files: Mapping[str, str]) -> None:
    taken = [path for path in files if (root / path).exists()]
    folders = {path.rpartition("/")[0] for path in files if path.endswith("manifest.yaml")}
    taken += [folder for folder in folders if (root / folder).exists() and not taken]
    if taken:
        there = ", ".join(shown(root / path) for path in taken)
        raise ConflictError(f"nothing was written: there is {there}", hint="choose another name, or move it")
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def _manifest(name: str, consumes: Sequence[str], emits: Sequence[str]) -> str:
    said = name.replace("_", " ")
    return manifest_text(
        name=name,
        version="1.0.0",
        purpose=f"say in a line what {said} is for",
        owner="you",
        scope="Say what it decides, and what it must not touch. It touches nothing yet.",
        handler="agent:handle",
        consumes=list(consumes),
        emits=list(emits),
        refusals=[event for event in emits if event in _REFUSALS],
        tools=[],
        output=f"{' or '.join(emits)}" if emits else "a note on the record",
        audit=["what it was given"],
    )


def _agent(
    name: str, consumes: Sequence[str], emits: Sequence[str], agents: Mapping[str, MountedAgent]
) -> str:
    goes_on = [event for event in emits if event not in _REFUSALS]
    answer = "Emit" if goes_on else "Done"
    wanted = [f"{_SDK}{answer}", f"{_SDK}Event"]
    homes = {event.__name__: agent.name for agent in agents.values() for event in agent.events}
    for event in consumes:
        wanted.append(
            f"{_SDK}{event}" if event in SHIPPED else f"from ..{homes[event]}.events import {event}"
        )
    head = wrapped("def handle(", [f"event: Event[{' | '.join(consumes)}]"], f") -> {answer}:")
    if goes_on:
        wanted.append(f"from .events import {goes_on[0]}")
        body = f"    return Emit({goes_on[0]}(note=event.type))"
    else:
        body = '    return Done(f"saw {event.type}")'
    shared = any("from .." in one for one in wanted)
    noqa = "# ruff: noqa: TID252, RUF100 - an event has one home\n" if shared else ""
    doc = f'"""{name}: say here what it does. It gets an event and answers; no files, clocks or servers."""'
    return f"{noqa}{doc}\n\n{imports(wanted)}\n\n\n{head}\n{body}\n"


def _class(event: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", event).lower()
    return f'''class {event}(EventModel):
    note: str
    contract = EventContract(
        purpose="{words}: say what it tells",
        primitives=(Primitive.AUDIT_STAMP,),
        failure="say what becomes of a request without it",
        rollback="nothing was applied, so there is nothing to undo",
        audit="the note",
    )'''


def _test(name: str, given: Mapping[str, type[EventModel]], emits: Sequence[str]) -> str:
    goes_on = [event for event in emits if event not in _REFUSALS]
    answer = "Emit" if goes_on else "Done"
    samples: dict[str, object] = {
        event: next(iter(sample_of(writer_schema(model))), {}) for event, model in given.items()
    }
    wanted = (
        "from pathlib import Path",
        "import pytest",
        "from wingman_runtime import Project",
        f"{_SDK}{answer}",
        "from wingman_runtime.project.agents import collect_events",
        "from wingman_runtime.testing import event_of",
    )
    return f'''"""What {name} answers."""

{imports(wanted)}

AGENTS = Project.find(Path(__file__).parent.parent).mount([])
EVENTS = collect_events(AGENTS, [])
GIVEN: dict[str, dict[str, object]] = {literal(samples)}


@pytest.mark.parametrize("name", GIVEN)
def test_{name}_answers(name: str) -> None:
    """Each event it consumes gets an answer."""
    event = event_of(EVENTS[name].model_validate(GIVEN[name]))
    assert isinstance(AGENTS["{name}"].function(event), {answer})
'''


def _lines(name: str, consumes: Sequence[str], fresh: Sequence[str], flow: Flow) -> tuple[str, ...]:
    """The lines of the flow that make the agent a part of it."""
    said = []
    for event in consumes:
        spec = flow.routes.get(event)
        if spec is not None and spec.to:
            said.append(f"{flow.where('routes', event)}: `{event}: [{', '.join((*spec.to, name))}]`")
        else:
            said.append(f"{flow.where('routes')}: `{event}: {name}`")
    said += [f"{flow.where('routes')}: `{event}: []`, or name who gets it" for event in fresh]
    return tuple(said)
