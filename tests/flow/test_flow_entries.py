"""An event without its written contract is refused; joins show up among the consumers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from wingman_runtime.contracts.contract import EventContract, Primitive
from wingman_runtime.contracts.event import EventCatalog, EventModel
from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.errors import ContractError
from wingman_runtime.flow.compile import compile_flow
from wingman_runtime.flow.entries import contract_entries
from wingman_runtime.flow.model import Flow

WRITTEN = EventContract(purpose="p", primitives=(Primitive.SCOPE_LOCK,), failure="f", rollback="r", audit="a")


class Unwritten(EventModel):
    pass


class HalfWritten(EventModel):
    contract = replace(WRITTEN, purpose="", primitives=())


class Written(EventModel):
    contract = WRITTEN


def test_an_event_without_a_contract_is_refused() -> None:
    """The error names the model and what to write."""
    with pytest.raises(ContractError, match="Unwritten has no written contract") as caught:
        contract_entries(EventCatalog({"Unwritten": Unwritten, "Written": Written}), {}, [])
    assert caught.value.where is not None
    assert caught.value.where.endswith(".Unwritten")
    assert "purpose, primitives, failure, rollback, audit" in (caught.value.hint or "")


def test_a_contract_with_an_empty_field_is_refused() -> None:
    """Every empty field is named."""
    with pytest.raises(ContractError, match="leaves empty: purpose, primitives"):
        contract_entries(EventCatalog({"HalfWritten": HalfWritten}), {}, [])


def test_an_event_nobody_sends_still_has_its_entry() -> None:
    """Written fields stand without any flow; the derived ones are empty or its own."""
    entry = contract_entries(EventCatalog({"Written": Written}), {}, [])["Written"]
    assert (entry.producer, entry.consumers) == ((), ())
    assert entry.input_schema == entry.output_schema == "urn:wingman:event:Written:1.0.0"
    assert (entry.failure_mode, entry.rollback_behaviour, entry.audit_artifact) == ("f", "r", "a")


def test_a_join_consumes_what_contributes_to_it(
    write_flow: Callable[[str], Flow], small_text: str, small: dict[str, Manifest], catalog: EventCatalog
) -> None:
    """The agent behind a join consumes the contributions and the joined event."""
    entries = contract_entries(catalog, small, [compile_flow(write_flow(small_text), small)])
    assert entries["PermissionsVerified"].consumers == ("meet",)
    assert entries["BranchesJoined"].consumers == ("meet",)
    assert entries["BranchesJoined"].producer == ("runtime",)
