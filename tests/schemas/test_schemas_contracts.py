"""Consumer contracts: each reader held by itself against what producers write, and what people agreed to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, Field

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.contracts.projection import read_as
from wingman_runtime.errors import ConfigError, UsageError
from wingman_runtime.schemas.contract import (
    Consent,
    ConsumerContract,
    Read,
    SignOff,
    contract_file,
    made,
    read_contract,
    read_contracts,
    readers_of,
    write_contract,
)
from wingman_runtime.schemas.deprecation import deprecated_fields
from wingman_runtime.schemas.derive import reader_schema, writer_schema
from wingman_runtime.schemas.finding import SchemaFinding, Weight
from wingman_runtime.schemas.holding import Written, deprecations, hold, unread
from wingman_runtime.schemas.paths import reads_path
from wingman_runtime.schemas.version import Version

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 6, 1)


class Line(BaseModel):
    price: int
    text: str = ""


class OrderPlaced(EventModel):
    order: str
    total: int
    note: str = ""
    lines: tuple[Line, ...] = ()


class TotalView(EventModel):
    projects: ClassVar[str] = "OrderPlaced"
    total: int


class LinesView(EventModel):
    projects: ClassVar[str] = "OrderPlaced"

    class Priced(BaseModel):
        price: int

    lines: tuple[Priced, ...]


class NoteView(EventModel):
    projects: ClassVar[str] = "OrderPlaced"
    note: str


def contract(
    name: str, model: type[BaseModel], majors: Sequence[int] = (1,), **more: object
) -> ConsumerContract:
    read = Read(majors=tuple(majors), reader=reader_schema(model))
    given = {"consumer": name, "consumer_version": "1.2.0", "owner": f"{name} team", **more}
    return ConsumerContract.model_validate({**given, "reads": {"OrderPlaced": read}})


def written(
    model: type[EventModel], version: str = "1.0.0", released: type[EventModel] | None = None
) -> Written:
    old = writer_schema(released) if released else None
    return Written("OrderPlaced", Version.parse(version), writer_schema(model), model, ("till",), old)


def rules(findings: Sequence[SchemaFinding]) -> list[tuple[str, str]]:
    return [(one.rule, one.path) for one in findings]


class Bare(EventModel):
    """`OrderPlaced` without its note."""

    order: str
    total: int
    lines: tuple[Line, ...] = ()


def test_every_reader_of_the_same_model_reads_it() -> None:
    """The whole model and projections of it: nothing to say."""
    for model in (OrderPlaced, TotalView, LinesView, NoteView):
        assert hold(contract("billing", model), written(OrderPlaced), TODAY) == []


def test_removing_a_field_hurts_those_who_read_it_and_nobody_else() -> None:
    """The finding names consumer, version, owner, producer and field, with a document that shows it."""
    after = written(Bare, released=OrderPlaced)
    assert hold(contract("billing", TotalView), after, TODAY) == []
    assert hold(contract("lenient", OrderPlaced), after, TODAY) == []  # its default stands in
    (hurt,) = hold(contract("printer", NoteView), after, TODAY)
    assert (hurt.rule, hurt.path, hurt.weight) == ("contract/breaks", "/note", Weight.BREAKING)
    assert "printer 1.2.0 (printer team)" in hurt.message
    assert "till" in hurt.message
    assert "note" not in hurt.witness
    assert hurt.act == "consumers first: printer (printer team)"
    assert hurt.remedy
    assert hurt.where.startswith("tests/schemas/") or not hurt.where


def test_a_field_nobody_reads_is_seen_to_be_safe() -> None:
    """Removed and read by none: a note says so; a consumer that reads it takes the note away."""
    after = written(Bare, released=OrderPlaced)
    readers = [contract("billing", TotalView), contract("shelf", LinesView)]
    assert rules(list(unread(readers, after, standing=False))) == [("contract/unread", "/note")]
    assert list(unread([*readers, contract("printer", NoteView)], after, standing=False)) == []
    standing = unread(readers, written(OrderPlaced), standing=True)
    assert [one.path for one in standing] == ["/lines/*/text", "/note", "/order"]
    assert all(one.weight is Weight.NOTE for one in unread(readers, after, standing=True))


def test_a_nested_change_is_found_where_it_is() -> None:
    """A price that becomes text: only who reads prices is hurt, at the item's field."""

    class Priced(BaseModel):
        price: str
        text: str = ""

    class Changed(EventModel):
        order: str
        total: int
        note: str = ""
        lines: tuple[Priced, ...] = ()

    assert hold(contract("billing", TotalView), written(Changed), TODAY) == []
    assert rules(hold(contract("shelf", LinesView), written(Changed), TODAY)) == [
        ("contract/breaks", "/lines/*/price")
    ]


