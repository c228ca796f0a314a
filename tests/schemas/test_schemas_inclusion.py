"""The inclusion check, rule by rule: what is proven, what is shown by a document, and what is neither."""

from __future__ import annotations

from typing import Any

import pytest

from tests.schemas.inclusion_data import assert_confirmed, validator
from wingman_runtime.errors import ContractError
from wingman_runtime.schemas import accepts
from wingman_runtime.schemas.verdict import Answer

DRAFT_07 = "http://json-schema.org/draft-07/schema#"
CLOSED = {"additionalProperties": False}

COMPATIBLE: dict[str, tuple[Any, Any]] = {
    # name: (reader, writer)
    "anything-admits-all": (True, {"type": "object"}),
    "nothing-is-written": ({"type": "string"}, False),
    "an-unsatisfiable-writer": ({"type": "string"}, {"type": "integer", "minimum": 2, "maximum": 1}),
    "an-impossible-property": (
        {"type": "string"},
        {"type": "object", "required": ["a"], "properties": {"a": False}},
    ),
    "one-is-an-integer": ({"type": "integer"}, {"const": 1.0}),
    "one-equals-one": ({"enum": [1]}, {"enum": [1.0]}),
    "a-tenth-is-exact": ({"multipleOf": 0.1}, {"const": 0.3}),
    "multiples-of-six": ({"multipleOf": 2}, {"multipleOf": 6}),
    "multiples-meet": ({"multipleOf": 12}, {"allOf": [{"multipleOf": 4}, {"multipleOf": 6}]}),
    "whole-halves": (
        {"type": "integer"},
        {"type": "number", "allOf": [{"multipleOf": 1.5}, {"multipleOf": 1}]},
    ),
    "integers-above-zero": ({"minimum": 1}, {"type": "integer", "exclusiveMinimum": 0}),
    "code-points": ({"maxLength": 1}, {"const": "\U0001f600"}),
    "enum-within-pattern": ({"pattern": "^[a-c]+$"}, {"enum": ["a", "abc"]}),
    "pattern-within-pattern": ({"pattern": "^[0-9a-f]*$"}, {"pattern": "^[0-9]{2,4}$", "type": "string"}),
    "pattern-bounds-length": ({"maxLength": 4}, {"pattern": "^[0-9]{2,4}$", "type": "string"}),
    "closed-union-by-tag": (
        {"oneOf": [{"properties": {"k": {"const": k}}, "required": ["k"], "type": "object"} for k in "ab"]},
        {"anyOf": [{"properties": {"k": {"const": k}}, "required": ["k"], "type": "object"} for k in "ba"]},
    ),
    "split-by-value": (
        {"anyOf": [{"type": "integer", "maximum": 5}, {"type": "integer", "minimum": 6}]},
        {"type": "integer"},
    ),
    "an-item-that-must-be": (
        {"contains": {"type": "integer"}},
        {"type": "array", "minItems": 1, "items": {"type": "integer"}},
    ),
    "unique-needs-values": (
        {"maxItems": 2},
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True},
    ),
    "if-then": (
        {"if": {"required": ["a"]}, "then": {"required": ["b"]}},
        {"type": "object", "dependentRequired": {"a": ["b"]}},
    ),
    "unevaluated-is-additional": (
        {"properties": {"a": True}, **CLOSED, "type": "object"},
        {
            "type": "object",
            "allOf": [{"properties": {"a": {"type": "string"}}}],
            "unevaluatedProperties": False,
        },
    ),
    "names-exclude-a-property": ({"properties": {"b": False}}, {"propertyNames": {"enum": ["a"]}}),
    "patterns-leave-no-room": ({"properties": {"b": False}}, {"patternProperties": {"^a": True}, **CLOSED}),
    "recursion": (
        {
            "$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}, "v": {"type": "number"}}}},
            "$ref": "#/$defs/n",
        },
        {"properties": {"next": {"$ref": "#"}, "v": {"type": "integer"}}},
    ),
    "an-anchor": (
        {"$ref": "#here", "$defs": {"x": {"$anchor": "here", "type": "string"}}},
        {"type": "string"},
    ),
    "an-inner-id": (
        {"$id": "http://a.example/x", "$ref": "y", "$defs": {"y": {"$id": "y", "type": "string"}}},
        {"type": "string"},
    ),
    "draft-07-tuples": (
        {"$schema": DRAFT_07, "items": [{"type": "string"}], "additionalItems": {"type": "integer"}},
        {"prefixItems": [{"type": "string"}], "items": {"type": "integer"}},
    ),
    "draft-07-reference-hides-what-stands-beside": (
        {
            "$schema": DRAFT_07,
            "$ref": "#/definitions/a",
            "maxLength": 1,
            "definitions": {"a": {"type": "string"}},
        },
        {"type": "string"},
    ),
    "the-same-format": ({"format": "date"}, {"type": "string", "format": "date", "maxLength": 10}),
}

