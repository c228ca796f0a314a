"""Reading by version: what one model makes of every version of its event."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import orjson
import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field

from wingman_runtime.contracts.event import Event, EventCatalog, EventModel, dataschema_of, envelope_of
from wingman_runtime.contracts.events import BranchesJoined, RequestFailed
from wingman_runtime.contracts.joining import joined
from wingman_runtime.contracts.reading import check_versions
from wingman_runtime.errors import ContractError, NewerSchemaError, UnknownVariantError


class Line(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sku: str
    count: int = 1


def _from_one(data: dict[str, Any]) -> dict[str, Any]:
    data["reference"] = data.pop("ref")
    return data


def _from_two(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "lines": [{"sku": sku} for sku in data["lines"]]}


class OrderPlaced(EventModel):
    """Of version 3: `ref` was renamed in 2, lines became records in 3."""

    reference: str
    lines: tuple[Line, ...] = ()
    gift: bool = False
    schema_version: ClassVar[str] = "3.1.0"
    upcasts: ClassVar = {1: _from_one, 2: _from_two}


def sent(version: str, data: dict[str, Any], name: str = "OrderPlaced", **more: Any) -> bytes:
    """An event as it lies in an inbox."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": "evt_1",
            "source": "/agents/x",
            "type": name,
            "subject": "req_1",
            "time": "2026-01-01T00:00:00Z",
            "datacontenttype": "application/json",
            "dataschema": f"urn:wingman:event:{name}:{version}",
            "partition": 0,
            "correlationid": "req_1",
            "actor": "alice",
            "tenant": "demo",
            "flow": "work",
            "data": data,
        }
        | more
    )


def read(body: bytes, *models: type[EventModel]) -> EventModel:
    """What the first model makes of it."""
    catalog = EventCatalog({model.__name__: model for model in models or (OrderPlaced,)})
    data: EventModel = catalog.decode((models or (OrderPlaced,))[0].__name__, body).data
    return data


def test_its_own_version_is_read_strictly() -> None:
    """A name that the version does not have is refused, in the data and in the envelope."""
    assert read(sent("3.1.0", {"reference": "a"})) == OrderPlaced(reference="a")
    for body in (
        sent("3.1.0", {"reference": "a", "new": 1}),
        sent("3.1.0", {"reference": "a"}, sampledrate=1),
        sent("3.1.0", {"reference": "a", "lines": [{"sku": "s", "new": 1}]}),
    ):
        with pytest.raises(ContractError, match="not known here"):
            read(body)


def test_an_older_minor_is_filled_up() -> None:
    """What was added since has its default; what was taken away since is passed over."""
    assert read(sent("3.0.0", {"reference": "a", "wrapping": "blue"})) == OrderPlaced(reference="a")
    with pytest.raises(ContractError, match="is missing") as refused:
        read(sent("3.0.0", {"wrapping": "blue"}))
    assert refused.value.where == "data.reference"


def test_a_newer_minor_is_read_as_far_as_it_is_known() -> None:
    """Unknown names are passed over however deep, in the envelope as well; known ones are checked."""
    lines = [{"sku": "s", "count": 2, "colour": "red"}]
    body = sent("3.2.0", {"reference": "a", "lines": lines, "new": {"x": 1}}, sampledrate=1)
    assert read(body) == OrderPlaced(reference="a", lines=(Line(sku="s", count=2),))
    with pytest.raises(ContractError) as refused:
        read(sent("3.2.0", {"reference": 7, "new": 1}))
    assert refused.value.where == "data.reference"


def test_older_majors_go_through_every_upcaster() -> None:
    """From 1 by way of 2; even where the old data would fit the model as it stands."""
    assert read(sent("1.4.0", {"ref": "a", "lines": ["s"]})) == OrderPlaced(
        reference="a", lines=(Line(sku="s"),)
    )
    assert read(sent("2.0.0", {"reference": "a", "lines": ["s"]})).model_dump()["lines"][0]["sku"] == "s"
    with pytest.raises(ContractError, match=r"_from_one \(1 to 2\) raised KeyError"):
        read(sent("1.0.0", {"reference": "a"}))