def test_what_cannot_be_proven_fails_too() -> None:
    """A pattern beyond the checker's reach: not known, breaking, with the reason."""
    schema = {"type": "object", "properties": {"order": {"type": "string", "pattern": r"^(?=a)a+$"}}}
    reads = {"OrderPlaced": Read(majors=(1,), reader=schema)}
    strange = contract("billing", TotalView).model_copy(update={"reads": reads})

    class Patterned(EventModel):
        order: str = Field(pattern=r"^a{2}$")

    found = hold(strange, written(Patterned), TODAY)
    assert [one.rule for one in found] == ["contract/unproven"]
    assert found[0].weight is Weight.BREAKING
    assert found[0].reason


def test_another_major_needs_a_release_or_a_consent() -> None:
    """A consumer of 1.x is hurt by 2.0.0 whatever is in it, until somebody says it is ready."""
    after = written(OrderPlaced, "2.0.0")
    told = contract("billing", TotalView)
    (hurt,) = hold(told, after, TODAY)
    assert (hurt.rule, hurt.weight) == ("contract/major", Weight.BREAKING)
    assert "wingman contract consent billing OrderPlaced 2" in hurt.remedy
    ready = told.model_copy(update={"consents": {"OrderPlaced": (Consent(major=2, by="bo", reason="out"),)}})
    (said,) = hold(ready, after, TODAY)
    assert (said.rule, said.weight) == ("contract/consented", Weight.NOTE)
    assert hold(contract("billing", TotalView, (1, 2)), after, TODAY) == []
    assert rules(hold(ready, written(OrderPlaced, "3.0.0"), TODAY)) == [("contract/major", "")]


def test_a_sign_off_counts_from_the_day_after() -> None:
    """Until the agreed day the field must be there; afterwards its removal is said, and fails nothing."""
    signed = SignOff(event="OrderPlaced", path="/note", until=date(2026, 6, 30), by="bo", reason="unused")
    told = contract("printer", NoteView, deprecations=[signed])
    after = written(Bare)
    (early,) = hold(told, after, date(2026, 6, 30))
    assert early.weight is Weight.BREAKING
    assert "2026-06-30" in early.message
    (agreed,) = hold(told, after, date(2026, 7, 1))
    assert (agreed.rule, agreed.weight) == ("contract/agreed", Weight.WARNING)
    assert "bo" in agreed.message
    other = told.model_copy(update={"deprecations": (signed.model_copy(update={"path": "/not"}),)})
    assert rules(hold(other, after, date(2026, 7, 1))) == [("contract/breaks", "/note")]


def test_a_deprecated_field_names_who_still_reads_it() -> None:
    """Declared on the model with its day; each reader is warned until its owner agreed."""

    class Inner(BaseModel):
        price: int
        text: str = Field(default="", deprecated="until 2026-12-31, use `lines`")

    class Deprecating(EventModel):
        note: str = Field(default="", deprecated="until 2026-12-31: use the lines' text")
        old: int = Field(default=0, deprecated=True)
        lines: dict[str, list[Inner]] = Field(default_factory=dict, alias="li/nes")

    found = deprecated_fields(Deprecating)
    assert {path: one.until for path, one in found.items()} == {
        "/note": date(2026, 12, 31), "/old": None, "/li~1nes/*/*/text": date(2026, 12, 31),
    }  # fmt: skip
    assert found["/note"].text == "use the lines' text"
    signed = SignOff(event="OrderPlaced", path="/note", until=date(2026, 12, 31), by="bo", reason="ok")
    printer, press = contract("printer", NoteView), contract("press", NoteView, deprecations=[signed])
    told = list(deprecations([printer, press, contract("billing", TotalView)], written(Deprecating), TODAY))
    assert [(one.act, one.path, one.weight) for one in told] == [("printer", "/note", Weight.WARNING)]
    assert "until 2026-12-31" in told[0].message
    over = list(deprecations([printer], written(Deprecating), date(2027, 1, 1)))
    assert "which is over" in over[0].message


def test_an_envelope_field_that_no_event_carries_is_found() -> None:
    """The envelope is part of the contract."""
    told = contract("billing", TotalView)
    read = told.reads["OrderPlaced"].model_copy(update={"envelope": ("id", "tenent")})
    found = hold(told.model_copy(update={"reads": {"OrderPlaced": read}}), written(OrderPlaced), TODAY)
    assert rules(found) == [("contract/envelope", "")]
    assert "tenant" in found[0].remedy


