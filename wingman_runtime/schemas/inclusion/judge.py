"""Whether one value satisfies a formula: yes, no, or None where that cannot be said here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wingman_runtime.schemas.inclusion import formula as f
from wingman_runtime.schemas.inclusion.formula import Arena, Formula
from wingman_runtime.schemas.inclusion.matcher import Matcher
from wingman_runtime.schemas.inclusion.values import ARR, NUM, OBJ, STR, exact, key_of, type_of


class Judge:
    """Puts values to formulas; exact where it answers, as the search proves things by it.

    Args:
        arena: the formulas.
        matcher: asked about patterns.
        spend: called with an amount of work; raises when there was too much.
    """

    def __init__(self, arena: Arena, matcher: Matcher, spend: Callable[[int], None]) -> None:
        self.arena = arena
        self.matcher = matcher
        self._spend = spend
        self._asked: set[tuple[int, int]] = set()

    def signed(self, sign: int, value: Any) -> bool | None:
        """The answer for a signed formula."""
        found = self.holds(self.arena.all[sign >> 1], value)
        return found if found is None or not sign & 1 else not found

    def all_of(self, signs: Iterable[int], value: Any) -> bool | None:
        return _every(self.signed(sign, value) for sign in signs)

    def holds(self, formula: Formula, value: Any) -> bool | None:
        self._spend(1)
        kind = formula.kind
        if kind == f.IN:
            return key_of(value) in formula.data
        if kind == f.AND:
            return _every(self.holds(sub, value) for sub in formula.subs)
        if kind == f.OR:
            return _some(self.holds(sub, value) for sub in formula.subs)
        if kind == f.NOT:
            found = self.holds(formula.subs[0], value)
            return None if found is None else not found
        if kind == f.ONE:
            return self._one([self.holds(sub, value) for sub in formula.subs])
        if kind == f.REF:
            return self._ref(formula, value)
        if kind == f.OPAQUE:
            return None
        return self._about_type(formula, value)

    def _about_type(self, formula: Formula, value: Any) -> bool | None:
        kind, bit = formula.kind, type_of(value)
        if kind == f.TYPE:
            return bool(formula.data & bit)
        if not formula.home & bit:
            return True
        if kind == f.ATOM:
            return None
        if bit & NUM:
            return _number(formula, value)
        if bit & STR:
            return self._text(formula, value)
        if bit & OBJ:
            return self._object(formula, value)
        return self._array(formula, value) if bit & ARR else None

    def _ref(self, formula: Formula, value: Any) -> bool | None:
        asked = formula.number, id(value)
        if asked in self._asked or not formula.subs:
            return None
        self._asked.add(asked)
        try:
            return self.holds(formula.subs[0], value)
        finally:
            self._asked.discard(asked)

    @staticmethod
    def _one(found: list[bool | None]) -> bool | None:
        sure = found.count(True)
        if sure > 1:
            return False
        return None if None in found else sure == 1

    def _text(self, formula: Formula, value: str) -> bool | None:
        if formula.kind == f.MINLEN:
            return len(value) >= int(formula.data)
        if formula.kind == f.MAXLEN:
            return len(value) <= int(formula.data)
        return self.matcher.matches(formula.data, value)

    def _object(self, formula: Formula, value: dict[str, Any]) -> bool | None:
        kind, data = formula.kind, formula.data
        if kind == f.PROP:
            return data not in value or self.holds(formula.subs[0], value[data])
        if kind == f.REQ:
            return data in value
        if kind == f.MINP:
            return len(value) >= int(data)
        if kind == f.MAXP:
            return len(value) <= int(data)
        sub = formula.subs[0]
        if kind == f.NAMES:
            return _every(self.holds(sub, name) for name in value)
        return _every(self._member(formula, sub, name, item) for name, item in value.items())

    def _member(self, formula: Formula, sub: Formula, name: str, item: Any) -> bool | None:
        concerned = self.concerns(formula, name)
        if concerned is False:
            return True
        found = self.holds(sub, item)
        return found if concerned or found else None

    def concerns(self, formula: Formula, name: str) -> bool | None:
        """Whether a statement about patterns of names, or about the names left over, is about this name."""
        self._spend(1)
        if formula.kind == f.PAT:
            return self.matcher.matches(formula.data, name)
        names, patterns = formula.data
        self._spend(len(patterns))
        if name in names:
            return False
        found = _some(self.matcher.matches(pattern, name) for pattern in patterns)
        return None if found is None else not found

    def _array(self, formula: Formula, value: list[Any]) -> bool | None:
        kind, data = formula.kind, formula.data
        if kind == f.MINI:
            return len(value) >= int(data)
        if kind == f.MAXI:
            return len(value) <= int(data)
        if kind == f.UNIQ:
            return len({key_of(item) for item in value}) == len(value)
        sub = formula.subs[0]
        if kind == f.ITEM:
            return len(value) <= data or self.holds(sub, value[data])
        if kind == f.TAIL:
            return _every(self.holds(sub, item) for item in value[data:])
        found = [self.holds(sub, item) for item in value]
        sure, open_ = found.count(True), found.count(None)
        if kind == f.ATLEAST:
            return True if sure >= data else None if sure + open_ >= data else False
        return False if sure > data else None if sure + open_ > data else True


def _number(formula: Formula, value: Any) -> bool:
    number = exact(value)
    if formula.kind == f.MULT:
        return bool(number % formula.data == 0)
    limit, strict = formula.data
    if number == limit:
        return not strict
    return bool(number > limit) if formula.kind == f.MIN else bool(number < limit)


def _every(found: Iterable[bool | None]) -> bool | None:
    answer: bool | None = True
    for one in found:
        if one is False:
            return False
        if one is None:
            answer = None
    return answer


def _some(found: Iterable[bool | None]) -> bool | None:
    answer: bool | None = False
    for one in found:
        if one is True:
            return True
        if one is None:
            answer = None
    return answer
