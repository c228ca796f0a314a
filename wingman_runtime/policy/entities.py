"""From a question to what Cedar reads: only the entities the question names, in Cedar's JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from wingman_runtime.contracts.ports import Question, Ref
from wingman_runtime.policy.principals import Principals

NAMESPACE = "Wingman"
NAMED = {"requester": "User", "first_requester": "User", "tenant": "Tenant", "agent": "Agent"}
"""Attributes that travel as text and stand for an entity of this type."""

_INT64 = 2**63


class UnfitError(ValueError):
    """The question holds something Cedar has no value for."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A question made ready. ``shape`` has the types of everything in it, and none of the values."""

    people: tuple[Ref, ...]  # principal, requester, agent: those whose roles may matter
    resource: str  # JSON list with the resource's entity
    context: str  # JSON object
    shape: tuple[Any, ...]
    simple: bool  # no records: one with the keys ``type`` and ``id`` may be an entity, as the schema says


def uid(kind: str, name: str) -> dict[str, str]:
    return {"type": f"{NAMESPACE}::{kind}", "id": name}


def facts_of(question: Question) -> Facts:
    """Raises UnfitError, naming the attribute, for floats, nulls and mixed lists."""
    given = question.attributes
    if "resources" in given:
        given = {**given, "areas": areas(given["resources"])}
    people = [question.principal]
    attrs, attr_shape = _record(given, "attributes", people)
    context, context_shape = _record(question.context, "context", people)
    kind, name = question.resource
    resource = {"uid": {"type": f"{NAMESPACE}::{kind}", "id": name}, "attrs": attrs, "parents": []}
    return Facts(
        tuple(dict.fromkeys(people)) if len(people) > 1 else (question.principal,),
        orjson.dumps([resource]).decode(),
        orjson.dumps(context).decode(),
        (question.action, question.principal.type, kind, attr_shape, context_shape),
        all(shape[1][0] != "{" for shape in (*attr_shape, *context_shape)),
    )


def areas(resources: Any) -> list[str]:
    """Every prefix that ends in ``:`` or ``/``, because Cedar cannot run a pattern over a set."""
    if not isinstance(resources, list | tuple | set | frozenset):
        raise UnfitError("attributes.resources is not a list")
    found: set[str] = set()
    for resource in resources:
        text = str(resource)
        found.update(text[: index + 1] for index, char in enumerate(text) if char in ":/")
    return sorted(found)


def principal_entities(principals: Principals) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(section of the file, name, entity) of all that is declared. Parents are already transitive."""
    for name, user in principals.users.items():
        parents = [uid("Role", role) for role in principals.roles_of(name)]
        parents += [uid("Team", team) for team in user.teams]
        parents += [uid("Tenant", tenant) for tenant in user.tenants]
        yield "users", name, {"uid": uid("User", name), "attrs": dict(user.attributes), "parents": parents}
    for name, agent in principals.agents.items():
        parents = [uid("Role", role) for role in agent.roles]
        yield "agents", name, {"uid": uid("Agent", name), "attrs": {}, "parents": parents}
    for name in principals.roles:
        yield "roles", name, {"uid": uid("Role", name), "attrs": {}, "parents": []}


class People:
    """Who is declared, as Cedar entities. Undeclared agents exist without roles; nobody else does."""

    def __init__(self, principals: Principals) -> None:
        self._known: dict[Ref, dict[str, Any]] = {}
        for _, _, entity in principal_entities(principals):
            kind = entity["uid"]["type"].removeprefix(f"{NAMESPACE}::")
            self._known[Ref(kind, entity["uid"]["id"])] = entity

    def __contains__(self, ref: Ref) -> bool:
        return ref.type == "Agent" or ref in self._known

    def entities(self, refs: tuple[Ref, ...]) -> str:
        """JSON list of these, those unknown left out."""
        found = []
        for ref in refs:
            if ref in self._known:
                found.append(self._known[ref])
            elif ref.type == "Agent":
                found.append({"uid": uid(*ref), "attrs": {}, "parents": []})
        return json.dumps(found)

    def ancestors(self, ref: Ref) -> frozenset[tuple[str, str]]:
        """(type, id) of everything ``ref`` is in, itself included, the types with their namespace."""
        entity = self._known.get(ref, {"parents": []})
        held = {(parent["type"], parent["id"]) for parent in entity["parents"]}
        return frozenset(held | {(f"{NAMESPACE}::{ref.type}", ref.id)})


def _record(
    given: Mapping[str, Any], what: str, people: list[Ref]
) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
    values: dict[str, Any] = {}
    shape: list[tuple[str, str]] = []
    for name, value in given.items():
        if name in NAMED:
            kind = NAMED[name]
            if not isinstance(value, str):
                raise UnfitError(f"{what}.{name} must be the id of a {kind}")
            values[name] = {"__entity": {"type": f"{NAMESPACE}::{kind}", "id": value}}
            if kind != "Tenant":
                people.append(Ref(kind, value))
        else:
            plain = _plain(value)
            values[name] = plain
            kind = "str" if isinstance(plain, str) else _kind(plain, f"{what}.{name}")
        shape.append((name, kind))
    shape.sort()
    return values, tuple(shape)


def _plain(value: Any) -> Any:
    """Sets and tuples as lists."""
    if isinstance(value, tuple):
        return list(value)
    return sorted(value) if isinstance(value, set | frozenset) else value


def _kind(value: Any, where: str) -> str:
    if isinstance(value, str):
        return "str"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        if not -_INT64 <= value < _INT64:
            raise UnfitError(f"{where} is past 64 bits")
        return "int"
    if isinstance(value, list):
        kinds = {_kind(item, where) for item in value}
        if len(kinds) > 1:
            raise UnfitError(f"{where} mixes types")
        inner = kinds.pop() if kinds else ""
        return inner if inner.startswith("{") else f"[{inner}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}={_kind(value[name], where)}" for name in sorted(value)) + "}"
    raise UnfitError(f"{where}: Cedar has no value for {type(value).__name__}")
