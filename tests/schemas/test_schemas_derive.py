"""Two schemas of one model: what its producers emit, what its consumers accept; pydantic's traps included."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import jsonschema_rs
import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    AnyUrl,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    PlainSerializer,
    RootModel,
    StringConstraints,
    computed_field,
)
from typing_extensions import TypedDict

from tests.schemas.schemas_made import model
from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.openenum import OpenEnum
from wingman_runtime.errors import ContractError
from wingman_runtime.schemas import accepts
from wingman_runtime.schemas.derive import reader_schema, writer_schema


class One(Enum):
    X = "x"


class Size(IntEnum):
    SMALL = 1
    BIG = 2


class Channel(OpenEnum):
    MAIL = "mail"
    UNKNOWN = "unknown"


class Shut(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int
    b: str = "x"


class Node(BaseModel):
    value: int = 0
    children: list[Node] = []


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str = ""


class Items(RootModel[list[int]]):
    pass


class Options(TypedDict, total=False):
    colour: str


@dataclass
class Point:
    x: int
    y: int = 0


class Hex(BaseModel):
    model_config = ConfigDict(ser_json_bytes="hex", val_json_bytes="hex")
    it: bytes


class Stamped(BaseModel):
    model_config = ConfigDict(ser_json_temporal="seconds")
    at: dt.datetime
    day: dt.date
    took: dt.timedelta


class Infinite(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="strings")
    it: float


class Stripped(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True, str_min_length=2)
    it: str


TEXT_OR_NULL: list[Any] = [{"anyOf": [{"const": "x"}, {"type": "null"}]}] * 2


def of(annotation: Any, derive: Callable[..., Any], **rules: Any) -> Any:
    return derive(model(it=(annotation, Field(**rules)))).get("properties", {})["it"]


def test_a_writer_emits_every_field_and_nothing_else() -> None:
    """Defaults, factories and computed fields too, by alias; objects are closed, maps stay maps."""

    class Placed(EventModel):
        a: int
        b: int = 2
        c: list[int] = Field(default_factory=list)
        d: int = Field(default=1, serialization_alias="D", validation_alias="D")
        e: dict[str, int] = Field(default={})
        hidden: int = Field(default=1, exclude=True)
        rare: int | None = Field(default=None, exclude_if=lambda value: value is None)

        @computed_field
        def twice(self) -> int:
            return self.a * 2

    schema = writer_schema(Placed)
    assert schema["required"] == ["D", "a", "b", "c", "e", "twice"]
    assert sorted(schema["properties"]) == ["D", "a", "b", "c", "e", "rare", "twice"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["e"] == {"type": "object", "additionalProperties": {"type": "integer"}}
    assert "default" not in json.dumps(schema)


def test_a_reader_wants_what_has_no_default_and_ignores_the_rest() -> None:
    """Even where the class forbids further fields: those of other versions are ignored."""
    schema = reader_schema(model(inner=(Shut, ...), b=(int, 1), c=(list[int], Field(default_factory=list))))
    assert schema["required"] == ["inner"]
    assert schema["properties"]["inner"]["required"] == ["a"]
    assert "additionalProperties" not in json.dumps(schema)
    assert schema["properties"]["b"] == {"type": "integer", "default": 1}
    assert schema["properties"]["c"] == {"type": "array", "items": {"type": "integer"}}


def test_a_reader_takes_a_field_by_any_of_its_names() -> None:
    """pydantic's schema shows the first name only."""
    names = AliasChoices("new", "old", AliasPath("list", 0))
    needed = reader_schema(model(it=(int, Field(validation_alias=names))))
    assert sorted(needed["properties"]) == ["list", "new", "old"]
    assert needed["anyOf"] == [{"required": ["list"]}, {"required": ["new"]}, {"required": ["old"]}]
    documents: list[Any] = [{"old": 1}, {"list": [1]}, {"list": []}, {"old": "x"}, {}]
    check = jsonschema_rs.Draft202012Validator(needed)
    assert [check.is_valid(one) for one in documents] == [
        True,
        True,
        False,
        False,
        False,
    ]
    optional = reader_schema(model(it=(int, Field(default=1, validation_alias=names))))
    assert "anyOf" not in optional
    assert jsonschema_rs.Draft202012Validator(optional).is_valid({})