INCOMPATIBLE: dict[str, tuple[Any, Any, str, str]] = {
    # name: (reader, writer, rule, path)
    "type": ({"type": "integer"}, {"type": "number"}, "type/narrowed", ""),
    "exclusive-bound": ({"exclusiveMinimum": 0}, {"type": "number", "minimum": 0}, "bound/tightened", ""),
    "length": ({"minLength": 2}, {"type": "string", "minLength": 1}, "length/tightened", ""),
    "multiple": ({"multipleOf": 1.5}, {"type": "integer"}, "multiple/tightened", ""),
    "enum": ({"enum": ["a"]}, {"enum": ["a", "b"]}, "enum/narrowed", ""),
    "true-is-not-one": ({"const": 1}, {"const": True}, "const/changed", ""),
    "pattern": ({"pattern": "^a+$"}, {"type": "string", "pattern": "^a*$"}, "pattern/changed", ""),
    "required": (
        {"properties": {"a": {"required": ["b"], "properties": {"b": True}}}},
        {"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"]},
        "property/required",
        "/a/b",
    ),
    "closed": ({**CLOSED}, {"type": "object"}, "property/refused", "/*"),
    "an-item": ({"items": {"type": "string"}}, {"type": "array"}, "type/narrowed", "/*"),
    "tuple-arity": ({"maxItems": 1}, {"type": "array", "minItems": 2, "maxItems": 2}, "items/count", ""),
    "unique": ({"uniqueItems": True}, {"type": "array", "items": {"const": 7}}, "items/unique", ""),
    "nullable": (
        {"properties": {"a": {"type": "string"}}},
        {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
        "type/narrowed",
        "/a",
    ),
    "oneof-overlap": (
        {"oneOf": [{"type": "integer"}, {"minimum": 2}]},
        {"type": "integer"},
        "union/overlap",
        "",
    ),
    "far-down-a-list": (
        {"properties": {"next": {"$ref": "#"}, "v": {"maximum": 3}}},
        {"properties": {"next": {"$ref": "#"}, "v": {"type": "number"}}, "type": "object"},
        "bound/tightened",
        "/v",
    ),
}

UNKNOWN: dict[str, tuple[Any, Any, str]] = {
    # name: (reader, writer, a word of the reason)
    "a-reference-out": ({"$ref": "http://elsewhere.example/x"}, {"type": "string"}, "out of the document"),
    "another-dialect": (
        {"$schema": "http://json-schema.org/draft-04/schema#"},
        {"type": "string"},
        "dialect",
    ),
    "a-reader-s-format": ({"format": "email"}, {"type": "string"}, "format email"),
    "look-ahead": ({"pattern": "^(?=a)a$"}, {"type": "string", "pattern": "^a$"}, "pattern"),
    "a-number-lost": ({"maximum": float("inf")}, {"type": "integer"}, "out of reach"),
}


