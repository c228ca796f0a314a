"""Soundness on random schemas: what is proven about two of them, no random document contradicts.

The schemas are small and share names, bounds and patterns, so that they overlap; the validator is the judge.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.schemas.inclusion_data import assert_confirmed, validator
from wingman_runtime.schemas import accepts
from wingman_runtime.schemas.inclusion.check import searched

NAMES = st.sampled_from(["a", "b", "ab", "x1"])
PATTERNS = st.sampled_from(["^a", "b$", r"^x\d$", "^[a-c]+$", "a", "^$", "^(?!a)", "^.{2}$", "^a*$"])
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
NUMBERS = st.sampled_from([0, 1, 2, -1, 0.5, 1.0, 1.5, 3])
COUNTS = st.integers(0, 2)

scalars = st.sampled_from([None, True, False, 0, 1, -1, 2, 1.0, -0.0, 0.5, 1.5, 0.3, 10**20, 1e20])
texts = st.sampled_from(["", "a", "b", "ab", "x1", "aaa", "é\U0001f600"])
documents = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.just("z"), inner, max_size=3),
    max_leaves=5,
)

simple = st.one_of(
    st.booleans(),
    st.fixed_dictionaries({"type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True)}),
    st.fixed_dictionaries({"const": documents}),
    st.fixed_dictionaries({"enum": st.lists(documents, min_size=1, max_size=3)}),
    st.dictionaries(
        st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]), NUMBERS, max_size=2
    ),
    st.fixed_dictionaries({"multipleOf": st.sampled_from([1, 2, 3, 0.5, 1.5, 0.1])}),
    st.dictionaries(
        st.sampled_from(["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"]),
        COUNTS,
        min_size=1,
        max_size=2,
    ),
    st.fixed_dictionaries({"pattern": PATTERNS}),
    st.just({"uniqueItems": True}),
    st.fixed_dictionaries({"required": st.lists(NAMES, max_size=2, unique=True)}),
    st.fixed_dictionaries({"dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=1))}),
)


def _compound(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    words: dict[str, st.SearchStrategy[Any]] = {
        "properties": st.dictionaries(NAMES, inner, min_size=1, max_size=2),
        "patternProperties": st.dictionaries(PATTERNS, inner, min_size=1, max_size=2),
        "dependentSchemas": st.dictionaries(NAMES, inner, min_size=1, max_size=1),
        "additionalProperties": inner,
        "propertyNames": inner,
        "unevaluatedProperties": inner,
        "prefixItems": several,
        "items": inner,
        "contains": inner,
        "minContains": COUNTS,
        "maxContains": COUNTS,
        "unevaluatedItems": inner,
        "allOf": several,
        "anyOf": several,
        "oneOf": several,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "type": TYPES,
        "required": st.lists(NAMES, max_size=2, unique=True),
    }
    return st.lists(st.sampled_from(sorted(words)), min_size=1, max_size=4, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({word: words[word] for word in chosen})
    )


schemas = st.recursive(simple, _compound, max_leaves=6)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(schemas, schemas, st.lists(documents, min_size=10, max_size=30), st.booleans())
def test_no_document_contradicts_a_proof(first: Any, second: Any, found: list[Any], narrowed: bool) -> None:
    """Compatible: no document is valid under the writer alone. Incompatible: each witness is."""
    writer = {"allOf": [first, second]} if narrowed else first
    reader = second
    admits, reads = validator(writer), validator(reader)
    assert admits is not None
    assert reads is not None
    wrong = [document for document in found if admits.is_valid(document) and not reads.is_valid(document)]
    for verdict in (accepts(reader, writer), searched(reader, writer)):
        if verdict.compatible:
            assert not wrong
        else:
            assert_confirmed(verdict, reads, admits)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(schemas, schemas)
def test_what_must_hold_is_never_refuted(first: Any, second: Any) -> None:
    """A schema includes itself, and a union each of its parts; a part of an intersection includes it."""
    for reader, writer in (
        (first, {"allOf": [first]}),
        ({"anyOf": [first, second]}, first),
        (first, {"allOf": [second, first]}),
    ):
        assert not [gap for gap in accepts(reader, writer).gaps if gap.confirmed]
