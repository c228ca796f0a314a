"""Arrays: a range of lengths, what stands at each place, how many items are so, and whether all differ."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from wingman_runtime.schemas.inclusion import formula as f
from wingman_runtime.schemas.inclusion.values import key_of

if TYPE_CHECKING:
    from wingman_runtime.schemas.inclusion.search import Branch, Search

_MOST_ITEMS = 60
_MOST_PLACES = 200


class _Row:
    """What a branch says of its array. ``places`` differ up to ``self.end``; from there on all are alike."""

    def __init__(self, search: Search, branch: Branch) -> None:
        self.search = search
        self.low = 0
        self.high: int | None = None
        self.at: dict[int, set[int]] = {}
        self.tails: list[tuple[int, int]] = []
        self.some: list[tuple[int, int]] = []
        self.atleast: dict[int, int] = {}
        self.atmost: dict[int, int] = {}
        self.unique = self.twice = False
        for sign in branch.signs:
            self._take(sign)
        self.end = max([0, *[at + 1 for at in self.at], *[start for start, _ in self.tails + self.some]])

    def _take(self, sign: int) -> None:
        one = self.search.arena.all[sign >> 1]
        kind, denied = one.kind, bool(sign & 1)
        if kind in (f.MINI, f.MAXI):
            if (kind == f.MINI) != denied:
                self.low = max(self.low, one.data + denied)
            else:
                self.shorten(one.data - denied)
        elif kind == f.ITEM and not denied:
            self.at.setdefault(one.data, set()).add(one.subs[0].yes)
        elif kind == f.ITEM:
            self.at.setdefault(one.data, set()).add(one.subs[0].no)
            self.low = max(self.low, one.data + 1)
        elif kind == f.TAIL and not denied:
            self.tails.append((one.data, one.subs[0].yes))
        elif kind == f.TAIL:
            self.some.append((one.data, one.subs[0].no))
            self.low = max(self.low, one.data + 1)
        elif kind in (f.ATLEAST, f.ATMOST):
            sub = one.subs[0].yes
            if (kind == f.ATLEAST) != denied:
                self.atleast[sub] = max(self.atleast.get(sub, 0), one.data + denied)
            else:
                self.atmost[sub] = min(self.atmost.get(sub, one.data), one.data - denied)
        elif kind == f.UNIQ:
            self.unique |= not denied
            self.twice |= denied
            self.low = max(self.low, 2 if denied else 0)

    def shorten(self, limit: int) -> None:
        self.high = limit if self.high is None else min(self.high, limit)

    def signs(self, place: int) -> set[int]:
        """What an item at this place must satisfy."""
        return self.at.get(place, set()) | {sign for start, sign in self.tails if place >= start}

    def possible(self, place: int, *more: int) -> bool:
        return self.search.find([*self.signs(place), *more]) is not None

    def impossible(self) -> bool:
        """Whether it is proven that there is no such array; shortens it to what is possible."""
        for sub, least in self.atleast.items():
            self.low = max(self.low, least)
            if least > self.atmost.get(sub, least):
                return True
        if self._too_short() or any(not self.homes(start, sign) for start, sign in self.some):
            return True
        for place in range(self.end + 1):
            if (self.high is None or place < self.high) and not self.possible(place):
                self.shorten(place)
        if self._too_short() or (self.high is not None and self.high < 0):
            return True
        return (
            any(not self.homes(start, sign) for start, sign in self.some)
            or self._too_few()
            or self._too_many()
            or self._clash()
            or (self.unique and self._runs_out())
            or (self.twice and not self.twins())
        )

    def _too_short(self) -> bool:
        return self.high is not None and self.high < self.low

    def places(self, start: int = 0) -> range:
        """Places that differ from each other, and one for all those behind them."""
        stop = self.end + 1 if self.high is None else min(self.end + 1, self.high)
        return range(start, max(start, stop))

    def homes(self, start: int, sign: int) -> list[int]:
        """Where an item may stand that satisfies the sign."""
        return [place for place in self.places(start) if self.possible(place, sign)]

    def _too_few(self) -> bool:
        """An item is wanted more often than there are places where it can stand."""
        for sub, least in self.atleast.items():
            homes = self.homes(0, sub)
            endless = self.end in homes
            if endless:
                if self.high is not None and len(homes) - 1 + self.high - self.end < least:
                    return True
            elif len(homes) < least:
                return True
        return False

    def _too_many(self) -> bool:
        """An item is wanted less often than it cannot be helped."""
        for sub, most in self.atmost.items():
            if most < 0:
                return True
            forced = [place for place in self.places() if not self.possible(place, sub ^ 1)]
            count = sum(place < self.low for place in forced if place < self.end)
            if self.end in forced:
                count += max(0, self.low - self.end)
            if count > most:
                return True
        return False

    def _clash(self) -> bool:
        """One kind of item is wanted often, a kind that includes it seldom."""
        return any(
            least > most and self.search.find([sub, other ^ 1]) is None
            for sub, least in self.atleast.items()
            for other, most in self.atmost.items()
        )

    def _runs_out(self) -> bool:
        """All items differ, and there are fewer values than items."""
        if self.twice:
            return True
        if self.at or self.low < 2:
            return False
        everything = self.search.arena.all
        for start, sign in self.tails:
            one = everything[sign >> 1]
            if start == 0 and one.kind == f.IN and not sign & 1 and len(one.data) < self.low:
                return True
            if start == 0 and not sign & 1 and one.mask in (1, 2, 3) and self.low > one.mask:
                return True
        return False

    def twins(self) -> tuple[int, int] | None:
        """Two places that may hold the same value."""
        stop = self.end + 2 if self.high is None else min(self.end + 2, self.high)
        for first, second in combinations(range(stop), 2):
            if self.search.find(self.signs(first) | self.signs(second)) is not None:
                return first, second
        return None


def solve_array(search: Search, branch: Branch) -> list[Any] | None:
    """Some arrays of the branch, as short as they can be; None where there are none."""
    row = _Row(search, branch)
    if row.end > _MOST_PLACES:
        search.doubt("too many places to look at each")
        return []
    if row.impossible():
        return None
    if row.high == 0:
        return None if search.judge.all_of(branch.signs, []) is False else [[]]
    if row.low > _MOST_ITEMS:
        search.doubt("the array would be too long to write down")
        return []
    found = []
    for length in (row.low, row.low + 1):
        if row.high is None or length <= row.high:
            found += _build(row, length)
    return found


def _build(row: _Row, length: int) -> list[Any]:
    """Arrays of one length, one for each way an item that is asked for may look."""
    extra, special = _placed(row, length)
    built = _fill(row, extra)
    if built is None:
        return []
    out = [built]
    denied = [special] if special is not None else [at for at, signs in row.at.items() if at < length]
    for place in denied:
        answer = row.search.find(extra[place])
        if answer is not None:
            out += [[*built[:place], value, *built[place + 1 :]] for value in answer.values[1:5]]
    return out


def _placed(row: _Row, length: int) -> tuple[list[set[int]], int | None]:
    """What each item must satisfy, and the place of the item that some statement asked for."""
    extra: list[set[int]] = [set(row.signs(place)) for place in range(length)]
    find = row.search.find
    special = None
    for start, sign in row.some:
        home = next((at for at in range(start, length) if find([*extra[at], sign]) is not None), None)
        if home is not None:
            extra[home].add(sign)
            special = home
    if row.twice and (pair := row.twins()) is not None and pair[1] < length:
        extra[pair[0]] = extra[pair[1]] = extra[pair[0]] | extra[pair[1]]
    for sub, least in row.atleast.items():
        homes = [at for at in range(length) if find([*extra[at], sub]) is not None]
        for at in homes[:least]:
            extra[at].add(sub)
    for sub in row.atmost:
        for signs in extra:
            if sub not in signs and find([*signs, sub ^ 1]) is not None:
                signs.add(sub ^ 1)
    return extra, special


def _fill(row: _Row, extra: list[set[int]]) -> list[Any] | None:
    built: list[Any] = []
    arena = row.search.arena
    for signs in extra:
        answer = row.search.find(signs)
        values = answer.values if answer is not None else []
        if row.unique:
            taken = {key_of(value) for value in built}
            fresh = [value for value in values if key_of(value) not in taken]
            if not fresh and built:
                answer = row.search.find([*signs, arena.values(built).no])
                fresh = answer.values if answer is not None else []
            values = fresh
        if not values:
            return None
        built.append(values[0])
    return built
