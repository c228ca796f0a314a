"""Pairs of models made at random: what one really writes, the other reads, wherever the check says so."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from enum import Enum, StrEnum
from types import GenericAlias
from typing import Annotated, Any, Literal

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AliasChoices, BaseModel, Field, ValidationError, create_model

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.openenum import OpenEnum
from wingman_runtime.contracts.version import Bump
from wingman_runtime.schemas.blame import included
from wingman_runtime.schemas.change import compare
from wingman_runtime.schemas.derive import reader_schema, writer_schema
from wingman_runtime.schemas.describe import describe
from wingman_runtime.schemas.finding import Direction, Weight


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class MoreColours(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class Level(Enum):
    LOW = 1
    HIGH = 2


class Channel(OpenEnum):
    MAIL = "mail"
    RED = "red"
    UNKNOWN = "unknown"


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str = "Rex"


# Each kind with values that it writes; so that two kinds of one field are often near to each other.
KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-5, 5)),
    (Annotated[int, Field(ge=0)], st.integers(0, 5)),
    (Annotated[int, Field(gt=0, multiple_of=2)], st.sampled_from([2, 4])),
    (float, st.floats(-9, 9, allow_nan=False)),
    (bool, st.booleans()),
    (str, st.sampled_from(["", "red", "abc", "1", "2026-01-02", "é"])),
    (Annotated[str, Field(min_length=1, max_length=3)], st.sampled_from(["red", "1", "é"])),
    (Annotated[str, Field(pattern="^[a-z]+$")], st.sampled_from(["red", "abc"])),
    (Decimal, st.sampled_from([Decimal("1.50"), Decimal("-1E+3"), Decimal(0)])),
    (Annotated[Decimal, Field(max_digits=3)], st.sampled_from([Decimal("1.50"), Decimal(0)])),
    (dt.date, st.dates(dt.date(2000, 1, 1), dt.date(2030, 1, 1))),
    (dt.datetime, st.datetimes(dt.datetime(2000, 1, 1), timezones=st.just(dt.UTC))),
    (dt.timedelta, st.timedeltas(dt.timedelta(0), dt.timedelta(9))),
    (Colour, st.sampled_from(Colour)),
    (MoreColours, st.sampled_from(MoreColours)),
    (Level, st.sampled_from(Level)),
    (Channel, st.sampled_from([Channel.MAIL, Channel.RED])),
    (Literal["red"], st.just("red")),
    (Literal["red", 1, None], st.sampled_from(["red", 1, None])),
    (Cat, st.builds(Cat, lives=st.integers(0, 3))),
    (Cat | Dog, st.sampled_from([Cat(), Dog()])),
    (Annotated[Cat | Dog, Field(discriminator="kind")], st.sampled_from([Cat(), Dog()])),
]
INNER = st.sampled_from(KINDS)


def _wrapped(inner: tuple[Any, st.SearchStrategy[Any]], how: str) -> tuple[Any, st.SearchStrategy[Any]]:
    kind, values = inner
    match how:
        case "null":
            return kind | None, st.none() | values
        case "list":
            return GenericAlias(list, (kind,)), st.lists(values, max_size=2)
        case "few":
            return Annotated[GenericAlias(list, (kind,)), Field(max_length=1)], st.lists(values, max_size=1)
        case "tuple":
            return GenericAlias(tuple, (kind, int)), st.tuples(values, st.integers(0, 3))
        case "map":
            return GenericAlias(dict, (str, kind)), st.dictionaries(
                st.sampled_from("ab1"), values, max_size=2
            )
        case "counted":
            return GenericAlias(dict, (int, kind)), st.dictionaries(st.integers(0, 3), values, max_size=2)
    return inner


FIELDS = st.builds(
    _wrapped, INNER, st.sampled_from(["", "", "", "null", "list", "few", "tuple", "map", "counted"])
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """A writer, a reader and something the writer wrote. Fields are the same, changed, renamed or gone."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name in ("a", "b"):
        kind, made = draw(FIELDS)
        values[name] = draw(made)
        default = draw(st.sampled_from([..., values[name]]))
        old[name] = (kind, default)
        change = draw(st.sampled_from(["same", "same", "other", "gone", "renamed", "moved", "default"]))
        if change == "same":
            new[name] = (kind, default)
        elif change == "other":
            new[name] = (draw(FIELDS)[0], ...)
        elif change == "renamed":
            new[name] = (kind, Field(alias=f"{name}2"))
        elif change == "moved":
            new[f"{name}2"] = (kind, Field(validation_alias=AliasChoices(f"{name}2", name)))
        elif change == "default":
            new[name] = (kind, None if default is ... else ...)
    writer = create_model("Made", __base__=EventModel, **old)
    return writer, create_model("Made", __base__=EventModel, **new), writer(**values)