def test_an_upcaster_may_pass_on_what_it_does_not_know_and_make_up_nothing() -> None:
    """A later minor of the old major may have a name nobody here knows; a misspelt one is refused."""
    later = sent("1.9.0", {"ref": "a", "lines": [], "added_in_1_9": True})
    assert read(later) == OrderPlaced(reference="a")

    class Misspelt(OrderPlaced):
        upcasts: ClassVar = {
            1: lambda data: {"reference": data["ref"]},
            2: lambda data: {**data, "gfit": True},
        }

    with pytest.raises(ContractError, match=r"after its upcaster .* \(2 to 3\).*not known here") as refused:
        read(sent("1.0.0", {"ref": "a"}, "Misspelt"), Misspelt)
    assert refused.value.where == "data.gfit"


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "raised ZeroDivisionError": lambda data: 1 // 0,
    "raised SystemExit": lambda data: sys.exit(0),
    "gave list, not a mapping": lambda data: [],
    "it is not JSON": lambda data: {"reference": object()},
    "is missing": lambda data: {},
    "text is expected": lambda data: {"reference": 5},
}


@pytest.mark.parametrize("said", WRONG)
def test_what_a_wrong_upcaster_gives_is_told_with_its_name(said: str) -> None:
    """An upcaster that raises or gives wrong data is an error that names it, located in the data."""

    def clumsy(data: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = WRONG[said](data)
        return result

    class Clumsy(EventModel):
        reference: str
        schema_version = "2.0.0"
        upcasts: ClassVar = {1: clumsy}

    with pytest.raises(ContractError, match=said) as refused:
        read(sent("1.0.0", {"ref": "a"}, "Clumsy"), Clumsy)
    assert "clumsy" in refused.value.message
    assert (refused.value.where or "").startswith("data")
    assert not isinstance(refused.value, NewerSchemaError)


def test_a_major_nobody_leads_from_is_refused() -> None:
    """Without an upcaster from its major there is no reading it, and the error says what is lacking."""
    with pytest.raises(ContractError, match="no upcaster leads from major 0 to 1") as refused:
        read(sent("0.9.0", {"ref": "a"}))
    assert refused.value.where == "dataschema"
    assert not isinstance(refused.value, NewerSchemaError)


@pytest.mark.parametrize("data", [{"reference": "a"}, {"name": "a"}])
def test_a_newer_major_is_kept_for_a_later_release(data: dict[str, Any]) -> None:
    """Whether or not it would fit by chance: it is not read, and the error says what reads it."""
    with pytest.raises(NewerSchemaError, match=r"OrderPlaced 4\.2\.0, this worker reads up to 3\.x") as kept:
        read(sent("4.2.0", data))
    assert (kept.value.version, kept.value.needs) == ("4.2.0", "4.0.0")


@pytest.mark.parametrize(
    "dataschema", ["", "3.1.0", "urn:wingman:event:Other:3.1.0", "urn:wingman:event:OrderPlaced:3.1", 7]
)
def test_a_malformed_dataschema_is_a_malformed_event(dataschema: object) -> None:
    """It must name this event and three numbers."""
    with pytest.raises(ContractError) as refused:
        read(sent("3.1.0", {"reference": "a"}, dataschema=dataschema))
    assert refused.value.where == "dataschema"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"dataschema": 5}', b"null", b"\xff"])
def test_what_is_no_event_is_refused(body: bytes) -> None:
    """Without a version to go by it is simply malformed."""
    with pytest.raises(ContractError):
        read(body)


class Card(BaseModel):
    kind: Literal["card"]
    last: str


class Cash(BaseModel):
    kind: Literal["cash"]


def _paid(policy: str) -> type[EventModel]:
    class Paid(EventModel):
        by: Annotated[Card | Cash, Field(discriminator="kind")]
        schema_version = "1.1.0"
        unknown_variant = policy  # type: ignore[assignment]

    return Paid


@pytest.mark.parametrize("version", ["1.1.0", "1.2.0"])
def test_an_unknown_variant_is_what_its_event_says(version: str) -> None:
    """To the dead letters, or passed over; kept only where a later release may know it."""
    body = sent(version, {"by": {"kind": "voucher", "code": "x"}}, "Paid")
    with pytest.raises(ContractError) as refused:
        read(body, _paid("dead_letter"))
    assert type(refused.value) is ContractError
    with pytest.raises(UnknownVariantError, match=r"variant at data\.by"):
        read(body, _paid("ignore"))
    kept = NewerSchemaError if version == "1.2.0" else ContractError
    with pytest.raises(kept) as found:
        read(body, _paid("park"))
    assert type(found.value) is kept
    if isinstance(found.value, NewerSchemaError):
        assert found.value.needs == "1.2.0"


