"""Reading a models file: imported once under a private name, its text parsed beside it.

1. Runs the file; what goes wrong in it is told with its line.
2. Finds the models that `entity` marked, and the text of their fields.
3. Holds each lifecycle against its rules (`rules`), and works out what follows from it (`life`).
4. Makes up a sample, for stubs and tests.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import json
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeGuard

from pydantic import BaseModel, ValidationError

from wingman_runtime.contracts.lifecycle import Entity, entity_of
from wingman_runtime.contracts.located import located
from wingman_runtime.errors import ConfigError, UsageError
from wingman_runtime.generate.life import FieldText, Life, events_of
from wingman_runtime.generate.rules import Problem, check_carried, check_lifecycle, check_names
from wingman_runtime.generate.sample import NoSampleError, sample
from wingman_runtime.yamlfile import shown


@dataclass(frozen=True, slots=True)
class Models:
    """A models file: where it lies in the project, its text, and the lives in it, in its order."""

    path: Path
    source: str
    text: str
    lives: tuple[Life, ...]


def read_models(path: Path, root: Path) -> Models:
    """Read and check a models file.

    Args:
        root: the project's folder; the file lies inside it.

    Raises:
        UsageError: there is no such file in the project.
        ConfigError: naming all that is wrong; ``where`` is file:line of the first.
    """
    path = path.expanduser().absolute()
    if not path.is_file():
        raise UsageError("no such file", where=shown(path), hint="name the file with your domain models")
    if not path.resolve().is_relative_to(root.resolve()):
        raise UsageError(
            "the models file lies outside the project, and producers could not import it",
            where=shown(path),
            hint=f"put it into {shown(root)}, or name the project with --into",
        )
    source = path.resolve().relative_to(root.resolve()).as_posix()
    module_name = source.removesuffix(".py").replace("/", ".")
    if path.suffix != ".py" or not all(part.isidentifier() for part in module_name.split(".")):
        raise UsageError("it cannot be imported under this name", where=shown(path), hint="call it models.py")
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as problem:
        at = f"{shown(path)}:{getattr(problem, 'lineno', 1) or 1}"
        said = getattr(problem, "msg", None) or problem  # its text would name the line once more
        raise ConfigError(f"not valid Python: {said}", where=at, hint="correct this line") from None
    module = _run(path, text)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    imported = _imported(tree, text)
    problems: list[Problem] = []
    lives: list[Life] = []
    for name, node in classes.items():
        model = getattr(module, name, None)
        entity = entity_of(model) if isinstance(model, type) else None
        if entity is None:
            continue
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            problems.append(Problem(node.lineno, f"{name} is no pydantic model", "derive it from BaseModel"))
            continue
        fields = _fields(model, classes, text)
        found = check_lifecycle(name, node, entity, fields)
        problems += found
        if found:
            continue
        events, lacking = events_of(name, entity, fields)
        problems += check_carried(entity, lacking)
        imports = _imports_of(fields, imported, vars(module), node, problems)
        plain = _sample(model, entity, node, classes, problems)
        lives.append(Life(name, source, module_name, text, entity, model, fields, events, imports, plain))
    if not lives and not problems:
        problems.append(
            Problem(1, "no model here is an entity with a lifecycle", "put @entity(…) before the model")
        )
    problems += check_names(lives)
    if problems:
        raise _all(path, problems)
    return Models(path, source, text, tuple(lives))


def _run(path: Path, text: str) -> ModuleType:
    name = "_wingman_models_" + hashlib.sha256(f"{path}\0{text}".encode()).hexdigest()[:16]
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # pydantic looks annotations up there
    try:
        exec(compile(text, str(path), "exec"), vars(module))  # noqa: S102 - the user's own models file
    except (Exception, SystemExit) as problem:
        del sys.modules[name]
        frames = [one for one in traceback.extract_tb(problem.__traceback__) if one.filename == str(path)]
        line = (frames[-1].lineno if frames else 1) or 1
        raise ConfigError(
            f"cannot be imported: {type(problem).__name__}: {problem}",
            where=f"{shown(path)}:{line}",
            hint="a models file imports the standard library, pydantic and wingman_runtime.sdk only"
            if isinstance(problem, ModuleNotFoundError)
            else None,
        ) from None
    return module


def _imported(tree: ast.Module, text: str) -> dict[str, str]:
    """Each name that the file imports, with a statement that imports it alone."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                said = alias.name if alias.asname is None else f"{alias.name} as {alias.asname}"
                found[alias.asname or alias.name] = f"from {node.module} import {said}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                said = alias.name if alias.asname is None else f"{alias.name} as {alias.asname}"
                found[alias.asname or alias.name.partition(".")[0]] = f"import {said}"
    return found


