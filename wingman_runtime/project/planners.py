"""Planners by name: the explicit steps of a request, the templates of ``config/plans``, and a project's own.

A planner proposes calls and decides nothing: each call is validated, held against the grants and judged
afterwards.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from wingman_runtime.contracts.planner import planner_name
from wingman_runtime.contracts.ports import Planner
from wingman_runtime.contracts.work import STEP_LIMIT, Scope, WorkRequest
from wingman_runtime.errors import ConfigError, ContractError, NotFoundError
from wingman_runtime.project.mount import Mount
from wingman_runtime.project.template import fill, fills_later, parse_value, placeholders, refuse_braces
from wingman_runtime.yamlfile import Located, load_yaml, shown, suggestion, validate

STEPS = "steps"  # the planner that takes a request's explicit steps as they are


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TemplateStep(_Section):
    tool: str = Field(min_length=1, max_length=100)
    args: dict[str, Any] = Field(default_factory=dict)


class PlanFile(_Section):
    """``config/plans/<plan>.yaml``."""

    plan: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,99}$")]
    purpose: str = Field(min_length=1)
    steps: tuple[TemplateStep, ...] = Field(min_length=1, max_length=STEP_LIMIT)


@dataclass(frozen=True, slots=True)
class TemplatePlanner:
    """Fills a request's parameters into a fixed list of calls."""

    name: str
    located: Located
    steps: tuple[tuple[str, Any], ...]  # tool, and arguments as `template.parse_value` left them

    @property
    def where(self) -> str:
        return self.located.where("plan")

    def parameters(self) -> tuple[str, ...]:
        """The parameters of a request it uses, in order, each once; only their first names."""
        found = (name for _, args in self.steps for name in placeholders(args))
        return tuple(dict.fromkeys(name[1] for name in found if name[0] == "params"))

    def plan(self, request: WorkRequest, scope: Scope) -> list[tuple[str, Mapping[str, Any]]]:
        """Raises ContractError, naming the parameter and the step that needs it."""
        if any(fills_later(args) for _, args in self.steps):
            refuse_braces(request.params, "params")
        return [
            (tool, fill(args, request, f"steps[{index}].args"))
            for index, (tool, args) in enumerate(self.steps)
        ]


@dataclass(frozen=True, slots=True)
class StepsPlanner:
    """The explicit steps, as they are. Whether they are allowed is asked before and after."""

    def plan(self, request: WorkRequest, scope: Scope) -> list[tuple[str, Mapping[str, Any]]]:
        if not request.steps:
            raise ContractError("the request carries no steps", where="steps", hint="send steps")
        return [(step.tool, step.args) for step in request.steps]


@dataclass(frozen=True, slots=True)
class OwnPlanner:
    """A planner of the project's own, its answer checked for shape."""

    name: str
    function: Any

    def plan(self, request: WorkRequest, scope: Scope) -> list[tuple[str, Mapping[str, Any]]]:
        calls = self.function(request, scope)
        if not isinstance(calls, Sequence) or isinstance(calls, str):
            raise ContractError(f"answered {type(calls).__name__}, not a list of (tool, args)", where="plan")
        for index, call in enumerate(calls):
            if not (
                isinstance(call, tuple | list)
                and len(call) == 2
                and isinstance(call[0], str)
                and isinstance(call[1], Mapping)
            ):
                raise ContractError("is no pair of tool name and arguments", where=f"steps[{index}]")
        return [(tool, dict(args)) for tool, args in calls]


class PlannerBook:
    """The planners of one project; implements `contracts.ports.Planners`."""

    def __init__(self, planners: Mapping[str, Planner]) -> None:
        self._planners: dict[str, Planner] = {STEPS: StepsPlanner(), **planners}

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._planners))

    def templates(self) -> tuple[TemplatePlanner, ...]:
        """Those that come from ``config/plans``."""
        return tuple(one for one in self._planners.values() if isinstance(one, TemplatePlanner))

    def get(self, name: str) -> Planner:
        """Raises NotFoundError for a planner nobody declared."""
        try:
            return self._planners[name]
        except KeyError:
            meant = suggestion(name, self.names())
            tail = f"; {meant}" if meant else ""
            raise NotFoundError(
                f"no such planner{tail}", where="planner", hint="declare it in config/plans or planners"
            ) from None


def load_planners(root: Path) -> PlannerBook:
    """Every planner of the project in folder ``root``.

    ``config/plans/*.yaml`` are templates; ``planners/*.py`` hold functions or classes marked
    ``@planner("name")``. Both folders may be missing.

    Raises:
        ConfigError: a malformed template, a name declared twice, a Python file that cannot be imported or a
            mark on what cannot plan; ``where`` is file:line.
    """
    found: dict[str, Planner] = {}
    places: dict[str, str] = {STEPS: "the runtime's own"}

    def add(name: str, planner: Planner, where: str) -> None:
        if name in places:
            raise ConfigError(
                f"planner {name!r} exists already: {places[name]}", where=where, hint="rename it"
            )
        found[name], places[name] = planner, where

    for path in sorted((root / "config" / "plans").glob("*.yaml")):
        template = load_template(path)
        add(template.name, template, template.where)
    own = root / "planners"
    if own.is_dir():
        mount = Mount.of(own)
        for path in sorted(own.glob("[!_]*.py")):
            for name, value in _marked(mount.load(path.stem)):
                add(name, _own(name, value, path), _line(value, path))
    return PlannerBook(found)


def load_template(path: Path) -> TemplatePlanner:
    """One plan template. Raises ConfigError with file:line."""
    located = load_yaml(path)
    file = validate(PlanFile, located)
    if file.plan != path.stem:
        raise ConfigError(
            f"plan {file.plan!r} stands in {path.name}", where=located.where("plan"), hint="make them equal"
        )
    steps = tuple(
        (step.tool, parse_value(located, "steps", index, "args") if step.args else {})
        for index, step in enumerate(file.steps)
    )
    return TemplatePlanner(file.plan, located, steps)


def _marked(module: ModuleType) -> list[tuple[str, Any]]:
    """What the module itself declares; what it imports is declared elsewhere."""
    return [
        (name, value)
        for value in vars(module).values()
        if (name := planner_name(value)) is not None and getattr(value, "__module__", "") == module.__name__
    ]


def _own(name: str, value: Any, path: Path) -> OwnPlanner:
    where, hint = _line(value, path), "declare def plan(request, scope), or a class with such a method"
    if inspect.isclass(value):
        try:
            value = value().plan  # type: ignore[attr-defined]
        except (TypeError, AttributeError) as error:
            raise ConfigError(f"planner {name!r}: {error}", where=where, hint=hint) from None
    if inspect.iscoroutinefunction(value):
        raise ConfigError(f"planner {name!r} is async; a planner computes, it waits for nothing", where=where)
    try:
        inspect.signature(value).bind(None, None)
    except TypeError as error:
        raise ConfigError(f"planner {name!r}: {error}", where=where, hint=hint) from None
    return OwnPlanner(name, value)


def _line(value: Any, path: Path) -> str:
    try:
        line = inspect.getsourcelines(value)[1]
    except (OSError, TypeError):
        line = 1
    return f"{shown(path)}:{line}"
