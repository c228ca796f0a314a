"""Two schemas of one model: what its producers emit and what its consumers accept, both in canonical form."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

from wingman_runtime.errors import ContractError
from wingman_runtime.schemas.canonical import canonical
from wingman_runtime.schemas.forms import LISTS, MAPS, SINGLES
from wingman_runtime.schemas.generator import NON_FINITE, UNREAD, SchemaGenerator
from wingman_runtime.schemas.record import Schema

_INTEGER_KEY = r"^-?(0|[1-9][0-9]*)$"
_KEPT = 8
_lately: dict[tuple[type[BaseModel], bool], tuple[object, Schema]] = {}
_NUMBER_KEY = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


def writer_schema(model: type[BaseModel]) -> Schema:
    """What a producer emits, dumped by alias and with nothing left out: all required, objects closed.

    Raises:
        ContractError: a field has no JSON Schema.
    """
    return canonical(raw_schema(model, writes=True), defaults=False)


def reader_schema(model: type[BaseModel]) -> Schema:
    """What a consumer accepts of any version: fields with a default are optional, further fields ignored.

    Raises:
        ContractError: a field has no JSON Schema.
    """
    return canonical(raw_schema(model, writes=False))


def worded_schema(model: type[BaseModel]) -> Schema:
    """The writer's schema with its titles, descriptions and named definitions: for documents, never compared.

    Raises:
        ContractError: a field has no JSON Schema.
    """
    return dict(_without_marks(raw_schema(model, writes=True)))


def _without_marks(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_marks(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {key: _without_marks(value) for key, value in node.items() if key not in {UNREAD, NON_FINITE}}


def raw_schema(model: type[BaseModel], *, writes: bool) -> Schema:
    """pydantic's schema with our corrections, and with marks for lints; not canonical, and not to be changed.

    That of the last few models is kept: a record, its wording and the lints all begin with it.

    Raises:
        ContractError: a field has no JSON Schema.
    """
    known = _lately.get((model, writes))
    if known is not None and known[0] is model.__pydantic_core_schema__:
        return known[1]
    schema = _generated(model, writes)
    _lately[model, writes] = (model.__pydantic_core_schema__, schema)
    for old in list(_lately)[:-_KEPT]:
        _lately.pop(old, None)
    return schema


def _generated(model: type[BaseModel], writes: bool) -> Schema:
    try:
        schema = model.model_json_schema(
            by_alias=True,
            mode="serialization" if writes else "validation",
            schema_generator=SchemaGenerator,
        )
    except (PydanticInvalidForJsonSchema, PydanticUserError) as error:
        said = str(error).split("\n", 1)[0]
        raise ContractError(
            f"{model.__name__} has no JSON Schema: {said}",
            where=f"{model.__module__}.{model.__qualname__}",
            hint="use types that JSON can carry",
        ) from None
    _keys_as_text(schema, schema.get("$defs", {}), writes)
    return schema


def _keys_as_text(node: Any, defs: dict[str, Any], writes: bool) -> None:
    """A map's keys travel as text: say what they look like there, instead of what they are in Python."""
    if not isinstance(node, dict):
        return
    if "propertyNames" in node:
        node["propertyNames"] = _text(node["propertyNames"], defs, writes)
    for key, value in node.items():
        if key in MAPS or key == "$defs":
            children = list(value.values())
        elif key in LISTS:
            children = value
        else:
            children = [value] if key in SINGLES else []
        for child in children:
            _keys_as_text(child, defs, writes)


def _text(keys: Any, defs: dict[str, Any], writes: bool) -> Any:
    if not isinstance(keys, dict) or not keys:
        return keys
    if "$ref" in keys:
        return _text(defs.get(str(keys["$ref"]).removeprefix("#/$defs/"), {}), defs, writes)
    for union in ("anyOf", "oneOf"):
        if union in keys:
            return {"anyOf": [_text(one, defs, writes) for one in keys[union]]}
    if "const" in keys or "enum" in keys:
        values = keys.get("enum", [keys.get("const")])
        return {"enum": [_key(value) for value in values]}
    kind = keys.get("type")
    if kind == "string":
        return keys
    rules = {name: value for name, value in keys.items() if name not in {"type", "title", "description"}}
    told = {"format": "wingman:key " + " ".join(f"{name}={rules[name]}" for name in sorted(rules))}
    if kind in {"integer", "number"}:
        shape = {"pattern": _INTEGER_KEY if kind == "integer" else _NUMBER_KEY}
        return {**shape, **told} if rules else shape
    if kind == "boolean":
        return {"enum": ["false", "true"]}
    return {} if writes else False  # what such a key looks like is pydantic's own affair


def _key(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "None" if value is None else str(value)
