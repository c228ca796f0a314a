"""Whether a text matches a pattern, asked of the validator and never of Python's ``re``.

The validator's engine speaks ECMA 262 and gives up after a bounded amount of backtracking.
"""

from __future__ import annotations

import re

import jsonschema_rs

_BACKTRACKING = 20_000
_COMMON = re.compile(
    r"(?:[^\\]|\\[dDwWsSbBtnrfv0]|\\[^\w\s]|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2})*+", re.DOTALL
)
"""Patterns all engines read alike; ``\\cC`` or ``\\p{L}`` means something to some of them only."""
_LONGEST_TEXT = 10_000


class Matcher:
    """Remembers the patterns of one comparison. ``matches`` answers None where the engine cannot say."""

    def __init__(self) -> None:
        self._engines: dict[str, jsonschema_rs.Validator | None] = {}
        self._answers: dict[tuple[str, str], bool | None] = {}

    def matches(self, pattern: str, text: str) -> bool | None:
        asked = pattern, text
        if asked not in self._answers:
            self._answers[asked] = self._ask(pattern, text)
        return self._answers[asked]

    def _ask(self, pattern: str, text: str) -> bool | None:
        if len(text) > _LONGEST_TEXT or not _COMMON.fullmatch(pattern):
            return None
        if pattern not in self._engines:
            self._engines[pattern] = _engine(pattern)
        engine = self._engines[pattern]
        if engine is None:
            return None
        try:
            found = next(engine.iter_errors(text), None)
        except ValueError:  # half of a surrogate pair is no text
            return None
        if found is None:
            return True
        return False if isinstance(found.kind, jsonschema_rs.ValidationErrorKind.Pattern) else None


def _engine(pattern: str) -> jsonschema_rs.Validator | None:
    options = jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKING)
    try:
        return jsonschema_rs.validator_for({"pattern": pattern}, pattern_options=options)
    except (jsonschema_rs.ValidationError, ValueError):
        return None
