"""Each check of a flow: what it refuses, with its rule id and line; the untouched flow passes them all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wingman_runtime.contracts.event import EventCatalog
from wingman_runtime.contracts.finding import Finding
from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.flow.check import check_flow
from wingman_runtime.flow.load import load_flow
from wingman_runtime.flow.model import Flow

Check = Callable[..., list[Finding]]
MakeManifest = Callable[..., Manifest]
WriteFlow = Callable[[str], Flow]

SHIPPED_FLOW = Path(__file__).parents[2] / "config" / "flows" / "request.yaml"


def only(findings: list[Finding], rule: str, line: int) -> Finding:
    """The one finding of ``rule`` at ``line``; one edit may have other consequences as well."""
    found = [one for one in findings if one.rule == rule and one.where == f"flow.yaml:{line}"]
    assert len(found) == 1, "\n".join(map(str, findings)) or "no findings"
    assert found[0].message
    assert found[0].hint
    return found[0]


def test_the_small_flow_is_clean(check_small: Check) -> None:
    """The flow every other test here breaks is clean: each check's passing example."""
    assert check_small() == []


def test_the_governed_chain_is_clean(chain: dict[str, Manifest], catalog: EventCatalog) -> None:
    """Compensation leads back to the executor, yet is no circle: routes that settle fire once."""
    assert check_flow(load_flow(SHIPPED_FLOW), chain, catalog) == []


@pytest.mark.parametrize(
    ("old", "new", "rule", "line", "says"),
    [
        ("  PermissionsVerified:", "  PermissionVerified:", "unknown-event", 11, "PermissionsVerified"),
        ("UserRequestReceived: split", "UserRequestReceived: splitt", "unknown-agent", 9, "split"),
        ("finally: audit", "finally: audits", "unknown-agent", 6, "audit"),
        (
            "  PermissionsVerified: {join: both}",
            "  PermissionsVerified: {join: boht}",
            "unknown-join",
            11,
            "both",
        ),
        ("UserRequestReceived: split", "UserRequestReceived: dispatcher", "reserved-name", 9, "project"),
        (
            "  AuditStamped: {end",
            "  RequestFailed: left\n  AuditStamped: {end",
            "runtime-event",
            14,
            "failure:",
        ),
        ("  UserRequestReceived: split\n", "", "start-not-routed", 5, "UserRequestReceived"),
        (
            "UserRequestReceived: split",
            "UserRequestReceived: []",
            "start-not-routed",
            9,
            "UserRequestReceived",
        ),
        ("  ApprovalGiven: {join: both}\n", "", "orphan-event", 10, "ApprovalGiven"),
        ("  AuditStamped:", "  VoteRefused: []\n  AuditStamped:", "orphan-route", 14, "emits"),
        ("[left, right]\n  Perm", "[left]\n  Perm", "orphan-agent", 17, "RequestValidated"),
        ("[left, right]\n  Perm", "[left, right, meet]\n  Perm", "undeclared-consumer", 10, "agents/meet"),
        ("to: meet", "to: split", "undeclared-consumer", 18, "BranchesJoined"),
        ("fan_out: 2", "fan_out: 1", "fan-out", 10, "limits.fan_out"),
        ("of: [left, right]", "of: [left]", "join-sources", 17, "list"),
        ("of: [left, right]", "of: [left, right, split]", "join-starved", 17, "split"),
        ("of: [left, right]", "of: [left]", "join-stranger", 12, "joins.both.of"),
        ("to: meet", "to: meet\n    mode: quorum\n    quorum: 3", "join-quorum", 20, "at most 2"),
        ("to: meet", "to: meet\n    mode: quorum\n    quorum: 0", "join-quorum", 20, "at most 2"),
        ("to: meet", "to: meet\n    mode: quorum", "join-quorum", 16, "at most 2"),
        ("to: meet", "to: meet\n    quorum: 2", "join-quorum", 19, "mode: quorum"),
        (
            "to: meet\n",
            "to: meet\n  none: {of: [left, right], to: meet}\n",
            "unused-join",
            19,
            "contribut|add",
        ),
        ("finally: audit\n", "", "no-finally", 1, "finally: audit"),
        ("  AuditStamped: {end: true}", "  AuditStamped: []", "finally-without-end", 6, "end: true"),
        ("  AuditStamped: {end: true}", "  AuditStamped: split", "finally-routed", 14, "end: true"),
        (
            "  ExecutionComplete: {outcome: completed}",
            "  ExecutionComplete: audit",
            "finally-routed",
            13,
            "outcome",
        ),
        ("{outcome: completed}", "{end: true}", "end-not-by-finally", 13, "audit"),
        ("{outcome: completed}", "[]", "no-outcome", 8, "outcome: completed"),
        ("outcome: completed", "outcome: complete", "unknown-outcome", 13, "completed"),
        ("outcome: completed", "outcome: zzz", "unknown-outcome", 13, "one of completed"),
        ("outcome: completed", "outcome_field: status", "outcome-field", 13, "literal"),
        ("outcome: completed", "outcome_field: plan", "outcome-field", 13, "literal"),
    ],
)
def test_a_broken_flow_is_found_at_its_line(
    check_small: Check, old: str, new: str, rule: str, line: int, says: str
) -> None:
    """One edit of the clean flow gives the finding, at the line a person has to look at."""
    finding = only(check_small(old, new), f"flow/{rule}", line)
    assert any(part in finding.hint for part in says.split("|")), finding.hint


