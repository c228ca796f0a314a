"""A digest of the code that decides about a model's data beside its schemas: validators and serializers.

No schema shows what such code does; its digest shows that it changed. What the code calls is not followed.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

from pydantic import BaseModel

from wingman_runtime.contracts.canonical import digest

_OPEN_ENUM = "wingman_runtime.contracts.openenum"
_SETTINGS = ("str_to_lower", "str_to_upper", "val_temporal_unit", "regex_engine", "str_strip_whitespace")
_BY_DEFAULT = ("infer", "rust-regex", False, None)
_TEXT_RULES = ("strip_whitespace", "to_lower", "to_upper")


def fingerprint(model: type[BaseModel]) -> str:
    """``sha256:`` and hex over the validators and serializers of the model and those in it; "" without any.

    It looks at the code as it is written, without comments and docstrings, so that a new release of Python
    does not change it.
    """
    told = sorted(set(_told(model.__pydantic_core_schema__)))
    return digest(told) if told else ""


def _told(root: Any) -> Iterator[str]:
    ahead: list[Any] = [root]
    while ahead:
        node = ahead.pop()
        if isinstance(node, list | tuple):
            ahead.extend(node)
            continue
        if not isinstance(node, dict):
            continue
        ahead.extend(value for key, value in node.items() if key not in {"metadata", "cls"})
        if node.get("type") != "default" and callable(node.get("function")):
            yield from _codes(node["function"])
        if callable(node.get("discriminator")):
            yield from _codes(node["discriminator"])
        if node.get("type") == "str":
            for name in _TEXT_RULES:
                if node.get(name):
                    yield f"text {name}"
        if node.get("type") == "union" and node.get("mode") == "left_to_right":
            yield "left to right: " + ", ".join(_choice(one) for one in node["choices"])
        yield from _after(node)
        settings = node.get("config") or {}
        if isinstance(settings, dict):
            for name in _SETTINGS:
                if settings.get(name) not in _BY_DEFAULT:
                    yield f"{name}={settings[name]}"


def _after(node: dict[str, Any]) -> Iterator[str]:
    """What runs once an instance is there."""
    name = node.get("post_init")
    if name and isinstance(node.get("cls"), type):
        found = getattr(node["cls"], name if isinstance(name, str) else "__post_init__", None)
        if found is not None:
            yield from _codes(found)


def _choice(choice: Any) -> str:
    """A member of a union, by a name that holds from run to run."""
    node = choice[0] if isinstance(choice, tuple) else choice
    if isinstance(node.get("cls"), type):
        return str(node["cls"].__name__)
    return str(node.get("schema_ref", node["type"])).split(":")[0].rpartition(".")[2]


def _codes(function: Callable[..., Any]) -> Iterator[str]:
    """The code behind a callable: a user's own, or what one of pydantic's own wraps."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif inspect.ismethod(function):
            function = function.__func__
        else:
            break
    if not isinstance(function, FunctionType):
        call = getattr(type(function), "__call__", None)  # noqa: B004 - its code is wanted, not the answer
        if isinstance(call, FunctionType) and not shipped(call):
            yield _code(call)
        elif not shipped(function):
            yield f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
        return
    if not shipped(function):
        yield _code(function)
        return
    if function.__name__ == "import_string":  # of pydantic's own, the one that its schema hides
        yield function.__name__
    for cell in function.__closure__ or ():
        held = cell.cell_contents
        held = getattr(held, "func", held)  # a Predicate holds what it asks
        if callable(held) and not isinstance(held, type):
            yield from _codes(held)
        elif type(held).__module__ == "annotated_types":
            yield repr(held)  # a bound on a type for which no schema has one


def shipped(function: Any) -> bool:
    """Whether a callable is of a type that pydantic or the runtime ships: schemas tell what it does."""
    module = str(getattr(function, "__module__", None) or "")
    return module.partition(".")[0] in {"pydantic", "pydantic_core"} or module == _OPEN_ENUM


def _code(function: FunctionType) -> str:
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return _compiled(function.__code__)
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a lambda in the midst of a statement
        return " ".join(source.split())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _compiled(code: CodeType) -> str:
    held = [_compiled(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return f"{code.co_code.hex()} {held} {code.co_names}"
