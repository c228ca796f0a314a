"""A plain value that a JSON Schema describes, for stubs and tests: an example, or what fits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_FORMATS = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05",
    "duration": "PT1H",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "uri": "https://example.org/",
    "email": "ada@example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "binary": "",
}
_TRIES = ("a", "A", "1", "ABC", "abc", "AB", "abc-1", "A-1", "1.00", "12345", "EUR", "DE", "+4912345")


class NoSampleError(Exception):
    """Nothing could be made up; the text is the path."""


def sample(schema: Mapping[str, Any], defs: Mapping[str, Any], path: str = "") -> Any:
    """A value; raises NoSampleError where one has to be given as ``examples``."""
    if "$ref" in schema:
        return sample(defs[str(schema["$ref"]).rpartition("/")[2]], defs, path)
    for key in ("examples", "enum", "const", "default"):
        if schema.get(key) not in (None, []):
            return schema[key][0] if key in ("examples", "enum") else schema[key]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _first([one for one in schema[key] if one.get("type") != "null"], defs, path)
    if "allOf" in schema:
        return sample(schema["allOf"][0], defs, path)
    match schema.get("type"):
        case "object":
            return _object(schema, defs, path)
        case "array":
            items = schema.get("prefixItems") or [schema.get("items", {})] * max(1, schema.get("minItems", 1))
            return [sample(one, defs, f"{path}[{at}]") for at, one in enumerate(items)]
        case "string":
            return _text(schema, path)
        case "integer" | "number":
            return _number(schema)
        case "boolean" | "null" as kind:
            return True if kind == "boolean" else None
        case _:
            raise NoSampleError(path)


def _first(options: list[Any], defs: Mapping[str, Any], path: str) -> Any:
    for one in options:
        try:
            return sample(one, defs, path)
        except NoSampleError:
            continue
    raise NoSampleError(path)


def _object(schema: Mapping[str, Any], defs: Mapping[str, Any], path: str) -> dict[str, Any]:
    wanted = schema.get("required", ())
    return {
        name: sample(one, defs, f"{path}.{name}" if path else name)
        for name, one in schema.get("properties", {}).items()
        if name in wanted
    }


def _text(schema: Mapping[str, Any], path: str) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    least, most = schema.get("minLength", 0), schema.get("maxLength", 100)
    name = re.sub(r"\[\d+\]$", "", path.rpartition(".")[2]) or "text"
    pattern = schema.get("pattern")
    for one in (name, *_TRIES):
        padded = one.ljust(least, one[-1])[:most]
        if pattern is None or re.search(pattern, padded):
            return padded
    raise NoSampleError(path)


def _number(schema: Mapping[str, Any]) -> float | int:
    step = schema.get("multipleOf", 1)
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    for one in (step, least, most, 0):
        if one is None:
            continue
        for value in (one, one + step, one - step, one / 2):
            fits = (
                value >= schema.get("minimum", value)
                and value <= schema.get("maximum", value)
                and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
                and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
                and (schema.get("type") != "integer" or value == int(value))
            )
            if fits:
                return int(value) if value == int(value) else float(value)
    return 1
