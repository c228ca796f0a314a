"""Decisions. Permit only if Cedar says Allow and nothing errored; all else, a fault included, is a denial.

1. Answer from memory when the same question was answered under this bundle, or one that no policy of the
   gate can tell from it was allowed (`alike`).
2. Refuse a principal nobody declared: Cedar would judge it like anybody else.
3. Give Cedar the question with the few entities it needs.
4. Check the question's types against the schema, once for each combination of types.
5. Put reasons on the answer: the rules that decided, or what the nearest permits lacked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import cedarpy
import orjson

from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.contracts.ports import Decision, Question, Ref
from wingman_runtime.policy.alike import Alike
from wingman_runtime.policy.bundle import GATES, Bundle, Gate, Rule
from wingman_runtime.policy.entities import NAMESPACE, Facts, People, facts_of, uid
from wingman_runtime.policy.recent import Recent
from wingman_runtime.policy.why import View, nearest

MEMORY = 8192  # answered questions kept
_CAST = 2048  # sets of people kept as parsed entities
_SHAPES = 4096  # combinations of types found to fit the schema


_ACTION = f"{NAMESPACE}::Action"
_BY_VALUE = re.compile(r"\b(enum|decimal|ipaddr|datetime|duration)\b")


class Judge:
    """Answers questions under one bundle; safe to share between threads."""

    def __init__(self, bundle: Bundle, *, memory: int = MEMORY) -> None:
        self.bundle = bundle
        self.people = People(bundle.principals)
        # Where a value's own content decides whether it fits, one that fitted says nothing of the next.
        self._simple = _BY_VALUE.search(bundle.schema_text) is None
        self._answers: Recent[bytes, Decision] = Recent(memory)
        self._alike = {name: Alike(gate) for name, gate in bundle.gates.items()}
        self._allowed: Recent[tuple[str, bytes], Decision] = Recent(memory)
        self._cast: Recent[tuple[Ref, ...], cedarpy.Entities] = Recent(_CAST)
        self._fits: Recent[tuple[Any, ...], bool] = Recent(_SHAPES)
        self._emits: Recent[tuple[str, str, str], Decision] = Recent(memory)

    @property
    def digest(self) -> str:
        return self.bundle.digest

    def judge(self, question: Question) -> Decision:
        """Never raises: what cannot be judged is denied, and says why in ``errors``."""
        try:
            key = _key(question)
        except Exception as problem:
            return self._denied(question, "", errors=(f"the question cannot be written down: {problem}",))
        known = self._answers.peek(key) or self._allowed_before(question, key)
        if known is None:
            known = self._decide(question, key)
            self._answers.put(key, known)
            if known.allow and self._simple:
                self._allowed.put((question.gate, self._alike[question.gate].key(question)), known)
        return known

    def _allowed_before(self, question: Question, key: bytes) -> Decision | None:
        """The answer to an earlier question that this gate cannot tell from this one. Denials name their
        question in their reasons, so only permission is used again."""
        alike = self._alike.get(question.gate)
        if alike is None or not self._simple:
            return None
        before = self._allowed.peek((question.gate, alike.key(question)))
        if before is None:
            return None
        # Field by field: `dataclasses.replace` takes as long as all the rest of this.
        return Decision(
            before.allow,
            before.gate,
            before.action,
            before.principal,
            _named(question.resource),
            before.policies,
            before.reasons,
            before.bundle,
            before.forbidden,
            before.errors,
            before.annotations,
            _digest(key),
        )

    def judge_many(self, questions: Iterable[Question]) -> list[Decision]:
        """In the order of the questions."""
        return [self.judge(question) for question in questions]

    def can_emit(self, agent: str, event_type: str, flow: str) -> Decision:
        """May ``agent`` emit ``event_type`` in ``flow``? Depends on the bundle alone."""

        known = self._emits.peek((agent, event_type, flow))
        if known is None:
            question = Question(
                gate=GATES["emit"],
                action="emit",
                principal=Ref("Agent", agent),
                resource=Ref("Event", event_type),
                attributes={"flow": flow, "shipped": event_type in SHIPPED},
            )
            known = self.judge(question)
            self._emits.put((agent, event_type, flow), known)
        return known

    def roles(self) -> tuple[str, ...]:
        return tuple(sorted(self.bundle.principals.roles))

    def roles_of(self, user: str) -> tuple[str, ...]:
        return self.bundle.principals.roles_of(user)

    def view(self, question: Question) -> View:
        """The question as Cedar reads it, for `explain`. Raises ValueError when it has no such form."""
        facts = facts_of(question)
        return View(
            question.action,
            question.principal,
            question.resource,
            self.people.ancestors(question.principal),
            _request(question, facts),
            self._entities(facts),
        )

    def _decide(self, question: Question, key: bytes) -> Decision:
        digest = _digest(key)
        try:
            gate = self.bundle.gates.get(question.gate)
            if gate is None:
                return self._denied(question, digest, errors=(f"there is no gate file {question.gate!r}",))
            if question.principal not in self.people:
                reason = (
                    f'{question.principal.type} "{question.principal.id}" is not declared in principals.yaml'
                )
                return self._denied(question, digest, reasons=(reason,))
            return self._evaluate(question, gate, digest)
        except Exception as problem:
            # Whatever went wrong, the one answer that must not come of it is yes.
            return self._denied(
                question, digest, errors=(f"the question does not fit the schema: {problem}",)
            )

    def _evaluate(self, question: Question, gate: Gate, digest: str) -> Decision:
        facts = facts_of(question)
        # Given the schema Cedar checks every type, and takes half as long again; once a shape suffices.
        checked = self._simple and facts.simple and self._fits.peek(facts.shape) is True
        entities = self._entities(facts, trusted=checked)
        request = _request(question, facts)
        schema = None if checked else self.bundle.schema
        answer = cedarpy.is_authorized(request, gate.policies, entities, schema)
        said = answer.diagnostics
        errors = tuple(_readable(error, gate) for error in said.errors)
        if answer.decision is cedarpy.Decision.NoDecision:
            told = tuple(f"does not fit the schema: {error}" for error in errors)
            return self._denied(question, digest, errors=told or ("Cedar came to no decision",))
        if not checked:
            self._fits.put(facts.shape, True)
        rules = tuple(gate.rules[key] for key in sorted(said.reasons))
        if errors:
            return self._denied(question, digest, errors=errors, rules=rules)
        if answer.allowed:
            return self._decision(question, digest, allow=True, rules=rules)
        if rules:
            return self._decision(question, digest, forbidden=True, rules=rules)
        return self._denied(question, digest, reasons=nearest(gate, self.view(question)))

    def _entities(self, facts: Facts, *, trusted: bool = False) -> cedarpy.Entities:
        cast = self._cast.peek(facts.people)
        if cast is None:
            cast = cedarpy.Entities.from_json_str(self.people.entities(facts.people), self.bundle.schema)
            self._cast.put(facts.people, cast)
        return cast.with_added_json_str(facts.resource, None if trusted else self.bundle.schema)

    def _denied(
        self,
        question: Question,
        digest: str,
        *,
        reasons: tuple[str, ...] = (),
        errors: tuple[str, ...] = (),
        rules: tuple[Rule, ...] = (),
    ) -> Decision:
        return self._decision(question, digest, rules=rules, reasons=(*reasons, *errors), errors=errors)

    def _decision(
        self,
        question: Question,
        digest: str,
        *,
        allow: bool = False,
        forbidden: bool = False,
        rules: tuple[Rule, ...] = (),
        reasons: tuple[str, ...] = (),
        errors: tuple[str, ...] = (),
    ) -> Decision:
        notes: dict[str, str] = {}
        for rule in rules:
            notes.update(
                (f"{rule.id}.{name}", text) for name, text in rule.annotations.items() if name != "id"
            )
        return Decision(
            allow=allow,
            gate=question.gate,
            action=question.action,
            principal=_named(question.principal),
            resource=_named(question.resource),
            policies=tuple(rule.id for rule in rules),
            reasons=reasons or tuple(rule.said for rule in rules),
            bundle=self.bundle.digest,
            forbidden=forbidden,
            errors=errors,
            annotations=_annotations(rules),
            input_digest=digest,
        )


def _named(entity: Ref) -> str:
    return f'{entity.type}::"{entity.id}"'


def _digest(key: bytes) -> str:
    return "sha256:" + hashlib.sha256(key).hexdigest()


def _request(question: Question, facts: Facts) -> dict[str, object]:
    return {
        "principal": uid(*question.principal),
        "action": {"type": _ACTION, "id": question.action},
        "resource": uid(*question.resource),
        "context": facts.context,
    }


def _annotations(rules: tuple[Rule, ...]) -> Mapping[str, str]:
    """Those of the rules that decided. Where two rules differ, the larger number or both texts."""
    if len(rules) == 1:
        return rules[0].annotations
    found: dict[str, str] = {}
    for rule in rules:
        for name, text in rule.annotations.items():
            other = found.setdefault(name, text)
            if other != text:
                numbers = text.isdecimal() and other.isdecimal()
                found[name] = str(max(int(text), int(other))) if numbers else f"{other}; {text}"
    return MappingProxyType(found)


def _key(question: Question) -> bytes:
    """Canonical bytes of a question: equal ones mean equal questions, as far as Cedar can tell."""
    return orjson.dumps(
        [
            question.gate,
            question.action,
            list(question.principal),
            list(question.resource),
            question.attributes if isinstance(question.attributes, dict) else dict(question.attributes),
            question.context if isinstance(question.context, dict) else dict(question.context),
        ],
        option=orjson.OPT_SORT_KEYS,
        default=_plain,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _readable(error: str, gate: Gate) -> str:
    """Cedar's message with the rule's own id in place of its number."""
    for key, rule in gate.rules.items():
        error = error.replace(f"`{key}`", f"`{rule.id}`")
    return error