def test_a_name_is_accepted_where_the_config_says_so() -> None:
    """``validate_by_name``: alias and name."""

    class ByName(EventModel):
        model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)
        it: int = Field(alias="IT")

    assert reader_schema(ByName)["anyOf"] == [{"required": ["IT"]}, {"required": ["it"]}]
    assert writer_schema(ByName)["required"] == ["IT"]


@pytest.mark.parametrize(
    ("annotation", "writer", "reader"),
    [
        (One, {"const": "x"}, {"const": "x"}),
        (Literal["x"], {"const": "x"}, {"const": "x"}),
        (Size, {"enum": [1, 2]}, {"enum": [1, 2]}),
        (Channel, {"const": "mail"}, {"type": "string"}),
        (Literal[True, False], {"type": "boolean"}, {"type": "boolean"}),
        (Literal["x", None], *TEXT_OR_NULL),
        (int | None, *[{"anyOf": [{"type": "integer"}, {"type": "null"}]}] * 2),
        (Items, *[{"type": "array", "items": {"type": "integer"}}] * 2),
        (set[int], *[{"type": "array", "items": {"type": "integer"}, "uniqueItems": True}] * 2),
        (dict[str, Any], {"type": "object"}, {"type": "object"}),
        (
            dict[Size, int],
            *[
                {
                    "type": "object",
                    "additionalProperties": {"type": "integer"},
                    "propertyNames": {"enum": ["1", "2"]},
                }
            ]
            * 2,
        ),
        (
            dict[bool, int],
            *[
                {
                    "type": "object",
                    "additionalProperties": {"type": "integer"},
                    "propertyNames": {"enum": ["false", "true"]},
                }
            ]
            * 2,
        ),
    ],
)
def test_a_type_has_one_form(annotation: Any, writer: Any, reader: Any) -> None:
    """However pydantic spells it."""
    assert (of(annotation, writer_schema), of(annotation, reader_schema)) == (writer, reader)


def test_the_keys_of_a_map_are_what_they_look_like_as_text() -> None:
    """pydantic's schema of an int-keyed map admits any key."""
    reader = of(dict[int, float], reader_schema)
    assert reader["propertyNames"] == {"pattern": "^-?(0|[1-9][0-9]*)$"}
    assert not accepts(reader, of(dict[str, float], writer_schema)).compatible
    assert accepts(of(dict[str, float], reader_schema), of(dict[int, float], writer_schema)).compatible
    keyed = of(dict[Annotated[str, Field(pattern="^a")], int], reader_schema)
    assert keyed["propertyNames"] == {"pattern": "^a", "type": "string"}


def test_a_decimal_is_written_as_text_and_read_as_text_or_number() -> None:
    """Not any text; and what a number cannot show, is text only."""
    reader = of(Decimal, reader_schema)
    assert not accepts(reader, {"type": "string"}).compatible
    assert accepts(reader, {"type": "number"}).compatible
    assert accepts(reader, of(Decimal, writer_schema)).compatible
    bounded = of(Annotated[Decimal, Field(ge=0)], reader_schema)
    assert not accepts(bounded, of(Decimal, writer_schema)).compatible
    digits = of(Annotated[Decimal, Field(max_digits=3)], reader_schema)
    assert not accepts(digits, {"type": "number"}).compatible


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (HttpUrl, AnyUrl),
        (AwareDatetime, dt.datetime),
        (Annotated[dt.date, Field(ge=dt.date(2020, 1, 1))], dt.date),
        (Annotated[bytes, Field(max_length=3)], bytes),
        (Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)], str),
    ],
)
def test_a_rule_that_no_keyword_says_is_still_told(narrow: Any, wide: Any) -> None:
    """The narrow one may be read by the wide one, not the other way round, and each by itself."""
    for one in (narrow, wide):
        assert accepts(of(one, reader_schema), of(one, writer_schema)).compatible
    assert accepts(of(wide, reader_schema), of(narrow, writer_schema)).compatible
    assert not accepts(of(narrow, reader_schema), of(wide, writer_schema)).compatible


