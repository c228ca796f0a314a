"""The digest of a model's code: it changes with what the code says, and with nothing else."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Predicate
from pydantic import (
    AfterValidator,
    AnyUrl,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    field_validator,
    model_validator,
)

from tests.schemas.schemas_made import model
from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.openenum import OpenEnum
from wingman_runtime.schemas.change import compare
from wingman_runtime.schemas.describe import describe
from wingman_runtime.schemas.fingerprint import fingerprint


class Channel(OpenEnum):
    MAIL = "mail"
    UNKNOWN = "unknown"


class Plain(BaseModel):
    text: str


class Checked(BaseModel):
    text: str

    @model_validator(mode="after")
    def check(self) -> Checked:
        return self


def upper(value: str) -> str:
    """In capitals."""
    return value.upper()


def lower(value: str) -> str:
    return value.lower()


def of(annotation: Any, **rules: Any) -> str:
    return fingerprint(model(it=(annotation, Field(**rules))))


def test_without_code_there_is_none() -> None:
    """What pydantic and the runtime ship is no code of the model's."""
    for kind in (int, AnyUrl, list[Plain], Channel, dict[str, Plain | None]):
        assert of(kind) == ""


def test_code_is_found_wherever_it_hangs() -> None:
    """On the field, in an annotation, in a model inside, in a serializer, in what chooses a variant."""
    chooser = Annotated[
        Annotated[Plain, Tag("a")] | Annotated[Checked, Tag("b")], Discriminator(lambda value: "a")
    ]
    found = [
        of(Annotated[str, AfterValidator(upper)]),
        of(Annotated[str, AfterValidator(lower)]),
        of(Annotated[str, PlainSerializer(upper, return_type=str)]),
        of(list[Checked]),
        of(chooser),
        of(Annotated[int, Predicate(lambda value: value % 2 == 0)]),
    ]
    assert all(one.startswith("sha256:") for one in found)
    assert len({found[0], found[1], found[3], found[4], found[5]}) == 5


def test_comments_docstrings_and_layout_are_no_change() -> None:
    """Nor is the name of the class it stands in."""

    class First(EventModel):
        it: str

        @field_validator("it")
        @classmethod
        def check(cls, value: str) -> str:
            """Say what it does."""
            return value.strip()  # and why

    class Second(EventModel):
        it: str

        @field_validator("it")
        @classmethod
        def check(cls, value: str) -> str:
            # otherwise laid out
            return (
                value.strip()
            )  # fmt: skip

    class Third(EventModel):
        it: str

        @field_validator("it")
        @classmethod
        def check(cls, value: str) -> str:
            return value.rstrip()

    assert fingerprint(First) == fingerprint(Second) != fingerprint(Third)


def test_what_no_schema_shows_of_the_config_counts_too() -> None:
    """Such as that text is read in small letters."""

    class Small(BaseModel):
        model_config = ConfigDict(str_to_lower=True)
        text: str

    assert of(Small) not in {"", of(Plain)}


def test_the_order_of_a_union_counts_where_the_first_that_fits_is_taken() -> None:
    """Elsewhere it means nothing."""
    assert of(int | str, union_mode="left_to_right") != of(str | int, union_mode="left_to_right")
    assert of(int | str) == of(str | int) == ""
    (finding,) = compare(
        describe(model(it=(int | str, Field(union_mode="left_to_right")))),
        describe(model(it=(str | int, Field(union_mode="left_to_right")))),
    ).findings
    assert finding.rule == "schema/validator-changed"
