"""Schemas as formulas: few kinds, each written once, so that equal formulas are the same object.

A statement about one type ("at least 3 long") holds for every value of another type, as in JSON Schema.
``mask`` holds the types a formula may admit, ``unmask`` those it may refuse; both may say too much, never
too little. A signed formula is an int: twice the formula's number, plus one where it is denied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

from wingman_runtime.schemas.inclusion.values import (
    ANY,
    ARR,
    BOOL,
    NULL,
    NUM,
    OBJ,
    STR,
    TYPES,
    Number,
    key_of,
    type_of,
)

AND, OR, ONE, NOT, REF, OPAQUE = "and", "or", "one", "not", "ref", "opaque"
TYPE, IN = "type", "in"
MIN, MAX, MULT = "min", "max", "mult"
MINLEN, MAXLEN, PATTERN, ATOM = "minlen", "maxlen", "pattern", "atom"
PROP, REQ, PAT, ADDL, NAMES, MINP, MAXP = "prop", "req", "pat", "addl", "names", "minp", "maxp"
ITEM, TAIL, ATLEAST, ATMOST, MINI, MAXI, UNIQ = "item", "tail", "atleast", "atmost", "mini", "maxi", "uniq"

HOME = {
    **dict.fromkeys((MIN, MAX, MULT), NUM),
    **dict.fromkeys((MINLEN, MAXLEN, PATTERN), STR),
    **dict.fromkeys((PROP, REQ, PAT, ADDL, NAMES, MINP, MAXP), OBJ),
    **dict.fromkeys((ITEM, TAIL, ATLEAST, ATMOST, MINI, MAXI, UNIQ), ARR),
}
"""The type each statement is about."""


def _number(formula: Formula) -> int:
    return formula.number


class Formula:
    """One formula; made by an `Arena` only. ``data`` and ``subs`` mean what the kind says."""

    __slots__ = ("data", "home", "kind", "mask", "number", "subs", "unmask")

    def __init__(
        self,
        number: int,
        kind: str,
        data: Any,
        subs: tuple[Formula, ...],
        *,
        mask: int,
        unmask: int,
        home: int,
    ) -> None:
        self.number = number
        self.kind = kind
        self.data = data
        self.subs = subs
        self.mask = mask
        self.unmask = unmask
        self.home = home

    @property
    def yes(self) -> int:
        return self.number << 1

    @property
    def no(self) -> int:
        return self.number << 1 | 1


class Arena:
    """All formulas of one comparison, each kept once; ``plain`` holds those of schemas seen before."""

    def __init__(self) -> None:
        self.all: list[Formula] = []
        self.plain: dict[Hashable, Formula] = {}
        self._known: dict[Hashable, Formula] = {}
        self.true = self._make(AND, None, (), ANY, 0)
        self.false = self._make(OR, None, (), 0, ANY)

    def _make(
        self,
        kind: str,
        data: Any,
        subs: tuple[Formula, ...],
        mask: int,
        unmask: int,
        *,
        key: Hashable = None,
        home: int = ANY,
    ) -> Formula:
        name = (kind, data if key is None else key, subs)
        found = self._known.get(name)
        if found is None:
            found = Formula(len(self.all), kind, data, subs, mask=mask, unmask=unmask, home=home)
            self.all.append(found)
            self._known[name] = found
        return found

    def says(self, kind: str, data: Any, *subs: Formula) -> Formula:
        """A statement about one type."""
        if kind in (PROP, PAT, ADDL, NAMES, ITEM, TAIL) and subs[0] is self.true:
            return self.true
        home = HOME[kind]
        return self._make(kind, data, subs, ANY, home, home=home)

    def types(self, mask: int) -> Formula:
        if mask == ANY:
            return self.true
        return self._make(TYPE, mask, (), mask, ANY ^ mask) if mask else self.false

    def values(self, values: Iterable[Any]) -> Formula:
        """Equal to one of the values. Raises BeyondReachError for a number nobody can hold."""
        named = {key_of(value): value for value in values}
        if not named:
            return self.false
        mask, bools = 0, 0
        for value in named.values():
            mask |= type_of(value)
            bools += isinstance(value, bool)
        unmask = ANY & ~(NULL if mask & NULL else 0) & ~(BOOL if bools == 2 else 0)
        return self._make(IN, named, (), mask, unmask, key=frozenset(named))

    def atom(self, name: Hashable, home: int) -> Formula:
        """Something about values of these types that is only ever compared with itself."""
        return self._make(ATOM, name, (), ANY, home, key=(name, home), home=home)

    def opaque(self, key: Hashable) -> Formula:
        """Something the checker does not follow; the same key is the same thing."""
        return self._make(OPAQUE, key, (), ANY, ANY)

    def ref(self, key: Hashable) -> Formula:
        """A formula that is still being made; its one sub is set when it is."""
        return self._make(REF, key, (), ANY, ANY)

    def both(self, parts: Iterable[Formula]) -> Formula:
        return self._group(AND, parts, self.true, self.false)

    def either(self, parts: Iterable[Formula]) -> Formula:
        return self._group(OR, parts, self.false, self.true)

    def _group(self, kind: str, parts: Iterable[Formula], neutral: Formula, lord: Formula) -> Formula:
        flat: set[Formula] = set()
        for part in parts:
            if part is lord:
                return lord
            if part.kind == kind:
                flat.update(part.subs)
            else:
                flat.add(part)
        if kind == OR and len(flat) > 1:
            named = [part for part in flat if part.kind == IN]
            if len(named) > 1:
                values = [value for part in sorted(named, key=_number) for value in part.data.values()]
                flat = flat.difference(named) | {self.values(values)}
        if len(flat) < 2:
            return flat.pop() if flat else neutral
        subs = tuple(sorted(flat, key=_number))
        meet, join = ANY, 0
        if kind == AND:
            for sub in subs:
                meet &= sub.mask
                join |= sub.unmask
            return self._make(AND, None, subs, meet, join) if meet else self.false
        for sub in subs:
            meet &= sub.unmask
            join |= sub.mask
        return self._make(OR, None, subs, join, meet)

    def one(self, parts: Iterable[Formula]) -> Formula:
        """Exactly one of the parts; the same part twice counts twice."""
        subs = tuple(sorted((part for part in parts if part is not self.false), key=lambda sub: sub.number))
        if len(subs) < 2:
            return subs[0] if subs else self.false
        if _exclusive(subs):
            return self.either(subs)
        mask = 0
        for sub in subs:
            mask |= sub.mask
        return self._make(ONE, None, subs, mask, ANY)

    def deny(self, part: Formula) -> Formula:
        if part.kind == NOT:
            return part.subs[0]
        if part is self.true:
            return self.false
        if part is self.false:
            return self.true
        return self._make(NOT, None, (part,), part.unmask, part.mask)

    def grounded(self, part: Formula, loop: Formula, done: dict[Formula, Formula] | None = None) -> Formula:
        """``part`` with the loop back to itself taken for true where it concerns the same value.

        That is the greatest solution of "x is x and y", and what validators answer that stop at a loop.
        """
        if part is loop:
            return self.true
        if part.kind not in (AND, OR, NOT, ONE):
            return part
        done = {} if done is None else done
        if part not in done:
            subs = [self.grounded(sub, loop, done) for sub in part.subs]
            if part.kind in (AND, OR):
                done[part] = self.both(subs) if part.kind == AND else self.either(subs)
            else:
                changed = any(new is not sub for new, sub in zip(subs, part.subs, strict=True))
                opposite = ("a schema defined by its own opposite", part.number)
                done[part] = self.opaque(opposite) if changed else part
        return done[part]

    def bound(self, kind: str, value: Number, *, strict: bool) -> Formula:
        return self.says(kind, (value, strict))


def _exclusive(parts: tuple[Formula, ...]) -> bool:
    """Whether no value satisfies two parts: by their types, or by the constants of one required property."""
    if any(part.kind == REF for part in parts):
        return False
    bits = Counter(bit for part in parts for bit in TYPES if part.mask & bit)
    crowd = [part for part in parts if any(bits[bit] > 1 for bit in TYPES if part.mask & bit)]
    if not crowd:
        return True
    tags = [_tags(part) for part in crowd]
    return any(
        all(name in found for found in tags)
        and sum(len(found[name]) for found in tags)
        == len(frozenset().union(*[found[name] for found in tags]))
        for name in tags[0]
    )


def _tags(part: Formula) -> dict[str | None, frozenset[Hashable]]:
    """The properties an object must have, with the values they may have; by None those of the whole."""
    if part.kind == IN:
        return {None: frozenset(part.data)}
    if part.kind != AND or part.mask != OBJ:
        return {}
    required = {sub.data for sub in part.subs if sub.kind == REQ}
    return {
        sub.data: frozenset(sub.subs[0].data)
        for sub in part.subs
        if sub.kind == PROP and sub.data in required and sub.subs[0].kind == IN
    }