def test_an_agent_may_not_send_what_the_runtime_writes(check_small: Check, manifest: MakeManifest) -> None:
    """An agent that declares DeadLettered could fake the runtime's record."""
    forger = manifest("left", "RequestValidated", "PermissionsVerified DeadLettered")
    assert only(check_small("", "", forger), "flow/runtime-event", 10).hint.startswith("remove DeadLettered")


@pytest.mark.parametrize("event", ["ApprovalVoteCast", "ApprovalTimedOut", "UserRequestReceived"])
def test_an_agent_may_not_send_what_comes_from_outside(
    check_small: Check, manifest: MakeManifest, event: str
) -> None:
    """An agent that could cast votes or submit requests could approve itself."""
    forger = manifest("left", "RequestValidated", f"PermissionsVerified {event}")
    assert event in only(check_small("", "", forger), "flow/forged-post", 10).message


def test_the_outcome_field_must_be_an_outcome(check_small: Check, manifest: MakeManifest) -> None:
    """A field of type Outcome passes; the finding for another one names those that fit."""
    meet = manifest("meet", "BranchesJoined", "ExecutionBlocked")
    audit = manifest(
        "audit",
        "ExecutionBlocked RequestFailed RequestCancelled RequestExpired DeadLettered",
        "AuditStamped",
    )
    line = "ExecutionComplete: {outcome: completed}"
    assert check_small(line, "ExecutionBlocked: {outcome_field: outcome}", meet, audit) == []
    found = check_small(line, "ExecutionBlocked: {outcome_field: reasons}", meet, audit)
    assert "its outcome fields: outcome" in only(found, "flow/outcome-field", 13).hint


def test_the_stamping_agent_must_take_what_it_stamps(check_small: Check, manifest: MakeManifest) -> None:
    """An outcome, and any system event, reaches the finally agent: it must consume them."""
    found = check_small("", "", manifest("audit", "DeadLettered", "AuditStamped"))
    only(found, "flow/undeclared-consumer", 13)
    system = [one.message.split()[3].rstrip(",") for one in found if one.where == "flow.yaml:6"]
    assert sorted(system) == ["RequestCancelled", "RequestExpired", "RequestFailed"]


def test_a_dead_letter_counts_for_one_join(
    check_small: Check, manifest: MakeManifest, write_flow: WriteFlow, small_text: str
) -> None:
    """Two joins cannot both go on without the same branch: its dead letter counts once."""
    go_on = "on_branch_failure: continue"
    second = f"to: meet\n    {go_on}\n  two: {{of: [left, right], to: meet, {go_on}}}\n"
    left = manifest("left", "RequestValidated", "PermissionsVerified VoteRefused")
    right = manifest("right", "RequestValidated", "ApprovalGiven VoteRefused")
    old = small_text[small_text.index("  AuditStamped") :]
    new = "  VoteRefused: {join: two}\n" + old.replace("to: meet\n", second)
    found = check_small(old, new, left, right)
    assert [(one.rule, one.where) for one in found] == [("flow/join-sources", "flow.yaml:21")] * 2
    assert check_small(old, new.replace(f", {go_on}", ""), left, right) == []


