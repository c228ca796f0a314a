"""The keywords a canonical schema may hold, and the one way in which each thing is said with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wingman_runtime.contracts.canonical import canonical as to_bytes

Form = dict[str, Any] | bool

SINGLES = frozenset(
    {
        "items",
        "additionalItems",
        "additionalProperties",
        "propertyNames",
        "contains",
        "not",
        "if",
        "then",
        "else",
        "unevaluatedItems",
        "unevaluatedProperties",
        "contentSchema",
    }
)
MAPS = frozenset({"properties", "patternProperties", "dependentSchemas"})
LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})

_NUMBER = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_TEXT = {"minLength", "maxLength", "pattern"}
_ARRAY = {
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedItems",
}
_OBJECT = {
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "required",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
}
_ONLY_FOR = {
    **dict.fromkeys(_NUMBER, ("number", "integer")),
    **dict.fromkeys(_TEXT, ("string",)),
    **dict.fromkeys(_ARRAY, ("array",)),
    **dict.fromkeys(_OBJECT, ("object",)),
}
KEYWORDS = (
    SINGLES
    | MAPS
    | LISTS
    | frozenset(_ONLY_FOR)
    | {"type", "enum", "const", "format", "default", "$ref", "dependencies", "contentEncoding"}
    | {"contentMediaType"}
)

# Said by one member and meant for its neighbours: such members can't be merged.
_NEIGHBOURS = {"additionalProperties", "unevaluatedProperties", "items", "unevaluatedItems", "contains"}
_ALONE = {"if", "then", "else", "minContains", "maxContains", "dependencies", "$ref"}
_EMPTY: dict[str, tuple[Any, ...]] = {
    "items": ({}, True),
    "additionalProperties": ({}, True),
    "unevaluatedProperties": ({}, True),
    "unevaluatedItems": ({}, True),
    "propertyNames": ({}, True, {"type": "string"}),
    "properties": ({},),
    "patternProperties": ({},),
    "dependentSchemas": ({},),
    "dependentRequired": ({},),
    "required": ([],),
    "prefixItems": ([],),
    "allOf": ([],),
    "minItems": (0,),
    "minLength": (0,),
    "minProperties": (0,),
    "uniqueItems": (False,),
}


def text_of(form: Any) -> str:
    """Canonical JSON text: what forms are sorted and told apart by."""
    return to_bytes(form).decode()


def number(value: Any) -> Any:
    """1.0 is 1: JSON Schema knows one kind of number."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list | tuple):
        return [number(item) for item in value]
    return {str(key): number(item) for key, item in value.items()} if isinstance(value, dict) else value


def simplified(node: dict[str, Any]) -> Form:
    """One node whose parts are in canonical form already."""
    form: dict[str, Any] = {key: value for key, value in node.items() if value not in _EMPTY.get(key, ())}
    if isinstance(form.get("type"), list):
        split = _split_types(form)
        if split is not None:
            return split
    _values(form)
    kind = form.get("type")
    if isinstance(kind, str):
        form = {key: value for key, value in form.items() if kind in _ONLY_FOR.get(key, (kind,))}
    if isinstance(form.get("required"), list):
        form["required"] = sorted(set(form["required"]))
    _tuple(form)
    _any(form)
    if form.get("enum") == [] or form.get("anyOf") == []:
        return False
    if isinstance(form.get("oneOf"), list):
        branches = form.pop("oneOf")
        if len(branches) == 1:
            form["allOf"] = [*form.get("allOf", []), *branches]
        else:
            form["oneOf"] = sorted(branches, key=text_of)
    if "allOf" in form:
        whole = _all(form)
        if isinstance(whole, bool) or whole != form:
            # What was merged may be said more shortly.
            return whole if isinstance(whole, bool) else simplified(whole)
        form = whole
    if isinstance(form.get("default"), list | dict):
        form["default"] = _in_order(form["default"], form)
    return form


def _in_order(value: Any, form: Any) -> Any:
    """A default in which sets have one order: theirs changes from run to run."""
    if not isinstance(form, dict):
        return value
    for key in ("anyOf", "oneOf", "allOf"):
        for one in form.get(key, ()):
            value = _in_order(value, one)
    if isinstance(value, list) and form.get("type") == "array":
        items = [_in_order(one, form.get("items")) for one in value]
        return sorted(items, key=text_of) if form.get("uniqueItems") else items
    if isinstance(value, dict) and form.get("type") == "object":
        named, rest = form.get("properties", {}), form.get("additionalProperties")
        return {name: _in_order(one, named.get(name, rest)) for name, one in value.items()}
    return value


def _split_types(form: dict[str, Any]) -> Form | None:
    """``type: [a, b]`` as ``anyOf``: the way pydantic writes it."""
    kinds = sorted(set(form.pop("type")))
    if {"integer", "number"} <= set(kinds):
        kinds.remove("integer")
    if len(kinds) == 1:
        form["type"] = kinds[0]
        return None
    outer = {key: form.pop(key) for key in list(form) if key in LISTS - {"prefixItems"} or key == "default"}
    branches = [simplified({**form, "type": kind}) for kind in kinds]
    held = (
        {"allOf": [{"anyOf": branches}, *outer.pop("allOf", [])]} if "anyOf" in outer else {"anyOf": branches}
    )
    return simplified({**outer, **held})


