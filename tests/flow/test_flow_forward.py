"""Gates: agents that pass an event on unchanged, and routes that name their sender."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from wingman_runtime.contracts.event import EventCatalog, EventModel
from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.contracts.finding import Finding
from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.documents.mermaid import flow_mermaid
from wingman_runtime.errors import FlowError
from wingman_runtime.flow.check import check_flow
from wingman_runtime.flow.compile import compile_flow
from wingman_runtime.flow.entries import contract_entries
from wingman_runtime.flow.graph import text_graph
from wingman_runtime.flow.model import Flow
from wingman_runtime.flow.route import Route

MakeManifest = Callable[..., Manifest]
WriteFlow = Callable[[str], Flow]
Verdict = Callable[..., list[Finding]]

SHIPPED_FLOW = Path(__file__).parents[2] / "config" / "flows" / "request.yaml"
TEXT = SHIPPED_FLOW.read_text(encoding="utf-8")
PLAIN = "  RequestValidated: permission\n"
GATED = "  RequestValidated: tone\n  tone>RequestValidated: permission\n"


class ToneChecked(EventModel):
    words: int = 0


CATALOG = EventCatalog(SHIPPED | {"ToneChecked": ToneChecked})


def gate(make: MakeManifest, name: str, event: str, emits: str = "RequestRejected") -> Manifest:
    return make(name, event, emits).model_copy(update={"forwards": (event,)})


@pytest.fixture
def verdict(write_flow: WriteFlow, chain: dict[str, Manifest], manifest: MakeManifest) -> Verdict:
    """Findings of the shipped flow with pieces replaced and agents added; ``tone`` is a gate."""

    def check(*edits: tuple[str, str], agents: tuple[Manifest, ...] = (), tone: bool = True) -> list[Finding]:
        text = TEXT
        for old, new in edits:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        known = {**chain, **({"tone": gate(manifest, "tone", "RequestValidated")} if tone else {})}
        known |= {agent.name: agent for agent in agents}
        return check_flow(write_flow(text), known, CATALOG, shipped=chain)

    return check


def one(findings: list[Finding], rule: str) -> Finding:
    assert [found.rule for found in findings] == [f"flow/{rule}"], "\n".join(map(str, findings))
    assert findings[0].hint
    return findings[0]


def test_a_gate_before_the_chain_is_clean(verdict: Verdict) -> None:
    """Validated → gate → permission is no circle: the gate's own route leads onward."""
    assert verdict((PLAIN, GATED)) == []


def test_a_gate_has_a_row_of_its_own_and_no_other(
    write_flow: WriteFlow, chain: dict[str, Manifest], manifest: MakeManifest
) -> None:
    """The sender's row leads on; the plain one is not for the gate, so it can never come back to itself."""
    chain["tone"] = gate(manifest, "tone", "RequestValidated")
    compiled = compile_flow(write_flow(TEXT.replace(PLAIN, GATED)), chain)
    assert compiled.table["tone>RequestValidated"] == Route(to=("permission",))
    assert compiled.table["scope_filter>RequestValidated"] == Route(to=("tone",))
    assert compiled.table["tone>RequestRejected"] == Route(outcome="rejected")
    without = compile_flow(write_flow(TEXT.replace(PLAIN, "  RequestValidated: tone\n")), chain)
    assert without.route("tone", "RequestValidated") is None


def test_one_event_has_a_route_for_each_sender(
    write_flow: WriteFlow, chain: dict[str, Manifest], verdict: Verdict
) -> None:
    """A key that names an emitting agent takes its event elsewhere; the plain key is for the others."""
    line = ("  RequestRejected: {outcome: rejected}\n", "  RequestRejected: {outcome: rejected}\n")
    both = (line[0], line[1] + "  proposal>RequestRejected: {outcome: denied}\n")
    assert verdict(both) == []
    table = compile_flow(write_flow(TEXT.replace(*both)), chain).table
    assert table["proposal>RequestRejected"] == Route(outcome="denied")
    assert table["scope_filter>RequestRejected"] == Route(outcome="rejected")


