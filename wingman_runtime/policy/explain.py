"""One decision, told to a person: why, by which policies, and what would have to be different."""

from __future__ import annotations

from dataclasses import dataclass

from wingman_runtime.contracts.ports import Decision, Question
from wingman_runtime.policy.judge import Judge
from wingman_runtime.policy.why import Assessment, assess

_WORDS = {
    "fires": "applies",
    "scope": "is not about this",
    "condition": "does not hold",
    "error": "could not be evaluated",
}


@dataclass(frozen=True, slots=True)
class Line:
    """How one policy of the gate stands to the question."""

    policy: str
    effect: str
    where: str
    status: str
    failed: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """``change`` lists what would turn the answer; empty for what is allowed."""

    decision: Decision
    headline: str
    policies: tuple[Line, ...]
    change: tuple[str, ...]

    def __str__(self) -> str:
        rows = [self.headline, *(f"  because {reason}" for reason in self.decision.reasons)]
        rows.append(f"policies of {self.decision.gate} (bundle {self.decision.bundle[:19]}):")
        for line in self.policies:
            rows.append(f"  {line.effect} {line.policy} ({line.where}) {_WORDS[line.status]}")
            if line.effect == "permit" or line.status == "error":
                rows.extend(f"      not so: {text}" for text in line.failed if line.status != "scope")
                rows.extend(f"      {text}" for text in line.failed if line.status == "scope")
        if self.change:
            rows.append("it would be allowed if:")
            rows.extend(f"  - {text}" for text in self.change)
        return "\n".join(rows)


def explain(judge: Judge, question: Question) -> Explanation:
    """Judges the question and looks at every policy of its gate singly. Never raises for a bad question."""
    decision = judge.judge(question)
    gate = judge.bundle.gates.get(question.gate)
    assessed: list[Assessment] = []
    if gate is not None:
        try:
            view = judge.view(question)
            assessed = [assess(rule, view) for rule in gate.rules.values()]
        except ValueError:
            assessed = []  # it has no form Cedar could read: the decision's errors say which part
    verdict = "ALLOWED" if decision.allow else "FORBIDDEN" if decision.forbidden else "DENIED"
    headline = f"{verdict}: {decision.principal} {question.action} {decision.resource}"
    lines = tuple(
        Line(one.rule.id, one.rule.effect, one.rule.where, one.status, one.failed, one.rule.reason)
        for one in sorted(assessed, key=lambda one: list(_WORDS).index(one.status))
    )
    return Explanation(decision, headline, lines, tuple(_change(decision, question, judge, assessed)))


def _change(decision: Decision, question: Question, judge: Judge, assessed: list[Assessment]) -> list[str]:
    if decision.allow:
        return []
    if question.principal not in judge.people:
        return [f'{question.principal.type} "{question.principal.id}" were declared in principals.yaml']
    if not assessed or decision.errors:
        return [f"the question could be judged: {error}" for error in decision.errors]
    needed = [
        f"{one.rule.id} ({one.rule.where}) did not forbid it: {one.rule.reason}"
        for one in assessed
        if one.rule.effect == "forbid" and one.status == "fires"
    ]
    permits = [one for one in assessed if one.rule.effect == "permit"]
    if any(one.status == "fires" for one in permits):
        return needed
    near = [one for one in permits if one.status in {"condition", "error"}]
    if near:
        ways = [f"{' and '.join(one.failed)} ({one.rule.id})" for one in near]
    else:
        ways = [f"{one.rule.id} applied; now {'; '.join(one.failed)}" for one in permits]
    return [*needed, *ways] or [f"{decision.gate} had a permit for {question.action}"]
