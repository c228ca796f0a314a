"""Why nothing allowed it: Cedar gives no reason for a default deny, so each rule is asked on its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cedarpy
from cedarpy import pst

from wingman_runtime.contracts.ports import Ref
from wingman_runtime.policy.bundle import GATES, Gate, Rule
from wingman_runtime.policy.entities import NAMESPACE

PROBE_LIMIT = 16  # rules whose conditions are evaluated for one denial; a bound on work, not on rules

_SCOPE = "scope"
_NEEDLESS = re.compile(r"(?<!\w)\((\w+(?:\.\w+)+)\)")  # the printer's brackets around a plain path

Status = Literal["fires", "scope", "condition", "error"]


@dataclass(frozen=True, slots=True)
class View:
    """A question as Cedar reads it, for rules asked one at a time."""

    action: str
    principal: Ref
    resource: Ref
    ancestors: frozenset[tuple[str, str]]
    request: dict[str, object]
    entities: cedarpy.Entities


@dataclass(frozen=True, slots=True)
class Assessment:
    """How one rule stands to one question. ``failed`` holds what did not fit, in words or in Cedar."""

    rule: Rule
    status: Status
    failed: tuple[str, ...] = ()


def assess(rule: Rule, view: View) -> Assessment:
    """Scope first, then every condition by itself."""
    policies, conditions = _probes(rule.tree)
    answer = cedarpy.is_authorized(view.request, policies, view.entities)
    held = set(answer.diagnostics.reasons)
    if _SCOPE not in held:
        return Assessment(rule, "scope", tuple(_outside(rule.tree, view)) or ("its scope does not hold it",))
    failed = tuple(text for key, text in conditions.items() if key not in held)
    if not failed:
        return Assessment(rule, "fires")
    # A condition guarded by an earlier one errors when asked alone; it counts only if it failed first.
    broken = next(key for key in conditions if key not in held)
    errored = any(f"`{broken}`" in error for error in answer.diagnostics.errors)
    return Assessment(rule, "error" if errored else "condition", failed)


def nearest(gate: Gate, view: View) -> tuple[str, ...]:
    """Reasons for a default deny: the permits that came nearest, and what each lacked."""
    permits = [rule for rule in gate.rules.values() if rule.effect == "permit"]
    if not permits:
        return (f"{gate.name} permits nothing",)
    scoped = [rule for rule in permits if not list(_outside(rule.tree, view))]
    if scoped:
        return tuple(_lacking(assess(rule, view)) for rule in scoped[:PROBE_LIMIT])
    same_action = [rule for rule in permits if acts(rule.tree.action, view.action)]
    if not same_action:
        return (f"no permit of {gate.name} is about {view.action}",)
    return tuple(
        f"{rule.id} does not apply: {'; '.join(_outside(rule.tree, view))}"
        for rule in same_action[:PROBE_LIMIT]
    )


def _lacking(assessment: Assessment) -> str:
    verb = "could not be evaluated" if assessment.status == "error" else "is false"
    first = assessment.failed[0] if assessment.failed else "its condition"
    return f"{assessment.rule.id} applies, but {first} {verb}"


def _outside(tree: pst.Template, view: View) -> Iterator[str]:
    """In words, each part of the scope the question is outside of."""
    if not acts(tree.action, view.action):
        yield f"the action is not {_constraint(tree.action)}"
    if not _within(tree.principal, view.principal, view.ancestors):
        yield f'{view.principal.type}::"{view.principal.id}" is not {_constraint(tree.principal)}'
    itself = frozenset({(f"{NAMESPACE}::{view.resource.type}", view.resource.id)})
    if not _within(tree.resource, view.resource, itself):
        yield f'{view.resource.type}::"{view.resource.id}" is not {_constraint(tree.resource)}'


def acts(constraint: pst.ActionConstraint, action: str) -> bool:
    """Is the rule about this action, as far as its text tells?"""
    if isinstance(constraint, pst.ActionEq):
        return constraint.entity.id == action
    if isinstance(constraint, pst.ActionIn):
        # A name we do not know may be a group of actions; whether it holds this one is for Cedar to say.
        return any(entity.id == action or entity.id not in GATES for entity in constraint.entities)
    return True


def _within(
    constraint: pst.PrincipalOrResourceConstraint, ref: Ref, ancestors: frozenset[tuple[str, str]]
) -> bool:
    if isinstance(constraint, pst.ScopeEq):
        return _is(constraint.entity, {(f"{NAMESPACE}::{ref.type}", ref.id)})
    if isinstance(constraint, pst.ScopeIn):
        return _is(constraint.entity, ancestors)
    if isinstance(constraint, pst.ScopeIs):
        return str(constraint.entity_type) == f"{NAMESPACE}::{ref.type}"
    if isinstance(constraint, pst.ScopeIsIn):
        same = str(constraint.entity_type) == f"{NAMESPACE}::{ref.type}"
        return same and _is(constraint.entity, ancestors)
    return True


def _is(entity: pst.EntityOrSlot, among: frozenset[tuple[str, str]] | set[tuple[str, str]]) -> bool:
    return isinstance(entity, pst.EntityUid) and (str(entity.type), entity.id) in among


def _constraint(constraint: pst.ActionConstraint | pst.PrincipalOrResourceConstraint) -> str:
    if isinstance(constraint, pst.ActionIn):
        return "one of " + ", ".join(entity.id for entity in constraint.entities)
    if isinstance(constraint, pst.ActionEq):
        return constraint.entity.id
    if isinstance(constraint, pst.ScopeIs):
        return f"a {constraint.entity_type.basename}"
    if isinstance(constraint, pst.ScopeEq | pst.ScopeIn):
        return ("in " if isinstance(constraint, pst.ScopeIn) else "") + _short(constraint.entity)
    if isinstance(constraint, pst.ScopeIsIn):
        return f"a {constraint.entity_type.basename} in {_short(constraint.entity)}"
    return "anything"


def _short(entity: pst.EntityOrSlot) -> str:
    return str(entity).removeprefix(f"{NAMESPACE}::")


@lru_cache(maxsize=1024)
def _probes(tree: pst.Template) -> tuple[cedarpy.PolicySet, dict[str, str]]:
    """A permit for the rule's scope, one for each conjunct of its conditions, and the texts of these."""
    scope = pst.Template(_SCOPE, "permit", tree.principal, tree.action, tree.resource, (), pst.FrozenMap())
    asked: dict[str, pst.Template] = {_SCOPE: scope}
    texts: dict[str, str] = {}
    for clause in tree.clauses:
        negated = isinstance(clause, pst.Unless)
        for expr in [clause.expr] if negated else list(_conjuncts(clause.expr)):
            key = f"part{len(asked)}"
            one = pst.Unless(expr) if negated else pst.When(expr)
            asked[key] = pst.Template(
                id=key,
                effect="permit",
                principal=pst.ScopeAny(),
                action=pst.ScopeAny(),
                resource=pst.ScopeAny(),
                clauses=(one,),
                annotations=pst.FrozenMap(),
            )
            texts[key] = _written(asked[key])
    probes = pst.PolicySet(templates=pst.FrozenMap(), static_policies=pst.FrozenMap(asked), template_links=())
    return cedarpy.PolicySet.from_pst(probes), texts


def _conjuncts(expr: pst.Expr) -> Iterator[pst.Expr]:
    if isinstance(expr, pst.BinaryOp) and expr.op == "and":
        yield from _conjuncts(expr.left)
        yield from _conjuncts(expr.right)
    else:
        yield expr


def _written(template: pst.Template) -> str:
    """The one condition of a probe, in Cedar without the namespace: ``resource.risk == "low"``."""
    alone = pst.PolicySet(
        templates=pst.FrozenMap(), static_policies=pst.FrozenMap({template.id: template}), template_links=()
    )
    text = " ".join(str(cedarpy.PolicySet.from_pst(alone)).split())
    start, end = text.find("{"), text.rfind("}")
    inner = _NEEDLESS.sub(r"\1", text[start + 1 : end].strip().replace(f"{NAMESPACE}::", ""))
    return f"not ({inner})" if isinstance(template.clauses[0], pst.Unless) else inner
