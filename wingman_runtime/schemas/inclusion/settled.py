"""What the statements of a branch already say about one more, without any search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wingman_runtime.schemas.inclusion import formula as f
from wingman_runtime.schemas.inclusion.formula import Formula

if TYPE_CHECKING:
    from wingman_runtime.schemas.inclusion.search import Search

_DEEPEST = 6
_MOST_VALUES = 200


def settled(search: Search, bit: int, signs: set[int], sign: int, depth: int = 0) -> bool | None:
    """True where the signed formula holds for every value of the branch, False where for none."""
    if sign in signs:
        return True
    if sign ^ 1 in signs:
        return False
    one = search.arena.all[sign >> 1]
    denied = sign & 1
    if not (one.unmask if denied else one.mask) & bit:
        return False
    if not (one.mask if denied else one.unmask) & bit:
        return True
    if depth > _DEEPEST:
        return None
    found: bool | None = None
    if one.kind in (f.NOT, f.REF):
        for sub in one.subs:
            found = settled(search, bit, signs, sub.yes, depth + 1)
    elif one.kind in (f.AND, f.OR):
        found = _group(search, bit, signs, one, depth)
        return found if found is None or not denied else not found
    elif one.kind == f.PROP:
        found = _property(search, signs, one)
    if found is None:
        return None
    return found ^ bool(denied) ^ (one.kind == f.NOT)


def _group(search: Search, bit: int, signs: set[int], one: Formula, depth: int) -> bool | None:
    open_ = False
    for sub in one.subs:
        search.spend(1)
        found = settled(search, bit, signs, sub.yes, depth + 1)
        if found is None:
            open_ = True
        elif found is (one.kind == f.OR):
            return found
    return None if open_ else one.kind == f.AND


def _property(search: Search, signs: set[int], one: Formula) -> bool | None:
    """Whether "if it has the property, the value is so" holds, by what is known of that property."""
    arena = search.arena
    there = arena.says(f.REQ, one.data)
    if there.no in signs:
        return True
    required = there.yes in signs
    wanted = one.subs[0]
    for sign in signs:
        if sign & 1:
            continue
        other = arena.all[sign >> 1]
        if other.kind != f.PROP or other.data != one.data:
            continue
        known = other.subs[0]
        if not known.mask & wanted.unmask:
            return True
        if required and not known.mask & wanted.mask:
            return False
        values = _values(known)
        if values is None or len(values) > _MOST_VALUES:
            continue
        answers = {search.judge.holds(wanted, value) for value in values}
        if answers == {True}:
            return True
        if required and answers == {False}:
            return False
    return None


def _values(known: Formula) -> list[Any] | None:
    """The values a formula allows at most, where it names them."""
    if known.kind == f.AND:
        for sub in known.subs:
            if sub.kind == f.IN:
                return list(sub.data.values())
    return list(known.data.values()) if known.kind == f.IN else None
