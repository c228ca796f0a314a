"""The validator's word on a witness, and a name for what the witness shows."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import jsonschema_rs

from wingman_runtime.schemas.verdict import Gap

_BACKTRACKING = 100_000
_LONGEST_REASON = 240
_GIVEN_UP = (
    jsonschema_rs.ValidationErrorKind.BacktrackLimitExceeded,
    jsonschema_rs.ValidationErrorKind.RegexEngineFailure,
)

_RULES = {
    "type": "type/narrowed",
    "enum": "enum/narrowed",
    "const": "const/changed",
    "required": "property/required",
    "dependentRequired": "property/required",
    "additionalProperties": "property/refused",
    "unevaluatedProperties": "property/refused",
    "falseSchema": "value/refused",
    "items": "items/count",
    "propertyNames": "property/name",
    "minProperties": "property/count",
    "maxProperties": "property/count",
    "minimum": "bound/tightened",
    "maximum": "bound/tightened",
    "exclusiveMinimum": "bound/tightened",
    "exclusiveMaximum": "bound/tightened",
    "multipleOf": "multiple/tightened",
    "minLength": "length/tightened",
    "maxLength": "length/tightened",
    "pattern": "pattern/changed",
    "format": "format/changed",
    "minItems": "items/count",
    "maxItems": "items/count",
    "additionalItems": "items/count",
    "unevaluatedItems": "items/count",
    "uniqueItems": "items/unique",
    "contains": "items/contains",
    "anyOf": "union/narrowed",
    "oneOf": "union/narrowed",
    "overlap": "union/overlap",
    "not": "not/changed",
}


class Oracle:
    """Both schemas as the validator reads them, built when the first witness asks for them.

    Args:
        reader: the schema that should admit everything.
        writer: the schema whose documents count.
        formats: whether ``format`` asserts in both; None leaves it to the dialect.
    """

    def __init__(self, reader: Any, writer: Any, formats: bool | None) -> None:
        self._reader_schema = reader
        self._writer_schema = writer
        self._formats = formats

    @cached_property
    def _reader(self) -> jsonschema_rs.Validator | None:
        return self._build(self._reader_schema)

    @cached_property
    def _writer(self) -> jsonschema_rs.Validator | None:
        return self._build(self._writer_schema)

    def _build(self, schema: Any) -> jsonschema_rs.Validator | None:
        try:
            return jsonschema_rs.validator_for(
                schema,
                validate_formats=self._formats,
                pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKING),
                offline=True,
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
            return None

    @property
    def usable(self) -> bool:
        return self._reader is not None and self._writer is not None

    def confirm(self, witness: Any, named: frozenset[str]) -> Gap | None:
        """The gap a document shows; None where it is no witness.

        Args:
            witness: a document.
            named: names of properties that the schemas name; all others count as unnamed.
        """
        if self._writer is None or self._reader is None:
            return None
        try:
            if not self._writer.is_valid(witness) or self._reader.is_valid(witness):
                return None
            error = _deepest(self._reader.iter_errors(witness))
        except ValueError:
            return None
        if error is None:
            return None
        if isinstance(error.kind, _GIVEN_UP):
            return None
        rule, path = _named(error)
        return Gap(
            rule=rule,
            path="".join(f"/{_token(step, named)}" for step in path),
            reason=error.message[:_LONGEST_REASON],
            witness=witness,
            confirmed=True,
        )


def _deepest(errors: Iterable[jsonschema_rs.ValidationError]) -> jsonschema_rs.ValidationError | None:
    """The first error, or the one inside its union that says most precisely where."""
    error = next(iter(errors), None)
    while error is not None:
        inner = [one for branch in getattr(error.kind, "context", []) for one in branch]
        best = max(inner, key=lambda one: len(one.instance_path), default=None)
        if best is None or len(best.instance_path) <= len(error.instance_path):
            return error
        error = best
    return error


def _named(error: jsonschema_rs.ValidationError) -> tuple[str, list[str | int]]:
    word = error.kind.name
    path: list[str | int] = list(error.instance_path)
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.OneOfMultipleValid):
        word = "overlap"
    elif word == "falseSchema":
        word = _false(error, path)
    missing = getattr(error.kind, "property", None)
    if isinstance(missing, str):
        path.append(missing)
    unexpected = getattr(error.kind, "unexpected", None)
    if isinstance(unexpected, list) and unexpected and isinstance(unexpected[0], str):
        path.append(unexpected[0])
    inner = [one for branch in getattr(error.kind, "context", []) for one in branch]
    if inner and all(one.kind.name == "type" for one in inner):
        word = "type"
    return _RULES.get(word, f"schema/{word}"), path


def _false(error: jsonschema_rs.ValidationError, path: list[str | int]) -> str:
    """Which keyword holds the ``false`` that refused; the path then ends at what it refused."""
    asked = [str(step) for step in error.schema_path]
    word = asked[-1] if asked else ""
    if word == "additionalProperties":
        path.append("*")  # the validator leaves the property's name out here
    if word in ("additionalProperties", "patternProperties", "properties") or asked[-2:-1] == ["properties"]:
        return "additionalProperties"
    return "items" if path and isinstance(path[-1], int) else "falseSchema"


def _token(step: str | int, named: frozenset[str]) -> str:
    if isinstance(step, int) or step not in named:
        return "*"
    return step.replace("~", "~0").replace("/", "~1")
