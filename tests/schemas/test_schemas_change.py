"""A change held against what was recorded: what is found, what blocks, which names stay reserved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field, field_validator

from tests.schemas.schemas_made import event, field, model, named, rules, version
from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.version import Bump
from wingman_runtime.schemas import accepts
from wingman_runtime.schemas.change import Mode, compare, judge
from wingman_runtime.schemas.describe import describe, lint
from wingman_runtime.schemas.finding import Direction, Weight
from wingman_runtime.schemas.record import SchemaRecord
from wingman_runtime.schemas.rules import NAMES

NONE, PATCH, MINOR, MAJOR = Bump.NONE, Bump.PATCH, Bump.MINOR, Bump.MAJOR


class Inner(BaseModel):
    amount: int


class InnerText(BaseModel):
    amount: int | str


def test_a_change_of_one_model_at_two_places_is_one_finding() -> None:
    """It names both places."""
    old = event(a=(Inner, ...), b=(list[Inner], ...))
    (finding,) = compare(old, event(a=(InnerText, ...), b=(list[InnerText], ...))).findings
    assert finding.path == "/a/amount"
    assert "/b/*/amount" in finding.message


def test_one_of_and_any_of_that_overlap_is_a_major() -> None:
    """Documents that fit two members are refused by exactly-one; raw schemas may say so, models never do."""
    record = field(int)
    overlap = [{"type": "integer"}, {"minimum": 3}]
    old = _with(record, {"type": "object", "properties": {"it": {"anyOf": overlap}}, "required": ["it"]})
    new = _with(record, {"type": "object", "properties": {"it": {"oneOf": overlap}}, "required": ["it"]})
    assert compare(old, new).bump is MAJOR


def _with(record: SchemaRecord, schema: dict[str, Any]) -> SchemaRecord:
    return replace(record, writer=schema, reader=schema)


class Total(EventModel):
    amount: int


class Computed(EventModel):
    amount: int

    @computed_field
    def double(self) -> int:
        return self.amount * 2


def test_a_computed_field_comes_as_a_minor_and_goes_with_a_warning() -> None:
    """No model reads it; a consumer with a schema of its own may, and its contract tells."""
    plain, computed = named(Total, "T"), named(Computed, "T")
    came, went = compare(plain, computed), compare(computed, plain)
    assert (came.bump, went.bump) == (MINOR, MINOR)
    assert [one.rule for one in came.findings] == ["schema/computed-field-added"]
    (warning,) = went.findings
    assert (warning.rule, warning.weight) == ("schema/computed-field-removed", Weight.WARNING)


def test_a_computed_field_that_a_consumer_reads_is_missed_when_it_goes() -> None:
    """The consumer's own reader is held against what is written."""
    reader = {"type": "object", "properties": {"double": {"type": "integer"}}, "required": ["double"]}
    assert accepts(reader, describe(Computed).writer).compatible
    assert not accepts(reader, describe(Total).writer).compatible


def test_another_event_type_is_a_major() -> None:
    """Flows and consumers know an event by its name."""
    change = compare(named(Total, "OrderPlaced"), named(Total, "OrderMade"))
    assert change.bump is MAJOR
    assert rules(change) == {"schema/event-renamed"}


def test_words_names_and_order_are_a_patch() -> None:
    """Titles, descriptions, examples, names of definitions and the order of fields."""

    class Party(BaseModel):
        """Who it is."""

        name: str = Field(title="The name", examples=["Ada"])
        age: int = 3

    class Person(BaseModel):
        age: int = Field(default=3, description="in years")
        name: str

    old, new = event(a=(Party, ...), b=(int, 1)), event(b=(int, 1), a=(Person, ...))
    change = compare(old, new)
    assert (change.bump, [one.rule for one in change.findings]) == (PATCH, ["schema/words-changed"])
    assert old.digest == new.digest
    # Another release of pydantic has words of its own: that is nobody's change.
    assert compare(replace(old, pydantic="2.0.0"), new).bump is NONE


def test_a_writer_that_allows_further_fields_is_an_error_of_the_model() -> None:
    """Every later field would break what was written by its name."""

    class Free(EventModel):
        model_config = ConfigDict(extra="allow")
        a: int

    (finding,) = lint(Free)
    assert (finding.rule, finding.weight) == ("model/extra-allowed", Weight.BREAKING)


def test_a_changed_validator_asks_for_a_persons_word() -> None:
    """The schemas are equal, so it is a patch; whether it breaks, nobody can tell but who wrote it."""

    class First(EventModel):
        code: str

        @field_validator("code")
        @classmethod
        def checked(cls, value: str) -> str:
            return value.strip()

    class Second(EventModel):
        code: str

        @field_validator("code")
        @classmethod
        def checked(cls, value: str) -> str:
            if not value:
                raise ValueError("empty")
            return value

    old, new = named(First, "E"), named(Second, "E")
    change = compare(old, new)
    (finding,) = change.findings
    assert change.bump is PATCH
    assert (finding.rule, finding.weight) == ("schema/validator-changed", Weight.BREAKING)
    assert finding.reason
    assert compare(old, old).bump is NONE


def history(*records: SchemaRecord) -> list[SchemaRecord]:
    return [version(one, f"1.{number}.0") for number, one in enumerate(records)]


