"""Fields a schema names, and whether a reader reads one: paths are JSON Pointers, ``*`` for any item."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wingman_runtime.schemas.record import Schema

_DEPTH_LIMIT = 8
_ITEM_KEYS = ("items", "additionalProperties")


def field_paths(schema: Schema | bool) -> tuple[str, ...]:
    """Paths of all fields the schema names, outer ones before inner ones; of a recursion, one round."""
    found: set[str] = set()
    root = schema if isinstance(schema, dict) else {}
    pending: list[tuple[str, Any, tuple[str, ...]]] = [("", schema, ())]
    for path, here, within in pending:
        for part, refs in _members(here, root):
            if any(ref in within for ref in refs) or path.count("/") >= _DEPTH_LIMIT:
                continue
            inside = (*within, *refs)
            for name, inner in part.get("properties", {}).items():
                found.add(f"{path}/{_escaped(name)}")
                pending.append((f"{path}/{_escaped(name)}", inner, inside))
            pending.extend((f"{path}/*", part[key], inside) for key in _ITEM_KEYS if _is_schema(part, key))
            pending.extend((f"{path}/*", inner, inside) for inner in part.get("prefixItems", ()))
    return tuple(sorted(found, key=lambda path: path.split("/")))


def reads_path(reader: Schema | bool, path: str) -> bool:
    """Whether the reader names the field at ``path``, or takes the whole of something it lies in.

    A reader that names no field at all reads none: it only wants the event.
    """
    root = reader if isinstance(reader, dict) else {}
    steps = path.split("/")[1:]
    here: list[Any] = [reader]
    for depth, step in enumerate(steps):
        further: list[Any] = []
        for schema in here:
            for part, _ in _members(schema, root):
                further += _step(part, step)
        if not further:
            # Something inside a value that the reader names but says nothing about: it has it all.
            return depth > 0 and any(_opaque(part) for one in here for part, _ in _members(one, root))
        here = further
    return True


def _step(part: Schema, step: str) -> list[Any]:
    if step == "*":
        items = [part[key] for key in _ITEM_KEYS if _is_schema(part, key)]
        return [*items, *part.get("prefixItems", ())]
    properties = part.get("properties", {})
    return [inner for name, inner in properties.items() if _escaped(name) == step]


def _opaque(part: Schema) -> bool:
    """Whether a value under this schema may hold anything at all."""
    kinds = part.get("type", ["object", "array"])
    holds = bool({"object", "array"} & set([kinds] if isinstance(kinds, str) else kinds))
    named = any(key in part for key in ("properties", "prefixItems"))
    return holds and not named and not any(_is_schema(part, key) for key in _ITEM_KEYS)


def _is_schema(part: Schema, key: str) -> bool:
    return isinstance(part.get(key), dict) and bool(part[key])


def _members(schema: Any, root: Schema) -> Iterator[tuple[Schema, tuple[str, ...]]]:
    """The schema with references followed and unions opened, and the references that were followed."""
    pending: list[tuple[Any, tuple[str, ...]]] = [(schema, ())]
    while pending:
        one, refs = pending.pop()
        if one is True:
            one = {}
        if not isinstance(one, dict):
            continue
        ref = one.get("$ref")
        if isinstance(ref, str):
            if ref not in refs:
                pending.append((_resolved(ref, root), (*refs, ref)))
            if len(one) == 1:
                continue
        branches = [inner for key in ("anyOf", "oneOf", "allOf") for inner in one.get(key, ())]
        pending.extend((inner, refs) for inner in branches)
        if not branches or "properties" in one:
            yield one, refs


def _resolved(ref: str, root: Schema) -> Any:
    here: Any = root
    if not ref.startswith("#"):
        return None
    for step in ref.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(here, dict) or name not in here:
            return None
        here = here[name]
    return here


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