CIRCLE = """\
flow: circle
version: 1.0.0
purpose: a plan is revised until it is good
owner: tests
start: UserRequestReceived
finally: audit
routes:
  UserRequestReceived: draft
  ExecutionPlanProposed: review
  VoteRefused: draft
  ExecutionComplete: {outcome: completed}
  AuditStamped: {end: true}
"""


@pytest.fixture
def revisers(manifest: MakeManifest, small: dict[str, Manifest]) -> dict[str, Manifest]:
    return {
        "draft": manifest("draft", "UserRequestReceived VoteRefused", "ExecutionPlanProposed"),
        "review": manifest("review", "ExecutionPlanProposed", "VoteRefused ExecutionComplete"),
        "audit": small["audit"],
    }


def test_a_circle_must_be_declared(
    write_flow: WriteFlow, revisers: dict[str, Manifest], catalog: EventCatalog
) -> None:
    """A circle is found once, at the first route that closes it; declared, it passes."""
    finding = only(check_flow(write_flow(CIRCLE), revisers, catalog), "flow/undeclared-cycle", 9)
    assert "draft → review → draft" in finding.message
    assert "cycles: [[draft, review]]" in finding.hint
    for declared in ("[[draft, review]]", "[[review, draft]]"):
        assert check_flow(write_flow(f"{CIRCLE}cycles: {declared}\n"), revisers, catalog) == []


def test_an_agent_that_calls_itself_is_a_circle(check_small: Check, manifest: MakeManifest) -> None:
    """A route from an agent to itself goes round as well."""
    again = manifest("split", "UserRequestReceived VoteRefused", "RequestValidated VoteRefused")
    finding = only(
        check_small("  AuditStamped", "  VoteRefused: split\n  AuditStamped", again),
        "flow/undeclared-cycle",
        14,
    )
    assert "split → split" in finding.message


def test_a_circle_through_a_join_is_found(check_small: Check, manifest: MakeManifest) -> None:
    """What a join hands on counts as a step: meet → split → left → meet."""
    meet = manifest("meet", "BranchesJoined", "ExecutionComplete VoteRefused")
    split = manifest("split", "UserRequestReceived VoteRefused", "RequestValidated")
    found = check_small("  AuditStamped", "  VoteRefused: split\n  AuditStamped", meet, split)
    assert {one.rule for one in found} == {"flow/undeclared-cycle"}
    circles = {one.message.partition(": ")[2] for one in found}
    assert circles == {"split → left → meet → split", "split → right → meet → split"}


def test_declaring_one_circle_does_not_allow_another(
    write_flow: WriteFlow, revisers: dict[str, Manifest], catalog: EventCatalog, manifest: MakeManifest
) -> None:
    """A longer circle that shares a step with a declared one is still found."""
    text = CIRCLE.replace("  VoteRefused: draft\n", "  VoteRefused: draft\n  ApprovalGiven: third\n")
    text = text.replace("  Exec", "  PermissionsVerified: draft\n  Exec", 1) + "cycles: [[draft, review]]\n"
    agents = revisers | {
        "draft": manifest(
            "draft", "UserRequestReceived VoteRefused PermissionsVerified", "ExecutionPlanProposed"
        ),
        "review": manifest("review", "ExecutionPlanProposed", "VoteRefused ExecutionComplete ApprovalGiven"),
        "third": manifest("third", "ApprovalGiven", "PermissionsVerified"),
    }
    found = check_flow(write_flow(text), agents, catalog)
    assert [one.rule for one in found] == ["flow/undeclared-cycle"]
    assert "third" in found[0].message


def test_a_declared_circle_must_exist(check_small: Check) -> None:
    """A declaration that allows nothing is a leftover."""
    finding = only(check_small("joins:", "cycles: [[left, right]]\njoins:"), "flow/unneeded-cycle", 15)
    assert "left does not lead to right" in finding.message


def test_a_circle_through_settling_is_none(
    chain: dict[str, Manifest], catalog: EventCatalog, write_flow: WriteFlow
) -> None:
    """executor → rollback → executor passes by `settle`; the same way by a plain route is a circle."""
    text = SHIPPED_FLOW.read_text()
    assert check_flow(write_flow(text), chain, catalog) == []
    plain = text.replace("ExecutionFailed: {settle: rollback}", "ExecutionFailed: rollback")
    found = check_flow(write_flow(plain), chain, catalog)
    assert [one.rule for one in found] == ["flow/undeclared-cycle", "flow/bypasses-handshake"]


