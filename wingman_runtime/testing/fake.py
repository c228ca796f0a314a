"""Tools that touch nothing and remember every call. Names, arguments and policies stay the real ones."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wingman_runtime.contracts.tool import Result, ToolContext
from wingman_runtime.effects.registry import ToolRegistry
from wingman_runtime.effects.tool import ToolSpec
from wingman_runtime.errors import NotFoundError, WingmanError

_CONTEXT = "wingman_context"
_EMPTY: Mapping[str, Any] = {
    "string": "fake",
    "integer": 0,
    "number": 0.0,
    "boolean": False,
    "array": [],
    "object": {},
    "null": None,
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a fake tool; ``key`` is the idempotency key, the same for every attempt of one effect."""

    tool: str
    args: dict[str, Any]
    key: str


class Fake:
    """Stand-ins for a project's tools: all of them, unless ``real`` names some that stay.

    Args:
        answers: by tool name: the value to return, a function of the call's arguments that makes it, or an
            exception to raise (a ToolError: nothing was done; any other: nobody knows). A tool that is not
            named returns None. Return `Result` to say what undoes the call; otherwise that is made up.
        real: tools that are run as they are.

    Use a new one for each run, or read ``calls`` as the calls of all runs.
    """

    def __init__(self, answers: Mapping[str, Any] | None = None, *, real: Sequence[str] = ()) -> None:
        self.answers = dict(answers or {})
        self.real = tuple(real)
        self.calls: list[Call] = []
        self._lock = threading.Lock()

    def count(self, tool: str) -> int:
        """How often a tool was called."""
        return sum(call.tool == tool for call in self.calls)

    def registry(self, tools: ToolRegistry) -> ToolRegistry:
        """The project's tools with these in their places.

        Raises:
            NotFoundError: ``answers`` or ``real`` name a tool the project has not.
        """
        for name in (*self.answers, *self.real):
            if name not in tools.names():
                raise NotFoundError(f"no tool {name!r}", hint="the tools are: " + ", ".join(tools.names()))
        specs = [tools.spec(name) for name in tools.names()]
        return ToolRegistry(spec if spec.name in self.real else self._stand_in(spec, tools) for spec in specs)

    def _stand_in(self, spec: ToolSpec, tools: ToolRegistry) -> ToolSpec:
        undo = tools.spec(spec.compensation) if spec.compensation else None

        def call(**args: Any) -> Any:
            context: ToolContext = args.pop(_CONTEXT)
            plain = spec.normalise({name: _plain(value) for name, value in args.items()})
            with self._lock:
                self.calls.append(Call(spec.name, plain, context.key))
            value = self.answers.get(spec.name)
            if isinstance(value, BaseException) or (inspect.isclass(value) and issubclass(value, Exception)):
                raise value
            if callable(value):
                value = value(**args)
            if undo is None or (isinstance(value, Result) and value.undo is not None):
                return value
            return Result(value.value if isinstance(value, Result) else value, undo=_made_up(undo, plain))

        return replace(spec, function=call, context_parameter=_CONTEXT, is_async=False)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _made_up(undo: ToolSpec, args: Mapping[str, Any]) -> dict[str, Any] | None:
    """Arguments the compensating tool accepts: those of the call, and empty ones for the rest."""
    schema = undo.model.model_json_schema()
    out = {name: args[name] for name in undo.parameters if name in args}
    for name in schema.get("required", ()):
        kind = schema["properties"][name].get("type", "string")
        out.setdefault(name, _EMPTY.get(kind, "fake"))
    try:
        return undo.normalise(out)
    except WingmanError:
        return None  # the tool's own rules: say it with a Result
