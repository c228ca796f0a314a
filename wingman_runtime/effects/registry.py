"""The tools a project has: found in its `tools/*.py`, checked together, asked for by name."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from wingman_runtime.contracts.ports import ToolInfo
from wingman_runtime.contracts.tool import tool_mark
from wingman_runtime.effects.tool import ToolSpec, spec_of
from wingman_runtime.errors import ContractError, NotFoundError, ToolDeclarationError
from wingman_runtime.settings import Settings
from wingman_runtime.yamlfile import suggestion

_SHIPPED = tuple(f"wingman_runtime.effects.tools.{name}" for name in ("files", "http", "settle"))
_mounts = itertools.count(1)


class ToolRegistry:
    """Every tool of a project, by name. Implements `contracts.ports.Tools`. Immutable."""

    def __init__(self, specs: Iterable[ToolSpec]) -> None:
        """Raises ToolDeclarationError for names declared twice and compensations nobody declares."""
        self._specs: dict[str, ToolSpec] = {}
        self._infos: dict[str, ToolInfo] = {}
        problems: list[ToolDeclarationError] = []
        for spec in specs:
            first = self._specs.setdefault(spec.name, spec)
            if first is not spec:
                problems.append(
                    ToolDeclarationError(
                        f"tool {spec.name!r} is declared twice",
                        where=spec.where,
                        hint=f"rename it; the first declaration is {first.where}",
                    )
                )
        for spec in self._specs.values():
            problem = self._compensation_problem(spec)
            if problem is not None:
                problems.append(problem)
        _raise_first(problems)

    @classmethod
    def load(
        cls, paths: Iterable[Path], *, settings: Settings | None = None, shipped: bool = True
    ) -> ToolRegistry:
        """Load the tools of a project.

        Args:
            paths: folders (every ``*.py`` whose name starts with no underscore) or single files; what is
                missing is passed over.
            settings: for `times.tool_timeout` and the HTTP tools; the defaults when left out.
            shipped: also the tools that come with the runtime.

        Raises:
            ToolDeclarationError: the first mistake at file:line, and how many more there are.
        """
        settings = settings or Settings()
        timeout = settings.times.tool_timeout
        specs: list[ToolSpec] = []
        problems: list[ToolDeclarationError] = []
        modules: list[Callable[[], ModuleType]] = []
        if shipped:
            modules += [lambda name=name: importlib.import_module(name) for name in _SHIPPED]  # type: ignore[misc]
        for path in paths:
            modules += _mount(path)
        for load in modules:
            try:
                module = load()
            except ToolDeclarationError as error:
                problems.append(error)
                continue
            for function, where in _marked(module):
                mark = tool_mark(function)
                assert mark is not None
                try:
                    specs.append(spec_of(function, mark, where=where, timeout=timeout, settings=settings))
                except ToolDeclarationError as error:
                    problems.append(error)
        _raise_first(problems)
        return cls(specs)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._specs))

    def spec(self, name: str) -> ToolSpec:
        """Raises NotFoundError for a tool nobody declared."""
        try:
            return self._specs[name]
        except KeyError:
            raise NotFoundError(
                f"no tool {name[:100]!r}", hint=f"declared are: {', '.join(self.names())}"
            ) from None

    def info(self, name: str) -> ToolInfo:
        known = self._infos.get(name)
        if known is None:
            known = self._infos[name] = self.spec(name).info()  # its JSON schema is slow to make
        return known

    def validate(self, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Normalised arguments for a step of a plan; a tool that only undoes is refused here."""
        spec = self.spec(name)
        if spec.undo_only:
            raise ContractError(
                f"{name} only undoes; a plan cannot call it", where="tool", hint="leave it to the rollback"
            )
        return spec.normalise(args)

    def resource(self, name: str, args: Mapping[str, Any]) -> str:
        return self.spec(name).resource(args)

    def _compensation_problem(self, spec: ToolSpec) -> ToolDeclarationError | None:
        if spec.compensation is None:
            return None
        undo = self._specs.get(spec.compensation)
        if undo is None:
            message = f"tool {spec.name!r}: compensation {spec.compensation!r} is no tool"
            hint = (
                suggestion(spec.compensation, self.names()) or f"declare it: one of {', '.join(self.names())}"
            )
        elif not undo.idempotent:
            # A rollback may be cut short and taken up again by another worker.
            message = f"tool {spec.name!r}: compensation {undo.name!r} is not idempotent"
            hint = f"make {undo.name} safe to run twice and say idempotent=True ({undo.where})"
        else:
            return None
        return ToolDeclarationError(message, where=spec.where, hint=hint)


def _mount(path: Path) -> list[Callable[[], ModuleType]]:
    """Loaders for the modules of a folder, under a private package name of their own."""
    path = path.resolve()
    if path.is_file():
        folder, names = path.parent, [path.stem]
    else:
        folder, names = path, sorted(file.stem for file in path.glob("[!_]*.py"))
    if not names:
        return []
    # A fresh name each time: two projects, or two states of one, never share a module.
    package = ModuleType(f"_wingman_tools_{next(_mounts)}")
    package.__path__ = [str(folder)]
    sys.modules[package.__name__] = package
    return [lambda name=name: _load(package.__name__, folder, name) for name in names]  # type: ignore[misc]


def _load(package: str, folder: Path, name: str) -> ModuleType:
    file = folder / f"{name}.py"
    full = f"{package}.{name}"
    if not name.isidentifier():
        raise ToolDeclarationError(
            f"{file.name} is no module name", where=f"{file}:1", hint="use letters, digits and _"
        )
    try:
        return importlib.import_module(full)
    except SyntaxError as error:
        raise ToolDeclarationError(
            error.msg, where=f"{error.filename or file}:{error.lineno or 1}", hint="mend the file"
        ) from None
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        line = frames[-1].lineno if frames else 1
        raise ToolDeclarationError(
            f"cannot be loaded: {type(error).__name__}: {error}", where=f"{file}:{line or 1}"
        ) from error


def _marked(module: ModuleType) -> list[tuple[Callable[..., Any], str]]:
    """Marked functions a module itself defines, in order, each once."""
    found: dict[int, tuple[Callable[..., Any], str]] = {}
    for value in vars(module).values():
        if tool_mark(value) is None or getattr(value, "__module__", None) != module.__name__:
            continue
        code = getattr(value, "__code__", None) or getattr(
            getattr(value, "__wrapped__", None), "__code__", None
        )
        line = code.co_firstlineno if code is not None else 1
        found.setdefault(id(value), (value, f"{module.__file__}:{line}"))
    return list(found.values())


def _raise_first(problems: list[ToolDeclarationError]) -> None:
    if problems:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ToolDeclarationError(first.message + more, where=first.where, hint=first.hint)