def test_it_is_held_against_every_version_of_its_major() -> None:
    """A name that went and came back with another type hurts those who read the first version."""
    past = history(event(a=(int, 1), b=(int, 1)), event(a=(int, 1)))
    new = version(event(a=(int, 1), b=(str, "")), "1.2.0")
    change = judge(past, new)
    assert change.bump is MAJOR
    assert {(one.rule, one.against) for one in change.findings if one.direction is not Direction.NEITHER} == {
        ("schema/type-changed", "1.0.0")
    }


def test_a_reserved_name_is_known_by_its_last_type() -> None:
    """It is kept from record to record; the same type may come back, another one is a major."""
    first = describe(model(a=(int, 1), b=(int, 1), inner=(Inner, Inner(amount=1))))
    second = describe(model(a=(int, 1)), previous=first)
    third = describe(model(a=(int, 1), c=(int, 1)), previous=second)
    assert second.reserved == {"/b": {"type": "integer"}, "/inner": first.writer["properties"]["inner"]}
    assert third.reserved == second.reserved
    again = describe(model(a=(int, 1), c=(int, 1), b=(int, 2)), previous=third)
    assert set(again.reserved) == {"/inner"}
    assert compare(third, again).bump is MINOR
    other = compare(third, describe(model(a=(int, 1), c=(int, 1), b=(str, ""))))
    assert other.bump is MAJOR
    (finding,) = (one for one in other.findings if one.weight is Weight.BREAKING)
    assert (finding.rule, finding.path) == ("schema/reserved-name-reused", "/b")


@pytest.mark.parametrize(
    ("mode", "blocking"),
    [
        (Mode.NONE, set()),
        (Mode.BACKWARD, {("backward", "1.1.0")}),
        (Mode.BACKWARD_TRANSITIVE, {("backward", "1.0.0"), ("backward", "1.1.0")}),
        (Mode.FORWARD, {("forward", "1.1.0")}),
        (Mode.FORWARD_TRANSITIVE, {("forward", "1.0.0"), ("forward", "1.1.0")}),
        (Mode.FULL, {("backward", "1.1.0"), ("forward", "1.1.0")}),
        (
            Mode.FULL_TRANSITIVE,
            {("backward", "1.0.0"), ("forward", "1.0.0"), ("backward", "1.1.0"), ("forward", "1.1.0")},
        ),
    ],
)
def test_the_mode_decides_what_blocks_and_nothing_else(mode: Mode, blocking: set[tuple[str, str]]) -> None:
    """Findings and step are the same in every mode."""
    past = history(event(a=(int, ...), b=(str, "")), event(a=(int, ...), b=(int, 1), c=(str, ...)))
    new = version(event(a=(bool, ...), b=(int, 1), c=(int, ...)), "1.2.0")
    change, full = judge(past, new, mode=mode), judge(past, new)
    assert (change.bump, change.findings) == (MAJOR, full.findings)
    assert {(one.direction.value, one.against) for one in change.blocking} == blocking
    assert change.blocked == bool(blocking)


def test_what_did_not_change_is_nothing_and_what_has_no_past_neither() -> None:
    """Whatever is recorded beside it; a new major begins by itself."""
    past = history(event(a=(int, 1)), event(a=(int, 1), b=(int, 1)))
    assert judge(past, version(event(a=(int, 1), b=(int, 1)), "1.1.0")) == judge(past, past[-1])
    assert judge(past, past[-1]).bump is NONE
    assert judge([], past[0]).bump is NONE
    assert judge(past, version(event(a=(str, ...)), "2.0.0")).bump is NONE


def test_what_the_check_cannot_tell_is_breaking_and_says_why() -> None:
    """A gap that no difference explains is told in the check's own words."""
    record = field(int)
    old = _with(record, {"type": "string", "pattern": "^(a+)+$"})
    new = _with(record, {"type": "string", "pattern": "^(?=a)a*$"})
    change = compare(old, new)
    assert change.bump is MAJOR
    for one in change.findings:
        assert one.weight is Weight.BREAKING
        assert (one.witness is not None) != bool(one.reason)


def test_every_rule_found_is_one_of_those_listed() -> None:
    """Waivers refer to them."""
    old = event(a=(int, 1), b=(str, ...), c=(list[int], ...))
    new = event(a=(str, "1"), d=(int, ...), c=(set[int], ...))
    assert {one.removeprefix("schema/") for one in rules(compare(old, new))} <= set(NAMES)


def test_versions_that_only_gain_a_field_need_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is why a thousand events of ten versions are judged in seconds: one look is enough."""
    kinds: list[Any] = [int, str, float, list[int], dict[str, int], int | None, tuple[int, str], Inner]
    base = {f"f{number}": (kind, ...) for number, kind in enumerate(kinds)}
    added = [{f"g{one}": (int, one) for one in range(number)} for number in range(11)]
    records = history(*(event(**base, **more) for more in added))

    def searched(*_: Any) -> Any:
        raise AssertionError("it searched")

    monkeypatch.setattr("wingman_runtime.schemas.inclusion.check.accepts", searched)
    assert judge(records[:-1], records[-1]).bump is MINOR
    with pytest.raises(AssertionError, match="it searched"):
        judge(records[:-1], version(event(**base, g0=(str, ...)), "1.11.0"))
