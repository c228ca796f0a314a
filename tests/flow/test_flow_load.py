"""Reading a flow's file: its short forms, and what is no flow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wingman_runtime.errors import FlowError
from wingman_runtime.flow.load import load_flow
from wingman_runtime.flow.model import Flow, RouteSpec

WriteFlow = Callable[[str], Flow]


def test_a_name_a_list_and_a_mapping_are_routes(write_flow: WriteFlow, small_text: str) -> None:
    """A bare name and a list are short for `to`; an empty list records the event."""
    flow = write_flow(small_text.replace("  AuditStamped", "  VoteRefused: []\n  AuditStamped"))
    assert flow.routes["UserRequestReceived"] == RouteSpec(to=("split",))
    assert flow.routes["RequestValidated"] == RouteSpec(to=("left", "right"))
    assert flow.routes["VoteRefused"] == RouteSpec()
    assert flow.joins["both"].to == ("meet",)
    assert flow.joins["both"].need == 2
    assert flow.limits.model_dump() == {"depth": 16, "events": 256, "fan_out": 2}
    assert flow.where("routes", "RequestValidated", "to", 1) == "flow.yaml:10"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("{join: both}", "{join: both, outcome: failed}", 11, "one thing"),
        ("[left, right]", "[left, left]", 10, "twice"),
        ("[left, right]", "[left, 3]", 10, "text is expected, not the number 3"),
        ("{end: true}", "{ends: true}", 14, "ends"),
        ("AuditStamped: {end: true}", "AuditStamped:", 14, r"write \[\] for an event"),
        ("AuditStamped: {end: true}", "AuditStamped: true", 14, "not True"),
        ("{join: both}", "{join: both, outcome: failed}", 11, "PermissionsVerified: a route says"),
        ("fan_out: 2", "fan_out: 0", 7, "must be at least 1, not 0"),
        ("fan_out: 2", "fanout: 2", 7, "fanout"),
        ("version: 1.0.0", "version: 1.0", 2, "version"),
        ("owner: tests\n", "", 1, "owner: is missing"),
        ("flow: small", "flow: Small Flow", 1, "right form"),
        ("of: [left, right]", "mode: some\n    of: [left, right]", 17, "quorum"),
        ("  ApprovalGiven: {join: both}", "  RequestValidated: right", 12, "written twice"),
        ("start: User", "strat: User", 1, "start: is missing"),
    ],
)
def test_what_is_no_flow_is_refused_at_its_line(
    write_flow: WriteFlow, small_text: str, old: str, new: str, line: int, says: str
) -> None:
    """A shape no flow has is a FlowError at the line of the mistake."""
    with pytest.raises(FlowError, match=says) as caught:
        write_flow(small_text.replace(old, new, 1))
    assert caught.value.where == f"flow.yaml:{line}"


def test_a_flow_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is said as such."""
    with pytest.raises(FlowError, match="no such file"):
        load_flow(tmp_path / "gone.yaml")
