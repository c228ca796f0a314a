"""Where a model stands in its source: the line of the class, of a field, of the line with its version.

The source is read as text and parsed, never run. What has no source (made at run time) has no place.
"""

from __future__ import annotations

import ast
import sys
import typing
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.fields import FieldInfo

from wingman_runtime.yamlfile import shown


def place_of(model: type[BaseModel]) -> str:
    """``file:line`` of the class; empty when its source cannot be found."""
    found = _source(model)
    return f"{shown(found[0])}:{found[1].lineno}" if found else ""


def place_of_version(model: type[BaseModel]) -> str:
    """``file:line`` of the class's own ``schema_version = …``, or of the class that should have that line."""
    found = _source(model)
    line = _line_in(found[1], "schema_version") if found else 0
    return f"{shown(found[0])}:{line}" if found and line else place_of(model)


def place_of_name(model: type[BaseModel], name: str) -> str:
    """``file:line`` where the class, or the base it has it from, gives ``name`` a value or a type."""
    for owner in model.__mro__:
        if owner is BaseModel or not issubclass(owner, BaseModel) or not _declares(owner, name):
            continue
        found = _source(owner)
        line = _line_in(found[1], name) if found else 0
        if found and line:
            # A value from a base of the runtime is not to be changed there.
            return f"{shown(found[0])}:{line}" if _beside(owner, model) else place_of(model)
    return place_of(model)


def place_in(model: type[BaseModel], path: str) -> str:
    """``file:line`` of the field that a JSON Pointer into the data leads to, as far as models describe it.

    A field that is no longer there has the place of the class that had it.
    """
    at = place_of(model)
    owners: list[type[BaseModel]] = [model]
    for part in path.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if name == "*" or name.isdigit():
            continue
        for owner in owners:
            field = _field(owner, name)
            if field is not None:
                at = place_of_name(owner, field[0]) or at
                owners = list(_models(field[1].annotation))
                break
        else:
            return place_of(owners[0]) or at if owners else at
    return at


def _beside(owner: type, model: type) -> bool:
    """Whether both are written by the same hands: the same top-level package."""
    return owner.__module__.partition(".")[0] == model.__module__.partition(".")[0]


def _declares(owner: type, name: str) -> bool:
    return name in vars(owner) or name in vars(owner).get("__annotations__", {})


def _field(owner: type[BaseModel], wire: str) -> tuple[str, FieldInfo] | None:
    """The field with this name on the wire."""
    for name, field in owner.model_fields.items():
        if wire in {name, field.alias, field.serialization_alias, *_aliases(field.validation_alias)}:
            return name, field
    return None


def _aliases(alias: str | AliasPath | AliasChoices | None) -> Iterator[str]:
    if isinstance(alias, str):
        yield alias
    elif isinstance(alias, AliasPath):
        yield str(alias.path[0])
    elif isinstance(alias, AliasChoices):
        for one in alias.choices:
            yield from _aliases(one)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model in an annotation, in its order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in typing.get_args(annotation):
        yield from _models(argument)


def _source(model: type[BaseModel]) -> tuple[Path, ast.ClassDef] | None:
    module = sys.modules.get(model.__module__)
    file = getattr(module, "__file__", None)
    if not file:
        return None
    path = Path(file)
    try:
        classes = _classes(path, path.stat().st_mtime_ns)
    except (OSError, SyntaxError, ValueError):
        return None
    found = classes.get(model.__qualname__.replace("<locals>.", ""))
    return (path, found) if found else None


@lru_cache(maxsize=256)
def _classes(path: Path, changed_ns: int) -> dict[str, ast.ClassDef]:
    """The classes of a file by qualified name; ``changed_ns`` only tells its states apart."""
    found: dict[str, ast.ClassDef] = {}

    def walk(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            inside = f"{prefix}{child.name}." if named else prefix  # type: ignore[attr-defined]
            if isinstance(child, ast.ClassDef):
                found[inside.removesuffix(".")] = child
            walk(child, inside)

    walk(ast.parse(path.read_bytes()), "")
    return found


def _line_in(body: ast.ClassDef, name: str) -> int:
    """The line of ``name: … = …`` or ``name = …`` or ``def name`` in a class; 0 when it is not there."""
    for node in body.body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.FunctionDef) and node.name == name:
            return node.lineno
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return node.lineno
    return 0
