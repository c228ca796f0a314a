"""Decisions: deny by default, fail closed, reasons both ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.conftest import Build
from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.contracts.ports import Question, Ref
from wingman_runtime.policy.bundle import GATES, Bundle
from wingman_runtime.policy.judge import Judge

ALICE = Ref("User", "alice")
PLAN: Mapping[str, Any] = {
    "intent": "note.write",
    "risk": "low",
    "tools": ["file.write"],
    "resources": ["file:notes/a.md"],
    "steps": 1,
    "requester": "alice",
    "tenant": "demo",
    "within_grants": True,
}


def permit(**changed: Any) -> Question:
    """Alice asks for a low risk tool through the executor; ``changed`` replaces attributes or context."""
    context = {"agent": "executor", "tenant": "demo", "intent": "note.write"}
    attributes = {"resource": "file:notes/*", "risk": "low"}
    for name, value in changed.items():
        (context if name in context else attributes)[name] = value
    return Question(GATES["permit"], "permit", ALICE, Ref("Tool", "file.write"), context, attributes)


def approve(principal: Ref, **changed: Any) -> Question:
    return Question(GATES["approve"], "approve", principal, Ref("Plan", "p1"), {}, {**PLAN, **changed})


def test_what_is_allowed_says_by_which_policy(reference: Bundle) -> None:
    """An allow carries policy ids, their reasons, the bundle and the digest of the question."""
    decision = Judge(reference).judge(permit())
    assert decision.allow
    assert decision.policies == ("permission-requester-tools",)
    assert decision.reasons == (
        "permission-requester-tools: requesters may use the low and medium risk tools their scope declares",
    )
    assert decision.bundle == reference.digest
    assert decision.input_digest.startswith("sha256:")
    assert decision.record()["input"] == decision.input_digest


def test_a_default_deny_names_what_the_nearest_permit_lacked(reference: Bundle) -> None:
    """Cedar gives no reason for a default deny; the judge says which condition was false."""
    decision = Judge(reference).judge(permit(risk="high"))
    assert not decision.allow
    assert not decision.forbidden
    assert decision.reasons[0] == (
        'permission-requester-tools applies, but ["low", "medium"].contains(resource.risk) is false'
    )


def test_a_default_deny_outside_every_scope_names_the_scope(reference: Bundle) -> None:
    """Without the role, the reason is the role."""
    decision = Judge(reference).judge(dataclasses.replace(permit(), principal=Ref("User", "mallory")))
    assert 'User::"mallory" is not in Role::"requester"' in decision.reasons[0]


def test_an_explicit_forbid_is_told_from_a_mere_absence(reference: Bundle) -> None:
    """The handshake blocks on the one and asks people on the other."""
    judge = Judge(reference)
    blocked = judge.judge(approve(Ref("Agent", "handshake"), resources=["record:protected/42"]))
    assert (blocked.allow, blocked.forbidden, blocked.policies) == (False, True, ("handshake-protected",))
    asked = judge.judge(approve(Ref("Agent", "handshake"), risk="high"))
    assert (asked.allow, asked.forbidden) == (False, False)


def test_a_protected_resource_among_others_is_still_found(reference: Bundle) -> None:
    """Cedar cannot run a pattern over a set; the derived areas make up for it."""
    resources = ["file:notes/a.md", "record:protected/deep/42"]
    assert Judge(reference).judge(approve(Ref("Role", "approver"), resources=resources)).forbidden


def test_an_absent_principal_is_denied(build: Build) -> None:
    """Cedar judges somebody undeclared like anybody else: a permit for all users would let them in."""
    bundle = build(
        "10-scope.cedar",
        '@id("all") @reason("everybody") permit (principal is Wingman::User, '
        'action == Wingman::Action::"permit", resource is Wingman::Tool);',
    )
    question = dataclasses.replace(permit(), gate="10-scope.cedar", principal=Ref("User", "nobody"))
    decision = Judge(bundle).judge(question)
    assert not decision.allow
    assert decision.reasons == ('User "nobody" is not declared in principals.yaml',)


def test_a_forbid_that_errors_denies(build: Build) -> None:
    """Cedar skips a forbid that errors and answers Allow; the judge denies and says what failed."""
    bundle = build(
        "20-permission.cedar",
        '@id("broken") @reason("too long") forbid (principal, action == Wingman::Action::"permit", '
        "resource is Wingman::Tool) when { 9223372036854775807 + 1 > 0 };",
    )
    decision = Judge(bundle).judge(permit())
    assert not decision.allow
    assert not decision.forbidden
    assert "`broken`" in decision.errors[0]
    assert decision.errors[0] in decision.reasons


def test_without_its_guard_the_trap_is_real(build: Build) -> None:
    """The same question put to Cedar directly is answered Allow: the guard is not decoration."""
    import cedarpy

    bundle = build(
        "20-permission.cedar",
        '@id("broken") @reason("too long") forbid (principal, action == Wingman::Action::"permit", '
        "resource is Wingman::Tool) when { 9223372036854775807 + 1 > 0 };",
    )
    view = Judge(bundle).view(permit())
    answer = cedarpy.is_authorized(view.request, bundle.gates["20-permission.cedar"].policies, view.entities)
    assert answer.allowed
    assert answer.diagnostics.errors


@pytest.mark.parametrize(
    "question",
    [
        permit(risk=3),
        permit(colour="red"),
        permit(intent=None),
        permit(risk=1.5),
        permit(tenant=["demo"]),
        permit(agent={"__entity": {"type": "Wingman::Agent", "id": "executor"}}),
        permit(risk={"__extn": {"fn": "decimal", "arg": "1.0"}}),
        permit(risk=object()),
        permit(risk=2**70),
        dataclasses.replace(permit(), attributes={}),
        dataclasses.replace(permit(), context={"tenant": "demo"}),
        dataclasses.replace(permit(), action="no-such-action"),
        dataclasses.replace(permit(), gate="99-none.cedar"),
        dataclasses.replace(permit(), resource=Ref("Planet", "x")),
        dataclasses.replace(permit(), context={1: 2}),  # type: ignore[dict-item]
    ],
    ids=lambda question: f"{question.gate}-{question.action}-{len(question.attributes)}",
)
def test_a_question_that_does_not_fit_is_denied_with_an_error(reference: Bundle, question: Question) -> None:
    """Wrong types, unknown names, missing parts: never an exception, never an allow, always an error."""
    decision = Judge(reference).judge(question)
    assert not decision.allow
    assert not decision.forbidden
    assert decision.errors


def test_a_known_shape_does_not_open_the_door_to_another(reference: Bundle) -> None:
    """The schema is asked once per combination of types; a wrong type after a right one is still refused."""
    judge = Judge(reference)
    assert judge.judge(permit()).allow
    assert judge.judge(permit(resource="file:notes/b")).allow
    assert judge.judge(permit(risk=1)).errors
    assert judge.judge(permit(extra="x")).errors


def test_rules_can_rely_on_the_requesters_rights(reference: Bundle) -> None:
    """The executor's right is the intersection with that of the person it acts for."""
    judge = Judge(reference)
    base = {"resource": "file:a", "risk": "low", "tenant": "demo", "intent": "note.write"}

    def run(requester: str, agent: str = "executor") -> bool:
        attributes = {**base, "requester": requester}
        return judge.judge(
            Question(
                GATES["execute"], "execute", Ref("Agent", agent), Ref("Tool", "file.write"), {}, attributes
            )
        ).allow

    assert run("alice")
    assert not run("mallory")
    assert not run("nobody")
    assert not run("alice", agent="proposal")


