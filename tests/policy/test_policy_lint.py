"""Lint, test cases and explanations: what policy check, test and explain show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.policy.conftest import Build
from tests.policy.test_policy_judge import permit
from wingman_runtime.errors import PolicyError
from wingman_runtime.policy.bundle import Bundle
from wingman_runtime.policy.explain import explain
from wingman_runtime.policy.judge import Judge
from wingman_runtime.policy.lint import lint
from wingman_runtime.policy.testing import check, run_tests, untested

SCOPE = '(principal is Wingman::Agent, action == Wingman::Action::"emit", resource is Wingman::Event)'
NOTED = '@id("own") @reason("r") '


def test_the_reference_policies_are_clean(reference: Bundle) -> None:
    """No trap, every case passes, every policy has an allow and a deny."""
    assert [str(finding) for finding in check(reference)] == []
    assert len(run_tests(reference)) >= 2 * len(reference.rules())


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (f'@id("audit-stamps") @reason("r") permit {SCOPE};', "policy/duplicate-id"),
        (f'@reason("r") permit {SCOPE};', "policy/no-id"),
        (f'@id("own") permit {SCOPE};', "policy/no-reason"),
        (f'@id("own") @reason("") permit {SCOPE};', "policy/no-reason"),
        (f"{NOTED}permit (principal, action, resource);", "policy/unconstrained"),
        (f'{NOTED}permit (principal, action == Wingman::Action::"emit", resource);', "policy/unconstrained"),
        (f"{NOTED}permit (principal is Wingman::Agent, action, resource);", "policy/unconstrained"),
        (f"{NOTED}permit {SCOPE} when {{ false }};", "policy/dead"),
        (f"{NOTED}permit {SCOPE} when {{ resource.shipped && 1 == 2 }};", "policy/dead"),
        (f"{NOTED}forbid {SCOPE} unless {{ true || resource.shipped }};", "policy/dead"),
        (f'{NOTED}forbid (principal, action == Wingman::Action::"approve", resource is Wingman::Plan) '
         "when { resource.steps * 2 > 10 };", "policy/can-error"),
        (f'{NOTED}forbid (principal, action == Wingman::Action::"execute", resource is Wingman::Tool) '
         'when { resource.risk == "high" };', "policy/unsafe-access"),
        (f'{NOTED}permit {SCOPE} when {{ resource.colour == "red" }};', "policy/schema"),
        (f'{NOTED}permit (principal in Wingman::Role::"aprover", action == Wingman::Action::"approve", '
         "resource is Wingman::Plan);", "policy/undeclared"),
        (f'{NOTED}@quorum("two") permit {SCOPE};', "policy/quorum"),
        (f"{NOTED}forbid {SCOPE};", "policy/gate-closed"),
        (f"{NOTED}permit {SCOPE};", "policy/untested"),
    ],
)  # fmt: skip
def test_each_trap_is_found_where_it_is(build: Build, text: str, rule: str) -> None:
    """What Cedar's parser and validator accept in silence, lint names with its line."""
    bundle = build("95-own.cedar", "\n\n" + text, strict=False)
    found = [finding for finding in check(bundle) if finding.rule == rule]
    assert found, [str(finding) for finding in check(bundle)]
    line = 1 if rule == "policy/gate-closed" else 3
    assert found[0].where.endswith(f"95-own.cedar:{line}")


def test_a_gate_that_is_named_and_missing_is_found(lawbook: Path, build: Build) -> None:
    """Of the gates every action has, and of those manifests name."""
    (lawbook / "policies" / "60-audit.cedar").unlink()
    found = {(one.rule, one.where.rpartition("/")[2]) for one in lint(build(), ["45-review.cedar"])}
    assert found == {
        ("policy/gate-missing", "60-audit.cedar:1"),
        ("policy/gate-missing", "45-review.cedar:1"),
    }


def test_a_guarded_read_is_no_finding(build: Build) -> None:
    """`has` before the read is what lint asks for."""
    guarded = (
        f'{NOTED}forbid (principal, action == Wingman::Action::"approve", resource is Wingman::Plan) '
        "when { resource.requester has suspended && resource.requester.suspended };"
    )
    assert lint(build("40-handshake.cedar", guarded)) == []


CASE = """
action: audit
resource: Request::r1
attributes: {tenant: demo}
cases:
  - name: fits
    principal: Agent::audit
    expect: allow
    policies: [audit-stamps]
  - name: does not
    principal: Agent::audit
    expect: deny
  - name: names another
    principal: Agent::audit
    expect: allow
    policies: [audit-stampz]
  - name: cannot be judged
    principal: Agent::audit
    attributes: {tenant: 3}
    expect: deny
"""


def test_a_failing_case_says_where_and_why(reference: Bundle, tmp_path: Path) -> None:
    """A deny that comes from a malformed question is no passing deny."""
    (tmp_path / "cases.yaml").write_text(CASE)
    results = run_tests(reference, tmp_path)
    assert [result.passed for result in results] == [True, False, False, False]
    assert results[1].where.endswith("cases.yaml:10")
    assert results[1].problem.startswith("expected deny, got allow: audit-stamps")
    assert "did you mean 'audit-stamps'" in results[2].problem
    assert "could not be judged" in results[3].problem
    missing = {one.message for one in untested(reference, results)}
    assert "audit-stamps has no passing test with a deny" in missing
    assert "emit-audit has no passing test with an allow and a deny" in missing


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cases:\n  - {name: x, expect: maybe}\n", "expect"),
        ("cases:\n  - {name: x, expect: allow}\n", "has no action"),
        ("cases: []\n", "cases"),
    ],
)
def test_a_malformed_case_file_is_refused(reference: Bundle, tmp_path: Path, text: str, message: str) -> None:
    """A case file with an unknown answer, no action or no cases is an error, not a pass."""
    (tmp_path / "cases.yaml").write_text(text)
    with pytest.raises(PolicyError, match=message):
        run_tests(reference, tmp_path)


def test_an_explanation_says_what_would_have_to_change(reference: Bundle) -> None:
    """Deny: the false condition and the policy it stands in."""
    told = explain(Judge(reference), permit(risk="high"))
    assert told.headline == 'DENIED: User::"alice" permit Tool::"file.write"'
    assert told.change[0] == '["low", "medium"].contains(resource.risk) (permission-requester-tools)'
    assert "20-permission.cedar:" in str(told)


def test_a_forbid_is_explained_by_its_reason(reference: Bundle) -> None:
    """What an explicit forbid needs is that this forbid does not hold."""
    told = explain(Judge(reference), permit(agent="proposal"))
    assert told.headline.startswith("FORBIDDEN")
    assert any(line.startswith("permission-runner-only") for line in told.change)


def test_an_allow_needs_no_change(reference: Bundle) -> None:
    """What is allowed lists the policy that applies and nothing to change."""
    told = explain(Judge(reference), permit())
    assert told.change == ()
    assert {line.policy for line in told.policies if line.status == "fires"} == {"permission-requester-tools"}


def test_a_malformed_question_is_explained_too(reference: Bundle) -> None:
    """A question Cedar cannot read is told as such, without an exception."""
    told = explain(Judge(reference), permit(risk=1.5))
    assert told.headline.startswith("DENIED")
    assert "Cedar has no value for float" in str(told)