def test_another_fault_beside_an_unknown_variant_is_no_matter_of_variants() -> None:
    """Only an event with no other fault is passed over."""
    body = sent("1.2.0", {"by": {"kind": "voucher"}}, "Paid", actor=5)
    with pytest.raises(ContractError) as refused:
        read(body, _paid("ignore"))
    assert type(refused.value) is ContractError


def test_a_projection_is_of_its_events_version() -> None:
    """It says no version of its own, so that of the event holds, and its upcasters with it."""

    class OrderView(EventModel):
        projects: ClassVar[str] = "OrderPlaced"
        reference: str

    catalog = EventCatalog({"OrderPlaced": OrderPlaced})
    for body in (sent("3.1.0", {"reference": "a"}), sent("1.0.0", {"ref": "a", "lines": []})):
        assert catalog.decode("OrderPlaced", body, OrderView).data == OrderView(reference="a")
    with pytest.raises(NewerSchemaError):
        catalog.decode("OrderPlaced", sent("4.0.0", {"reference": "a"}), OrderView)


DECLARED: dict[str, dict[str, Any]] = {
    "is no version": {"schema_version": "1.0"},
    "without a gap": {"schema_version": "4.0.0", "upcasts": {1: _from_one, 3: _from_two}},
    "read \\[2\\]": {"schema_version": "2.0.0", "upcasts": {2: _from_two}},
    "maps a major to a function": {"schema_version": "2.0.0", "upcasts": {1: "x"}},
    "there is no unknown_variant": {"unknown_variant": "skip"},
}


@pytest.mark.parametrize("said", DECLARED)
def test_what_a_model_says_of_its_versions_is_checked(said: str) -> None:
    """A wrong version, upcasters that lead nowhere, an unknown policy are refused with what to write."""
    model = type("Odd", (EventModel,), {"__annotations__": {}, "__module__": __name__, **DECLARED[said]})
    with pytest.raises(ContractError, match=said) as refused:
        check_versions(model)
    assert refused.value.hint


def test_what_the_script_writes_itself_is_of_the_version_it_says() -> None:
    """The commit script makes one event without a model at hand: it must be of the major that is read."""
    assert dataschema_of(RequestFailed).startswith("urn:wingman:event:RequestFailed:1.")


def test_names_on_the_wire_are_the_aliases() -> None:
    """What is read by an alias is written by it, too."""

    class Aliased(EventModel):
        from_: str = Field(alias="from")

    body = orjson.loads(
        envelope_of(Aliased)(
            **orjson.loads(sent("1.0.0", {}, "Aliased")) | {"data": Aliased.model_validate({"from": "a"})}
        ).to_bytes()
    )
    assert body["data"] == {"from": "a"}


def test_the_inputs_of_a_join_are_read_by_their_versions() -> None:
    """Each as the model of its event, others left out; one of a newer major is not for this release."""
    inputs = [
        sent("3.1.0", {"reference": "a"}),
        sent("1.0.0", {}, "Paid"),
        sent("1.0.0", {"ref": "b", "lines": []}),
    ]

    def branches(*bodies: bytes) -> Event[BranchesJoined]:
        data = {"join": "all", "inputs": [orjson.loads(body) for body in bodies]}
        found: Event[BranchesJoined] = EventCatalog({"BranchesJoined": BranchesJoined}).decode(
            "BranchesJoined", sent("1.0.0", data, "BranchesJoined")
        )
        return found

    assert [order.reference for order in joined(branches(*inputs), OrderPlaced)] == ["a", "b"]
    with pytest.raises(NewerSchemaError):
        joined(branches(*inputs, sent("4.0.0", {})), OrderPlaced)


def test_an_event_with_a_computed_field_is_read_again() -> None:
    """What its producer computed is passed over, in its own version as well."""

    class Summed(EventModel):
        parts: tuple[int, ...]

        @computed_field  # type: ignore[prop-decorator]
        @property
        def total(self) -> int:
            return sum(self.parts)

    read_again = read(sent("1.0.0", {"parts": [1, 2], "total": 3}, "Summed"), Summed)
    assert read_again == Summed(parts=(1, 2))
