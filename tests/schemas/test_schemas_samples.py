"""A sample is made from a schema alone: one that the class reads, always the same, and soon or not at all."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from jsonschema_rs import validator_for
from pydantic import Field, FutureDate, NaiveDatetime

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.schemas.describe import describe
from wingman_runtime.schemas.major import refusal
from wingman_runtime.schemas.samples import sample_of


class Times(EventModel):
    """Dates of all kinds."""

    at: datetime
    local: NaiveDatetime
    day: date
    code: str = Field(pattern=r"^[A-Z]{2}-\d{4}$")


class Later(EventModel):
    """What no past day fits."""

    due: FutureDate


@pytest.mark.parametrize("one", [Times, Later])
def test_a_sample_is_one_that_the_class_reads(one: type[EventModel]) -> None:
    """Not only the schema's: times without a zone, and days to come, are found where they are asked for."""
    record = describe(one)
    assert sample_of(record.writer, lambda made: refusal(one, made, record.version) is None) != ()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^[A-Z]{3}$", "minLength": 3},
        {"type": "string", "minLength": 40, "maxLength": 40},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5},
        {"type": "integer", "minimum": 7, "multipleOf": 5},
        {"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "prefixItems": [{"const": 1}, {"type": "null"}], "items": False, "minItems": 2},
        {"anyOf": [{"type": "null"}, {"enum": ["x"]}]},
        {"$ref": "#/$defs/Tree", "$defs": {"Tree": {"type": "object", "required": ["sub"], "properties": {
            "sub": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}}}},
        {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2},
        {"type": "string", "format": "date-time"},
        {"allOf": [{"type": "object", "properties": {"a": {"const": 1}}}, {"required": ["a"]}]},
        {"type": "array", "maxItems": 0},
        {"type": "string", "pattern": "^q{7}z$"},
        {"type": "string", "pattern": "^(0+)+x$"},
        {"$ref": "#/$defs/N", "$defs": {"N": {"type": "object", "required": list("abcdefgh"), "properties": {
            name: {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/N"}]} for name in "abcdefgh"}}}},
        {},
    ],
)  # fmt: skip
def test_samples_are_made_of_many_schemas(schema: dict[str, Any]) -> None:
    """What is made is admitted by the schema, by another validator's word, and is the same each time."""
    made = sample_of(schema)
    assert len(made) == 1
    assert validator_for(schema).is_valid(made[0])
    assert sample_of(schema) == made


def test_where_nothing_can_be_made_nothing_is() -> None:
    """A schema that admits nothing, or asks for more than a sample is worth, gives none, and soon."""
    circle = {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}
    deep = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "required": ["a"], "properties": {
        "a": {"$ref": "#/$defs/A"}}}}}  # fmt: skip
    nothing: dict[str, Any] = {"not": {}}
    many = {"type": "array", "minItems": 10_000, "items": {"type": "array", "minItems": 10_000}}
    wide: dict[str, Any] = {"type": "object", "required": ["no"], "properties": {"no": False}}
    for _ in range(9):
        wide = {"anyOf": [wide, {"type": "array", "items": wide, "minItems": 1}]}
    for schema in (nothing, circle, deep, many, wide):
        assert sample_of(schema) == ()
