"""A schema as rows for people: one line a field, and since when it is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

import orjson

_DEEPEST = 4
_MOST = 200
_LONGEST = 120


class FieldRow(TypedDict):
    """``name`` is a path with dots, ``[]`` for the items of a list and ``{}`` for the values of a map."""

    name: str
    type: str
    required: bool
    default: str
    about: str
    since: str


def rows_of(schema: Any) -> list[FieldRow]:
    """The fields of an object's JSON Schema, nested ones below their parent; bounded in depth and number."""
    return list(_bounded(_rows(schema, _definitions(schema), "", 0, frozenset())))


def with_since(history: Sequence[tuple[str, Sequence[FieldRow]]]) -> list[FieldRow]:
    """The rows of the last version, each with the version that it is in without a break ever since.

    Args:
        history: version and rows, the oldest first.
    """
    since: dict[str, str] = {}
    for version, rows in history:
        names = {row["name"] for row in rows}
        since = {name: since.get(name, version) for name in names}
    last = history[-1][1] if history else ()
    return [{**row, "since": since[row["name"]]} for row in last]


def _bounded(rows: Iterator[FieldRow]) -> Iterator[FieldRow]:
    for _, row in zip(range(_MOST), rows, strict=False):
        yield row


def _definitions(schema: Any) -> Mapping[str, Any]:
    found = schema.get("$defs") or schema.get("definitions") if isinstance(schema, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _rows(
    schema: Any, known: Mapping[str, Any], prefix: str, depth: int, within: frozenset[str]
) -> Iterator[FieldRow]:
    schema, within = _resolved(schema, known, within)
    properties = schema.get("properties")
    if depth > _DEEPEST or not isinstance(properties, Mapping):
        return
    required = schema.get("required")
    needed = set(required) if isinstance(required, list) else set()
    for name, part in properties.items():
        resolved, inside = _resolved(part, known, within)
        yield {
            "name": f"{prefix}{name}",
            "type": _type(part, known, depth),
            "required": name in needed,
            "default": _json(resolved["default"]) if "default" in resolved else "",
            "about": str(resolved.get("description", ""))[:400],
            "since": "",
        }
        yield from _below(resolved, known, f"{prefix}{name}", depth, inside)


def _below(
    schema: Mapping[str, Any], known: Mapping[str, Any], path: str, depth: int, within: frozenset[str]
) -> Iterator[FieldRow]:
    if "properties" in schema:
        yield from _rows(schema, known, f"{path}.", depth + 1, within)
    elif isinstance(schema.get("items"), Mapping):
        yield from _rows(schema["items"], known, f"{path}[].", depth + 1, within)
    elif isinstance(schema.get("additionalProperties"), Mapping):
        yield from _rows(schema["additionalProperties"], known, f"{path}{{}}.", depth + 1, within)
    else:
        branches = _branches(schema)
        if len([one for one in branches if _resolved(one, known, within)[0].get("type") != "null"]) == 1:
            for branch in branches:
                yield from _below(*_with(branch, known, within, path, depth))


def _with(
    schema: Any, known: Mapping[str, Any], within: frozenset[str], path: str, depth: int
) -> tuple[Mapping[str, Any], Mapping[str, Any], str, int, frozenset[str]]:
    resolved, inside = _resolved(schema, known, within)
    return resolved, known, path, depth, inside


def _resolved(
    schema: Any, known: Mapping[str, Any], within: frozenset[str]
) -> tuple[Mapping[str, Any], frozenset[str]]:
    """The schema behind its references; an empty one where it contains itself."""
    hops = within
    while isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str):
        name = schema["$ref"].rpartition("/")[2]
        if name in hops or name not in known:
            return {}, hops
        hops = hops | {name}
        schema = {**known[name], **{key: value for key, value in schema.items() if key != "$ref"}}
    return (schema if isinstance(schema, Mapping) else {}), hops


def _branches(schema: Mapping[str, Any]) -> list[Any]:
    found = schema.get("anyOf") or schema.get("oneOf")
    return found if isinstance(found, list) else []


def _type(schema: Any, known: Mapping[str, Any], depth: int = 0) -> str:
    """A type in a few words."""
    name = ""
    if isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str):
        name = schema["$ref"].rpartition("/")[2]
    schema, _ = _resolved(schema, known, frozenset())
    if depth > _DEEPEST:
        return name or "…"
    if "const" in schema:
        return _json(schema["const"])
    if isinstance(schema.get("enum"), list):
        return _cut("one of " + ", ".join(_json(one) for one in schema["enum"]))
    if branches := _branches(schema):
        return _cut(" or ".join(dict.fromkeys(_type(one, known, depth + 1) for one in branches)))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(map(str, kind))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}), known, depth + 1)}"
    if kind == "object":
        values = schema.get("additionalProperties")
        if "properties" not in schema and isinstance(values, Mapping):
            return f"map of {_type(values, known, depth + 1)}"
        return name or "object"
    limits = ", ".join(
        f"{sign} {_json(schema[key])}"
        for key, sign in (
            ("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"),
            ("multipleOf", "multiple of"), ("minLength", "length ≥"), ("maxLength", "length ≤"),
            ("pattern", "like"), ("format", "as"),
        )
        if key in schema
    )  # fmt: skip
    return _cut(f"{kind or name or 'anything'}{f' ({limits})' if limits else ''}")


def _json(value: Any) -> str:
    return _cut(orjson.dumps(value).decode())


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
