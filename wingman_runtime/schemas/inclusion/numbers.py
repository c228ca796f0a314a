"""Numbers: an interval, what they must be multiples of, and what they must not be."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor, gcd, lcm
from typing import TYPE_CHECKING, Any

from wingman_runtime.schemas.inclusion import formula as f
from wingman_runtime.schemas.inclusion.values import INT, Number, key_of, plain

if TYPE_CHECKING:
    from wingman_runtime.schemas.inclusion.search import Branch, Search

_TRIES = 300
_LONGEST = 1 << 4_000


class _Line:
    """What a branch says of its number. ``low`` and ``high`` are None where there is no end."""

    def __init__(self, search: Search, branch: Branch) -> None:
        self.low: Number | None = None
        self.high: Number | None = None
        self.low_open = self.high_open = False
        self.steps: list[Fraction] = []
        self.not_steps: list[Fraction] = []
        self.refused: set[Any] = set()
        for sign in branch.signs:
            one = search.arena.all[sign >> 1]
            denied = bool(sign & 1)
            if one.kind == f.IN:
                self.refused.update(one.data)
            elif one.kind == f.MULT:
                (self.not_steps if denied else self.steps).append(Fraction(one.data))
            elif one.kind in (f.MIN, f.MAX):
                limit, strict = one.data
                if (one.kind == f.MIN) != denied:
                    self._above(limit, strict ^ denied)
                else:
                    self._below(limit, strict ^ denied)

    def _above(self, limit: Number, strict: bool) -> None:
        if self.low is None or limit > self.low or (limit == self.low and strict):
            self.low, self.low_open = limit, strict

    def _below(self, limit: Number, strict: bool) -> None:
        if self.high is None or limit < self.high or (limit == self.high and strict):
            self.high, self.high_open = limit, strict

    @property
    def empty(self) -> bool:
        if self.low is None or self.high is None:
            return False
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))

    def holds(self, number: Fraction) -> bool:
        if self.low is not None and (number < self.low or (self.low_open and number == self.low)):
            return False
        if self.high is not None and (number > self.high or (self.high_open and number == self.high)):
            return False
        return all(number % step == 0 for step in self.steps) and not any(
            number % step == 0 for step in self.not_steps
        )


def solve_number(search: Search, branch: Branch) -> list[Any] | None:
    """Some numbers of the branch, near its ends; None where there are none."""
    line = _Line(search, branch)
    if line.empty:
        return None
    whole = branch.type == INT
    if not whole and line.steps and any(step.denominator == 1 for step in line.steps):
        return None
    steps = [*line.steps, Fraction(1)] if whole else line.steps
    if not steps:
        return _dense(search, line)
    step = _common(steps)
    if step.numerator > _LONGEST or step.denominator > _LONGEST:
        search.doubt("multiples too long to reckon with")
        return []
    if any(step % other == 0 for other in line.not_steps):
        return None
    return _stepwise(search, line, step, whole=whole)


def _common(steps: list[Fraction]) -> Fraction:
    """The least number that all steps divide."""
    top, bottom = steps[0].numerator, steps[0].denominator
    for step in steps[1:]:
        top, bottom = lcm(top, step.numerator), gcd(bottom, step.denominator)
    return Fraction(top, bottom)


def _stepwise(search: Search, line: _Line, step: Fraction, *, whole: bool) -> list[Any] | None:
    first = None if line.low is None else ceil(line.low / step)
    last = None if line.high is None else floor(line.high / step)
    if first is not None and line.low_open and first * step == line.low:
        first += 1
    if last is not None and line.high_open and last * step == line.high:
        last -= 1
    if first is not None and last is not None and first > last:
        return None
    found: list[Any] = []
    complete = True
    tried: set[int] = set()
    for count in _from_ends(first, last):
        if count in tried:
            continue
        tried.add(count)
        search.spend(1)
        number = count * step
        if not line.holds(number) or (not whole and number.denominator == 1):
            continue
        if number in line.refused:
            continue
        shown = plain(number.numerator if number.denominator == 1 else number)
        if shown is None:
            complete = False
            continue
        found.append(shown)
        if len(found) > 2:
            return found
    if found:
        return found
    if complete and first is not None and last is not None and last - first + 1 == len(tried):
        return None
    search.doubt("no number was found between the bounds")
    return []


def _from_ends(first: int | None, last: int | None) -> Iterator[int]:
    """Counts between two ends: the ends and zero first, and then what follows them."""
    for offset in range(_TRIES):
        if first is not None:
            if last is None or first + offset <= last:
                yield first + offset
            if offset and first < 0 and -offset >= first and (last is None or -offset <= last):
                yield -offset
        if last is not None and (first is None or last - offset >= first):
            yield last - offset
        if (first is None or first <= offset) and (last is None or offset <= last):
            yield offset
        if first is None and (last is None or -offset <= last):
            yield -offset


def _dense(search: Search, line: _Line) -> list[Any] | None:
    """Numbers that need not be multiples of anything, none of them whole."""
    low, high = line.low, line.high
    if low is not None and low == high:
        if Fraction(low).denominator == 1 or not line.holds(Fraction(low)) or low in line.refused:
            return None
        shown = plain(low)
        return [] if shown is None else [shown]
    found = []
    for number in _between(low, high):
        search.spend(1)
        shown = None if number.denominator == 1 or not line.holds(number) else plain(number)
        if shown is not None and key_of(shown) not in line.refused:
            found.append(shown)
        if len(found) > 2:
            break
    if not found:
        search.doubt("no number was found between the bounds")
    return found


def _between(low: Number | None, high: Number | None) -> Iterator[Fraction]:
    """Numbers with few digits between two ends, the nearest to the ends first."""
    if low is not None:
        yield Fraction(low)
    if high is not None:
        yield Fraction(high)
    yield from (Fraction(whole, 2) for whole in (1, -1, 3, -3))
    at = low if low is not None else high if high is not None else 0
    turn = 1 if low is not None or high is None else -1
    for digits in range(1, 18):
        unit = Fraction(1, 10**digits)
        base = Fraction(floor(Fraction(at) / unit)) * unit
        for count in (1, 2, 3, 5, 7):
            yield base + turn * count * unit
    if low is not None and high is not None:
        for parts in (2, 3, 10, 97):
            yield low + (Fraction(high) - low) / parts