def test_a_variant_is_chosen_by_its_tag_even_if_the_tag_has_a_default() -> None:
    """Without the tag nothing is chosen, whatever the field's own schema says."""
    tagged = of(Cat | Dog, reader_schema, discriminator="kind")
    assert [branch["required"] for branch in tagged["oneOf"]] == [["kind"], ["kind"]]
    assert not jsonschema_rs.Draft202012Validator(tagged).is_valid({})
    assert "discriminator" not in json.dumps(tagged)


def _text(value):  # type: ignore[no-untyped-def]
    return str(value)


def test_a_set_in_a_default_has_one_order() -> None:
    """A set's own order changes from run to run, and with it the digest would."""

    class Tagged(BaseModel):
        tags: set[str] = set()

    both = {"b", "a", "c", "d"}
    kind = model(
        it=(set[str], both), deep=(Tagged | None, Tagged(tags=both)), many=(dict[str, set[str]], {"x": both})
    )
    found = {name: one["default"] for name, one in reader_schema(kind)["properties"].items()}
    order = ["a", "b", "c", "d"]
    assert found == {"it": order, "deep": {"tags": order}, "many": {"x": order}}


def test_what_a_serializer_without_a_return_type_writes_is_anything() -> None:
    """It may be; nothing is promised of it."""
    assert of(Annotated[int, PlainSerializer(_text)], writer_schema) == {}
    typed = Annotated[int, PlainSerializer(_text, return_type=str)]
    assert of(typed, writer_schema) == {"type": "string"}


def test_a_model_that_leads_to_itself_keeps_its_definition() -> None:
    """Its name is made of its form; the top is written out, so that it shows its fields."""

    class Tree(EventModel):
        value: int
        children: list[Tree] = Field(default=[])

    schema = writer_schema(Tree)
    ((name, body),) = schema["$defs"].items()
    assert schema["properties"] == body["properties"]
    assert body["properties"]["children"]["items"] == {"$ref": f"#/$defs/{name}"}
    assert accepts(reader_schema(Tree), schema).compatible


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Decimal, Decimal("1E+5")),
        (Decimal, Decimal("-0.10")),
        (dt.timedelta, dt.timedelta(days=400, seconds=3)),
        (dict[int, float], {1: 2.0}),
        (dict[Size, int], {Size.BIG: 1}),
        (frozenset[str], frozenset({"b", "a"})),
        (Point, Point(1)),
        (Options, {"colour": "red"}),
        (Node, Node(children=[Node()])),
        (Cat | Dog, Dog()),
        (Hex, Hex(it="ff00")),
        (Stamped, Stamped(at="2026-01-02T03:04:05Z", day="2026-01-02", took=5)),
        (Infinite, Infinite(it=float("inf"))),
        (Stripped, Stripped(it="  abc ")),
        (UUID, UUID(int=7)),
        (tuple[int, str], (1, "a")),
    ],
)
def test_what_is_really_written_is_what_the_schema_says(annotation: Any, value: Any) -> None:
    """A real dump fits the writer's schema, the reader's too, and reads back."""
    kind = model(it=(annotation, ...))
    made: Any = kind
    text = made(it=value).model_dump_json(by_alias=True)
    for schema in (writer_schema(kind), reader_schema(kind)):
        assert jsonschema_rs.Draft202012Validator(schema).is_valid(json.loads(text)), schema
    assert accepts(reader_schema(kind), writer_schema(kind)).compatible
    assert kind.model_validate_json(text, extra="ignore") == made(it=value)


def test_a_type_that_json_cannot_carry_is_refused_with_its_place() -> None:
    """And with what to do."""
    with pytest.raises(ContractError) as error:
        writer_schema(model(it=(Callable[[], int], ...)))
    assert "OrderPlaced" in str(error.value)
    assert error.value.hint