def _is(value: Any, kind: str) -> bool:
    plain = isinstance(value, bool)
    match kind:
        case "null":
            return value is None
        case "boolean":
            return plain
        case "integer":
            return isinstance(value, int) and not plain
        case "number":
            return isinstance(value, int | float) and not plain
        case "string":
            return isinstance(value, str)
        case "array":
            return isinstance(value, list)
    return isinstance(value, dict)


def _distinct(values: Iterable[Any]) -> list[Any]:
    return [found for _, found in sorted({text_of(value): value for value in values}.items())]


def _values(form: dict[str, Any]) -> None:
    """``const`` for one value, sorted ``enum`` for several; null and both booleans are types."""
    if "const" in form:
        values = [form.pop("const")]
        if isinstance(form.get("enum"), list):
            values = [one for one in values if text_of(one) in {text_of(other) for other in form.pop("enum")}]
    elif isinstance(form.get("enum"), list):
        values = form.pop("enum")
    else:
        return
    kind = form.pop("type", None)
    if isinstance(kind, str):
        values = [value for value in values if _is(value, kind)]
    values = _distinct(values)
    parts = value_parts(values)
    if len(parts) == 1:
        form.update(parts[0])
    else:
        form["allOf"] = [*form.get("allOf", []), {"anyOf": parts}]


def value_parts(values: list[Any]) -> list[dict[str, Any]]:
    """The same values as types, where a type says it, and the rest as one ``enum`` or ``const``."""
    parts: list[dict[str, Any]] = []
    rest = [value for value in values if value is not None]
    if len(rest) < len(values):
        parts.append({"type": "null"})
    if any(value is True for value in rest) and any(value is False for value in rest):
        parts.append({"type": "boolean"})
        rest = [value for value in rest if not isinstance(value, bool)]
    if len(rest) == 1:
        parts.append({"const": rest[0]})
    elif rest or not parts:
        parts.append({"enum": rest})
    return sorted(parts, key=text_of)


def _tuple(form: dict[str, Any]) -> None:
    first = form.get("prefixItems")
    if not isinstance(first, list):
        return
    if form.get("items") is False:
        form["maxItems"] = min(len(first), form.get("maxItems", len(first)))
    if form.get("maxItems", len(first) + 1) <= len(first):
        form.pop("items", None)  # no such item is left


def _any(form: dict[str, Any]) -> None:
    branches = form.pop("anyOf", None)
    if not isinstance(branches, list):
        return
    flat: list[Form] = []
    for one in branches:
        inner = one.get("anyOf") if isinstance(one, dict) and set(one) == {"anyOf"} else None
        flat.extend(inner if inner is not None else [one])
    flat = [one for one in flat if one is not False]
    if any(one is True or one == {} for one in flat):
        return
    values: list[Any] = []
    others: list[Form] = []
    for one in flat:
        if isinstance(one, dict) and set(one) in ({"const"}, {"enum"}):
            values.extend(one.get("enum", [one.get("const")]))
        else:
            others.append(one)
    parts = value_parts(_distinct(values)) if values else []
    merged = _distinct([*others, *parts])
    if len(merged) == 1:
        form["allOf"] = [*form.get("allOf", []), merged[0]]
    else:
        form["anyOf"] = merged


def _all(form: dict[str, Any]) -> Form:
    members = form.pop("allOf", None)
    if not isinstance(members, list):
        return form
    left: list[dict[str, Any]] = []
    for one in _distinct(members):
        if one is False:
            return False
        if one is True or one == {}:
            continue
        joined = merged(form, one)
        if joined is None:
            left.append(one)
        else:
            form = joined
    flat = [inner for one in left for inner in (one["allOf"] if set(one) == {"allOf"} else [one])]
    held = [*form.pop("allOf", []), *flat]
    if len(held) == 1 and not form:
        return dict(held[0])
    if held:
        form["allOf"] = _distinct(held)
    return form


def merged(first: dict[str, Any], other: dict[str, Any]) -> dict[str, Any] | None:
    """Both in one node, if that says the same as both side by side; else None."""
    if set(first) <= {"default"} or set(other) <= {"default"}:
        return {**other, **first}
    shared = {key for key in first if key in other and first[key] != other[key]} - {
        "required",
        "default",
        "allOf",
    }
    keys = (set(first) | set(other)) & (_NEIGHBOURS | _ALONE)
    if shared or (keys and not _says_apart(first, other, keys)):
        return None
    joined = {**other, **first}
    if "required" in first and "required" in other:
        joined["required"] = sorted({*first["required"], *other["required"]})
    if "allOf" in first and "allOf" in other:
        joined["allOf"] = _distinct([*first["allOf"], *other["allOf"]])
    return joined


def _says_apart(first: dict[str, Any], other: dict[str, Any], keys: set[str]) -> bool:
    """Whether those keywords stand in one of the two, and the other says nothing they depend on."""
    if keys & _ALONE:
        return False
    harmless = {"required", "default", "type", "minProperties", "maxProperties", "minItems", "maxItems"}
    return any(set(one) <= harmless and not set(one) & (_NEIGHBOURS | _ALONE) for one in (first, other))
