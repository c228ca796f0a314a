"""A flow drawn: the text of a terminal, and data."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.flow.compile import CompiledFlow, compile_flow
from wingman_runtime.flow.graph import arrows, graph_json, text_graph
from wingman_runtime.flow.load import load_flow
from wingman_runtime.flow.model import Flow

SHIPPED_FLOW = Path(__file__).parents[2] / "config" / "flows" / "request.yaml"


@pytest.fixture
def governed(chain: dict[str, Manifest]) -> CompiledFlow:
    return compile_flow(load_flow(SHIPPED_FLOW), chain)


@pytest.fixture
def joined(write_flow: Callable[[str], Flow], small_text: str, small: dict[str, Manifest]) -> CompiledFlow:
    return compile_flow(write_flow(small_text), small)


def test_the_text_reads_in_the_order_of_a_request(governed: CompiledFlow) -> None:
    """A newcomer reads from the dispatcher to the stamp."""
    heads = [row for row in text_graph(governed).splitlines()[3:] if row and row[0] not in "├└"]
    assert heads == [
        "dispatcher",
        "scope_filter",
        "permission",
        "proposal",
        "handshake",
        "executor",
        "rollback (settles failures)",
        "audit (stamps every outcome)",
        "client",
        "timer",
        "any agent",
    ]


def test_the_text_says_where_each_event_goes(governed: CompiledFlow, joined: CompiledFlow) -> None:
    """Every kind of route has its own words."""
    rows = [re.sub(r" +", " ", row[3:]) for row in (text_graph(governed) + text_graph(joined)).splitlines()]
    for said in (
        "ExecutionApproved ─▶ executor",
        "ExecutionFailed ┄▶ rollback (once every branch has settled)",
        "PermissionDenied ┄▶ audit (denied)",
        "ExecutionBlocked ┄▶ audit (outcome from its field outcome)",
        "ApprovalGiven · on the record only",
        "AuditStamped ■ ends the request",
        "PermissionsVerified ─▶ meet (join both, 2 of 2)",
    ):
        assert said in rows


def test_every_row_of_the_table_is_drawn(governed: CompiledFlow, joined: CompiledFlow) -> None:
    """No event passes that the picture does not show."""
    for flow in (governed, joined):
        assert {f"{one.source}>{one.event}" for one in arrows(flow)} == set(flow.table)


def test_a_flow_that_stamps_nothing_can_still_be_drawn(
    write_flow: Callable[[str], Flow], small_text: str, small: dict[str, Manifest]
) -> None:
    """A flow that a check refuses is drawn all the same: the picture helps to mend it."""
    flow = compile_flow(write_flow(small_text.replace("finally: audit\n", "")), small)
    assert "ExecutionComplete" in text_graph(flow)


def test_the_graph_as_data(joined: CompiledFlow) -> None:
    """The data is plain and complete: agents with their part, arrows with their kind."""
    data = orjson.loads(orjson.dumps(graph_json(joined)))
    assert [agent["name"] for agent in data["agents"]] == ["split", "left", "right", "meet", "audit"]
    assert data["agents"][-1]["role"] == "stamps every outcome"
    assert data["digest"] == joined.digest
    kinds = {(arrow["source"], arrow["event"]): arrow["kind"] for arrow in data["arrows"]}
    assert kinds["left", "PermissionsVerified"] == "join"
    assert kinds["audit", "AuditStamped"] == "end"
    assert kinds["*", "RequestFailed"] == "outcome"
