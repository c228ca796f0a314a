"""The three kinds of join, from files: clean, and compiled to what the commit script counts by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wingman_runtime.contracts.event import EventCatalog, EventModel
from wingman_runtime.contracts.events import SHIPPED, SYSTEM_EVENTS
from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.flow.check import check_flow
from wingman_runtime.flow.compile import compile_flow
from wingman_runtime.flow.graph import text_graph
from wingman_runtime.flow.load import load_flow
from wingman_runtime.flow.route import JoinRoute, Route

FLOWS = Path(__file__).parent / "flows"
BRANCHES = ("one", "two", "three")


class BranchFinished(EventModel):
    seconds: float


@pytest.fixture
def manifests(manifest: Callable[..., Manifest]) -> dict[str, Manifest]:
    agents = [manifest(name, "UserRequestReceived", "BranchFinished") for name in BRANCHES]
    agents.append(manifest("meet", "BranchesJoined", "ExecutionComplete"))
    agents.append(manifest("audit", f"ExecutionComplete {' '.join(SYSTEM_EVENTS)}", "AuditStamped"))
    return {agent.name: agent for agent in agents}


@pytest.mark.parametrize(
    ("mode", "need", "goes_on"), [("all", 3, False), ("any", 1, False), ("quorum", 2, True)]
)
def test_each_kind_of_join_counts_its_branches(
    manifests: dict[str, Manifest], mode: str, need: int, goes_on: bool
) -> None:
    """The three branches share one event; what completes the join is in each one's row."""
    flow = load_flow(FLOWS / f"join_{mode}.yaml")
    assert check_flow(flow, manifests, EventCatalog(SHIPPED | {"BranchFinished": BranchFinished})) == []
    compiled = compile_flow(flow, manifests)
    contributes = Route(join=JoinRoute("three_branches", need, BRANCHES, ("meet",)))
    assert compiled.route("dispatcher", "UserRequestReceived") == Route(to=BRANCHES)
    for name in BRANCHES:
        assert compiled.route(name, "BranchFinished") == contributes
        dead = compiled.route(name, "DeadLettered")
        assert dead == (contributes if goes_on else Route(outcome="failed"))
    assert compiled.route("meet", "BranchFinished") is None
    assert f"(join three_branches, {need} of 3)" in text_graph(compiled)


def test_a_project_event_must_be_in_the_catalog(manifests: dict[str, Manifest]) -> None:
    """An event of the project's own is unknown until its agent declares the model."""
    found = check_flow(load_flow(FLOWS / "join_all.yaml"), manifests, EventCatalog(SHIPPED))
    assert [(one.rule, one.where.rpartition(":")[2]) for one in found] == [("flow/unknown-event", "11")]
    assert "events.py" in found[0].hint
