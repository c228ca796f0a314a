"""One form for what says the same, over order, names, wording and spelling; another for what differs."""

from __future__ import annotations

import random
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from tests.schemas.schemas_made import model
from wingman_runtime.contracts.events import ExecutionPlanProposed
from wingman_runtime.errors import ContractError
from wingman_runtime.schemas import accepts
from wingman_runtime.schemas.canonical import canonical, digest
from wingman_runtime.schemas.derive import raw_schema, reader_schema, writer_schema
from wingman_runtime.schemas.describe import describe
from wingman_runtime.schemas.forms import text_of
from wingman_runtime.schemas.inclusion.check import searched
from wingman_runtime.schemas.plainly import plainly

TEXT, WHOLE, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"enum": ["a"], "type": "string", "title": "A"}, {"const": "a"}),
        ({"enum": ["b", "a"]}, {"anyOf": [{"const": "a"}, {"const": "b"}]}),
        ({"type": ["string", "null"]}, {"anyOf": [NULL, TEXT]}),
        ({"enum": ["a", None]}, {"anyOf": [{"const": None}, {"const": "a"}]}),
        ({"enum": [True, False]}, {"type": "boolean"}),
        ({"anyOf": [TEXT, {"anyOf": [WHOLE, TEXT]}]}, {"anyOf": [WHOLE, TEXT]}),
        ({"anyOf": [TEXT]}, TEXT),
        ({"allOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": TEXT}}, TEXT),
        ({"$ref": "#/definitions/x", "definitions": {"x": TEXT}}, TEXT),
        ({"type": "integer", "minimum": 1.0, "minLength": 3}, {"type": "integer", "minimum": 1}),
        ({"type": "object", "additionalProperties": True, "required": []}, {"type": "object"}),
        ({"type": "object", "required": ["b", "a", "b"]}, {"type": "object", "required": ["a", "b"]}),
        (
            {"type": "array", "prefixItems": [TEXT], "items": False},
            {"type": "array", "items": [TEXT], "maxItems": 1, "additionalItems": False},
        ),
        ({"type": "string", "minLength": 0, "description": "d", "examples": [1], "x-own": 2}, TEXT),
        ({"properties": {"title": {"title": "T"}}}, {"properties": {"title": {}}}),
        (
            {"type": "array", "uniqueItems": True, "default": [2, 1]},
            {"type": "array", "uniqueItems": True, "default": [1, 2]},
        ),
        (True, {}),
    ],
)
def test_two_spellings_have_one_form(first: Any, second: Any) -> None:
    """And that form is its own."""
    assert text_of(canonical(first)) == text_of(canonical(second))
    assert canonical(canonical(first)) == canonical(first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"const": 1}, {"const": True}),
        ({"enum": [1, "1"]}, {"enum": [1, 2]}),
        ({"type": "string", "default": "a"}, TEXT),
        ({"anyOf": [TEXT, WHOLE]}, {"oneOf": [TEXT, WHOLE]}),
        ({"type": "array", "prefixItems": [TEXT, WHOLE]}, {"type": "array", "prefixItems": [WHOLE, TEXT]}),
        ({"properties": {"a": {}}}, {"properties": {"b": {}}}),
        (
            {"allOf": [{"properties": {"a": {}}}, {"additionalProperties": False}]},
            {"properties": {"a": {}}, "additionalProperties": False},
        ),
        (False, True),
    ],
)
def test_what_differs_stays_different(first: Any, second: Any) -> None:
    """Merging never changes what is said."""
    assert text_of(canonical(first)) != text_of(canonical(second))


def _recursive(first: str, second: str) -> Any:
    return {
        "$defs": {
            first: {"type": "object", "properties": {"next": {"$ref": f"#/$defs/{second}"}}},
            second: {"anyOf": [{"$ref": f"#/$defs/{first}"}, NULL]},
        },
        "$ref": f"#/$defs/{first}",
    }


def test_names_of_definitions_mean_nothing_even_in_a_circle() -> None:
    """They are called after their form."""
    assert canonical(_recursive("A", "B")) == canonical(_recursive("Zebra", "Ape"))
    once = canonical(_recursive("A", "B"))
    assert canonical(once) == once


def test_a_loose_end_and_a_schema_too_big_are_refused() -> None:
    """A reference must lead somewhere; definitions that double each time are not written out for ever."""
    with pytest.raises(ContractError, match="leads nowhere"):
        canonical({"$ref": "#/$defs/absent"})
    with pytest.raises(ContractError, match="leads out"):
        canonical({"$ref": "https://example.org/schema"})
    doubling: Any = {"d0": TEXT}
    for number in range(40):
        both = [{"$ref": f"#/$defs/d{number}"}] * 2
        doubling[f"d{number + 1}"] = {"type": "array", "prefixItems": both}
    with pytest.raises(ContractError, match="parts"):
        canonical({"$ref": "#/$defs/d40", "$defs": doubling})