def test_a_sender_nobody_knows(verdict: Verdict) -> None:
    """The route's line, and the name that was meant."""
    found = verdict((PLAIN, GATED.replace("tone>", "tona>")))
    assert {(item.rule, item.where) for item in found} >= {("flow/unknown-agent", "flow.yaml:15")}
    assert "did you mean 'tone'" in next(item for item in found if item.rule == "flow/unknown-agent").hint


def test_the_runtimes_own_senders_have_the_plain_route(verdict: Verdict) -> None:
    """`dispatcher>…` is refused: what enters from outside goes by the plain key."""
    found = verdict(
        ("  ApprovalVoteCast: handshake", "  ApprovalVoteCast: handshake\n  client>ApprovalVoteCast: []")
    )
    assert "flow/reserved-name" in {item.rule for item in found}


def test_a_sender_that_does_not_get_the_event(verdict: Verdict, manifest: MakeManifest) -> None:
    """Neither sent nor consumed by that agent."""
    other = manifest("other", "PermissionsVerified", "RequestRejected")
    beside = ("  PermissionsVerified: proposal\n", "  PermissionsVerified: [proposal, other]\n")
    found = one(
        verdict(beside, (PLAIN, f"{PLAIN}  other>RequestValidated: []\n"), agents=(other,)), "not-its-sender"
    )
    assert found.where == "flow.yaml:15"
    assert "`consumes` and `forwards`" in found.hint


def test_a_gate_whose_manifest_lacks_forwards(verdict: Verdict, manifest: MakeManifest) -> None:
    """The line to write into the manifest is named."""
    found = one(
        verdict((PLAIN, GATED), agents=(manifest("tone", "RequestValidated", "RequestRejected"),)),
        "not-its-sender",
    )
    assert "add `forwards: [RequestValidated]`" in found.hint


def test_a_gate_without_a_way_on(verdict: Verdict) -> None:
    """A forward nobody takes would starve the request; it is one finding, not one for each agent behind."""
    found = one(verdict((PLAIN, "  RequestValidated: tone\n")), "orphan-forward")
    assert found.where == "flow.yaml:14"
    assert "add `tone>RequestValidated: permission`" in found.hint


def test_a_gate_without_a_way_in(verdict: Verdict, manifest: MakeManifest) -> None:
    """A forward of what never comes is a leftover, or the plain line was forgotten."""
    line = (PLAIN, PLAIN + "  tone>RequestValidated: permission\n")
    assert "write `RequestValidated: tone` and `tone>" in one(verdict(line), "orphan-agent").hint
    tone = manifest("tone", "RequestValidated PermissionsVerified", "RequestRejected")
    tone = tone.model_copy(update={"forwards": ("RequestValidated",)})
    beside = ("  PermissionsVerified: proposal\n", "  PermissionsVerified: [proposal, tone]\n")
    assert "write `RequestValidated: tone`" in one(verdict(line, beside, agents=(tone,)), "orphan-route").hint


def test_an_event_comes_to_an_agent_once(verdict: Verdict, manifest: MakeManifest) -> None:
    """Beside the gate *and* behind it: the same event twice for one agent is refused."""
    doubled = GATED.replace("RequestValidated: tone\n", "RequestValidated: [permission, tone]\n", 1)
    found = one(verdict((PLAIN, doubled)), "forwarded-twice")
    assert "permission" in found.message
    two = (gate(manifest, "first", "RequestValidated"), gate(manifest, "second", "RequestValidated"))
    row = (
        "  RequestValidated: first\n  first>RequestValidated: second\n  second>RequestValidated: permission\n"
    )
    assert verdict((PLAIN, row), agents=two, tone=False) == []
    back = row.replace("second>RequestValidated: permission", "second>RequestValidated: [permission, first]")
    assert "first" in one(verdict((PLAIN, back), agents=two, tone=False), "forwarded-twice").message


def test_a_gate_that_leads_to_itself(verdict: Verdict) -> None:
    """No declaration of a circle would make it work, so none is offered."""
    found = one(verdict((PLAIN, GATED.replace(": permission", ": [permission, tone]"))), "forwarded-twice")
    assert "cycles" not in found.hint