PATHS = {
    "/a": True, "/a/x": True, "/a/y": False, "/any/z": True, "/l/*/x": True, "/t/*/x": False, "/t/*": True,
    "/a/kid/kid/x": True, "/a/x/q": False, "/q": False, "/m/*/x": True, "/sl~1ash": True,
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_which_fields_a_reader_reads(path: str) -> None:
    """Through references, recursion, unions, lists and maps; the whole of what it takes as it comes."""
    part = {"type": "object", "properties": {"x": {"type": "integer"}}}
    part["properties"]["kid"] = {"anyOf": [{"$ref": "#/$defs/Part"}, {"type": "null"}]}  # type: ignore[index]
    reader = {
        "type": "object",
        "properties": {
            "a": {"$ref": "#/$defs/Part"},
            "any": {},
            "l": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
            "t": {"type": "array", "items": {"type": "string"}},
            "m": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Part"}},
            "sl/ash": {"type": "string"},
        },
        "$defs": {"Part": part},
    }
    assert reads_path(reader, path) is PATHS[path]
    assert not reads_path({}, "/a")  # an archive, say: it wants the event, and no field of it


def test_readers_are_found_by_event_and_field() -> None:
    """In order of their names."""
    known = [contract("shelf", LinesView), contract("billing", TotalView), contract("all", OrderPlaced)]
    assert [one.consumer for one in readers_of(known, "OrderPlaced")] == ["all", "billing", "shelf"]
    assert [one.consumer for one in readers_of(known, "OrderPlaced", "/total")] == ["all", "billing"]
    assert readers_of(known, "OrderPaid") == []


def test_a_file_is_the_contract_and_nothing_else(tmp_path: Path) -> None:
    """Written once per change, the same bytes each time; read back equal, agreements included."""
    signed = SignOff(event="OrderPlaced", path="/note", until=TODAY, by="bo", reason="ok")
    told = contract("billing", TotalView, deprecations=[signed]).model_copy(
        update={"consents": {"OrderPlaced": (Consent(major=2, by="bo", reason="ready", on=TODAY),)}}
    )
    assert write_contract(tmp_path, told)
    assert not write_contract(tmp_path, told)
    assert read_contract(contract_file(tmp_path, "billing")) == told
    assert [path.name for path in (tmp_path / "config" / "contracts").iterdir()] == ["billing.json"]
    anew = contract("billing", NoteView)
    assert anew.agreements_of(told).consents == told.consents


WRONG = {
    "misspelt": ('"owner"', '"ownr"', "ownr: is not known here", 5),
    "no version": ('"1.2.0"', '"1.2"', "consumer_version", 3),
    "no schema": ('"integer"', '"intger"', "no JSON Schema", 18),
    "a text major": ("        1\n", '        "1"\n', "majors", 15),
    "another name": ('"billing"', '"bills"', "the consumer is called 'bills'", 2),
    "twice": ('"kind"', '"owner"', "written twice", 5),
    "a number beyond reading": ("        1\n", "        " + "1" * 5000 + "\n", "limit", 1),
    "no JSON": ('"reads": {', '"reads": ', "not valid JSON", 7),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_told_with_its_line(tmp_path: Path, case: str) -> None:
    """Unknown keys, wrong types, no schema, another name, a key twice, no JSON."""
    write_contract(tmp_path, contract("billing", TotalView))
    path = contract_file(tmp_path, "billing")
    old, new, said, line = WRONG[case]
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    problems: list[ConfigError] = []
    assert read_contracts(tmp_path, problems) == {}
    assert said in problems[0].message
    assert f"billing.json:{line}" in str(problems[0])


def test_what_is_typed_wrongly_is_told_in_plain_words() -> None:
    """A path that is no pointer, a reason left empty."""
    with pytest.raises(UsageError, match="path"):
        made(SignOff, event="E", path="note", until=TODAY, by="bo", reason="x")
    with pytest.raises(UsageError, match="reason"):
        made(Consent, major=2, by="bo", reason="")


def test_the_page_shows_what_is_so() -> None:
    """Its contract is one, its projection is of an event that exists, its rules are those there are."""
    page = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
    blocks = dict(reversed(re.findall(r"```(json|python)\n(.*?)```", page, re.DOTALL)))  # the first of each
    told = ConsumerContract.model_validate_json(blocks["json"])
    assert told.consents_to("WordsCounted", 2)
    assert told.signed("WordsCounted", "/words")
    known: dict[str, Any] = {}
    exec(blocks["python"], known)  # a page of our own
    assert reads_path(reader_schema(known["PlanView"]), "/plan_digest")
    assert read_as(known["PlanView"]) in SHIPPED
    rooms = [ROOT / "wingman_runtime" / room for room in ("schemas/holding.py", "project/contracts.py")]
    written = {rule for room in rooms for rule in re.findall(r'"(contract/[a-z-]+)"', room.read_text())}
    assert set(re.findall(r"`(contract/[a-z-]+)`", page)) == written | {"contract/file"}
