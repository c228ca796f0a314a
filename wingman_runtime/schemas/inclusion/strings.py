"""Texts: a range of lengths in code points, patterns, formats, and what they must not be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from wingman_runtime.schemas.inclusion import formula as f
from wingman_runtime.schemas.inclusion.language import Wanted, texts

if TYPE_CHECKING:
    from wingman_runtime.schemas.inclusion.search import Branch, Search

_LONGEST = 5_000
_MOST_REFUSED = 100
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SAMPLES = {
    "date": "2024-02-29",
    "date-time": "2024-02-29T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "uuid": "8c4f5f3e-6a57-4a38-9d0a-0f6f6d6a3c11",
    "email": "a@example.org",
    "uri": "https://example.org/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.org",
    "regex": "a",
    "json-pointer": "/a",
    "uri-reference": "/a",
    "uri-template": "/a",
    "binary": "a",
}


class _Text:
    """What a branch says of its text."""

    def __init__(self, search: Search, branch: Branch) -> None:
        self.low = 0
        self.high: int | None = None
        self.patterns: list[Wanted] = []
        self.formats: list[str] = []
        self.refused: set[Any] = set()
        for sign in branch.signs:
            one = search.arena.all[sign >> 1]
            denied = bool(sign & 1)
            if one.kind == f.IN:
                self.refused.update(one.data)
            elif one.kind == f.PATTERN:
                self.patterns.append(Wanted(one.data, not denied))
            elif one.kind == f.ATOM and denied:
                search.doubt(
                    f"the reader's {' '.join(map(str, one.data[:2]))} may refuse what the writer admits"
                )
            elif one.kind == f.ATOM and one.data[0] == "format":
                self.formats.append(one.data[1])
            elif one.kind in (f.MINLEN, f.MAXLEN):
                self._length(one.data, denied, least=(one.kind == f.MINLEN) != denied)

    def _length(self, limit: int, denied: bool, *, least: bool) -> None:
        if least:
            self.low = max(self.low, limit + denied)
        else:
            limit -= denied
            self.high = limit if self.high is None else min(self.high, limit)

    def written(self, spend: Callable[[int], None]) -> list[str] | None:
        """Texts made by the patterns; None where it is proven that there are none."""
        if not self.patterns:
            return []
        named = sorted(value for value in self.refused if isinstance(value, str))
        few = named if len(named) <= _MOST_REFUSED else []
        found, none = texts(sorted(self.patterns), few, self.low, self.high, spend)
        return None if none else found


def solve_string(search: Search, branch: Branch) -> list[Any] | None:
    """Some texts of the branch, the shortest first; None where there are none."""
    text = _Text(search, branch)
    low, high = text.low, text.high
    if high is not None and high < low:
        return None
    if high == 0:
        fits = search.judge.all_of(branch.signs, "")
        return None if fits is False else [""]
    if low > _LONGEST:
        search.doubt("the text would be too long to write down")
        return []
    written = text.written(search.spend)
    if written is None:
        return None
    found = []
    for one in chain(written, _others(low, high, text.formats, len(text.refused))):
        search.spend(1)
        if one not in text.refused and search.judge.all_of(branch.signs, one) is not False:
            found.append(one)
            if len(found) > 2:
                break
    if not found:
        search.doubt("no text was found for the pattern" if text.patterns else "no text was found")
    return found


def _others(low: int, high: int | None, formats: list[str], more: int) -> Iterator[str]:
    """Texts to try where no pattern says how they look."""
    for name in formats:
        if name in _SAMPLES:
            yield _SAMPLES[name]
    yield from islice(_plain(low), 3)
    yield from islice(_plain(max(low, 1)), 3)
    if high is not None and low < high <= _LONGEST:
        yield "a" * high
    yield from _SAMPLES.values()
    yield from islice(_plain(max(low, 1)), more + 3)


def _plain(length: int) -> Iterator[str]:
    """Texts of one length, each another."""
    if length == 0:
        yield ""
        return
    for letter in _LETTERS:
        yield letter * length
    for count in range(1_000_000):
        digits = str(count)
        if len(digits) > length:
            return
        yield "a" * (length - len(digits)) + digits
