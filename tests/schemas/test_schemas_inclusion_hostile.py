"""Schemas made to be slow: each comparison ends within its steps, whatever it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from wingman_runtime.schemas import accepts
from wingman_runtime.schemas.inclusion.check import BUDGET
from wingman_runtime.schemas.inclusion.search import Search
from wingman_runtime.schemas.verdict import Answer

MANY = [f"v{index}" for index in range(50_000)]


def _nested(depth: int, word: str) -> Any:
    schema: Any = {}
    for _ in range(depth):
        schema = {word: [schema, {"type": "null"}] if word.endswith("Of") else schema}
    return schema


def _tree(depth: int, word: str) -> Any:
    if depth == 0:
        return {"type": "integer"}
    inner = _tree(depth - 1, word)
    return {word: [inner, {"properties": {str(depth): inner}}]}


def _switches(count: int, word: str, step: int = 0) -> Any:
    rows = range(count)
    return {
        "allOf": [{word: [{"properties": {f"p{i}": {"const": j + step}}} for j in range(6)]} for i in rows]
    }


def _web(size: int, turn: int) -> Any:
    defs = {
        f"n{i}": {"properties": {f"a{j}": {"$ref": f"#/$defs/n{(j + turn) % size}"} for j in range(size)}}
        for i in range(size)
    }
    return {"$defs": defs, "$ref": "#/$defs/n0"}


HOSTILE: dict[str, tuple[Any, Any]] = {
    "a-schema-of-its-own-opposite": (
        {
            "$defs": {"n": {"oneOf": [{"$ref": "#/$defs/n"}, {"not": {"$ref": "#/$defs/n"}}]}},
            "$ref": "#/$defs/n",
        },
        {"$defs": {"n": {"not": {"$ref": "#/$defs/n"}}}, "$ref": "#/$defs/n"},
    ),
    "a-reference-to-itself": ({"$ref": "#"}, {"$ref": "#"}),
    "huge-enums": ({"enum": MANY}, {"enum": MANY[:-1]}),
    "a-huge-enum-turned-round": ({"enum": MANY}, {"enum": MANY[::-1]}),
    "a-huge-enum-and-a-pattern": ({"enum": MANY}, {"type": "string", "pattern": "^(v+[0-9]*)+$"}),
    "nested-not": (_nested(100, "not"), _nested(99, "not")),
    "nested-too-deep": (_nested(20_000, "not"), {}),
    "nested-items": (_nested(110, "items"), {"type": "array"}),
    "nested-any-of": (_nested(55, "anyOf"), _nested(54, "anyOf")),
    "nested-one-of": (_nested(55, "oneOf"), _nested(54, "oneOf")),
    "many-constants": (
        {"oneOf": [{"const": i} for i in range(5_000)]},
        {"anyOf": [{"const": i} for i in range(5_000)]},
    ),
    "references-that-double": (
        {
            "$defs": {
                f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}, {"$ref": f"#/$defs/d{i + 1}"}]}
                for i in range(40)
            }
            | {"d40": {"properties": {"a": True}}},
            "$ref": "#/$defs/d0",
            "unevaluatedProperties": False,
        },
        {"required": ["z"]},
    ),
    "half-a-surrogate-pair": ({"properties": {"\ud800": {"type": "string"}}}, {"const": "\ud800"}),
    "a-tree-of-unions": (_tree(10, "anyOf"), _tree(9, "anyOf")),
    "a-tree-of-exclusive-unions": (_tree(8, "oneOf"), _tree(7, "oneOf")),
    "switches": (_switches(12, "anyOf"), _switches(12, "oneOf")),
    "switches-that-miss": (_switches(12, "anyOf"), _switches(12, "anyOf", 1)),
    "catastrophic-patterns": ({"pattern": "^(a|aa)+$"}, {"type": "string", "pattern": "^(a+)+$"}),
    "a-catastrophic-text": ({"pattern": "^(?=(a+)+$)(a+)+$"}, {"enum": ["a" * 5_000 + "!"]}),
    "back-references": ({"pattern": r"^(a*)*\1b$"}, {"enum": ["a" * 50 + "!"]}),
    "repeated-repeats": (
        {"pattern": "^(a{100}){100}$"},
        {"type": "string", "pattern": "^((a{50}){2}){100}$"},
    ),
    "many-patterns": (
        {"patternProperties": {f"^p{i}": {"minimum": i} for i in range(300)}},
        {"patternProperties": {f"^p{i}": {"minimum": i + 1} for i in range(300)}},
    ),
    "many-properties": (
        {"properties": {f"p{i}": {"type": "number"} for i in range(3_000)}},
        {"properties": {f"p{i}": {"type": "integer"} for i in range(3_000)}},
    ),
    "many-places": (
        {"prefixItems": [{"type": "integer"} for _ in range(3_000)]},
        {"prefixItems": [{"const": i} for i in range(3_000)]},
    ),
    "many-variants": (
        {"oneOf": [{"properties": {"k": {"const": i}}, "required": ["k"]} for i in range(300)]},
        {"oneOf": [{"properties": {"k": {"const": i}}, "required": ["k"]} for i in range(299)]},
    ),
    "endless-texts": ({"minLength": 10**9 + 1}, {"type": "string", "minLength": 10**9}),
    "endless-arrays": ({"minItems": 10**9 + 1}, {"type": "array", "minItems": 10**9}),
    "endless-objects": ({"minProperties": 10**9 + 1}, {"type": "object", "minProperties": 10**9}),
    "tiny-multiples": (
        {"multipleOf": 3},
        {"allOf": [{"multipleOf": 1e-300 + i * 1e-302} for i in range(50)]},
    ),
    "huge-numbers": ({"maximum": 10**3_999}, {"const": 10**4_000}),
    "many-contains": ({"minItems": 41}, {"allOf": [{"contains": {"const": i}} for i in range(40)]}),
    "a-web-of-references": (_web(12, 0), _web(12, 1)),
    "a-chain-of-references": (
        {"$defs": {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(500)}, "$ref": "#/$defs/d0"},
        {"type": "string"},
    ),
    "a-tower-of-pairs": (
        {
            "$defs": {
                f"d{i}": {
                    "properties": {"x": {"$ref": f"#/$defs/d{i + 1}"}, "y": {"$ref": f"#/$defs/d{i + 1}"}},
                    "required": ["x", "y"],
                }
                for i in range(30)
            }
            | {"d30": {"type": "string"}},
            "$ref": "#/$defs/d0",
        },
        {"type": "string"},
    ),
}


@pytest.mark.parametrize("turned", [False, True], ids=["", "turned"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pair_ends_within_its_steps(
    name: str, turned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both directions end, by an answer or because the steps are used up; nothing else is raised."""
    spent = [0]
    spend = Search.spend

    def counted(search: Search, steps: int) -> None:
        spent[0] += steps
        spend(search, steps)

    monkeypatch.setattr(Search, "spend", counted)
    reader, writer = HOSTILE[name][::-1] if turned else HOSTILE[name]
    verdict = accepts(reader, writer)
    assert spent[0] < 2 * BUDGET
    if verdict.answer is Answer.UNKNOWN:
        assert verdict.gaps[0].reason


def test_used_up_steps_are_an_unknown_that_says_so() -> None:
    """The answer is unknown, with the number of steps; the same question with more steps is answered."""
    writer = {"type": "object", "properties": {f"p{i}": {"type": "integer", "minimum": i} for i in range(50)}}
    reader = {"type": "object", "properties": {f"p{i}": {"type": "number", "minimum": -1} for i in range(50)}}
    few = accepts(reader, writer, budget=50)
    assert few.answer is Answer.UNKNOWN
    assert "50 steps" in few.gaps[0].reason
    assert accepts(reader, writer).answer is not Answer.UNKNOWN


def test_a_typical_comparison_takes_few_steps() -> None:
    """A model of ten fields against its next version: a small share of what is allowed."""
    fields = {f"field_{i}": {"type": "string", "title": f"Field {i}", "maxLength": 40 + i} for i in range(10)}
    writer = {
        "type": "object",
        "properties": fields,
        "required": sorted(fields),
        "additionalProperties": False,
    }
    reader = {"type": "object", "properties": {**fields, "more": {"type": "integer", "default": 0}}}
    assert accepts(reader, writer, budget=400).compatible
