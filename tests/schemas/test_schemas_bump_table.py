"""Which change is which version: the whole table, row by row and both ways, on real pydantic models."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from tests.schemas.schemas_made import broken, event, field, rules
from wingman_runtime.contracts.openenum import OpenEnum
from wingman_runtime.contracts.version import Bump
from wingman_runtime.schemas.change import compare
from wingman_runtime.schemas.finding import Direction, Weight
from wingman_runtime.schemas.record import SchemaRecord

NONE, PATCH, MINOR, MAJOR = Bump.NONE, Bump.PATCH, Bump.MINOR, Bump.MAJOR
OK, B, F, BF = "", "b", "f", "bf"  # which directions break


class Mail(BaseModel):
    kind: Literal["mail"] = "mail"
    address: str


class Post(BaseModel):
    kind: Literal["post"] = "post"
    street: str


class Fax(BaseModel):
    kind: Literal["fax"] = "fax"
    number: int


class Plain(BaseModel):
    text: str


class Other(BaseModel):
    number: int


class Open(BaseModel):
    model_config = ConfigDict(extra="ignore")
    text: str


class Shut(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class MoreColours(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class OpenColour(OpenEnum):
    RED = "red"
    UNKNOWN = "unknown"


class OpenColours(OpenEnum):
    RED = "red"
    BLUE = "blue"
    UNKNOWN = "unknown"


class Inner(BaseModel):
    amount: int


class InnerText(BaseModel):
    amount: int | str


class Seconds(BaseModel):
    model_config = ConfigDict(ser_json_timedelta="float")
    it: dt.timedelta


class Iso(BaseModel):
    it: dt.timedelta


class Utf8(BaseModel):
    it: bytes


class Hex(BaseModel):
    model_config = ConfigDict(ser_json_bytes="hex", val_json_bytes="hex")
    it: bytes


class Base64(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    it: bytes


class Case(NamedTuple):
    """``there`` and ``back``: which directions break, the step, and a rule that is named (or none)."""

    name: str
    old: SchemaRecord
    new: SchemaRecord
    there: tuple[str, Bump, str]
    back: tuple[str, Bump, str]


def worded(name: str, old: SchemaRecord, new: SchemaRecord) -> Case:
    return Case(name, old, new, (OK, PATCH, "words-changed"), (OK, PATCH, "words-changed"))


def same(name: str, old: SchemaRecord, new: SchemaRecord) -> Case:
    return Case(name, old, new, (OK, NONE, ""), (OK, NONE, ""))


TABLE = [
    Case(
        "field with a default, added and removed",
        event(a=(int, ...)),
        event(a=(int, ...), b=(int, 1)),
        (OK, MINOR, "field-added"),
        (OK, MINOR, "field-removed"),
    ),
    Case(
        "field with a factory, added and removed",
        event(a=(int, ...)),
        event(a=(int, ...), b=(list[int], Field(default_factory=list))),
        (OK, MINOR, "field-added"),
        (OK, MINOR, "field-removed"),
    ),
    Case(
        "required field, added and removed",
        event(a=(int, ...)),
        event(a=(int, ...), b=(str, ...)),
        (B, MAJOR, "field-added"),
        (F, MAJOR, "field-removed"),
    ),
    Case(
        "required to default and back: always emitted",
        event(a=(int, ...)),
        event(a=(int, 3)),
        (OK, MINOR, "field-optional"),
        (OK, MINOR, "field-required"),
    ),
    Case(
        "required to default and back: left out where it is unset",
        event(a=(int | None, ...)),
        event(a=(int | None, Field(default=None, exclude_if=lambda value: value is None))),
        (F, MAJOR, "field-optional"),
        (B, MAJOR, "field-required"),
    ),
    Case(
        "null allowed and no longer allowed",
        field(int),
        field(int | None),
        (F, MAJOR, "nullable-added"),
        (B, MAJOR, "nullable-removed"),
    ),
    Case(
        "another default",
        event(a=(int, 1)),
        event(a=(int, 2)),
        (OK, MINOR, "default-changed"),
        (OK, MINOR, "default-changed"),
    ),
    Case(
        "integer and number", field(int), field(float), (F, MAJOR, "type-changed"), (B, MAJOR, "type-changed")
    ),
    Case(
        "another type",
        field(int),
        field(list[str]),
        (BF, MAJOR, "type-changed"),
        (BF, MAJOR, "type-changed"),
    ),
    Case(
        "number and Decimal",
        field(float),
        field(Decimal),
        (F, MAJOR, "type-changed"),
        (B, MAJOR, "type-changed"),
    ),
    Case(
        "enum widened and narrowed",
        field(Colour),
        field(MoreColours),
        (F, MAJOR, "enum-widened"),
        (B, MAJOR, "enum-narrowed"),
    ),
    Case(
        "literals widened and narrowed",
        field(Literal["a", "b"]),
        field(Literal["a", "b", "c"]),
        (F, MAJOR, "enum-widened"),
        (B, MAJOR, "enum-narrowed"),
    ),
    Case(
        "open enum widened and narrowed",
        field(OpenColour),
        field(OpenColours),
        (OK, MINOR, "enum-widened"),
        (OK, MINOR, "enum-narrowed"),
    ),
    Case(
        "constant changed",
        field(Literal["a"]),
        field(Literal["b"]),
        (BF, MAJOR, "const-changed"),
        (BF, MAJOR, "const-changed"),
    ),
    Case(
        "upper bound",
        field(int, le=10),
        field(int, le=20),
        (F, MAJOR, "bound-loosened"),
        (B, MAJOR, "bound-tightened"),
    ),
    Case(
        "exclusive bound",
        field(float, gt=0),
        field(float),
        (F, MAJOR, "bound-loosened"),
        (B, MAJOR, "bound-tightened"),
    ),
    Case(
        "length",
        field(str, max_length=5),
        field(str, max_length=9),
        (F, MAJOR, "bound-loosened"),
        (B, MAJOR, "bound-tightened"),
    ),
    Case(
        "number of items",
        field(list[int], min_length=2),
        field(list[int], min_length=1),
        (F, MAJOR, "bound-loosened"),
        (B, MAJOR, "bound-tightened"),
    ),
    Case(
        "multiple of",
        field(int, multiple_of=10),
        field(int, multiple_of=5),
        (F, MAJOR, "bound-tightened"),  # what is a multiple of which, only the check tells
        (B, MAJOR, "bound-tightened"),
    ),
    Case(
        "pattern changed",
        field(str, pattern="^a+$"),
        field(str, pattern="^b+$"),
        (BF, MAJOR, "pattern-changed"),
        (BF, MAJOR, "pattern-changed"),
    ),
    Case(
        "format added and dropped",
        field(str),
        field(dt.datetime),
        (B, MAJOR, "format-added"),
        (F, MAJOR, "format-dropped"),
    ),
    Case(
        "format swapped",
        field(dt.date),
        field(dt.datetime),
        (BF, MAJOR, "format-changed"),
        (BF, MAJOR, "format-changed"),
    ),
    worded("reader forbids or ignores further fields", field(Shut), field(Open)),
    Case(
        "member of a union",
        field(Mail | Post),
        field(Mail | Post | Fax),
        (F, MAJOR, "union-member-added"),
        (B, MAJOR, "union-member-removed"),
    ),
    Case(
        "member of a union that is told by its tag",
        field(Mail | Post, discriminator="kind"),
        field(Mail | Post | Fax, discriminator="kind"),
        (F, MAJOR, "union-member-added"),
        (B, MAJOR, "union-member-removed"),
    ),
    worded("union in another order", field(Mail | Post), field(Post | Mail)),
    Case(
        "any of, one of: variants apart",
        field(Mail | Post),
        field(Mail | Post, discriminator="kind"),
        (OK, MINOR, "union-kind-changed"),
        (OK, MINOR, "union-kind-changed"),
    ),
    Case(
        "a model inside, at two places",
        event(a=(Inner, ...), b=(list[Inner], ...)),
        event(a=(InnerText, ...), b=(list[InnerText], ...)),
        (F, MAJOR, "union-member-added"),
        (B, MAJOR, "union-member-removed"),
    ),
    Case(
        "list and set",
        field(list[int]),
        field(set[int]),
        (B, MAJOR, "unique-added"),
        (F, MAJOR, "unique-removed"),
    ),
    Case(
        "length of a tuple",
        field(tuple[int, int]),
        field(tuple[int, int, int]),
        (BF, MAJOR, "tuple-arity"),
        (BF, MAJOR, "tuple-arity"),
    ),
    Case(
        "name on the wire",
        event(a=(int, ...)),
        event(a=(int, Field(alias="b"))),
        (BF, MAJOR, "wire-renamed"),
        (BF, MAJOR, "wire-renamed"),
    ),
    Case(
        "name on the wire, the old one still read",
        event(a=(int, ...)),
        event(b=(int, Field(validation_alias=AliasChoices("b", "a")))),
        (F, MAJOR, "wire-renamed"),
        (B, MAJOR, "wire-renamed"),
    ),
    Case(
        "keys of a map",
        field(dict[str, int]),
        field(dict[int, int]),
        (B, MAJOR, "map-keys-changed"),
        (F, MAJOR, "map-keys-changed"),
    ),
    Case(
        "how durations are written",
        field(Iso),
        field(Seconds),
        (F, MAJOR, "type-changed"),  # pydantic reads both, and the new reader says so
        (B, MAJOR, "type-changed"),
    ),
    Case(
        "how bytes are written",
        field(Base64),
        field(Utf8),
        (BF, MAJOR, "format-changed"),
        (BF, MAJOR, "format-changed"),
    ),
    Case(
        "how many digits a Decimal has",
        field(Decimal),
        field(Annotated[Decimal, Field(max_digits=5)]),
        (B, MAJOR, "format-added"),
        (F, MAJOR, "format-dropped"),
    ),
    Case(
        "bound of a time",
        field(dt.datetime),
        field(Annotated[dt.datetime, Field(gt=dt.datetime(2020, 1, 1))]),
        (B, MAJOR, "constraint-changed"),
        (F, MAJOR, "constraint-changed"),
    ),
]


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
@pytest.mark.parametrize("way", ["there", "back"])
def test_a_row_of_the_table(case: Case, way: str) -> None:
    """The step, the directions that break, and a finding of the rule that names the change."""
    old, new = (case.old, case.new) if way == "there" else (case.new, case.old)
    directions, bump, rule = case.there if way == "there" else case.back
    change = compare(old, new)
    assert (broken(change), change.bump) == (directions, bump), change.findings
    assert (f"schema/{rule}" in rules(change)) if rule else not change.findings, change.findings


@pytest.mark.parametrize(
    "case", [case for case in TABLE if case.there[1] is MAJOR], ids=lambda case: case.name
)
def test_what_breaks_says_who_must_act_what_to_do_and_why(case: Case) -> None:
    """Each breaking finding: direction, version, actor, remedy, and a witness or the reason there is none."""
    for old, new in ((case.old, case.new), (case.new, case.old)):
        for one in compare(old, new).findings:
            if one.weight is Weight.BREAKING:
                assert one.act == (
                    "producer: upcaster" if one.direction is Direction.BACKWARD else "consumers first"
                )
                assert one.remedy
                assert one.against == "1.0.0"
                assert (one.witness is not None) != bool(one.reason)