def test_nobody_but_its_owner_emits_what_grants_something(reference: Bundle) -> None:
    """No hidden escalation: an agent of one's own may emit its own events and refusals, and nothing else."""
    judge = Judge(reference)
    mine = {name for name in SHIPPED if judge.can_emit("reviewer", name, "request").allow}
    assert mine == {"RequestRejected", "PermissionDenied", "RequestFailed", "DeadLettered", "AttemptFailed"}
    assert judge.can_emit("reviewer", "NoteReviewed", "request").allow
    assert judge.can_emit("handshake", "ExecutionApproved", "request").allow


def test_the_larger_quorum_counts(build: Build) -> None:
    """Annotations of the policies that decided reach the handshake; of two counts the larger."""
    for number in ("2", "3"):
        bundle = build(
            "40-handshake.cedar",
            f'@id("q{number}") @reason("r") @quorum("{number}") '
            'permit (principal in Wingman::Role::"approver", '
            'action == Wingman::Action::"approve", resource is Wingman::Plan);',
        )
    decision = Judge(bundle).judge(approve(Ref("Role", "approver")))
    assert decision.annotations["quorum"] == "3"


def test_an_edit_changes_the_answer_only_through_a_new_bundle(build: Build, reference: Bundle) -> None:
    """A judge is bound to its bundle: re-judging under another may come out otherwise."""
    stricter = build(
        "20-permission.cedar",
        '@id("freeze") @reason("frozen") forbid (principal, action == Wingman::Action::"permit", resource);',
    )
    old, new = Judge(reference).judge(permit()), Judge(stricter).judge(permit())
    assert old.allow
    assert new.forbidden
    assert old.bundle != new.bundle
    assert old.input_digest == new.input_digest


names = st.text(min_size=1, max_size=30)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["User", "Role", "Team", "Tenant", "Request", "Planet"]),
    name=names,
    action=st.sampled_from(sorted(GATES)) | names,
    gate=st.sampled_from(sorted(GATES.values())) | names,
)
def test_strangers_are_denied_everywhere(
    reference: Bundle, kind: str, name: str, action: str, gate: str
) -> None:
    """Deny by default: whoever is not declared gets nothing at any gate, whatever the question looks like."""
    judge = Judge(reference)
    principal = Ref(kind, f"stranger-{name}")
    for resource, attributes in (
        (Ref("Tool", "t"), {"resource": "file:a", "risk": "low"}),
        (Ref("Plan", "p"), PLAN),
    ):
        context = {"agent": "executor", "tenant": "demo", "intent": "x"}
        assert not judge.judge(Question(gate, action, principal, resource, context, attributes)).allow


@settings(max_examples=100, deadline=None)
@given(
    values=st.dictionaries(
        st.sampled_from(["resource", "risk", "agent", "tenant", "intent", "requester", "other"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.lists(st.integers(), max_size=2),
        min_size=1,
    )
)
def test_odd_values_never_raise_and_never_allow_more(reference: Bundle, values: dict[str, Any]) -> None:
    """Whatever is put into a question, the judge answers; an error on the answer means deny."""
    decision = Judge(reference).judge(permit(**values))
    if decision.errors:
        assert not decision.allow
    if decision.allow:
        assert values.get("risk", "low") in {"low", "medium"}
        assert values.get("tenant", "demo") == "demo"
