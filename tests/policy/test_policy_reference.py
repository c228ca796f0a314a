"""The reference policies, asked in the very words the agents and the effects room use."""

from __future__ import annotations

from typing import Any

import pytest

from wingman_runtime.contracts.facts import plan_attributes
from wingman_runtime.contracts.ports import Decision, Question, Ref
from wingman_runtime.contracts.work import Grant, Plan, Risk, Step
from wingman_runtime.policy.bundle import GATES, Bundle
from wingman_runtime.policy.judge import Judge


def a_plan(intent: str, risk: Risk, *calls: tuple[str, str]) -> Plan:
    steps = tuple(
        Step(index=index, tool=tool, args={}, resource=resource, risk=risk)
        for index, (tool, resource) in enumerate(calls)
    )
    return Plan(plan_id="pln_1", request_id="req", intent=intent, steps=steps)


NOTE = a_plan("note.write", Risk.LOW, ("file.write", "file:notes/a.md"))
PAGE = a_plan("page.publish", Risk.MEDIUM, ("page.write", "page:news"), ("page.announce", "channel:general"))
RECORD = a_plan("record.update", Risk.MEDIUM, ("record.update", "record:stock/7"))
SECRET = a_plan("record.update", Risk.MEDIUM, ("record.update", "record:protected/7"))


def ask(bundle: Bundle, action: str, principal: Ref, plan: Plan, requester: str = "alice") -> Decision:
    grants = [Grant(tool=step.tool, resource=step.resource) for step in plan.steps]
    facts: dict[str, Any] = plan_attributes(plan, requester=requester, tenant="demo", grants=grants)
    context = {"requester": requester}
    question = Question(GATES[action], action, principal, Ref("Plan", plan.plan_id), context, facts)
    return Judge(bundle).judge(question)


@pytest.mark.parametrize("plan", [NOTE, PAGE, RECORD, SECRET], ids=lambda plan: plan.steps[0].resource)
def test_every_plan_within_its_grants_may_be_proposed(reference: Bundle, plan: Plan) -> None:
    """The facts of a plan fit the schema, and proposing is not yet doing."""
    decision = ask(reference, "propose", Ref("Agent", "proposal"), plan)
    assert decision.errors == ()
    assert decision.allow


@pytest.mark.parametrize(
    ("plan", "verdict"),
    [(NOTE, "alone"), (PAGE, "people"), (RECORD, "alone"), (SECRET, "blocked")],
    ids=["note", "page", "record", "protected"],
)
def test_who_answers_for_a_plan(reference: Bundle, plan: Plan, verdict: str) -> None:
    """Notes and records go by themselves, publishing asks an approver, protected records are blocked."""
    alone = ask(reference, "approve", Ref("Agent", "handshake"), plan)
    role = ask(reference, "approve", Ref("Role", "approver"), plan)
    assert (alone.errors, role.errors) == ((), ())
    assert (alone.allow, alone.forbidden) == (verdict == "alone", verdict == "blocked")
    assert role.allow is (verdict != "blocked")


def test_who_may_vote(reference: Bundle) -> None:
    """Bob for Alice; Alice for nobody; Bob not for himself; a suspended or unknown voter never."""
    assert ask(reference, "approve", Ref("User", "bob"), PAGE).allow
    assert not ask(reference, "approve", Ref("User", "alice"), PAGE, requester="bob").allow
    assert ask(reference, "approve", Ref("User", "bob"), PAGE, requester="bob").forbidden
    assert ask(reference, "approve", Ref("User", "sam"), PAGE).forbidden
    assert not ask(reference, "approve", Ref("User", "nobody"), PAGE).allow
