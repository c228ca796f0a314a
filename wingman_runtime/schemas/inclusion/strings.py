"""Texts: a range of lengths in code points, patterns, formats, and what they must not be."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from wingman_runtime.schemas.inclusion import formula as f

if TYPE_CHECKING:
    from wingman_runtime.schemas.inclusion.search import Branch, Search

_LONGEST = 5_000
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


def solve_string(search: Search, branch: Branch) -> list[Any] | None:
    """Some texts of the branch, the shortest and the longest first; None where there are none."""
    low, high = 0, None
    patterns: list[tuple[str, bool]] = []
    formats: list[str] = []
    refused: set[Any] = set()
    for sign in branch.signs:
        one = search.arena.all[sign >> 1]
        denied = bool(sign & 1)
        if one.kind == f.IN:
            refused.update(one.data)
        elif one.kind == f.PATTERN:
            patterns.append((one.data, not denied))
        elif one.kind == f.ATOM and not denied and one.data[0] == "format":
            formats.append(one.data[1])
        elif one.kind in (f.MINLEN, f.MAXLEN):
            if (one.kind == f.MINLEN) != denied:
                low = max(low, one.data + denied)
            else:
                limit = one.data - denied
                high = limit if high is None else min(high, limit)
    if high is not None and high < low:
        return None
    if high == 0:
        fits = search.judge.all_of(branch.signs, "")
        return None if fits is False else [""]
    if low > _LONGEST:
        search.doubt("the text would be too long to write down")
        return []
    found = []
    for text in _texts(search, low, high, patterns, formats, len(refused)):
        search.spend(1)
        if text not in refused and search.judge.all_of(branch.signs, text) is not False:
            found.append(text)
            if len(found) > 2:
                break
    if not found:
        search.doubt("no text was found for the pattern" if patterns else "no text was found")
    return found


def _texts(
    search: Search,
    low: int,
    high: int | None,
    patterns: list[tuple[str, bool]],
    formats: list[str],
    more: int,
) -> Iterator[str]:
    for name in formats:
        if name in _SAMPLES:
            yield _SAMPLES[name]
    yield from islice(_plain(low), 3)
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
