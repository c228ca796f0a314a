"""Patterns as languages: what is written matches; where nothing is, the validator finds no text either."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.schemas.inclusion_data import validator
from wingman_runtime.schemas import accepts
from wingman_runtime.schemas.inclusion.language import Wanted, texts
from wingman_runtime.schemas.verdict import Answer

LETTERS = "ab0-é٣\n"
SHORT = ["".join(letters) for length in range(4) for letters in product(LETTERS, repeat=length)]

atoms = st.sampled_from(
    ["a", "b", ".", r"\d", r"\w", "[ab]", "[^a]", "[a-c0]", r"\s", r"[^\d]", "-", r"\u0061"]
)
bodies = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "*?"])).map(
            lambda two: f"(?:{two[0]}){two[1]}"
        ),
    ),
    max_leaves=4,
)
patterns = st.tuples(st.sampled_from(["^", ""]), bodies, st.sampled_from(["$", ""])).map("".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.builds(Wanted, patterns, st.booleans()), min_size=1, max_size=3))
def test_the_language_agrees_with_the_validator(wanted: list[Wanted]) -> None:
    """Texts that are written match as wanted; where there are none, none of many short texts does."""
    engines = [(validator({"pattern": pattern}), matches) for pattern, matches in wanted]

    def fits(text: str) -> bool:
        return all(engine is not None and engine.is_valid(text) == matches for engine, matches in engines)

    found, none = texts(wanted, [], 0, None, lambda steps: None)
    assert all(fits(text) for text in found), found
    if none:
        assert not [text for text in SHORT if fits(text)]


@pytest.mark.parametrize(
    ("reader", "writer", "answer"),
    [
        (r"^\w+$", r"^\d{4}$", Answer.COMPATIBLE),
        ("^[a-z]+@", "^[a-f]{1,3}@example$", Answer.COMPATIBLE),
        ("^(a|b)*$", "^(?:ab)+$", Answer.COMPATIBLE),
        ("^[0-9]+$", r"^\d+$", Answer.UNKNOWN),  # some engines take ٣ for a digit
        (r"^[^\n]*$", "^.*$", Answer.COMPATIBLE),
        ("^a{2,3}$", "^a{2,4}$", Answer.INCOMPATIBLE),
        ("a", "b", Answer.INCOMPATIBLE),
    ],
)
def test_a_pattern_within_another(reader: str, writer: str, answer: Answer) -> None:
    """Proven where it holds in every engine's reading; shown by a text where it does not."""
    assert accepts({"pattern": reader}, {"type": "string", "pattern": writer}).answer is answer