def _shuffled(node: Any, chance: random.Random) -> Any:
    """The same schema, its keys and unordered lists in another order."""
    if isinstance(node, list):
        return [_shuffled(one, chance) for one in node]
    if not isinstance(node, dict):
        return node
    items = list(node.items())
    chance.shuffle(items)
    made = {key: _shuffled(value, chance) for key, value in items}
    for key in ("anyOf", "oneOf", "allOf", "enum", "required"):
        if isinstance(made.get(key), list):
            chance.shuffle(made[key])
    return made


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_no_order_changes_a_digest(chance: random.Random) -> None:
    """Of a real event with models, lists, unions and enums in it."""
    raw = raw_schema(ExecutionPlanProposed, writes=False)
    assert canonical(_shuffled(raw, chance)) == reader_schema(ExecutionPlanProposed)


SCALARS = st.sampled_from(
    [
        *(TEXT, WHOLE, NULL, {"type": "number"}, {"const": "a"}, {"enum": ["a", "b", 1]}, {}),
        *(
            {"type": "string", "maxLength": 3},
            {"type": "integer", "minimum": 2},
            {"type": ["string", "null"]},
        ),
    ]
)
SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.builds(lambda one: {"type": "array", "items": one}, inner),
        st.builds(lambda some: {"anyOf": some}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda some: {"allOf": some}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(
            lambda some, needed, open_: {
                "type": "object",
                "properties": some,
                "required": sorted(needed & some.keys()),
                **({} if open_ else {"additionalProperties": False}),
            },
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            st.sets(st.sampled_from("abc")),
            st.booleans(),
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(SCHEMAS)
def test_the_canonical_form_admits_the_same_documents(schema: Any) -> None:
    """The check finds no document that one admits and the other refuses; and the form is its own."""
    form = canonical(schema)
    assert canonical(form) == form
    for verdict in (accepts(form, schema), accepts(schema, form)):
        assert not any(gap.confirmed for gap in verdict.gaps), (schema, form, verdict)


@settings(max_examples=100, deadline=None)
@given(SCHEMAS, SCHEMAS)
def test_what_is_plainly_compatible_is_compatible(first: Any, second: Any) -> None:
    """One look never says yes where the search finds a document against it."""
    reader, writer = canonical(first), canonical(second)
    for one, other in ((reader, writer), (reader, canonical({"allOf": [first, second]}))):
        if plainly(one, other):
            assert not any(gap.confirmed for gap in searched(one, other).gaps)


def test_a_choice_is_plain_only_by_its_tag() -> None:
    """One of several: each variant by its own constant is plain; where two may fit, nothing is said."""

    def variant(tag: str, *needed: str) -> dict[str, Any]:
        properties = {"kind": {"const": tag}, "note": {"type": "string"}}
        return {"type": "object", "properties": properties, "required": list(needed)}

    writer = {"oneOf": [variant("card", "kind", "note"), variant("cash", "kind", "note")]}
    reader = {"oneOf": [variant("card"), variant("cash"), variant("bill")]}
    assert plainly(reader, writer)
    assert searched(reader, writer).compatible
    twice = {"oneOf": [variant("card"), variant("card"), variant("cash")]}
    for one, other in ((reader, variant("card", "note")), (twice, writer)):
        assert not plainly(one, other)
        assert not searched(one, other).compatible


class Line(BaseModel):
    sku: str = Field(min_length=1)
    count: int = Field(default=1, ge=1)


def test_the_forms_and_digests_of_today_are_those_of_tomorrow() -> None:
    """Pinned: what changes them, such as a new pydantic, would change every recorded version."""
    placed = model(
        lines=(tuple[Line, ...], ...),
        note=(str | None, None),
        how=(Literal["card", "cash"], "card"),
        rates=(dict[int, float], Field(default_factory=dict)),
    )
    line = {"sku": {"type": "string", "minLength": 1}, "count": {"type": "integer", "minimum": 1}}
    rates = {
        "type": "object",
        "additionalProperties": {"type": "number"},
        "propertyNames": {"pattern": "^-?(0|[1-9][0-9]*)$"},
    }
    nullable = {"anyOf": [NULL, TEXT]}
    assert writer_schema(placed) == {
        "type": "object",
        "additionalProperties": False,
        "required": ["how", "lines", "note", "rates"],
        "properties": {
            "lines": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": line,
                    "required": ["count", "sku"],
                },
            },
            "note": nullable,
            "how": {"enum": ["card", "cash"]},
            "rates": rates,
        },
    }
    assert reader_schema(placed) == {
        "type": "object",
        "required": ["lines"],
        "properties": {
            "lines": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {**line, "count": {**line["count"], "default": 1}},
                    "required": ["sku"],
                },
            },
            "note": {**nullable, "default": None},
            "how": {"enum": ["card", "cash"], "default": "card"},
            "rates": rates,
        },
    }
    record = describe(placed)
    assert record.digest == digest(record.writer, record.reader, "OrderPlaced")
    assert record.digest == "sha256:89feba57068bc331cb55ee0ef2e144d42eaaf25b2c6f0fcddf6b9f13ca58a253"
