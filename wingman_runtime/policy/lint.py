"""The traps of the policy language that its own validator lets pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from cedarpy import pst

from wingman_runtime.contracts.finding import Finding
from wingman_runtime.policy.bundle import ALWAYS, GATES, Bundle, Rule
from wingman_runtime.policy.entities import NAMESPACE
from wingman_runtime.policy.load import repeated_ids, schema_problems
from wingman_runtime.yamlfile import shown, suggestion

_ARITHMETIC = frozenset({"add", "sub", "mul", "neg"})
_UNSAFE = "unable to guarantee safety"


def lint(bundle: Bundle, gates: Iterable[str] = ()) -> list[Finding]:
    """Every finding, in the order of the files.

    Args:
        gates: gate files that manifests or flows name, beside those every action is judged at by default.
    """
    found = [*_against_schema(bundle), *_gates(bundle, gates)]
    for rule, message in repeated_ids(bundle):
        found.append(
            Finding(
                "policy/duplicate-id",
                message,
                rule.where,
                "an id names one policy in every record: rename it",
            )
        )
    for rule in bundle.rules():
        found.extend(_one(rule, bundle))
    return sorted(found, key=_place)


def _against_schema(bundle: Bundle) -> Iterator[Finding]:
    for rule, message in schema_problems(bundle):
        if _UNSAFE in message:
            cost = " (a forbid that errors forbids nothing)" if rule.effect == "forbid" else ""
            hint = "guard it: `x has name && x.name == ...`"
            yield Finding("policy/unsafe-access", f"{rule.id}: {message}{cost}", rule.where, hint)
        else:
            yield Finding(
                "policy/schema", f"{rule.id}: {message}", rule.where, "see core.cedarschema for what there is"
            )


def _gates(bundle: Bundle, named: Iterable[str]) -> Iterator[Finding]:
    for name in sorted({*GATES.values(), *named, *bundle.gates} - {ALWAYS}):
        gate = bundle.gates.get(name)
        place = f"{shown(bundle.root / name)}:1"
        if gate is None:
            hint = suggestion(name, bundle.gates) or "write the file; until then the gate denies everything"
            yield Finding("policy/gate-missing", f"the gate file {name} does not exist", place, hint)
        elif not any(rule.effect == "permit" for rule in gate.rules.values()):
            yield Finding(
                "policy/gate-closed", f"{name} permits nothing", place, "write a permit, or drop the gate"
            )


def _one(rule: Rule, bundle: Bundle) -> Iterator[Finding]:
    tree = rule.tree
    if not rule.annotations.get("id"):
        yield Finding("policy/no-id", "the policy has no @id", rule.where, 'add @id("what-it-says")')
    if not rule.reason:
        yield Finding(
            "policy/no-reason",
            f"{rule.id} has no @reason",
            rule.where,
            "say in one sentence why, for who is refused",
        )
    quorum = rule.annotations.get("quorum")
    if quorum is not None and not (quorum.isdecimal() and int(quorum) > 0):
        yield Finding(
            "policy/quorum", f"{rule.id}: @quorum({quorum!r}) is no count", rule.where, "write a number"
        )
    if rule.effect == "permit":
        open_ends = [
            name
            for name, constraint in (("principal", tree.principal), ("action", tree.action))
            if isinstance(constraint, pst.ScopeAny)
        ]
        if open_ends:
            yield Finding(
                "policy/unconstrained",
                f"{rule.id} permits any {' and any '.join(open_ends)}",
                rule.where,
                "constrain both in the scope: `principal in ...`, `action == ...`",
            )
    if any(_never(clause) for clause in tree.clauses):
        yield Finding(
            "policy/dead",
            f"{rule.id} can never apply: its condition is false",
            rule.where,
            "delete or mend it",
        )
    if rule.effect == "forbid":
        for what in sorted(set(_may_error(tree))):
            yield Finding(
                "policy/can-error",
                f"{rule.id}: {what} can fail, and a forbid that errors forbids nothing",
                rule.where,
                "the judge denies on any error; make it say so by itself",
            )
    yield from _names(rule, bundle)


def _names(rule: Rule, bundle: Bundle) -> Iterator[Finding]:
    """Roles, users, teams and tenants that are written in a policy and declared nowhere."""
    people = bundle.principals
    declared: Mapping[str, Iterable[str]] = {
        "Role": people.roles,
        "User": people.users,
        "Team": people.teams,
        "Tenant": people.tenants,
    }
    for entity in sorted(pst.entity_uids(rule.tree), key=str):
        kind = str(entity.type).removeprefix(f"{NAMESPACE}::")
        if kind in declared and entity.id not in declared[kind]:
            hint = suggestion(entity.id, declared[kind]) or "declare it in principals.yaml"
            yield Finding(
                "policy/undeclared",
                f'{rule.id} names {kind}::"{entity.id}", which nobody declared',
                rule.where,
                hint,
            )


def _never(clause: pst.Clause) -> bool:
    return _constant(clause.expr) is (not isinstance(clause, pst.When))


def _constant(expr: pst.Expr) -> bool | int | str | None:
    """The value of an expression that no question changes; None when it depends on the question."""
    match expr:
        case pst.BoolLit(value) | pst.LongLit(value) | pst.StringLit(value):
            return value
        case pst.UnaryOp("not", arg):
            inner = _constant(arg)
            return None if inner is None else not inner
        case pst.BinaryOp("and", left, right):
            sides = (_constant(left), _constant(right))
            return False if False in _bools(sides) else True if _bools(sides) == [True, True] else None
        case pst.BinaryOp("or", left, right):
            sides = (_constant(left), _constant(right))
            return True if True in _bools(sides) else False if _bools(sides) == [False, False] else None
        case pst.BinaryOp("eq" | "not_eq" as op, left, right):
            first, second = _constant(left), _constant(right)
            if first is None or second is None:
                return None
            same = type(first) is type(second) and first == second
            return same if op == "eq" else not same
    return None


def _bools(values: Iterable[bool | int | str | None]) -> list[bool]:
    return [value for value in values if isinstance(value, bool)]


def _may_error(tree: pst.Template) -> Iterator[str]:
    """What validation lets pass and evaluation may still refuse: overflow, entities that are absent."""
    guarded = {str(node.base) + "." + ".".join(node.attrs) for node in _nodes(tree.clauses, pst.HasAttr)}
    for node in _nodes(tree.clauses, pst.BinaryOp):
        if node.op in _ARITHMETIC:
            yield "arithmetic past 64 bits"
    for node in _nodes(tree.clauses, pst.UnaryOp):
        if node.op in _ARITHMETIC:
            yield "arithmetic past 64 bits"
    for node in _nodes(tree.clauses, pst.GetAttr):
        if isinstance(node.base, pst.GetAttr) and f"{node.base}.{node.attr}" not in guarded:
            yield f"reading .{node.base.attr}.{node.attr} of an entity that may be absent"


def _nodes(value: Any, kind: type[Any]) -> Iterator[Any]:
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, kind):
            yield node
        if isinstance(node, Mapping):
            stack.extend(node.values())
        elif isinstance(node, tuple):
            stack.extend(node)
        elif is_dataclass(node) and not isinstance(node, type):
            stack.extend(getattr(node, each.name) for each in fields(node))


def _place(finding: Finding) -> tuple[str, int, str]:
    file, _, line = finding.where.rpartition(":")
    return file, int(line) if line.isdecimal() else 0, finding.rule
