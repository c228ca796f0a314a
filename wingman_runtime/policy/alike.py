"""Which questions must have the same answer: those that differ only in what no policy of the gate can see.

Cedar has no reflection: a policy learns an attribute only by writing its name, and tells one entity from
another only by writing its literal. So a name that does not occur in a gate's text cannot change an answer
there, and an answer may be used again for another request or plan. Types still count: the schema is about
them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from wingman_runtime.contracts.ports import Question
from wingman_runtime.policy.bundle import Gate
from wingman_runtime.policy.entities import NAMED

_ONE_OF_MANY = ("Request", "Plan")
"""Resource types whose every instance is new; tools, events and people have names that policies use."""
_SCALARS = frozenset((str, int, bool))
_UNHEARD = re.compile(r'@\w+\s*\(\s*"[^"]*"\s*\)|//[^\n]*|("[^"]*")')
"""Annotations and comments decide nothing; strings are matched so that neither is seen inside of one."""


class Alike:
    """The view one gate has of a question."""

    def __init__(self, gate: Gate) -> None:
        # An escape could spell a name without writing it; then everything counts.
        self._all = "\\" in gate.text
        text = gate.text if self._all else _UNHEARD.sub(lambda found: found[1] or " ", gate.text)
        self._heard = frozenset((*re.findall(r"\w+", text), *NAMED))
        self._nameless = frozenset(
            kind for kind in _ONE_OF_MANY if not self._all and not re.search(rf'{kind}\s*::\s*"', text)
        )

    def key(self, question: Question) -> bytes:
        """Equal keys mean equal answers at this gate, under one bundle.

        Raises:
            TypeError: the question has a value without JSON form.
        """
        kind, name = question.resource
        return orjson.dumps(
            [
                question.action,
                list(question.principal),
                kind,
                None if kind in self._nameless else name,
                *self._seen(question.attributes),
                *self._seen(question.context),
            ],
            option=orjson.OPT_SORT_KEYS,
        )

    def _seen(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """What the gate may look at, and of the rest only names and types."""
        seen, unseen = {}, {}
        heard = self._heard
        for name, value in values.items():
            kind = type(value)
            if name in heard or kind not in _SCALARS or self._all:
                seen[name] = value
            else:
                unseen[name] = kind.__name__
        return seen, unseen
