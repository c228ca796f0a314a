"""What the project ships: its flows and its agents fit together, and every event has its ten fields."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from wingman_runtime.contracts.contract import ContractEntry
from wingman_runtime.contracts.event import EventCatalog
from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.errors import ManifestError
from wingman_runtime.flow.check import check_flow
from wingman_runtime.flow.compile import compile_flow
from wingman_runtime.flow.entries import contract_entries
from wingman_runtime.flow.load import load_flow
from wingman_runtime.yamlfile import load_yaml, validate

ROOT = Path(__file__).parents[2]
FLOWS = sorted((ROOT / "config" / "flows").glob("*.yaml"))


@pytest.fixture(scope="module")
def manifests() -> dict[str, Manifest]:
    found = sorted((ROOT / "agents").glob("*/manifest.yaml"))
    agents = (validate(Manifest, load_yaml(path, error=ManifestError), error=ManifestError) for path in found)
    return {agent.name: agent for agent in agents}


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: str(path.stem))
def test_a_shipped_flow_is_clean_with_the_shipped_agents(
    path: Path, manifests: dict[str, Manifest], catalog: EventCatalog
) -> None:
    """Whole, governed, and named after its file."""
    flow = load_flow(path)
    assert check_flow(flow, manifests, catalog) == []
    assert flow.name == path.stem
    assert set(compile_flow(flow, manifests).agents) <= manifests.keys()


def test_the_shipped_chain_has_its_seven_agents(manifests: dict[str, Manifest]) -> None:
    """The test above looks at the governed chain, not at an empty folder."""
    compiled = compile_flow(load_flow(ROOT / "config" / "flows" / "request.yaml"), manifests)
    assert compiled.agents == (
        "audit",
        "executor",
        "handshake",
        "permission",
        "proposal",
        "rollback",
        "scope_filter",
    )


@pytest.fixture
def entries(manifests: dict[str, Manifest], catalog: EventCatalog) -> dict[str, ContractEntry]:
    return contract_entries(catalog, manifests, [compile_flow(load_flow(path), manifests) for path in FLOWS])


@pytest.mark.parametrize("event", sorted(SHIPPED))
def test_a_shipped_event_has_its_ten_fields(entries: dict[str, ContractEntry], event: str) -> None:
    """Ten fields, none empty but the consumers of what is only recorded."""
    entry = dataclasses.asdict(entries[event])
    assert len(entry) == 10
    recorded = {
        "ApprovalRequested",
        "ApprovalGiven",
        "VoteRefused",
        "ToolExecutionDenied",
        "AttemptFailed",
        "DeadLettersPiledUp",
        "DeadLettersCleared",
        "BranchesJoined",  # no shipped flow joins
    }
    empty = [name for name, value in entry.items() if not value]
    assert empty == (["consumers"] if event in recorded else [])


def test_producers_and_consumers_come_from_the_flow(entries: dict[str, ContractEntry]) -> None:
    """Who sends and who gets an event is derived, also for what enters from outside or ends the request."""
    sides = {event: (entry.producer, entry.consumers) for event, entry in entries.items()}
    assert sides["UserRequestReceived"] == (("dispatcher",), ("scope_filter",))
    assert sides["ApprovalVoteCast"] == (("client",), ("handshake",))
    assert sides["ApprovalTimedOut"] == (("timer",), ("handshake",))
    assert sides["ExecutionFailed"] == (("executor",), ("rollback",))
    assert sides["CompensationComplete"] == (("executor", "rollback"), ("audit",))
    assert sides["RequestFailed"] == (("runtime",), ("rollback",))
    assert sides["AuditStamped"] == (("audit",), ("client",))


def test_schemas_come_from_the_models(entries: dict[str, ContractEntry]) -> None:
    """An event's input is what its producers consume; its output is its own schema."""
    entry = entries["ExecutionPlanProposed"]
    assert entry.input_schema == "urn:wingman:event:PermissionsVerified:1.0.0"
    assert entry.output_schema == "urn:wingman:event:ExecutionPlanProposed:1.0.0"
