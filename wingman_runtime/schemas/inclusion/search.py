"""Looks for a value that satisfies signed formulas, or proves that there is none.

1. Split by type; within a type, take formulas apart into statements and choices.
2. Close a branch on a contradiction; drop choices that are settled; else try each alternative in turn.
3. Hand a branch without choices to the type's own file, which asks back here about inner values.

A question asked again within itself is answered "none": a smallest value that answers it cannot hold a
smaller one that does. So recursion ends, and what is proven stays true. What is not followed is left out,
which can only make more values possible: "none" is proof, a value is a proposal until it is confirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from wingman_runtime.schemas.inclusion import formula as f
from wingman_runtime.schemas.inclusion.arrays import solve_array
from wingman_runtime.schemas.inclusion.formula import Arena, Formula
from wingman_runtime.schemas.inclusion.judge import Judge
from wingman_runtime.schemas.inclusion.matcher import Matcher
from wingman_runtime.schemas.inclusion.numbers import solve_number
from wingman_runtime.schemas.inclusion.objects import solve_object
from wingman_runtime.schemas.inclusion.settled import Known
from wingman_runtime.schemas.inclusion.strings import solve_string
from wingman_runtime.schemas.inclusion.values import (
    ANY,
    ARR,
    BOOL,
    FRAC,
    INT,
    NULL,
    OBJ,
    STR,
    TYPES,
    type_of,
)

_FEW = 6
_MANY = 48
_DEEPEST = 40
_MOST_PARTS_OF_ONE = 40
_NEVER = 1 << 30


class TooMuchWorkError(Exception):
    """The work allowed for one comparison is used up."""


@dataclass(slots=True)
class Found:
    """Values that answer a question: ``sure`` ones, and those that only a validator can confirm."""

    sure: list[Any] = field(default_factory=list)
    maybe: list[Any] = field(default_factory=list)

    @property
    def values(self) -> list[Any]:
        return self.sure + self.maybe


class Branch(NamedTuple):
    """Statements about one type that are to hold together; ``whole`` is the question they come from."""

    type: int
    signs: frozenset[int]
    whole: frozenset[int]


class _Quest(NamedTuple):
    """What a branch is looked at for: the whole question, where answers go, and how many are enough."""

    whole: frozenset[int]
    harvest: Found
    few: int


class Search:
    """The questions of one comparison, each answered once.

    Args:
        arena: the formulas.
        budget: how many steps may be taken in all.

    Raises TooMuchWorkError from every method when the budget is used up.
    """

    def __init__(self, arena: Arena, budget: int) -> None:
        self.arena = arena
        self.left = budget
        self.matcher = Matcher()
        self.judge = Judge(arena, self.matcher, self.spend)
        self.doubts: dict[str, None] = {}
        self._answers: dict[frozenset[int], Found | None] = {}
        self._asked: list[frozenset[int]] = []
        self._leant_on = _NEVER
        self._spread_out: dict[tuple[int, int], Formula] = {}

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooMuchWorkError

    def doubt(self, why: str) -> None:
        """Remembers why something could be neither proven nor shown."""
        self.doubts[why] = None

    def find(self, signs: Iterable[int]) -> Found | None:
        """Values that satisfy all; None where it is proven that there are none."""
        question = self._normal(signs)
        if question is None:
            return None
        if question in self._answers:
            return self._answers[question]
        self.spend(1 + len(question) // 16)
        for index, outer in enumerate(self._asked):
            if outer <= question:
                self._leant_on = min(self._leant_on, index)
                return None
        if len(self._asked) > _DEEPEST:
            self.doubt("the schemas nest too deep")
            return Found()
        before, self._leant_on = self._leant_on, _NEVER
        self._asked.append(question)
        try:
            answer = self._by_type(question)
        finally:
            self._asked.pop()
            leant, self._leant_on = self._leant_on, min(before, self._leant_on)
        if leant >= len(self._asked):
            self._answers[question] = answer
            self._leant_on = before
        elif answer is not None and answer.sure:
            self._answers[question] = answer
        return answer

    def _normal(self, signs: Iterable[int]) -> frozenset[int] | None:
        everything = self.arena.all
        out = set()
        for sign in signs:
            one = everything[sign >> 1]
            while one.kind in (f.REF, f.NOT) and one.subs:
                sign ^= one.kind == f.NOT  # noqa: PLW2901
                one = one.subs[0]
            sign = one.number << 1 | sign & 1  # noqa: PLW2901
            if sign in (self.arena.true.yes, self.arena.false.no):
                continue
            if sign in (self.arena.true.no, self.arena.false.yes) or sign ^ 1 in out:
                return None
            out.add(sign)
        return frozenset(out)

    def _by_type(self, question: frozenset[int]) -> Found | None:
        everything = self.arena.all
        mask = ANY
        for sign in question:
            one = everything[sign >> 1]
            mask &= one.unmask if sign & 1 else one.mask
        harvest = Found()
        few = _FEW if any(sign & 1 for sign in question) else 1
        if len(self._asked) == 1:
            few = _MANY
        open_ = False
        for bit in TYPES:
            if mask & bit and len(harvest.sure) < few:
                open_ |= self._branch(bit, set(), [], question, _Quest(question, harvest, few))
        return harvest if open_ else None

    def _branch(
        self,
        bit: int,
        signs: set[int],
        choices: list[tuple[int, ...]],
        added: Iterable[int],
        quest: _Quest,
    ) -> bool:
        """False where the branch is proven to be closed; what is found goes to the harvest."""
        self.spend(1 + len(signs) // 8)
        if not self._take(bit, added, signs, choices) or not self._settle(bit, signs, choices):
            return False
        finite = self._finite(bit, signs)
        if finite is not None:
            return self._keep(quest.harvest, finite, quest.whole)
        branch = Branch(bit, frozenset(signs), quest.whole)
        if len(choices) != 1 and not self._leaf(branch, quest.harvest, final=not choices):
            return False
        if not choices:
            return True
        choices.sort(key=len)
        first, rest = choices[0], choices[1:]
        open_ = False
        for alternative in first:
            open_ |= self._branch(bit, set(signs), list(rest), (alternative,), quest)
            if open_ and len(quest.harvest.sure) >= quest.few:
                break
        return open_

    def _take(self, bit: int, added: Iterable[int], signs: set[int], choices: list[tuple[int, ...]]) -> bool:
        """Takes formulas apart; False on a contradiction."""
        everything = self.arena.all
        queue = list(added)
        while queue:
            sign = queue.pop()
            if sign in signs:
                continue
            if sign ^ 1 in signs:
                return False
            self.spend(1)
            one = everything[sign >> 1]
            denied = sign & 1
            if not (one.unmask if denied else one.mask) & bit:
                return False
            kind = one.kind
            if kind == f.TYPE or not one.home & bit:
                continue
            signs.add(sign)
            if kind in (f.NOT, f.REF):
                flip = denied ^ (kind == f.NOT)
                queue.extend(sub.number << 1 | flip for sub in one.subs)
            elif kind == f.OPAQUE:
                self.doubt(str(one.data[0]))
            elif kind == f.ONE:
                queue.append(self._spread_one(one, bit).number << 1 | denied)
            elif kind in (f.AND, f.OR):
                inner = tuple(sub.number << 1 | denied for sub in one.subs)
                if (kind == f.AND) == (not denied):
                    queue.extend(inner)
                else:
                    choices.append(inner)
        return True

    def _settle(self, bit: int, signs: set[int], choices: list[tuple[int, ...]]) -> bool:
        """Drops choices that hold anyhow and alternatives that cannot; False where none is left."""
        known = Known(self, bit, signs)
        changed = True
        while changed:
            changed = False
            todo, choices[:] = list(choices), []
            for alternatives in todo:
                left = []
                for sign in alternatives:
                    self.spend(1)
                    settled = known.settles(sign)
                    if settled:
                        break
                    if settled is None:
                        left.append(sign)
                else:
                    if not left:
                        return False
                    if len(left) > 1:
                        choices.append(tuple(left))
                        continue
                    changed = True
                    if not self._take(bit, left, signs, choices):
                        return False
        return True

    def _spread_one(self, one: Formula, bit: int) -> Formula:
        """Exactly one of the parts, said with "and", "or" and "not", for values of one type."""
        asked = one.number, bit
        if asked not in self._spread_out:
            arena = self.arena
            parts = [sub for sub in one.subs if sub.mask & bit]
            self.spend(len(parts) ** 2)
            if len(parts) > _MOST_PARTS_OF_ONE:
                self._spread_out[asked] = arena.opaque(("too many parts of one oneOf", one.number))
            else:
                self._spread_out[asked] = arena.either(
                    arena.both([part, *[arena.deny(other) for other in parts[:at] + parts[at + 1 :]]])
                    for at, part in enumerate(parts)
                )
        return self._spread_out[asked]

    def _finite(self, bit: int, signs: set[int]) -> list[Any] | None:
        """All values a branch can have, where they are few enough to be named."""
        if bit == NULL:
            return [None]
        if bit == BOOL:
            return [True, False]
        named: dict[Any, Any] | None = None
        for sign in signs:
            one = self.arena.all[sign >> 1]
            if one.kind == f.IN and not sign & 1:
                self.spend(len(one.data) // 8)
                if named is None:
                    named = one.data
                else:
                    other = one.data
                    named = {key: value for key, value in named.items() if key in other}
        if named is None:
            return None
        for sign in signs:
            one = self.arena.all[sign >> 1]
            if one.kind == f.IN and sign & 1:
                other = one.data
                self.spend(len(named) // 8)
                named = {key: value for key, value in named.items() if key not in other}
        return [value for value in named.values() if type_of(value) == bit]

    def _keep(self, harvest: Found, values: list[Any], signs: frozenset[int]) -> bool:
        """Keeps those of a branch's only values that do; False where none does."""
        kept = False
        for value in values:
            known = self.judge.all_of(signs, value)
            if known is False:
                continue
            kept = True
            (harvest.sure if known else harvest.maybe).append(value)
            if len(harvest.sure) >= _FEW:
                break
        return kept

    def _leaf(self, branch: Branch, harvest: Found, *, final: bool) -> bool:
        solve = _SOLVERS[branch.type]
        values = solve(self, branch)
        if values is None:
            return False
        if final:
            for value in values[: 4 * _FEW]:
                known = self.judge.all_of(branch.whole, value)
                if known:
                    harvest.sure.append(value)
                elif known is None:
                    harvest.maybe.append(value)
            del harvest.maybe[4 * _FEW :]
        return True


_SOLVERS: dict[int, Callable[[Search, Branch], list[Any] | None]] = {
    INT: solve_number,
    FRAC: solve_number,
    STR: solve_string,
    ARR: solve_array,
    OBJ: solve_object,
}