def test_a_circle_through_a_gate_is_one(verdict: Verdict, manifest: MakeManifest) -> None:
    """Where events are made on the way round it is judged as any other circle."""
    reviser = manifest("reviser", "ToneChecked", "RequestValidated")
    tone = gate(manifest, "tone", "RequestValidated", "ToneChecked")
    edits = ((PLAIN, GATED + "  ToneChecked: reviser\n"),)
    found = verdict(*edits, agents=(reviser, tone))
    assert [item.rule for item in found] == ["flow/undeclared-cycle"]
    assert "reviser → tone → reviser" in found[0].message or "tone → reviser → tone" in found[0].message
    declared = ("joins: {}", "cycles: [[tone, reviser]]\njoins: {}")
    assert verdict(*edits, declared, agents=(reviser, tone)) == []


def test_a_gate_at_two_places_is_no_circle(verdict: Verdict, manifest: MakeManifest) -> None:
    """What it passes on is what it got: between two of its places there is no way back."""
    tone = manifest("tone", "RequestValidated PermissionsVerified", "RequestRejected")
    tone = tone.model_copy(update={"forwards": ("RequestValidated", "PermissionsVerified")})
    gated = "  PermissionsVerified: tone\n  tone>PermissionsVerified: proposal\n"
    later = ("  PermissionsVerified: proposal\n", gated)
    assert verdict((PLAIN, GATED), later, agents=(tone,)) == []
    again = manifest(
        "permission", "RequestValidated PermissionsVerified", "PermissionsVerified PermissionDenied"
    )
    back = (later[0], gated.replace(": proposal", ": [proposal, permission]"))
    found = verdict((PLAIN, GATED), back, agents=(tone, again))
    assert [item.rule for item in found] == ["flow/undeclared-cycle"]


@pytest.mark.parametrize("route", ["{join: both}", "{outcome_field: outcome}", "{end: true}"])
def test_what_is_passed_on_is_no_answer(verdict: Verdict, route: str) -> None:
    """It adds nothing to a join and says no outcome: those take an event of the agent's own."""
    found = verdict((PLAIN, GATED.replace(": permission", f": {route}")))
    assert "flow/forward-route" in {item.rule for item in found}


def test_a_gate_may_stand_before_the_handshake_and_before_the_executor(
    verdict: Verdict, manifest: MakeManifest
) -> None:
    """Passing on the plan, or the approval of the handshake, adds nothing to it."""
    for event, target in (("ExecutionPlanProposed", "handshake"), ("ExecutionApproved", "executor")):
        lines = f"  {event}: late\n  late>{event}: {target}\n"
        late = gate(manifest, "late", event)
        assert verdict((f"  {event}: {target}\n", lines), agents=(late,), tone=False) == []


def test_a_gate_before_the_undoing_is_seen_through(verdict: Verdict, manifest: MakeManifest) -> None:
    """A compensation that is passed on is still the failure agent's; sent rollback by hand it is refused."""
    onward = "  CompensationPlanned: late\n  late>CompensationPlanned: executor\n"
    lines = ("  CompensationPlanned: executor\n", onward)
    late = gate(manifest, "late", "CompensationPlanned")
    assert verdict(lines, agents=(late,), tone=False) == []
    direct = ("ExecutionFailed: {settle: rollback}", "ExecutionFailed: rollback")
    rules = {item.rule for item in verdict(lines, direct, agents=(late,), tone=False)}
    assert "flow/bypasses-handshake" in rules


