"""What an agent's function is annotated with, held against its manifest; and the projections it reads by."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from wingman_runtime.contracts.event import Event, EventModel
from wingman_runtime.contracts.outcome import AgentOutcome
from wingman_runtime.contracts.projection import envelope_reads, projected, read_as
from wingman_runtime.errors import AgentCodeError
from wingman_runtime.yamlfile import shown, suggestion

if TYPE_CHECKING:
    from wingman_runtime.project.agents import MountedAgent

_ANSWERS: tuple[type, ...] = typing.get_args(AgentOutcome)


def projections_of(function: Callable[..., Any]) -> Mapping[str, type[EventModel]]:
    """The function's own models of events, by event type: the projections in its first annotation."""
    bare = inspect.unwrap(function)
    name = next(iter(inspect.signature(bare).parameters), "")
    hint = getattr(bare, "__annotations__", {}).get(name)
    if isinstance(hint, str):
        # By itself: another parameter's type may be imported for type checkers only.
        try:
            hint = eval(hint, bare.__globals__)  # noqa: S307 - the project's own code, which was just run
        except Exception:
            return {}
    models = [model for one in _members(hint) for model in _data_of(one)]
    return {projected(model): model for model in models if projected(model)}


def check_annotations(agent: MountedAgent) -> None:
    """What is annotated must agree with the manifest and with what an agent may answer.

    Raises:
        AgentCodeError: at the function.
    """
    function, manifest = agent.function, agent.manifest
    code = inspect.unwrap(function).__code__
    where = f"{shown(code.co_filename)}:{code.co_firstlineno}"
    event = next(iter(inspect.signature(function).parameters))
    try:
        hints = typing.get_type_hints(inspect.unwrap(function))
    except Exception:  # a name imported for type checkers only: nothing can be said
        return
    hints = {name: hint for name, hint in hints.items() if hint is not Any}  # a class since Python 3.11
    given = _members(hints[event]) if event in hints else ()
    if given and all(
        _is_class(one) and not issubclass(one, Event) and not issubclass(Event, one) for one in given
    ):
        raise AgentCodeError(
            f"{function.__name__} takes {_named(given)}, and is given an event",
            where=where,
            hint=f"annotate {event} as Event[{' | '.join(manifest.consumes) or 'X'}]",
        )
    told: dict[str, type[EventModel]] = {}
    for one in given:
        for model in _data_of(one):
            name, kind = read_as(model), model.__name__
            if name not in manifest.consumes:
                what = f"{kind}, a projection of {name}," if projected(model) else f"Event[{kind}],"
                raise AgentCodeError(
                    f"{function.__name__} takes {what} which is not among consumes",
                    where=where,
                    hint=suggestion(name, manifest.consumes) or f"add {name} to consumes in manifest.yaml",
                )
            if strange_field := next((f for f in envelope_reads(model) if f not in Event.model_fields), ""):
                raise AgentCodeError(
                    f"{kind}.reads_envelope names {strange_field!r}, which no event carries",
                    where=where,
                    hint=suggestion(strange_field, Event.model_fields)
                    or f"the fields are: {', '.join(Event.model_fields)}",
                )
            if told.setdefault(name, model) is not model:
                raise AgentCodeError(
                    f"{function.__name__} reads {name} in two ways: as {told[name].__name__} and as {kind}",
                    where=where,
                    hint="name one of them",
                )
    if "return" in hints:
        answers = _members(hints["return"])
        strange = [
            one
            for one in answers
            if _is_class(one) and not any(issubclass(a, one) or issubclass(one, a) for a in _ANSWERS)
        ]
        if strange:
            raise AgentCodeError(
                f"{function.__name__} is said to answer {_named(strange)}, which is no answer of an agent",
                where=where,
                hint="the answers are: " + ", ".join(one.__name__ for one in _ANSWERS),
            )


def _is_class(hint: Any) -> bool:
    return isinstance(hint, type) and hint is not Any  # Any is a class since Python 3.11


def _members(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _data_of(hint: Any) -> list[type[EventModel]]:
    """The models in ``Event[X]`` or ``Event[X | Y]``."""
    told = getattr(hint, "__pydantic_generic_metadata__", None) or {}
    return [
        one
        for argument in told.get("args", ())
        for one in _members(argument)
        if isinstance(one, type) and issubclass(one, EventModel) and one is not EventModel
    ]


def _named(hints: Iterable[Any]) -> str:
    return " | ".join("None" if one is type(None) else getattr(one, "__name__", str(one)) for one in hints)