def line_of(text: str, start: str) -> int:
    return next(at for at, row in enumerate(text.splitlines(), 1) if row.strip().startswith(start))


@pytest.mark.parametrize(
    ("event", "route"),
    [
        ("ExecutionPlanProposed", "executor"),
        ("ExecutionPlanProposed", "[handshake, executor]"),
        ("ApprovalVoteCast", "[handshake, executor]"),
        ("UserRequestReceived", "executor"),
        ("ExecutionFailed", "{settle: executor}"),
    ],
)
def test_nothing_acts_before_the_handshake(
    chain: dict[str, Manifest],
    catalog: EventCatalog,
    write_flow: WriteFlow,
    manifest: MakeManifest,
    event: str,
    route: str,
) -> None:
    """Whatever reaches a performing agent must come from the holder of approvals, or undo what was done."""
    executor = chain["executor"]
    chain["executor"] = executor.model_copy(update={"consumes": (*executor.consumes, event)})
    text = SHIPPED_FLOW.read_text()
    at = line_of(text, f"{event}:")
    rows = text.splitlines()
    rows[at - 1] = f"  {event}: {route}"
    finding = only(check_flow(write_flow("\n".join(rows)), chain, catalog), "flow/bypasses-handshake", at)
    assert "executor" in finding.message


def test_an_approver_without_the_approvals_bypasses(
    chain: dict[str, Manifest], catalog: EventCatalog, write_flow: WriteFlow
) -> None:
    """The same flow is refused when the agent that approves cannot write an approval."""
    text = SHIPPED_FLOW.read_text()
    chain["handshake"] = chain["handshake"].model_copy(update={"needs": ("policy",)})
    at = line_of(text, "ExecutionApproved:")
    only(check_flow(write_flow(text), chain, catalog), "flow/bypasses-handshake", at)


def test_the_failure_agent_may_not_send_the_approved_event(
    chain: dict[str, Manifest], catalog: EventCatalog, write_flow: WriteFlow
) -> None:
    """What approves a plan is not what undoes one: rollback sending ExecutionApproved is a way round."""
    rollback = chain["rollback"]
    chain["rollback"] = rollback.model_copy(update={"emits": (*rollback.emits, "ExecutionApproved")})
    text = SHIPPED_FLOW.read_text()
    at = line_of(text, "ExecutionApproved:")
    finding = only(check_flow(write_flow(text), chain, catalog), "flow/bypasses-handshake", at)
    assert "rollback sends" in finding.message


def test_only_a_failure_leads_to_undoing(
    chain: dict[str, Manifest], catalog: EventCatalog, write_flow: WriteFlow
) -> None:
    """An agent that could send rollback an ordinary event could have approved work undone at will."""
    text = SHIPPED_FLOW.read_text().replace("VoteRefused: []", "VoteRefused: rollback")
    rollback = chain["rollback"]
    chain["rollback"] = rollback.model_copy(update={"consumes": (*rollback.consumes, "VoteRefused")})
    found = check_flow(write_flow(text), chain, catalog)
    finding = only(found, "flow/bypasses-handshake", line_of(text, "VoteRefused:"))
    assert finding.hint == "let the event settle instead: {settle: rollback}"
    assert found == [finding]


@pytest.mark.parametrize("key", ["failure", "finally"])
def test_who_settles_or_stamps_may_not_perform(
    chain: dict[str, Manifest], catalog: EventCatalog, write_flow: WriteFlow, key: str
) -> None:
    """System events come from any agent: whoever gets them must not be one that acts."""
    name = {"failure": "rollback", "finally": "audit"}[key]
    chain[name] = chain[name].model_copy(update={"performs": True})
    text = SHIPPED_FLOW.read_text()
    only(check_flow(write_flow(text), chain, catalog), "flow/bypasses-handshake", line_of(text, f"{key}:"))


def test_findings_come_in_the_order_of_the_file(check_small: Check) -> None:
    """All problems are told at once, the first of the file first."""
    found = check_small("finally: audit\nlimits: {fan_out: 2}", "limits: {fan_out: 1}\nfailure: nobody")
    lines = [int(one.where.split(":")[1]) for one in found]
    assert lines == sorted(lines)
    assert len(found) > 2
