"""The fields a canonical schema tells of, nested ones too, by JSON Pointer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wingman_runtime.schemas.record import Schema


def fields_of(schema: Schema) -> dict[str, Schema]:
    """Every named field: pointer to its schema. ``*`` is any item, or any value of a map.

    Where a union has several variants with one name, the pointer leads to ``anyOf`` of what they say.
    """
    found: dict[str, list[Any]] = {}
    for path, named, node in nodes_of(schema):
        if named:
            found.setdefault(path, []).append(node)
    return {path: _one(schemas) for path, schemas in sorted(found.items())}


def _one(schemas: list[Any]) -> Schema:
    distinct = [one for index, one in enumerate(schemas) if one not in schemas[:index]]
    if len(distinct) > 1:
        return {"anyOf": distinct}
    return distinct[0] if isinstance(distinct[0], dict) else {}


def nodes_of(schema: Schema) -> Iterator[tuple[str, bool, Any]]:
    """Every part of a schema: its JSON Pointer, whether it is what a named field is, and itself.

    Of what leads back to itself, one round.
    """
    defs = schema.get("$defs", {})
    ahead: list[tuple[str, bool, Any, tuple[str, ...]]] = [("", False, schema, ())]
    while ahead:
        path, named, node, seen = ahead.pop()
        yield path, named, node
        if not isinstance(node, dict):
            continue
        name = str(node.get("$ref", "")).removeprefix("#/$defs/")
        if name and name not in seen:
            ahead.append((path, False, defs.get(name), (*seen, name)))
        for key, value in node.get("properties", {}).items():
            ahead.append((f"{path}/{escaped(key)}", True, value, seen))
        items = [node[key] for key in ("items", "additionalProperties") if key in node]
        items += node.get("patternProperties", {}).values()
        ahead.extend((f"{path}/*", False, value, seen) for value in items)
        for index, value in enumerate(node.get("prefixItems", ())):
            ahead.append((f"{path}/{index}", False, value, seen))
        for key in ("allOf", "anyOf", "oneOf"):
            ahead.extend((path, False, value, seen) for value in node.get(key, ()))


def node_at(schema: Schema, path: str) -> Schema | None:
    """What a schema says at a JSON Pointer: ``anyOf`` of what its variants say; None if it says nothing."""
    defs = schema.get("$defs", {})
    here: list[Any] = [schema]
    for step in path.split("/")[1:]:
        here = [inner for node in here for part in _parts(node, defs, ()) for inner in _below(part, step)]
    if not here:
        return None
    found = _one(here)
    return {**found, "$defs": defs} if defs and found else found


def requires(schema: Schema, path: str) -> tuple[bool, bool]:
    """Whether the field at a JSON Pointer is required: by any of the variants it lies in, and by all."""
    parent, _, name = path.rpartition("/")
    name = name.replace("~1", "/").replace("~0", "~")
    node = node_at(schema, parent)
    if node is None:
        return False, False
    parts = [part for part in _parts(node, node.get("$defs", {}), ()) if "properties" in part]
    told = [name in part.get("required", ()) for part in parts]
    return any(told), bool(told) and all(told)


def _parts(node: Any, defs: dict[str, Any], seen: tuple[str, ...]) -> list[dict[str, Any]]:
    """A node and what its unions and references add to it."""
    if not isinstance(node, dict):
        return []
    found = [node]
    name = str(node.get("$ref", "")).removeprefix("#/$defs/")
    if name and name not in seen:
        found += _parts(defs.get(name), defs, (*seen, name))
    for key in ("allOf", "anyOf", "oneOf"):
        for one in node.get(key, ()):
            found += _parts(one, defs, seen)
    return found


def _below(part: dict[str, Any], step: str) -> list[Any]:
    found = [value for name, value in part.get("properties", {}).items() if escaped(name) == step]
    if step == "*":
        held = [part[key] for key in ("items", "additionalProperties") if key in part]
        found += [*(one for one in held if one is not False), *part.get("patternProperties", {}).values()]
    if step.isdigit():
        found += part.get("prefixItems", [])[int(step) : int(step) + 1]
    return found


def escaped(name: str) -> str:
    """One part of a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
