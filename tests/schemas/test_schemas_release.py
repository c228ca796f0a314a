"""Where an event stands against its records, and what a release of it takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field, create_model, field_validator

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.errors import ContractError, UsageError
from wingman_runtime.schemas.contract import Consent, ConsumerContract, Read
from wingman_runtime.schemas.describe import describe
from wingman_runtime.schemas.finding import Weight
from wingman_runtime.schemas.registry import Registry
from wingman_runtime.schemas.release import check_sample, plan_release, write_release
from wingman_runtime.schemas.samples import sample_of
from wingman_runtime.schemas.standing import Standing, Status, Subject, line_for, mode_of, standing_of
from wingman_runtime.schemas.version import Bump, Version
from wingman_runtime.schemas.waivers import Waiver

TODAY = date(2026, 6, 15)
Model = type[EventModel]


class OrderPlaced(EventModel):
    """The event as it was at first."""

    customer: str
    total: int = Field(ge=0)
    schema_version: ClassVar[str] = "1.0.0"


FIRST: Model = OrderPlaced


def model(
    version: str, base: Model = EventModel, upcasts: Mapping[int, Any] | None = None, **fields: Any
) -> Model:
    """An OrderPlaced of another state of the code."""
    made: Model = create_model("OrderPlaced", __base__=base, **fields)
    made.schema_version = version
    if upcasts is not None:
        made.upcasts = upcasts
    return made


ORIGINAL: dict[str, Any] = {"customer": (str, ...), "total": (int, Field(ge=0))}


def stand(registry: Registry, current: Model, **more: Any) -> Standing:
    history = registry.history("OrderPlaced")
    record = describe(current, owner="the shop", previous=history[-1] if history else None)
    subject = Subject(current, record, consumers=("billing", "stock"))
    return standing_of(subject, history, today=TODAY, **more)


def released(registry: Registry, current: Model, *samples: Any, **more: Any) -> None:
    plan = plan_release([stand(registry, current, **more)], registry, {"OrderPlaced": samples})
    assert plan.refused == ()
    write_release(plan, registry)


def rules(standing: Standing, weight: Weight = Weight.BREAKING) -> list[str]:
    return [one.rule for one in standing.findings if one.weight is weight]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """OrderPlaced 1.0.0 is released, with one real document."""
    made = Registry(tmp_path)
    released(made, FIRST, {"customer": "ada", "total": 3})
    return made


def test_nothing_released_is_told_by_who_records_versions(tmp_path: Path) -> None:
    """It is a failure where versions are recorded, and a note where nobody has begun to."""
    empty = Registry(tmp_path)
    assert rules(stand(empty, FIRST)) == ["version/unreleased"]
    told = stand(empty, FIRST, begun=False)
    assert (told.status, rules(told), rules(told, Weight.NOTE)) == (
        Status.UNRELEASED,
        [],
        ["version/unreleased"],
    )


def test_a_release_is_a_file_and_then_nothing_is_to_be_done(registry: Registry) -> None:
    """What was released is current; the same release once more writes nothing."""
    standing = stand(registry, FIRST)
    assert (standing.status, standing.findings, standing.bump) == (Status.CURRENT, (), Bump.NONE)
    record = registry.get("OrderPlaced")
    assert (record.owner, record.samples, str(record.version)) == (
        "the shop",
        ({"customer": "ada", "total": 3},),
        "1.0.0",
    )
    plan = plan_release([standing], registry)
    assert [one.new for one in plan.releases] == [False]
    write_release(plan, registry)
    assert len(registry.history("OrderPlaced")) == 1


def test_an_understated_version_is_refused_with_the_line_to_write(registry: Registry) -> None:
    """A field more is a minor: the class must say so, and the finding says where and what."""
    grown = model("1.0.0", note=(str, ""), **ORIGINAL)
    standing = stand(registry, grown)
    assert (standing.status, str(standing.least), standing.bump) == (Status.UNDERSTATED, "1.1.0", Bump.MINOR)
    finding = next(one for one in standing.findings if one.rule == "version/understated")
    assert 'schema_version = "1.1.0"' in finding.remedy
    plan = plan_release([standing], registry)
    assert plan.releases == ()
    assert [one.rule for one in plan.refused] == ["version/understated"]
    assert len(registry.history("OrderPlaced")) == 1


def test_the_line_to_write_is_that_of_the_class() -> None:
    """Where the class has its version already, it is that line, else that of the class."""
    rows = Path(__file__).read_text(encoding="utf-8").splitlines()
    for one, row in (
        (FIRST, 'schema_version: ClassVar[str] = "1.0.0"'),
        (Stricter, "class Stricter(EventModel):"),
    ):
        line = line_for(Subject(one, describe(one)), Version.parse("1.1.0"))
        assert line.startswith('schema_version = "1.1.0" in ')
        assert row in rows[int(line.rpartition(":")[2]) - 1]


def test_a_version_below_a_released_one_is_behind(registry: Registry) -> None:
    """Somebody released a higher one meanwhile: the class is to be above that."""
    released(registry, model("1.3.0", note=(str, ""), **ORIGINAL))
    for version in ("1.0.0", "1.2.0", "0.9.0"):
        standing = stand(registry, model(version, note=(str, ""), **ORIGINAL))
        assert (standing.status, rules(standing)) == (Status.BEHIND, ["version/behind"])
        assert plan_release([standing], registry).releases == ()


@pytest.mark.parametrize("version", ["1.1.0", "1.2.0", "1.1.7"])
def test_enough_or_more_than_enough_may_be_released(registry: Registry, version: str) -> None:
    """A minor change may call itself that, or more; until it is released, the check says so."""
    grown = model(version, note=(str, ""), **ORIGINAL)
    assert (stand(registry, grown).status, rules(stand(registry, grown))) == (
        Status.UNRELEASED,
        ["version/unreleased"],
    )
    released(registry, grown)
    assert stand(registry, grown).status is Status.CURRENT
    assert [str(one.version) for one in registry.history("OrderPlaced")] == ["1.0.0", version]


def test_who_is_hurt_is_named(registry: Registry) -> None:
    """A field that old readers need was removed: the agents that consume the event must act first."""
    standing = stand(registry, model("1.1.0", customer=(str, ...)))
    assert (standing.status, str(standing.least)) == (Status.UNDERSTATED, "2.0.0")
    hurt = [one for one in standing.findings if one.direction.value == "forward"]
    assert hurt
    assert hurt[0].path == "/total"
    assert "billing" in hurt[0].act
    assert "stock" in hurt[0].act
    assert hurt[0].against == "1.0.0"


@pytest.mark.parametrize(
    ("mode", "blocks"),
    [
        ("full_transitive", True),
        ("forward", True),
        ("forward_transitive", True),
        ("backward", False),
        ("backward_transitive", False),
        ("none", False),
    ],
)
def test_a_looser_mode_says_and_does_not_block(registry: Registry, mode: str, blocks: bool) -> None:
    """A removed field hurts old readers only: where that is not held against the event, it is a warning."""
    changed = model("1.1.0", customer=(str, ...))
    changed.compatibility = mode
    standing = stand(registry, changed)
    assert ("version/understated" in rules(standing)) is blocks
    weight = Weight.BREAKING if blocks else Weight.WARNING
    assert "schema/field-removed" in rules(standing, weight)
    assert (plan_release([standing], registry).releases == ()) is blocks


def test_a_mode_there_is_not_is_refused() -> None:
    """A misspelt mode is no mode, and looser by no accident."""
    changed = model("1.1.0", customer=(str, ...))
    changed.compatibility = "backwards"
    with pytest.raises(ContractError, match="no compatibility 'backwards'"):
        mode_of(changed)


def _from_one(data: dict[str, Any]) -> dict[str, Any]:
    return {"customer": data["customer"], "cents": data["total"] * 100}


SECOND: dict[str, Any] = {"customer": (str, ...), "cents": (int, Field(ge=0))}


def test_a_major_needs_the_way_from_the_one_before(registry: Registry) -> None:
    """Without an upcaster it is refused; with one that fails on a recorded document, too, showing it."""
    assert rules(stand(registry, model("2.0.0", **SECOND))) == ["major/no-upcaster", "version/unreleased"]
    for wrong in (lambda data: {}, lambda data: {"cents": 1}, lambda data: data["gone"], lambda data: "text"):
        standing = stand(registry, model("2.0.0", upcasts={1: wrong}, **SECOND))
        assert rules(standing) == ["major/upcaster-fails", "version/unreleased"]
        finding = next(one for one in standing.findings if one.rule == "major/upcaster-fails")
        assert (finding.witness, finding.against) == ({"customer": "ada", "total": 3}, "1.0.0")
        assert plan_release([standing], registry).releases == ()
    right = model("2.0.0", upcasts={1: _from_one}, **SECOND)
    released(registry, right)
    assert stand(registry, right).status is Status.CURRENT


def test_an_upcaster_goes_on_being_tried(registry: Registry) -> None:
    """Whoever breaks it after the release of the new major is told at once."""
    released(registry, model("2.0.0", upcasts={1: _from_one}, **SECOND))
    later = model("2.0.0", upcasts={1: lambda data: {**_from_one(data), "cents": -1}}, **SECOND)
    assert rules(stand(registry, later)) == ["major/upcaster-fails"]


def test_upcasters_are_chained(registry: Registry) -> None:
    """Documents of 1.x come through both steps to 3.x; giving 1.x up is no failure, giving 2.x up is one."""
    released(registry, model("2.0.0", upcasts={1: _from_one}, **SECOND))
    third: dict[str, Any] = {"customer": (str, ...), "amount": (str, ...)}

    def step(data: dict[str, Any]) -> dict[str, Any]:
        return {"customer": data["customer"], "amount": f"{data['cents']}"}

    assert rules(stand(registry, model("3.0.0", upcasts={1: _from_one, 2: step}, **third))) == [
        "version/unreleased"
    ]
    broken = model("3.0.0", upcasts={1: lambda data: {}, 2: step}, **third)
    assert "major/upcaster-fails" in rules(stand(registry, broken))
    assert rules(stand(registry, model("3.0.0", upcasts={2: step}, **third))) == ["version/unreleased"]
    assert "major/no-upcaster" in rules(stand(registry, model("3.0.0", upcasts={1: _from_one}, **third)))


def contract(**more: Any) -> ConsumerContract:
    reader = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}
    read = Read(majors=(1,), reader=reader)
    return ConsumerContract(
        consumer="ledger",
        consumer_version="1.0.0",
        owner="the ledger team",
        reads={"OrderPlaced": read},
        **more,
    )


def test_a_major_needs_the_consent_of_who_cannot_read_it(registry: Registry) -> None:
    """A consumer that reads only what stays is not asked; one that agreed is not in the way."""
    second = model("2.0.0", upcasts={1: _from_one}, **SECOND)
    standing = stand(registry, second, consumers=[contract()])
    assert "major/no-consent" in rules(standing)
    finding = next(one for one in standing.findings if one.rule == "major/no-consent")
    assert "the ledger team" in finding.act
    assert "`wingman contract consent ledger OrderPlaced 2 --by NAME --reason WHY`" in finding.remedy
    assert plan_release([standing], registry).releases == ()
    agreed = contract(consents={"OrderPlaced": (Consent(major=2, by="eve", reason="we are ready"),)})
    elsewhere = contract().model_copy(update={"reads": {"OrderPaid": contract().reads["OrderPlaced"]}})
    name = {"type": "object", "properties": {"customer": {"type": "string"}}, "required": ["customer"]}
    projection = contract().model_copy(update={"reads": {"OrderPlaced": Read(majors=(1, 2), reader=name)}})
    for harmless in (agreed, elsewhere, projection):
        assert rules(stand(registry, second, consumers=[harmless])) == ["version/unreleased"]


class Stricter(EventModel):
    """The same fields, and a validator no schema shows."""

    customer: str
    total: int = Field(ge=0)

    @field_validator("customer")
    @classmethod
    def _not_ada(cls, given: str) -> str:
        if given == "ada":
            raise ValueError("not ada")
        return given


def test_a_recorded_document_finds_what_no_schema_shows(registry: Registry) -> None:
    """A validator that refuses what was written before makes it a major, and the document is shown."""
    standing = stand(registry, model("1.1.0", base=Stricter))
    finding = next(one for one in standing.findings if one.rule == "sample/refused")
    assert (finding.path, finding.witness) == ("/customer", {"customer": "ada", "total": 3})
    assert (standing.status, str(standing.least)) == (Status.UNDERSTATED, "2.0.0")


def test_what_was_accepted_is_answered_for_ever(registry: Registry) -> None:
    """A waiver lets a breaking change be a minor; its release records it, so that the waiver may go."""
    tighter = model("1.1.0", customer=(str, ...), total=(int, Field(ge=1)))
    before = stand(registry, tighter)
    (breaking,) = {(one.rule, one.path) for one in before.findings if one.rule.startswith("schema/")}
    waiver = Waiver("OrderPlaced", *breaking, "nobody orders nothing", "ada", date(2026, 12, 31))
    accepted = stand(registry, tighter, waivers=[waiver])
    assert rules(accepted) == ["version/unreleased"]
    assert [by.by for _, by in accepted.waived] == ["ada"]
    released(registry, tighter, waivers=[waiver])
    assert registry.get("OrderPlaced").accepted[0]["reason"] == "nobody orders nothing"
    later = model("1.2.0", customer=(str, ...), total=(int, Field(ge=1)), note=(str, ""))
    assert rules(stand(registry, later)) == ["version/unreleased"]
    tighter_still = model("1.2.0", customer=(str, ...), total=(int, Field(ge=2)))
    assert "version/understated" in rules(stand(registry, tighter_still))


def test_an_expired_waiver_lets_nothing_pass(registry: Registry) -> None:
    """On the day after its last one the finding is back."""
    tighter = model("1.1.0", customer=(str, ...), total=(int, Field(ge=1)))
    found = next(one for one in stand(registry, tighter).findings if one.rule.startswith("schema/"))
    waiver = Waiver("OrderPlaced", found.rule, found.path, "r", "ada", date(2026, 6, 14))
    assert "version/understated" in rules(stand(registry, tighter, waivers=[waiver]))


def test_one_refusal_releases_nothing(registry: Registry) -> None:
    """All that is asked for is written, or nothing of it."""

    class OrderPaid(EventModel):
        by: str

    good = standing_of(Subject(OrderPaid, describe(OrderPaid)), (), today=TODAY)
    bad = stand(registry, model("1.0.0", note=(str, ""), **ORIGINAL))
    plan = plan_release([good, bad], registry)
    assert (plan.releases, [one.event for one in plan.refused]) == ((), ["OrderPlaced"])
    assert write_release(plan, registry) == ()
    assert registry.events() == ("OrderPlaced",)


def test_a_record_has_a_sample_from_the_first_day(tmp_path: Path) -> None:
    """Nobody gave one: it is made from the schema, the same each time, and the class reads it."""
    fresh = Registry(tmp_path)
    released(fresh, FIRST)
    (sample,) = fresh.get("OrderPlaced").samples
    assert FIRST.model_validate(sample)
    assert sample_of(describe(FIRST).writer) == (sample,)


@pytest.mark.parametrize(
    ("sample", "where"),
    [
        ({"customer": "ada"}, "total"),
        ({"customer": "ada", "total": -1}, "total"),
        ({"customer": "ada", "total": 1, "extra": 1}, "extra"),
        ({"customer": "ada", "total": float("nan")}, "$.total"),
        ("text", ""),
    ],
)
def test_a_sample_is_a_document_of_its_event(registry: Registry, sample: Any, where: str) -> None:
    """What the class would not read is recorded as no sample."""
    with pytest.raises(ContractError) as caught:
        check_sample(Subject(FIRST, describe(FIRST)), sample)
    assert caught.value.where == where


def test_a_sample_leaves_nothing_out(registry: Registry) -> None:
    """Producers write every field: a document without one that has a default is none of theirs."""
    grown = model("1.1.0", note=(str, ""), **ORIGINAL)
    with pytest.raises(ContractError, match="note"):
        check_sample(Subject(grown, describe(grown)), {"customer": "ada", "total": 1})


def test_a_released_record_takes_no_further_sample(registry: Registry) -> None:
    """Records are never changed, not even by a sample more."""
    with pytest.raises(UsageError):
        plan_release([stand(registry, FIRST)], registry, {"OrderPlaced": [{"customer": "a", "total": 1}]})