@pytest.mark.parametrize("name", COMPATIBLE)
def test_an_inclusion_is_proven(name: str) -> None:
    """The reader admits all that the writer writes, and this is proven."""
    reader, writer = COMPATIBLE[name]
    verdict = accepts(reader, writer)
    assert verdict.answer is Answer.COMPATIBLE, verdict.gaps


@pytest.mark.parametrize("name", INCOMPATIBLE)
def test_a_gap_is_shown(name: str) -> None:
    """A document that the writer admits and the reader refuses, with the rule and the place."""
    reader, writer, rule, path = INCOMPATIBLE[name]
    verdict = accepts(reader, writer)
    assert verdict.answer is Answer.INCOMPATIBLE, verdict.gaps
    assert (rule, path) in [(gap.rule, gap.path) for gap in verdict.gaps]
    assert_confirmed(verdict, validator(reader), validator(writer))


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_followed_is_unknown_and_says_why(name: str) -> None:
    """Neither a proof nor a document: the reason is told."""
    reader, writer, word = UNKNOWN[name]
    verdict = accepts(reader, writer)
    assert verdict.answer is Answer.UNKNOWN, verdict.gaps
    assert word in verdict.gaps[0].reason


def test_each_broken_property_is_a_gap_of_its_own() -> None:
    """One comparison names every property that is refused."""
    reader = {"properties": {"a": {"type": "string"}, "b": {"minimum": 1}, "c": {"enum": ["x"]}}}
    writer = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}, "c": {"enum": ["x", "y"]}},
    }
    assert {gap.path for gap in accepts(reader, writer).gaps} == {"/a", "/b", "/c"}


def test_formats_that_assert_are_shown_to_differ() -> None:
    """Where formats assert, a text of the writer's format shows that the reader's refuses it."""
    reader, writer = {"format": "date"}, {"type": "string", "format": "email"}
    assert accepts(reader, writer).answer is Answer.UNKNOWN
    gap = accepts(reader, writer, formats=True).gaps[0]
    assert (gap.rule, gap.confirmed) == ("format/changed", True)


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"properties": {"a": {"minimum": "1"}}}, "#/properties/a/minimum"),
        ({"type": "text"}, "#/type"),
        ({"properties": {"a/b": {"required": "c"}}}, "#/properties/a~1b/required"),
        ({"$schema": DRAFT_07, "exclusiveMinimum": True}, "#/exclusiveMinimum"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(schema: dict[str, Any], where: str) -> None:
    """A malformed schema is a ContractError at its JSON Pointer, whichever side it stands on."""
    for reader, writer in ((schema, True), (True, schema), (schema, schema)):
        with pytest.raises(ContractError) as caught:
            accepts(reader, writer)
        assert caught.value.where == where


def test_only_objects_and_booleans_are_schemas() -> None:
    """Anything else is refused before it is looked at."""
    with pytest.raises(ContractError, match="neither object nor boolean"):
        accepts([], True)  # type: ignore[arg-type]


def test_the_same_question_is_answered_the_same() -> None:
    """Witnesses do not change from run to run."""
    reader = {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "maxProperties": 3}
    first = accepts(reader, {"type": "object"})
    assert [accepts(reader, {"type": "object"}) for _ in range(3)] == [first] * 3


def test_a_form_that_only_draft_07_has_says_which_draft_it_is() -> None:
    """Neither names its dialect: ``items`` with a list makes both draft-07; with a name, it is a mistake."""
    pair = {"items": [{"type": "string"}], "additionalItems": False}
    wider = {"items": [{"type": "string"}]}
    assert accepts(wider, pair).compatible
    verdict = accepts(pair, wider)
    assert verdict.answer is Answer.INCOMPATIBLE
    with pytest.raises(ContractError):
        accepts({"$schema": "https://json-schema.org/draft/2020-12/schema", **pair}, wider)
