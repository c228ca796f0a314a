"""The inclusion check on the compatibility fixtures of jsoncompat, both directions of each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.schemas.inclusion_data import assert_confirmed, data, validator
from wingman_runtime.schemas import accepts
from wingman_runtime.schemas.verdict import Answer, Verdict

DEVIATIONS = {
    ("format_annotation_changed", "serializer"): (
        Answer.UNKNOWN,
        "pydantic asserts formats, so a reader's format is only satisfied by the writer's same format",
    ),
    ("format_annotation_changed", "deserializer"): (
        Answer.UNKNOWN,
        "pydantic asserts formats, so a reader's format is only satisfied by the writer's same format",
    ),
    ("pattern_properties_fall_back_to_additional_properties", "deserializer"): (
        Answer.INCOMPATIBLE,
        'the old schema admits {"x": null}, which the new one refuses; the fixture overlooks it',
    ),
    ("unsupported_subset_pattern_properties_additional_fallback", "serializer"): (
        Answer.UNKNOWN,
        "the inclusion holds by ECMA 262, yet engines differ on a control escape: neither proven nor shown",
    ),
}
"""What is answered otherwise than the fixture expects, and why."""

DIRECTIONS = [
    (case["id"], direction, case)
    for case in data("jsoncompat.json")["cases"]
    for direction in ("serializer", "deserializer")
]


def _answer(direction: str, case: dict[str, Any]) -> Verdict:
    new, old = case["new"], case["old"]
    reader, writer = (old, new) if direction == "serializer" else (new, old)
    verdict = accepts(reader, writer)
    assert_confirmed(verdict, validator(reader), validator(writer))
    return verdict


@pytest.mark.parametrize(
    ("name", "direction", "case"), DIRECTIONS, ids=[f"{n}-{d}" for n, d, _ in DIRECTIONS]
)
def test_each_direction_is_answered_as_expected(name: str, direction: str, case: dict[str, Any]) -> None:
    """A true direction is compatible, a false one incompatible with a confirmed witness, or it is listed."""
    expected = Answer.COMPATIBLE if case["expect"][direction] else Answer.INCOMPATIBLE
    expected = DEVIATIONS.get((name, direction), (expected, ""))[0]
    assert _answer(direction, case).answer is expected


def test_no_deviation_is_a_wrong_compatible_and_few_are_unknown() -> None:
    """Deviations never err towards compatible; at most one direction in twenty is unknown."""
    answers = [answer for answer, _ in DEVIATIONS.values()]
    assert Answer.COMPATIBLE not in answers
    assert answers.count(Answer.UNKNOWN) <= 0.05 * len(DIRECTIONS)
    assert {(name, direction) for name, direction, _ in DIRECTIONS} >= set(DEVIATIONS)


def test_the_fixtures_are_all_there() -> None:
    """24 serializer and 30 deserializer directions are true."""
    cases = data("jsoncompat.json")["cases"]
    assert len(cases) == 63
    assert sum(case["expect"]["serializer"] for case in cases) == 24
    assert sum(case["expect"]["deserializer"] for case in cases) == 30
