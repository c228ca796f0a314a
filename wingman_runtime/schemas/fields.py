"""The fields a canonical schema tells of, nested ones too, by JSON Pointer."""

from __future__ import annotations

from typing import Any

from wingman_runtime.schemas.record import Schema


def fields_of(schema: Schema) -> dict[str, Schema]:
    """Every named field: pointer to its schema. ``*`` is any item, or any value of a map.

    Where a union has several variants with one name, the pointer leads to ``anyOf`` of what they say.
    """
    found: dict[str, list[Any]] = {}
    _walk(schema, "", schema.get("$defs", {}), found, ())
    return {path: _one(schemas) for path, schemas in sorted(found.items())}


def _one(schemas: list[Any]) -> Schema:
    distinct = [one for index, one in enumerate(schemas) if one not in schemas[:index]]
    if len(distinct) > 1:
        return {"anyOf": distinct}
    return distinct[0] if isinstance(distinct[0], dict) else {}


def _walk(
    node: Any, path: str, defs: dict[str, Any], found: dict[str, list[Any]], seen: tuple[str, ...]
) -> None:
    if not isinstance(node, dict):
        return
    name = str(node.get("$ref", "")).removeprefix("#/$defs/")
    if name and name not in seen:
        _walk(defs.get(name), path, defs, found, (*seen, name))
    for key, value in node.get("properties", {}).items():
        below = f"{path}/{escaped(key)}"
        found.setdefault(below, []).append(value)
        _walk(value, below, defs, found, seen)
    for key in ("items", "additionalProperties"):
        _walk(node.get(key), f"{path}/*", defs, found, seen)
    for value in node.get("patternProperties", {}).values():
        _walk(value, f"{path}/*", defs, found, seen)
    for index, value in enumerate(node.get("prefixItems", ())):
        _walk(value, f"{path}/{index}", defs, found, seen)
    for key in ("allOf", "anyOf", "oneOf"):
        for value in node.get(key, ()):
            _walk(value, path, defs, found, seen)


def escaped(name: str) -> str:
    """One part of a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
