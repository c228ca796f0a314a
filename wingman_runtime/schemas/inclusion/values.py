"""JSON values as the checker sees them: seven types, exact numbers, and equality by JSON's rules."""

from __future__ import annotations

import math
from collections.abc import Hashable
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

Number: TypeAlias = int | Fraction

NULL, BOOL, INT, FRAC, STR, ARR, OBJ = (1 << bit for bit in range(7))
"""One bit a type; ``INT`` is any number without a fraction (1.0 too), ``FRAC`` every other number."""
ANY = 127
NUM = INT | FRAC
TYPES = (NULL, BOOL, INT, FRAC, STR, ARR, OBJ)
BY_NAME = {
    "null": NULL,
    "boolean": BOOL,
    "integer": INT,
    "number": NUM,
    "string": STR,
    "array": ARR,
    "object": OBJ,
}

_REACH = 1_000
"""Digits before or after the point that are reckoned with."""


class BeyondReachError(Exception):
    """A number that is no longer the one that was written (1e400), or too long to reckon with."""


def exact(number: float | Decimal) -> Number:
    """The number as it is written in decimal: 0.1 is a tenth. Raises BeyondReachError."""
    if isinstance(number, int):
        return number
    if not math.isfinite(number):
        raise BeyondReachError(str(number))
    if isinstance(number, Decimal) and max(abs(number.adjusted()), len(number.as_tuple().digits)) > _REACH:
        raise BeyondReachError(str(number)[:40])
    text = repr(number) if isinstance(number, float) else str(number)
    value = Fraction(text)
    return value.numerator if value.denominator == 1 else value


def plain(number: Number) -> float | None:
    """The number as JSON data, or None where no double is written like it."""
    if isinstance(number, int):
        return number
    try:
        near = float(number)
    except OverflowError:
        return None
    return near if Fraction(repr(near)) == number else None


def type_of(value: Any) -> int:
    """The one bit of the value's type. Raises BeyondReachError for what is no JSON."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, str):
        return STR
    if isinstance(value, int):
        return INT
    if isinstance(value, float | Decimal):
        return INT if isinstance(exact(value), int) else FRAC
    if isinstance(value, dict):
        return OBJ
    if isinstance(value, list | tuple):
        return ARR
    raise BeyondReachError(type(value).__name__)


def key_of(value: Any) -> Hashable:
    """Equal for equal JSON values: 1 and 1.0 are one, true and 1 are not. Raises BeyondReachError."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return ("", value)
    if isinstance(value, int):
        return value
    if isinstance(value, float | Decimal):
        return exact(value)
    if isinstance(value, dict):
        return ("o", frozenset((name, key_of(item)) for name, item in value.items()))
    if isinstance(value, list | tuple):
        return ("a", tuple(key_of(item) for item in value))
    raise BeyondReachError(type(value).__name__)


def deeper_than(value: Any, limit: int) -> bool:
    """Whether the value nests deeper, found without recursion."""
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
