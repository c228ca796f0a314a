"""Before an event is published: open enums, and what passed its model by when it was built."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, computed_field

from wingman_runtime.client.envelope import letter_of, work_of
from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.events import UserRequestReceived
from wingman_runtime.contracts.openenum import OpenEnum
from wingman_runtime.contracts.work import StepRequest
from wingman_runtime.contracts.writing import written
from wingman_runtime.errors import AgentCodeError, ContractError


class Item(BaseModel):
    sku: str = Field(min_length=1)
    tags: list[str] = []


class Placed(EventModel):
    count: int = Field(default=1, gt=0)
    items: tuple[Item, ...] = ()
    notes: dict[str, int] = Field(default_factory=dict)


def _mutated() -> Placed:
    placed = Placed(notes={"a": 1}, items=(Item(sku="s"),))
    placed.items[0].tags.append(5)  # type: ignore[arg-type]
    return placed


FIVE: Any = "5"
PAST_ITS_MODEL: dict[str, Any] = {
    "data of the wrong type": (lambda: Placed.model_construct(count=FIVE), "count"),
    "out of bounds": (lambda: Placed.model_construct(count=0), "count"),
    "a copy with another value": (lambda: Placed().model_copy(update={"count": None}), "count"),
    "a part that was not checked": (lambda: Placed(items=(Item.model_construct(sku=""),)), "items.0.sku"),
    "a list changed afterwards": (_mutated, "items.0.tags.0"),
    "a part that lacks a field": (lambda: Placed(items=(Item.model_construct(**{}),)), "items.0.sku"),
}


@pytest.mark.parametrize("how", PAST_ITS_MODEL)
def test_what_passed_its_model_by_is_found_before_it_is_published(how: str) -> None:
    """However it was built, it is read as a consumer would; the error names event and field."""
    build, where = PAST_ITS_MODEL[how]
    with pytest.raises(ContractError, match="Placed does not fit its own model") as refused:
        written(build())
    assert refused.value.where == where


def test_a_client_submits_nothing_that_its_model_refuses() -> None:
    """Neither an event, nor a request with a step that nobody checked."""
    about = {"actor": "alice", "tenant": "demo", "flow": "work"}
    request = "req_p0_" + "0" * 32
    with pytest.raises(ContractError, match="Placed does not fit its own model"):
        letter_of(Placed.model_construct(count=FIVE), "evt_1", request, **about)
    work = work_of("note.write", {}, [StepRequest.model_construct(tool=7)], "")  # type: ignore[arg-type]
    with pytest.raises(ContractError) as refused:
        letter_of(UserRequestReceived(request=work), "evt_1", request, **about)
    assert (refused.value.where or "").startswith("request.steps.0")


class Colour(enum.Enum):
    RED = 1


class Rich(EventModel):
    when: datetime.datetime = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    day: datetime.date = datetime.date(2026, 1, 1)
    span: datetime.timedelta = datetime.timedelta(seconds=3)
    price: decimal.Decimal = decimal.Decimal("1.20")
    key: uuid.UUID = uuid.UUID(int=7)
    raw: bytes = b"abc"
    colour: Colour = Colour.RED
    seen: frozenset[str] = frozenset({"a", "b", "c"})
    by_number: dict[int, float] = Field(default_factory=lambda: {1: 2.0})
    by_day: dict[datetime.date, int] = Field(default_factory=lambda: {datetime.date(2026, 1, 1): 1})
    either: int | str = "5"
    parsed: Annotated[int, BeforeValidator(int)] = 3


def test_whatever_json_can_carry_is_written() -> None:
    """Being strict refuses no type that comes back as itself."""
    body, read = written(Rich())
    assert read == Rich()
    assert Rich.model_validate_json(body) == Rich()


class Priced(BaseModel):
    model_config = ConfigDict(extra="forbid")
    cents: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def euros(self) -> float:
        return self.cents / 100


class Sold(EventModel):
    items: tuple[Priced | None, ...] = ()


def test_computed_fields_are_written_and_passed_over() -> None:
    """They are in the JSON for whoever reads it, at any depth, and no reader of the model takes them."""
    sold = Sold(items=(Priced(cents=150), None))
    body, read = written(sold)
    assert body == b'{"items":[{"cents":150,"euros":1.5},null]}'
    assert read == sold
    half: Any = 0.5
    with pytest.raises(ContractError) as refused:
        written(Sold(items=(Priced.model_construct(cents=half), None)))
    assert refused.value.where == "items.0.cents"


class Channel(OpenEnum):
    MAIL = "mail"
    POST = "post"
    UNKNOWN = "unknown"


class Letter(EventModel):
    by: Channel
    others: tuple[Channel, ...] = ()
    counts: dict[Channel, int] = Field(default_factory=dict)
    maybe: Channel | None = None


def test_an_open_enum_reads_what_it_does_not_know() -> None:
    """Any text is read, at any depth; what is no text is not."""
    read = Letter.model_validate_json(b'{"by": "pigeon", "others": ["mail", "x"], "counts": {"post": 1}}')
    assert read.by is Channel.UNKNOWN
    assert read.others == (Channel.MAIL, Channel.UNKNOWN)
    assert read.counts == {Channel.POST: 1}
    assert Letter.model_validate({"by": "mail"}).by is Channel.MAIL
    with pytest.raises(ValueError, match="valid string"):
        Letter.model_validate_json(b'{"by": 5}')


@pytest.mark.parametrize(
    "letter", [Letter(by=Channel.UNKNOWN), Letter(by=Channel.MAIL, counts={Channel.UNKNOWN: 1})]
)
def test_nobody_writes_unknown(letter: Letter) -> None:
    """Passing on what was not understood would look like a fact."""
    with pytest.raises(ContractError, match="Channel UNKNOWN is only for reading"):
        written(letter)
    assert written(Letter(by=Channel.POST))[0] == b'{"by":"post","others":[],"counts":{},"maybe":null}'


def test_to_a_reader_it_is_any_text_and_to_a_writer_the_known_members() -> None:
    """So that adding a member is a minor version."""
    assert Letter.model_json_schema()["$defs"]["Channel"] == {"title": "Channel", "type": "string"}
    writer = Letter.model_json_schema(mode="serialization")["$defs"]["Channel"]
    assert writer["enum"] == ["mail", "post"]


def test_an_open_enum_without_its_unknown_is_refused_where_it_is_written() -> None:
    """At once, with what to add; a base without members may be shared."""

    class Shared(OpenEnum):
        def told(self) -> str:
            return self.value

    with pytest.raises(AgentCodeError, match="Closed is an OpenEnum and has no member UNKNOWN"):

        class Closed(Shared):
            A = "a"
