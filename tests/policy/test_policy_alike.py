"""Answers used again: only where no policy of the gate can tell two questions apart."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wingman_runtime.contracts.ports import Decision, Question, Ref
from wingman_runtime.policy.alike import Alike
from wingman_runtime.policy.bundle import GATES, Bundle, Gate
from wingman_runtime.policy.judge import Judge

PLAN = {
    "intent": "note.write",
    "risk": "low",
    "tools": ["file.write"],
    "resources": ["file:notes/a.md"],
    "steps": 1,
    "requester": "alice",
    "tenant": "demo",
    "within_grants": True,
}


def approve(plan: str = "pln_1", **changes: Any) -> Question:
    attributes = {**PLAN, **changes}
    context = {"requester": "alice"}
    agent = Ref("Agent", "handshake")
    return Question(GATES["approve"], "approve", agent, Ref("Plan", plan), context, attributes)


def gate_with(reference: Bundle, text: str) -> Gate:
    return dataclasses.replace(reference.gates[GATES["approve"]], text=text)


def test_another_plan_of_the_same_kind_is_the_same_question(reference: Bundle) -> None:
    """A new plan id changes neither key nor answer, and each decision names its own plan and input."""
    judge = Judge(reference)
    first, second = judge.judge(approve("pln_1")), judge.judge(approve("pln_2"))
    assert first.allow
    assert second.allow
    assert second.resource == 'Plan::"pln_2"'
    assert second.input_digest != first.input_digest
    assert second.policies == first.policies


@pytest.mark.parametrize(
    "changes",
    [{"risk": "high"}, {"tools": ["x"]}, {"resources": ["record:protected/1"]}, {"tenant": "other"}],
)
def test_what_policies_look_at_is_in_the_key(reference: Bundle, changes: dict[str, Any]) -> None:
    """A value that a policy names, an entity, and any list keep questions apart."""
    alike = Alike(reference.gates[GATES["approve"]])
    assert alike.key(approve()) != alike.key(approve(**changes))


def test_a_denial_is_never_used_again(reference: Bundle) -> None:
    """A denial's reasons are about its own question."""
    judge = Judge(reference)
    denied = [judge.judge(approve(f"pln_{n}", resources=["record:protected/1"])) for n in range(2)]
    assert [one.allow for one in denied] == [False, False]
    assert denied[1].resource == 'Plan::"pln_1"'


def test_a_policy_that_names_one_plan_makes_ids_count(reference: Bundle) -> None:
    """With an entity literal of the type in the gate, each id is its own question."""
    gate = gate_with(reference, 'forbid (principal, action, resource == Wingman::Plan :: "pln_9");')
    assert Alike(gate).key(approve("pln_1")) != Alike(gate).key(approve("pln_9"))


def test_a_name_that_is_spelled_with_escapes_counts(reference: Bundle) -> None:
    r"""``resource["\u{69}ntent"]`` names intent without writing it: with a backslash everything counts."""
    gate = gate_with(
        reference, 'permit (principal, action, resource) when { resource["\\u{69}ntent"] == "x" };'
    )
    assert Alike(gate).key(approve(intent="x")) != Alike(gate).key(approve(intent="y"))


def test_a_word_in_a_comment_or_an_annotation_does_not_count(reference: Bundle) -> None:
    """Reasons and comments are for people; a string that looks like one of them is code, and counts."""
    told = """// the intent "is told here
        @id("x") @reason("its // intent")
        permit (principal, action, resource) when { resource.risk like "a // b" };"""
    alike = Alike(gate_with(reference, told))
    assert alike.key(approve(intent="x")) == alike.key(approve(intent="y"))
    assert alike.key(approve(risk="low")) != alike.key(approve(risk="high"))
    named = """permit (principal, action, resource) when {
        "@id(" != "// " && resource["intent"] == "@x(" };"""
    alike = Alike(gate_with(reference, named))
    assert alike.key(approve(intent="x")) != alike.key(approve(intent="y"))


def test_a_step_is_executed_under_an_answer_used_again(
    reference: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids of requests and approvals in a question to the execute gate do not send it to Cedar again."""
    asked: list[Question] = []
    evaluate = Judge._evaluate

    def counted(judge: Judge, question: Question, gate: Gate, digest: str) -> Decision:
        asked.append(question)
        return evaluate(judge, question, gate, digest)

    monkeypatch.setattr(Judge, "_evaluate", counted)
    judge = Judge(reference)
    for number in range(3):
        question = Question(
            GATES["execute"],
            "execute",
            Ref("Agent", "executor"),
            Ref("Tool", "file.write"),
            {"request": f"req_p0_{number:032x}", "approval": f"apr_{number}"},
            {
                "resource": "file:notes/a.md",
                "risk": "low",
                "requester": "alice",
                "tenant": "demo",
                "intent": "note.write",
            },
        )
        assert judge.judge(question).allow
    assert len(asked) == 1


def test_the_type_of_what_is_not_looked_at_still_counts(reference: Bundle) -> None:
    """The schema judges types: text where a number belongs is another question, and is denied."""
    judge = Judge(reference)
    assert judge.judge(approve("pln_1")).allow
    assert not judge.judge(approve("pln_2", steps="1")).allow


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.fixed_dictionaries(
        {},
        optional={
            "intent": st.sampled_from(["note.write", "page.publish", "record.update", "x"]),
            "risk": st.sampled_from(["low", "medium", "high"]),
            "resources": st.lists(
                st.sampled_from(["file:notes/a", "page:x", "record:protected/1", "record:1"]), max_size=2
            ),
            "steps": st.integers(0, 60),
            "requester": st.sampled_from(["alice", "bob", "sam", "mallory"]),
            "within_grants": st.booleans(),
        },
    ),
    plans=st.lists(st.text("abc", min_size=1, max_size=3), min_size=2, max_size=4),
)
def test_memory_never_changes_an_answer(reference: Bundle, changes: dict[str, Any], plans: list[str]) -> None:
    """A judge that remembers answers as one that has just begun."""
    remembering = Judge(reference)
    for plan in plans:
        question = approve(f"pln_{plan}", **changes)
        fresh = Judge(reference).judge(question)
        assert remembering.judge(question) == fresh