def test_passing_on_is_no_way_round_the_handshake(
    verdict: Verdict, manifest: MakeManifest, chain: dict[str, Manifest]
) -> None:
    """A plan passed to the executor by a gate is still a plan nobody approved, whatever the gate holds."""
    executor = chain["executor"]
    takes = executor.model_copy(update={"consumes": (*executor.consumes, "ExecutionPlanProposed")})
    row = (
        "  ExecutionPlanProposed: handshake\n",
        "  ExecutionPlanProposed: [handshake, sly]\n  sly>ExecutionPlanProposed: executor\n",
    )
    for needs in ((), ("approvals",)):
        sly = gate(manifest, "sly", "ExecutionPlanProposed").model_copy(update={"needs": needs})
        found = one(verdict(row, agents=(sly, takes), tone=False), "bypasses-handshake")
        assert "which proposal sends" in found.message
    both = gate(manifest, "sly", "ExecutionApproved", "ExecutionApproved RequestRejected")
    lines = (
        "  ExecutionApproved: executor\n",
        "  ExecutionApproved: sly\n  sly>ExecutionApproved: executor\n",
    )
    assert "which sly sends" in one(verdict(lines, agents=(both,), tone=False), "bypasses-handshake").message


def test_the_runtimes_events_are_not_passed_on(verdict: Verdict, manifest: MakeManifest) -> None:
    """A gate on failures would decide whether they are settled."""
    odd = manifest("odd", "RequestValidated RequestFailed").model_copy(
        update={"forwards": ("RequestFailed",)}
    )
    found = one(
        verdict((PLAIN, "  RequestValidated: [permission, odd]\n"), agents=(odd,), tone=False),
        "runtime-event",
    )
    assert "`forwards`" in found.hint


def test_a_manifest_forwards_what_it_consumes(manifest: MakeManifest) -> None:
    """What an agent never gets it cannot pass on."""
    tone = manifest("tone", "RequestValidated")
    with pytest.raises(ValidationError, match="not among its `consumes`"):
        Manifest.model_validate(tone.model_dump() | {"forwards": ["ExecutionApproved"]})
    assert Manifest.model_validate(tone.model_dump() | {"forwards": ["RequestValidated"]}).forwards


def test_a_gate_is_drawn_and_is_no_producer(
    write_flow: WriteFlow, chain: dict[str, Manifest], manifest: MakeManifest
) -> None:
    """The picture says that the event is passed on; its contract names who makes it, and all who get it."""
    chain["tone"] = gate(manifest, "tone", "RequestValidated")
    compiled = compile_flow(write_flow(TEXT.replace(PLAIN, GATED)), chain)
    assert '  agent_tone -->|"RequestValidated: passed on"| agent_permission' in flow_mermaid(compiled)
    rows = text_graph(compiled).splitlines()
    assert any(
        row.startswith("└─ RequestValidated") and row.endswith("─▶ permission  (passed on)") for row in rows
    )
    heads = [row for row in rows[3:] if row and row[0] not in "├└"]
    assert heads[:4] == ["dispatcher", "scope_filter", "tone", "permission"]
    entry = contract_entries(EventCatalog(SHIPPED), chain, [compiled])["RequestValidated"]
    assert entry.producer == ("scope_filter",)
    assert entry.consumers == ("permission", "tone")


def test_a_gate_on_the_start_event(verdict: Verdict, manifest: MakeManifest) -> None:
    """The first agent may be a gate: the dispatcher hands it the request, it hands it on."""
    first = gate(manifest, "first", "UserRequestReceived")
    lines = "  UserRequestReceived: first\n  first>UserRequestReceived: scope_filter\n"
    assert verdict(("  UserRequestReceived: scope_filter\n", lines), agents=(first,), tone=False) == []


def test_an_agent_forgotten_in_its_own_route_is_named(verdict: Verdict, manifest: MakeManifest) -> None:
    """Its event is routed, itself is not: which agent, and which line brings it in."""
    recorded = (PLAIN, PLAIN + "  ToneChecked: []\n")
    beside = manifest("tone", "RequestValidated", "ToneChecked")
    found = one(verdict(recorded, agents=(beside,)), "orphan-route")
    assert "tone" in found.message
    assert "write `RequestValidated: [permission, tone]`" in found.hint
    tone = gate(manifest, "tone", "RequestValidated", "ToneChecked")
    found = one(verdict(recorded, agents=(tone,)), "orphan-route")
    assert "write `RequestValidated: tone` and `tone>RequestValidated: permission`" in found.hint


