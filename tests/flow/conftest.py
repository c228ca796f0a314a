"""Agents and flows small enough to read next to the test that uses them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wingman_runtime.contracts.event import EventCatalog
from wingman_runtime.contracts.events import SHIPPED, SYSTEM_EVENTS
from wingman_runtime.contracts.finding import Finding
from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.flow.check import check_flow
from wingman_runtime.flow.load import load_flow
from wingman_runtime.flow.model import Flow

MakeManifest = Callable[..., Manifest]
WriteFlow = Callable[[str], Flow]
Check = Callable[..., list[Finding]]


def _manifest(
    name: str, consumes: str, emits: str = "", *, needs: str = "", performs: bool = False
) -> Manifest:
    return Manifest(
        name=name,
        version="1.0.0",
        purpose="a test agent",
        owner="tests",
        scope="nothing outside the test",
        handler="agent:handle",
        consumes=tuple(consumes.split()),
        emits=tuple(emits.split()),
        refusals=(),
        tools=(),
        needs=tuple(needs.split()),
        output="events",
        audit=("events",),
        performs=performs,
    )


@pytest.fixture
def manifest() -> MakeManifest:
    return _manifest


@pytest.fixture
def catalog() -> EventCatalog:
    return EventCatalog(SHIPPED)


@pytest.fixture
def write_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteFlow:
    """Write the text to flow.yaml of a directory of its own and load it; messages say ``flow.yaml:line``."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Flow:
        Path("flow.yaml").write_text(text, encoding="utf-8")
        return load_flow("flow.yaml")

    return write


@pytest.fixture
def chain() -> dict[str, Manifest]:
    """Manifests as the governed chain needs them."""
    system = " ".join(sorted(SYSTEM_EVENTS))
    closing = (
        "RequestRejected PermissionDenied ExecutionBlocked ApprovalExpired ExecutionComplete"
        " ExecutionUncertain CompensationComplete CompensationFailed"
    )
    agents = (
        _manifest("scope_filter", "UserRequestReceived", "RequestValidated RequestRejected"),
        _manifest("permission", "RequestValidated", "PermissionsVerified PermissionDenied"),
        _manifest("proposal", "PermissionsVerified", "ExecutionPlanProposed RequestRejected"),
        _manifest(
            "handshake",
            "ExecutionPlanProposed ApprovalVoteCast ApprovalTimedOut",
            "ExecutionApproved ExecutionBlocked ApprovalRequested ApprovalGiven VoteRefused ApprovalExpired",
            needs="policy approvals",
        ),
        _manifest(
            "executor",
            "ExecutionApproved CompensationPlanned",
            "ExecutionComplete ExecutionFailed ExecutionUncertain ToolExecutionDenied CompensationComplete"
            " CompensationFailed",
            performs=True,
        ),
        _manifest(
            "rollback",
            f"ExecutionFailed {system}",
            "CompensationPlanned CompensationComplete CompensationFailed",
            needs="ledger",
        ),
        _manifest("audit", f"{closing} {system}", "AuditStamped"),
    )
    return {agent.name: agent for agent in agents}


@pytest.fixture
def small() -> dict[str, Manifest]:
    """Agents of `SMALL`, with names of shipped events doing duty for any event."""
    system = " ".join(sorted(SYSTEM_EVENTS))
    agents = (
        _manifest("split", "UserRequestReceived", "RequestValidated"),
        _manifest("left", "RequestValidated", "PermissionsVerified"),
        _manifest("right", "RequestValidated", "ApprovalGiven"),
        _manifest("meet", "BranchesJoined", "ExecutionComplete"),
        _manifest("audit", f"ExecutionComplete {system}", "AuditStamped"),
    )
    return {agent.name: agent for agent in agents}


SMALL = """\
flow: small
version: 1.0.0
purpose: two branches that come together
owner: tests
start: UserRequestReceived
finally: audit
limits: {fan_out: 2}
routes:
  UserRequestReceived: split
  RequestValidated: [left, right]
  PermissionsVerified: {join: both}
  ApprovalGiven: {join: both}
  ExecutionComplete: {outcome: completed}
  AuditStamped: {end: true}
joins:
  both:
    of: [left, right]
    to: meet
"""


@pytest.fixture
def small_text() -> str:
    return SMALL


@pytest.fixture
def check_small(write_flow: WriteFlow, small: dict[str, Manifest], catalog: EventCatalog) -> Check:
    """Findings of `SMALL` with one piece of its text and some of its agents replaced."""

    def check(old: str = "", new: str = "", *agents: Manifest) -> list[Finding]:
        assert old in SMALL
        flow = write_flow(SMALL.replace(old, new, 1) if old else SMALL)
        return check_flow(flow, {**small, **{agent.name: agent for agent in agents}}, catalog)

    return check
