"""``policies/tests/*.yaml``: cases that say what a policy must answer, and which policies lack such cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wingman_runtime.contracts.finding import Finding
from wingman_runtime.contracts.ports import Decision, Question, Ref
from wingman_runtime.errors import PolicyError
from wingman_runtime.policy.bundle import GATES, Bundle
from wingman_runtime.policy.judge import Judge
from wingman_runtime.policy.lint import lint
from wingman_runtime.policy.why import acts
from wingman_runtime.yamlfile import Located, load_yaml, suggestion, validate

Expected = Literal["allow", "deny", "forbid"]
_ENTITY = r"^[A-Z]\w*::.+$"


class Case(BaseModel):
    """One question and its answer. ``policies`` names those the case is about.

    On allow, the permits named must have fired and the forbids named must not; on forbid, the forbids named
    must have fired; on deny, none of those named may have.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(min_length=1)
    expect: Expected
    policies: tuple[str, ...] = ()
    gate: str = ""
    action: str = ""
    principal: str = Field(default="", pattern=_ENTITY + "|^$")
    resource: str = Field(default="", pattern=_ENTITY + "|^$")
    attributes: Mapping[str, Any] = Field(default_factory=dict)
    context: Mapping[str, Any] = Field(default_factory=dict)


class CaseFile(BaseModel):
    """What the cases share stands at the top; a case's own attributes and context are laid over it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    gate: str = ""
    action: str = ""
    principal: str = Field(default="", pattern=_ENTITY + "|^$")
    resource: str = Field(default="", pattern=_ENTITY + "|^$")
    attributes: Mapping[str, Any] = Field(default_factory=dict)
    context: Mapping[str, Any] = Field(default_factory=dict)
    cases: tuple[Case, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Result:
    """How one case came out. ``problem`` is empty when it passed."""

    name: str
    where: str
    expect: Expected
    question: Question
    decision: Decision
    named: tuple[str, ...]
    problem: str = ""

    @property
    def passed(self) -> bool:
        return not self.problem


def run_tests(bundle: Bundle, tests: Path | None = None) -> list[Result]:
    """Every case of ``tests`` (the bundle's own folder ``tests`` by default), in the order of the files.

    Raises:
        PolicyError: a file that is no case file, at file:line. A folder without files gives no results.
    """
    judge = Judge(bundle)
    results: list[Result] = []
    for path in sorted((tests or bundle.root / "tests").glob("*.yaml")):
        located = load_yaml(path, error=PolicyError)
        shared = validate(CaseFile, located, error=PolicyError)
        results.extend(_run(judge, shared, index, located) for index in range(len(shared.cases)))
    return results


def untested(bundle: Bundle, results: Iterable[Result]) -> list[Finding]:
    """A finding for each policy without a passing case that allows and one that denies, both about it."""
    allowed: set[str] = set()
    denied: set[str] = set()
    for result in results:
        if result.passed:
            (allowed if result.expect == "allow" else denied).update(result.named, result.decision.policies)
    found = []
    for rule in bundle.rules():
        missing = [word for word, seen in (("an allow", allowed), ("a deny", denied)) if rule.id not in seen]
        if missing:
            found.append(
                Finding(
                    "policy/untested",
                    f"{rule.id} has no passing test with {' and '.join(missing)}",
                    rule.where,
                    f"add a case to tests/ that names it: policies: [{rule.id}]",
                )
            )
    return found


def check(bundle: Bundle, gates: Iterable[str] = (), tests: Path | None = None) -> list[Finding]:
    """Lint, failing test cases, and policies without cases: all there is to say before `policy apply`."""
    found = lint(bundle, gates)
    results = run_tests(bundle, tests)
    found += [
        Finding("policy/test-failed", f"{one.name}: {one.problem}", one.where)
        for one in results
        if not one.passed
    ]
    return found + untested(bundle, results)


def _run(judge: Judge, shared: CaseFile, index: int, located: Located) -> Result:
    case = shared.cases[index]
    where = located.where("cases", index)
    action = case.action or shared.action
    parts = {
        "action": action,
        "principal": case.principal or shared.principal,
        "resource": case.resource or shared.resource,
        "gate": case.gate or shared.gate or GATES.get(action, ""),
    }
    for name, value in parts.items():
        if not value:
            raise PolicyError(
                f"case {case.name!r} has no {name}",
                where=where,
                hint="write it in the case, or atop the file",
            )
    question = Question(
        gate=parts["gate"],
        action=action,
        principal=_ref(parts["principal"]),
        resource=_ref(parts["resource"]),
        context={**shared.context, **case.context},
        attributes={**shared.attributes, **case.attributes},
    )
    decision = judge.judge(question)
    problem = _compare(case, decision, judge.bundle, parts["gate"])
    return Result(case.name, where, case.expect, question, decision, case.policies, problem)


def _compare(case: Case, decision: Decision, bundle: Bundle, gate_name: str) -> str:
    actual = "allow" if decision.allow else "forbid" if decision.forbidden else "deny"
    if decision.errors:
        return f"the question could not be judged: {'; '.join(decision.errors)}"
    if actual != case.expect:
        return f"expected {case.expect}, got {actual}: {'; '.join(decision.reasons)}"
    gate = bundle.gates[gate_name]
    fired = set(decision.policies)
    for rule_id in case.policies:
        rule = gate.rule(rule_id)
        if rule is None:
            close = suggestion(rule_id, [known.id for known in gate.rules.values()])
            return f"{gate_name} has no policy {rule_id!r} {close}".rstrip()
        if not acts(rule.tree.action, decision.action):
            return f"{rule_id} is not about {decision.action}"
        # Cedar names only the rules that decided: permits on allow, forbids on forbid.
        due = (case.expect, rule.effect) in {("allow", "permit"), ("forbid", "forbid")}
        if due and rule_id not in fired:
            return f"{rule_id} did not decide it; {', '.join(decision.policies)} did"
    return ""


def _ref(text: str) -> Ref:
    kind, _, name = text.partition("::")
    return Ref(kind, name)