ENDS = {
    "ExecutionComplete": "{outcome: completed}",
    "ExecutionUncertain": "{outcome: uncertain}",
    "ExecutionFailed": "{settle: rollback}",
    "ExecutionBlocked": "{outcome_field: outcome}",
    "PermissionDenied": "{outcome: denied}",
    "RequestRejected": "{outcome: rejected}",
    "ApprovalExpired": "{outcome: expired}",
    "CompensationComplete": "{outcome_field: outcome}",
    "CompensationFailed": "{outcome: rollback_incomplete}",
    "AuditStamped": "{end: true}",
    "VoteRefused": "[]",
    "ToolExecutionDenied": "[]",
    "RequestValidated": "permission",
    "PermissionsVerified": "proposal",
    "ExecutionPlanProposed": "handshake",
    "ExecutionApproved": "executor",
    "CompensationPlanned": "executor",
}


@pytest.mark.parametrize("event", ENDS)
def test_a_missing_route_is_one_finding_with_its_line(verdict: Verdict, event: str) -> None:
    """Whatever would follow from it is left out; the hint is the route as it should read."""
    [row] = [line for line in TEXT.splitlines(keepends=True) if line.startswith(f"  {event}:")]
    found = verdict((row, ""), tone=False)
    assert found
    assert {item.rule for item in found} == {"flow/orphan-event"}
    assert {item.hint for item in found} == {f"add {event}: {ENDS[event]}"}


def test_a_misspelt_route_is_one_finding(verdict: Verdict) -> None:
    """The event that then has no route, and the agents behind it, are no findings of their own."""
    found = one(verdict(("  PermissionsVerified:", "  PermissionVerified:"), tone=False), "unknown-event")
    assert "did you mean 'PermissionsVerified'" in found.hint
    found = one(verdict((PLAIN, "  RequestValidated: permision\n"), tone=False), "unknown-agent")
    assert "did you mean 'permission'" in found.hint


def test_a_second_mistake_is_still_found(verdict: Verdict) -> None:
    """Leaving consequences out hides nothing that stands by itself."""
    line = "  ApprovalVoteCast: handshake"
    found = verdict((PLAIN, ""), (line, f"  ToneChecked: []\n{line}"), tone=False)
    assert [item.rule for item in found] == ["flow/orphan-event", "flow/orphan-route"]


def test_a_shipped_agent_is_not_to_be_edited(verdict: Verdict, manifest: MakeManifest) -> None:
    """Its manifest is not in the project: the hint says what it takes, and how a gate is put before it."""
    tone = manifest("tone", "RequestValidated", "ToneChecked")
    wrong = (PLAIN, "  RequestValidated: tone\n  ToneChecked: permission\n")
    found = next(item for item in verdict(wrong, agents=(tone,)) if item.rule == "flow/undeclared-consumer")
    assert "permission is a shipped agent and takes RequestValidated only" in found.hint
    assert "`RequestValidated: tone` and `tone>RequestValidated: permission`" in found.hint
    assert "manifest.yaml" not in found.hint
    astray = ("  ExecutionPlanProposed: handshake\n", "  ExecutionPlanProposed: permission\n")
    hints = [item.hint for item in verdict(astray, tone=False) if item.rule == "flow/undeclared-consumer"]
    assert [hint.partition(": ")[2] for hint in hints] == ["write `ExecutionPlanProposed: handshake`"]


@pytest.mark.parametrize(
    "joins",
    [
        "[both]",
        "{both: [one, two]}",
        "{both: {of: [one, two]}}",
        "{both: {agents: [one, two], to: three}}",
        "both",
    ],
)
def test_a_join_of_the_wrong_shape_shows_the_right_one(write_flow: WriteFlow, joins: str) -> None:
    """An example to copy and the fields; no class of the runtime is named."""
    with pytest.raises(FlowError) as caught:
        write_flow(TEXT.replace("joins: {}", f"joins: {joins}"))
    told = str(caught.value)
    assert "both: {of: [left, right], mode: all, to: meet}" in told
    assert "on_branch_failure" in told
    assert "instance of" not in told
    assert "Join" not in told
    assert caught.value.where == f"flow.yaml:{TEXT.count(chr(10))}"
