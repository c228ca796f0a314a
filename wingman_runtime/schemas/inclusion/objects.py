"""Objects: which properties are there, what their values and names must be, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from wingman_runtime.schemas.inclusion import formula as f
from wingman_runtime.schemas.inclusion.formula import Formula
from wingman_runtime.schemas.inclusion.values import STR

if TYPE_CHECKING:
    from wingman_runtime.schemas.inclusion.search import Branch, Search

_MOST_PATTERNS = 4
_MOST_PROPERTIES = 40


class _Option(NamedTuple):
    """A property that may be there: its name, None where none was found, and what its value must satisfy."""

    name: str | None
    signs: frozenset[int]


class _Shape:
    """What a branch says of its object."""

    def __init__(self, search: Search, branch: Branch) -> None:
        self.search = search
        self.low = 0
        self.high: int | None = None
        self.required: set[str] = set()
        self.absent: set[str] = set()
        self.known: set[str] = set()
        self.values: dict[str, set[int]] = {}
        self.over: list[Formula] = []
        self.names: list[int] = []
        self.some: list[Formula] = []
        self.urgent: list[str] = []
        for sign in branch.signs:
            self._take(sign)
        self.patterns = sorted({name for one in self.over + self.some for name in _patterns(one)})
        self.low = max(self.low, len(self.required), 1 if self.some else 0)
        self._cache: dict[str, frozenset[int] | None] = {}

    def _take(self, sign: int) -> None:
        one = self.search.arena.all[sign >> 1]
        kind, denied = one.kind, bool(sign & 1)
        if kind == f.PROP:
            self.known.add(one.data)
            self.values.setdefault(one.data, set()).add(one.subs[0].yes | denied)
            if denied:
                self.required.add(one.data)
                self.urgent.append(one.data)
        elif kind == f.REQ:
            self.known.add(one.data)
            (self.absent if denied else self.required).add(one.data)
        elif kind in (f.PAT, f.ADDL, f.NAMES):
            if kind == f.ADDL:
                self.known |= one.data[0]
            if denied:
                self.some.append(one)
            elif kind == f.NAMES:
                self.names.append(one.subs[0].yes)
            else:
                self.over.append(one)
        elif kind in (f.MINP, f.MAXP):
            if (kind == f.MINP) != denied:
                self.low = max(self.low, one.data + denied)
            else:
                limit = one.data - denied
                self.high = limit if self.high is None else min(self.high, limit)

    def signs(self, name: str) -> frozenset[int] | None:
        """What the value of this property must satisfy; None where it is proven that it cannot be there."""
        if name not in self._cache:
            self._cache[name] = self._signs(name)
        return self._cache[name]

    def _signs(self, name: str) -> frozenset[int] | None:
        if name in self.absent or self.search.judge.all_of(self.names, name) is False:
            return None
        signs = set(self.values.get(name, ()))
        for one in self.over:
            concerned = self.search.judge.concerns(one, name)
            if concerned:
                signs.add(one.subs[0].yes)
            elif concerned is None:
                self.search.doubt("a pattern that cannot be followed")
        return None if self.search.find(signs) is None else frozenset(signs)

    def options(self, some: Formula) -> Iterator[_Option]:
        """The properties by which "some property is so" can come true."""
        search = self.search
        for name in sorted(self.known):
            signs = self.signs(name)
            if signs is None:
                continue
            if some.kind == f.NAMES:
                if search.judge.holds(some.subs[0], name) is not True:
                    yield _Option(name, signs)
            elif search.judge.concerns(some, name) is not False:
                more = signs | {some.subs[0].no}
                if search.find(more) is not None:
                    yield _Option(name, frozenset(more))
        yield from self.fresh(some, self.known)

    def fresh(self, some: Formula | None, taken: set[str]) -> Iterator[_Option]:
        """Properties of other names, one for each way in which the patterns can concern them."""
        search, arena = self.search, self.search.arena
        patterns = self.patterns if len(self.patterns) <= _MOST_PATTERNS else []
        if len(self.patterns) > _MOST_PATTERNS:
            search.doubt("too many patterns of names to tell apart")
        for matches in product((False, True), repeat=len(patterns)):
            concerned = dict(zip(patterns, matches, strict=True))
            if some is not None and _concerns(some, concerned) is False:
                continue
            name_signs = {arena.types(STR).yes, *self.names}
            if taken:
                name_signs.add(arena.values(taken).no)
            for pattern, matched in concerned.items():
                name_signs.add(arena.says(f.PATTERN, pattern).yes | (not matched))
            signs = {one.subs[0].yes for one in self.over if _concerns(one, concerned)}
            if some is not None and some.kind == f.NAMES:
                name_signs.add(some.subs[0].no)
            elif some is not None:
                signs.add(some.subs[0].no)
            if search.find(signs) is None:
                continue
            names = search.find(name_signs)
            if names is not None:
                found = sorted(names.values, key=lambda name: not name)[:2]
                yield from (_Option(name, frozenset(signs)) for name in found)
                if not found:
                    search.doubt("no name was found for a property")
                    yield _Option(None, frozenset())


def _patterns(one: Formula) -> tuple[str, ...]:
    if one.kind == f.PAT:
        return (one.data,)
    return tuple(one.data[1]) if one.kind == f.ADDL else ()


def _concerns(one: Formula, matched: dict[str, bool]) -> bool | None:
    """`Judge.concerns` for a name nobody has named, by the patterns it matches."""
    if one.kind == f.NAMES:
        return True
    known = [matched.get(pattern) for pattern in _patterns(one)]
    if one.kind == f.PAT:
        return known[0]
    return False if True in known else None if None in known else True


def solve_object(search: Search, branch: Branch) -> list[Any] | None:
    """Some objects of the branch, with as few properties as they can have; None where there are none."""
    shape = _Shape(search, branch)
    if shape.required & shape.absent or (shape.high is not None and shape.high < shape.low):
        return None
    for name in [*shape.urgent, *sorted(shape.required)]:
        if shape.signs(name) is None:
            return None
    if shape.high == 0:
        return None if search.judge.all_of(branch.signs, {}) is False else [{}]
    chosen: list[list[_Option]] = []
    full = shape.high is not None and shape.high == len(shape.required)
    for some in shape.some:
        options = [one for one in shape.options(some) if not full or one.name in shape.required]
        if not options:
            return None
        chosen.append([one for one in options if one.name is not None])
    return _build(shape, chosen)


def _build(shape: _Shape, chosen: list[list[_Option]]) -> list[Any] | None:
    search = shape.search
    base: dict[str, frozenset[int]] = {name: shape.signs(name) or frozenset() for name in shape.required}
    plans = [dict(base)]
    for options in chosen:
        plans = [
            {**plan, one.name: plan.get(one.name, frozenset()) | one.signs}
            for plan in plans[:4]
            for one in options[:8]
            if one.name is not None
        ]
    if not plans:
        return []
    missing = shape.low - max(len(plan) for plan in plans)
    if missing > 0:
        more = _more(shape, set(plans[0]), shape.low - len(plans[0]))
        if more is None and not chosen:
            return None
        plans = [{**dict(more or {}), **plan} for plan in plans]
    found: list[Any] = []
    for plan in plans[:16]:
        found += _values(search, plan, shape.urgent)
    if not shape.some and shape.known:
        found += _wider(shape, found[:1])
    return found


def _more(shape: _Shape, have: set[str], count: int) -> dict[str, frozenset[int]] | None:
    """That many further properties; None where it is proven that there are not so many."""
    found: dict[str, frozenset[int]] = {}
    for name in sorted(shape.known - have):
        if len(found) == count:
            break
        signs = shape.signs(name)
        if signs is not None:
            found[name] = signs
    if count > _MOST_PROPERTIES:
        shape.search.doubt("the object would have too many properties to write down")
        count = min(count, len(found) + 1)
    while len(found) < count:
        option = next(shape.fresh(None, shape.known | set(found)), None)
        if option is None:
            return None
        if option.name is None or option.name in found:
            break
        found[option.name] = option.signs
    return found


def _values(search: Search, plan: dict[str, frozenset[int]], urgent: list[str]) -> list[Any]:
    """Objects of one plan: one for each way in which a property that is asked for may look."""
    built: dict[str, Any] = {}
    varied: list[tuple[str, Any]] = []
    for name, signs in sorted(plan.items()):
        answer = search.find(signs)
        values = answer.values if answer is not None else []
        if not values:
            return []
        built[name] = values[0]
        if name in urgent or any(sign & 1 for sign in signs):
            varied += [(name, value) for value in values[1:6]]
    return [built, *[{**built, name: value} for name, value in varied]]


def _wider(shape: _Shape, found: list[Any]) -> list[Any]:
    """The same object with one property more, where what is refused may be the object itself."""
    out = []
    for base in found:
        for name in sorted(shape.known - set(base))[:3]:
            signs = shape.signs(name)
            answer = None if signs is None else shape.search.find(signs)
            if answer is not None and answer.values:
                out.append({**base, name: answer.values[0]})
    return out