def _fields(model: type[BaseModel], classes: Mapping[str, ast.ClassDef], text: str) -> dict[str, FieldText]:
    """The fields of a model as its source, or that of a base in the same file, has them."""
    written: dict[str, ast.AnnAssign] = {}
    for base in reversed(model.__mro__):
        node = classes.get(base.__name__) if base.__module__ == model.__module__ else None
        for line in node.body if node is not None else ():
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                written[line.target.id] = line
    return {name: _field(name, written[name], text) for name in model.model_fields if name in written}


def _field(name: str, line: ast.AnnAssign, text: str) -> FieldText:
    def said(node: ast.AST | None) -> str:
        return (ast.get_source_segment(text, node) or "") if node is not None else ""

    return FieldText(
        name,
        said(line.annotation),
        _named_default(line.value, said),
        " | ".join(said(part) for part in _certain(line.annotation)),
        _without_default(line.value, said),
        frozenset(_names((line.annotation, line.value))),
    )


def _certain(annotation: ast.expr) -> list[ast.expr]:
    """The members of a union but None."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return [*_certain(annotation.left), *_certain(annotation.right)]
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return []
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) in {
        "Optional",
        "typing.Optional",
    }:
        return _certain(annotation.slice)
    return [annotation]


def _named_default(value: ast.expr | None, said: Callable[[ast.AST | None], str]) -> str:
    """What stands behind ``=``; ``Field(None, …)`` as ``Field(default=None, …)``."""
    if not (_is_field(value) and value.args):
        return said(value)
    kept = [f"{one.arg}={said(one.value)}" for one in value.keywords]
    return f"{said(value.func)}({', '.join([f'default={said(value.args[0])}', *kept])})"


def _is_field(value: ast.expr | None) -> TypeGuard[ast.Call]:
    return isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == "Field"


def _without_default(value: ast.expr | None, said: Callable[[ast.AST | None], str]) -> str:
    """What stands behind ``=`` of a field that must be there: the rest of a ``Field(…)``, or nothing."""
    if not _is_field(value):
        return ""
    kept = [
        f"{one.arg}={said(one.value)}"
        for one in value.keywords
        if one.arg not in {"default", "default_factory"}
    ]
    return f"{said(value.func)}({', '.join(kept)})" if kept else ""


def _names(nodes: Iterable[ast.AST | None]) -> Iterable[str]:
    for node in nodes:
        for part in ast.walk(node) if node is not None else ():
            if isinstance(part, ast.Name):
                yield part.id
            elif isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.isidentifier():
                yield part.value  # perhaps a forward reference; what is no name of the file is left out


def _imports_of(
    fields: Mapping[str, FieldText],
    imported: Mapping[str, str],
    known: Mapping[str, object],
    node: ast.ClassDef,
    problems: list[Problem],
) -> dict[str, str]:
    found: dict[str, str] = {}
    for field in fields.values():
        for name in field.names:
            if name in imported:
                found[name] = imported[name]
            elif name in known and not hasattr(builtins, name):
                found[name] = ""
    if any(statement.startswith("from .") for statement in found.values()):
        problems.append(
            Problem(node.lineno, "a models file imports nothing relative", "import it absolutely")
        )
    return found


def _sample(
    model: type[BaseModel],
    entity: Entity,
    node: ast.ClassDef,
    classes: Mapping[str, ast.ClassDef],
    problems: list[Problem],
) -> dict[str, object]:
    schema = model.model_json_schema()
    written = model.model_json_schema(mode="serialization").get("$defs", {})
    # Of an open enum only its members may be written, while any text may be read.
    defs = {
        key: one if "enum" not in written.get(key, {}) else written[key]
        for key, one in schema.get("$defs", {}).items()
    }
    later = {field for move in entity.lifecycle.moves for field in move.sets}
    wanted = [*schema.get("required", ()), *later]
    given = {
        field: one
        for field, one in schema["properties"].items()
        if field in wanted
    }  # fmt: skip
    try:
        plain = {field: sample(_certain_schema(one), defs, field) for field, one in given.items()}
        model.model_validate_json(json.dumps(plain))
    except NoSampleError as lack:
        path = str(lack)
    except ValidationError as error:
        path = located(error, model.__name__).where or ""
    else:
        return plain
    line = _line_of(path.partition(".")[0].partition("[")[0], node)
    problems.append(
        Problem(line, f"no sample can be made up for {path}", "give the field one: Field(examples=[…])")
    )
    return {}


def _certain_schema(schema: Mapping[str, object]) -> dict[str, object]:
    """Without a default of None: a sample has every field known."""
    return {key: value for key, value in schema.items() if not (key == "default" and value is None)}


def _line_of(field: str, node: ast.ClassDef) -> int:
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.target.id == field:
            return line.lineno
    return node.lineno


def _all(path: Path, problems: list[Problem]) -> ConfigError:
    first, *others = sorted(problems, key=lambda one: one.line)
    also = "".join(f"\n  also {shown(path)}:{one.line}: {one.message}" for one in others)
    counted = f" (1 of {len(problems)} problems){also}" if also else ""
    return ConfigError(first.message + counted, where=f"{shown(path)}:{first.line}", hint=first.hint or None)
