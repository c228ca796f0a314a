"""Remembered answers and remembered shapes save time; they must never change an answer."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.conftest import ROOT, Build
from tests.policy.test_policy_judge import permit
from wingman_runtime.contracts.ports import Decision
from wingman_runtime.policy.bundle import Bundle
from wingman_runtime.policy.judge import Judge
from wingman_runtime.policy.load import load_bundle
from wingman_runtime.policy.recent import Recent


@pytest.fixture(scope="module")
def warm(reference: Bundle) -> Judge:
    """A judge that has seen many questions before."""
    return Judge(reference)


@pytest.fixture(scope="module")
def careful(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """The same policies under a schema that makes the judge check every question in full."""
    folder = tmp_path_factory.mktemp("careful") / "policies"
    shutil.copytree(ROOT / "policies", folder)
    schema = folder / "core.cedarschema"
    schema.write_text(schema.read_text() + "// enum: values decide\n")
    return Judge(load_bundle(folder, ROOT / "config" / "principals.yaml"), memory=1)


def gist(decision: Decision) -> tuple[bool, bool, tuple[str, ...], bool]:
    return decision.allow, decision.forbidden, decision.policies, bool(decision.errors)


values = st.one_of(
    st.sampled_from(
        ["low", "medium", "high", "demo", "other", "executor", "proposal", "page.publish", "page:x"]
    ),
    st.integers(-1, 2),
    st.booleans(),
    st.none(),
    st.lists(st.sampled_from(["demo", 1, True]), max_size=2),
    st.fixed_dictionaries({"type": st.just("Wingman::Tenant"), "id": st.just("demo")}),
)


@settings(max_examples=300, deadline=None)
@given(
    changed=st.dictionaries(
        st.sampled_from(["resource", "risk", "agent", "tenant", "intent", "requester", "undoes", "extra"]),
        values,
    )
)
def test_shortcuts_agree_with_the_long_way(warm: Judge, careful: Judge, changed: dict[str, Any]) -> None:
    """Whatever was asked before, the answer is that of a judge that checks everything every time."""
    assert gist(warm.judge(permit(**changed))) == gist(careful.judge(permit(**changed)))


def test_values_that_only_the_schema_can_read_are_read_each_time(lawbook: Path, build: Build) -> None:
    """A decimal travels as text: without the schema the second one would be compared as text, and fail."""
    schema = lawbook / "policies" / "core.cedarschema"
    schema.write_text(
        schema.read_text().replace("  entity Tool = {", "  entity Tool = {\n    amount?: decimal,")
    )
    bundle = build(
        "20-permission.cedar",
        '@id("dear") @reason("too much") forbid (principal, action == Wingman::Action::"permit", '
        "resource is Wingman::Tool) "
        'when { resource has amount && resource.amount.greaterThan(decimal("100.0")) };',
    )
    judge = Judge(bundle)
    assert [gist(judge.judge(permit(amount=amount)))[:2] for amount in ("1.0", "99.9", "100.1")] == [
        (True, False),
        (True, False),
        (False, True),
    ]
    assert judge.judge(permit(amount="much")).errors


def test_a_record_that_stands_for_an_entity_is_read_by_the_schema(lawbook: Path, build: Build) -> None:
    """Without the schema it would be a mere record the second time, and the forbid on it would be silent."""
    schema = lawbook / "policies" / "core.cedarschema"
    schema.write_text(schema.read_text().replace("  entity Tool = {", "  entity Tool = {\n    owner?: User,"))
    bundle = build(
        "20-permission.cedar",
        '@id("bobs") @reason("it is his") forbid (principal, action == Wingman::Action::"permit", '
        'resource is Wingman::Tool) when { resource has owner && resource.owner == Wingman::User::"bob" };',
    )
    judge = Judge(bundle)
    for place in ("file:1", "file:2", "file:3"):
        owned = judge.judge(permit(resource=place, owner={"type": "Wingman::User", "id": "bob"}))
        assert owned.policies == ("bobs",)
    assert judge.judge(permit(owner={"type": "Wingman::User", "id": "alice"})).allow


def test_threads_get_the_answers_of_one(reference: Bundle) -> None:
    """Synchronous agents ask from threads; a small memory is shared under contention."""
    questions = [
        permit(resource=f"file:{index % 40}", risk=("low", "high")[index % 2]) for index in range(800)
    ]
    judge = Judge(reference, memory=8)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(judge.judge, questions))
    assert [answer.allow for answer in answers] == [index % 2 == 0 for index in range(800)]


def test_many_are_answered_in_order(reference: Bundle) -> None:
    """Answers stand where their questions stood, and equal questions get one answer."""
    judge = Judge(reference)
    answers = judge.judge_many([permit(risk=risk) for risk in ("low", "high", "low", "medium")])
    assert [answer.allow for answer in answers] == [True, False, True, True]
    assert answers[0] is answers[2]


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    """What is used stays; what was used longest ago goes."""
    memory: Recent[str, int] = Recent(2)
    memory.put("a", 1)
    memory.put("b", 2)
    assert memory.get("a", lambda: 9) == 1
    memory.put("c", 3)
    assert (memory.peek("b"), memory.peek("a"), len(memory)) == (None, 1, 2)
