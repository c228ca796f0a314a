"""What the statements of a branch already say about one more, without opening a branch for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wingman_runtime.schemas.inclusion import formula as f
from wingman_runtime.schemas.inclusion.formula import Formula

if TYPE_CHECKING:
    from wingman_runtime.schemas.inclusion.search import Search

_DEEPEST = 6
_MOST_VALUES = 200


class Known:
    """The statements of one branch, as they grow.

    Args:
        search: asked about inner values.
        bit: the type of the branch.
        signs: the statements; shared with the branch, which adds to them.
    """

    def __init__(self, search: Search, bit: int, signs: set[int]) -> None:
        self._search = search
        self._bit = bit
        self._signs = signs
        self._seen = -1
        self._inner: dict[tuple[str, Any], list[Formula]] = {}

    def settles(self, sign: int, depth: int = 0) -> bool | None:
        """True where the signed formula holds for every value of the branch, False where for none."""
        if sign in self._signs:
            return True
        if sign ^ 1 in self._signs:
            return False
        one = self._search.arena.all[sign >> 1]
        denied = sign & 1
        if not (one.unmask if denied else one.mask) & self._bit:
            return False
        if not (one.mask if denied else one.unmask) & self._bit:
            return True
        if depth > _DEEPEST:
            return None
        found: bool | None = None
        if one.kind in (f.NOT, f.REF):
            for sub in one.subs:
                found = self.settles(sub.yes, depth + 1)
        elif one.kind in (f.AND, f.OR):
            found = self._group(one, depth)
        elif one.kind in (f.PROP, f.ITEM):
            found = self._member(one)
        return None if found is None else found ^ bool(denied) ^ (one.kind == f.NOT)

    def _group(self, one: Formula, depth: int) -> bool | None:
        open_ = False
        self._search.spend(len(one.subs))
        for sub in one.subs:
            found = self.settles(sub.yes, depth + 1)
            if found is None:
                open_ = True
            elif found is (one.kind == f.OR):
                return found
        return None if open_ else one.kind == f.AND

    def _member(self, one: Formula) -> bool | None:
        """Whether "if it has this property (this place), the value is so" holds, by what is known of it."""
        there = False
        if one.kind == f.PROP:
            required = self._search.arena.says(f.REQ, one.data)
            if required.no in self._signs:
                return True
            there = required.yes in self._signs
        wanted = one.subs[0]
        found = self._of(one)
        for known in found:
            if not known.mask & wanted.unmask:
                return True
            if there and not known.mask & wanted.mask:
                return False
            values = _values(known)
            if values is None or len(values) > _MOST_VALUES:
                continue
            answers = {self._search.judge.holds(wanted, value) for value in values}
            if answers == {True}:
                return True
            if there and answers == {False}:
                return False
        if found and self._search.find([wanted.no, *[known.yes for known in found]]) is None:
            return True
        return None

    def _of(self, one: Formula) -> list[Formula]:
        """What is said of the value of the same property or place."""
        if self._seen != len(self._signs):
            self._seen = len(self._signs)
            self._inner = {}
            for sign in self._signs:
                other = self._search.arena.all[sign >> 1]
                if not sign & 1 and other.kind in (f.PROP, f.ITEM):
                    self._inner.setdefault((other.kind, other.data), []).append(other.subs[0])
        return self._inner.get((one.kind, one.data), [])


def _values(known: Formula) -> list[Any] | None:
    """The values a formula allows at most, where it names them."""
    if known.kind == f.AND:
        for sub in known.subs:
            if sub.kind == f.IN:
                return list(sub.data.values())
    return list(known.data.values()) if known.kind == f.IN else None