# What the check calls compatible and pydantic refuses, each with its reason. Empty: nothing is excused.
EXPLAINED: tuple[str, ...] = ()


@settings(max_examples=100, deadline=None)
@given(pairs())
def test_where_the_check_says_compatible_real_documents_are_read(made: tuple[Any, Any, Any]) -> None:
    """And what is really written fits the writer's schema, whatever the reader says of it."""
    writer, reader, instance = made
    text = instance.model_dump_json(by_alias=True)
    written, read = writer_schema(writer), reader_schema(reader)
    document = json.loads(text)
    assert jsonschema_rs.Draft202012Validator(written).is_valid(document), (written, text)
    admitted = jsonschema_rs.Draft202012Validator(read).is_valid(document)
    verdict = included(read, written)
    assert admitted or not verdict.compatible, (read, text)
    if verdict.compatible:
        try:
            reader.model_validate_json(text, extra="ignore")
        except ValidationError as error:
            refused = str(error)
            assert any(known in refused for known in EXPLAINED), (written, read, text, refused)


@settings(max_examples=40, deadline=None)
@given(pairs())
def test_a_model_reads_what_it_writes(made: tuple[Any, Any, Any]) -> None:
    """By its schemas and in fact."""
    writer, _, instance = made
    assert included(reader_schema(writer), writer_schema(writer)).compatible
    again = writer.model_validate_json(instance.model_dump_json(by_alias=True), extra="ignore")
    assert again.model_dump_json(by_alias=True) == instance.model_dump_json(by_alias=True)


@settings(max_examples=40, deadline=None)
@given(pairs(), st.sampled_from(["drop", "null", "text", "number", "extra"]))
def test_what_a_readers_schema_admits_the_reader_reads(made: tuple[Any, Any, Any], how: str) -> None:
    """Documents near to real ones: a field dropped, replaced or added."""
    writer, _, instance = made
    document = json.loads(instance.model_dump_json(by_alias=True))
    if how == "drop":
        document.pop("a", None)
    elif how == "extra":
        document["extra"] = 1
    else:
        document["a"] = {"null": None, "text": "red", "number": 1.5}[how]
    schema = reader_schema(writer)
    if jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid(document):
        writer.model_validate_json(json.dumps(document), extra="ignore")


@settings(max_examples=40, deadline=None)
@given(pairs())
def test_findings_agree_with_the_check(made: tuple[Any, Any, Any]) -> None:
    """A direction has a breaking finding exactly where the check refuses it; each says what to do."""
    old, new = describe(made[0]), describe(made[1])
    change = compare(old, new)
    directions = {
        Direction.BACKWARD: included(new.reader, old.writer),
        Direction.FORWARD: included(old.reader, new.writer),
    }
    for direction, verdict in directions.items():
        found = [one for one in change.findings if one.direction is direction]
        assert bool(found) != verdict.compatible, (found, verdict)
        for one in found:
            assert one.weight is Weight.BREAKING
            assert one.remedy
            assert one.act
            assert one.witness is not None or one.reason or verdict.gaps
    broken = not all(one.compatible for one in directions.values())
    unchanged = (old.writer, old.reader) == (new.writer, new.reader)
    assert change.bump is (Bump.MAJOR if broken else Bump.NONE if unchanged else Bump.MINOR)
    assert compare(old, old).bump is Bump.NONE
