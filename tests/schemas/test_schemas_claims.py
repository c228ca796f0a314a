"""What an author says of a schema beside its type hides no change: the type counts."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ImportString,
    StringConstraints,
    WithJsonSchema,
    create_model,
    json_schema,
)
from pydantic_core import core_schema

from tests.schemas.schemas_made import broken, event, field, rules
from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.version import Bump
from wingman_runtime.schemas.change import compare
from wingman_runtime.schemas.derive import reader_schema, worded_schema, writer_schema
from wingman_runtime.schemas.describe import describe


class Says:
    """An annotation that says of anything that it is a whole number."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        return {"type": "integer"}


class Nested(BaseModel):
    it: str

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        return {"type": "object", "properties": {"it": {"type": "integer"}}, "required": ["it"]}


class Honest(BaseModel):
    it: int


Iban = Annotated[str, WithJsonSchema({"type": "string", "format": "iban"})]


class Handle:
    """A type that only its author can describe."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            str, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string", "maxLength": 8}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Annotated[str, WithJsonSchema({"type": "integer"})], {}),
        (Annotated[str, Says], {}),
        (str, {"json_schema_extra": {"type": "integer"}}),
        (str, {"json_schema_extra": lambda schema: schema.update(type="integer")}),
    ],
    ids=["WithJsonSchema", "a method", "json_schema_extra", "a function"],
)
def test_a_type_that_is_said_to_be_another_one_is_what_it_is(kind: Any, said: dict[str, Any]) -> None:
    """Saying ``integer`` of a text does not make a number of it: nobody could read the other."""
    assert broken(compare(field(int), field(kind, **said))) == "bf"


def test_a_model_that_describes_itself_wrongly_is_what_its_fields_are() -> None:
    """Neither its own method nor ``json_schema_extra`` in its config says what its fields are."""
    assert broken(compare(field(Honest), field(Nested))) == "bf"
    config = ConfigDict(json_schema_extra={"properties": {"it": {"type": "integer"}}})
    said: Any = create_model("OrderPlaced", __base__=EventModel, it=(str, ...))
    said.model_config = {**said.model_config, **config}
    said.model_rebuild(force=True)
    assert broken(compare(event(it=(int, ...)), describe(said))) == "bf"


def test_what_is_left_out_of_the_schema_is_written_all_the_same() -> None:
    """``SkipJsonSchema[None]`` hides a null from people, not from readers; nor is a whole field hidden."""
    skip: Any = json_schema.SkipJsonSchema
    change = compare(field(int), field(int | Annotated[None, skip()]))
    assert (broken(change), rules(change)) == ("f", {"schema/nullable-added"})
    hidden = event(it=(int, ...), more=(Annotated[int, skip()], ...))
    assert broken(compare(event(it=(int, ...)), hidden)) == "b"


def test_a_keyword_of_an_author_is_no_bound() -> None:
    """``minimum`` in ``json_schema_extra`` refuses nothing; ``ge`` does."""
    said = field(int, json_schema_extra={"minimum": 5})
    assert compare(field(int), said).bump <= Bump.PATCH
    assert broken(compare(said, field(int, ge=5))) == "b"


def test_what_adds_to_the_type_stays() -> None:
    """A format of the author's is told, and so is what only the author can say; words are kept for people."""
    for schema in (writer_schema, reader_schema):
        model = create_model("OrderPlaced", __base__=EventModel, it=(Iban, ...), at=(Handle, ...))
        told = schema(model)["properties"]
        assert told == {"it": {"type": "string", "format": "iban"}, "at": {"type": "string", "maxLength": 8}}
    it: Any = Field(json_schema_extra={"examples": ["a"], "x-note": "b", "maxLength": 1})
    worded = worded_schema(create_model("OrderPlaced", __base__=EventModel, it=(str, it)))
    assert worded["properties"]["it"] == {"title": "It", "type": "string", "examples": ["a"], "x-note": "b"}


@pytest.mark.parametrize("rule", ["strip_whitespace", "to_lower", "to_upper"])
def test_a_text_that_is_changed_when_read_is_a_validator(rule: str) -> None:
    """No schema shows it, and what was written is read as something else."""
    changing: dict[str, Any] = {rule: True}
    change = compare(field(str), field(Annotated[str, StringConstraints(**changing)]))
    assert (change.bump, rules(change)) == (Bump.PATCH, {"schema/validator-changed"})


def test_another_engine_for_patterns_is_a_validator() -> None:
    """``$`` of Python's `re` lets a line end pass that pydantic's own engine refuses."""

    class Base(EventModel):
        model_config = ConfigDict(regex_engine="python-re")

    kind = Annotated[str, Field(pattern="a$")]
    other = describe(create_model("OrderPlaced", __base__=Base, it=(kind, ...)))
    assert rules(compare(event(it=(kind, ...)), other)) == {"schema/validator-changed"}


def test_a_text_that_is_imported_is_a_validator() -> None:
    """Its schema says nothing of it, and it refuses every text that names no object of Python."""
    imported: Any = ImportString
    change = compare(field(str), field(imported))
    assert rules(change) == {"schema/validator-changed"}
