"""Patterns as syntax trees, as far as all regular-expression engines read them alike.

Taken: literals, ``.``, classes, groups, ``|``, ``* + ? {m,n}``, and ``^`` ``$`` at an alternative's ends.
Anything else (look-around, back references, flags, word bounds, set operations) makes the whole pattern
unsupported, and nothing is proven by it. Engines differ in what ``\\d \\w \\s .`` hold: a `Reading` is one
such opinion, and a proof must hold in every reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Ranges: TypeAlias = tuple[tuple[int, int], ...]

LAST = 0x10FFFF
_DEEPEST = 30
_MOST_REPEATS = 200


class UnsupportedError(Exception):
    """The pattern holds something that is not followed."""


class Chars(NamedTuple):
    """One character out of these."""

    ranges: Ranges


class Sequence(NamedTuple):
    parts: tuple[Node, ...]


class Choice(NamedTuple):
    parts: tuple[Node, ...]


class Repeat(NamedTuple):
    """``part`` at least ``low`` times, at most ``high`` times; None is no limit."""

    part: Node
    low: int
    high: int | None


Node: TypeAlias = Chars | Sequence | Choice | Repeat


@dataclass(frozen=True, slots=True)
class Reading:
    """What an engine holds for a digit, a letter of a word, a space, and the end of a line."""

    digit: Ranges
    word: Ranges
    space: Ranges
    line_end: Ranges


_DIGIT: Ranges = ((48, 57),)
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Ranges = (
    (9, 13),
    (32, 32),
    (0xA0, 0xA0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x2028, 0x2029),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
    (0xFEFF, 0xFEFF),
)
_ARABIC_DIGIT = (0x660, 0x669)
_ACCENTED = (0xE9, 0xE9)
VALIDATOR = Reading(_DIGIT, _WORD, _SPACE, ((10, 10),))
"""As jsonschema-rs reads them; witnesses are made by it."""
READINGS = (
    VALIDATOR,
    Reading(_DIGIT, _WORD, _SPACE, ((10, 10), (13, 13), (0x2028, 0x2029))),
    # Unicode-minded engines: one character stands for all of its kind, as no pattern names it.
    Reading(
        (*_DIGIT, _ARABIC_DIGIT),
        (*_WORD, _ACCENTED, _ARABIC_DIGIT),
        ((9, 13), (32, 32), (0x85, 0x85)),
        ((10, 10),),
    ),
)


def other_than(ranges: Ranges) -> Ranges:
    """All other characters."""
    out, start = [], 0
    for low, high in sorted(ranges):
        if low > start:
            out.append((start, low - 1))
        start = max(start, high + 1)
    if start <= LAST:
        out.append((start, LAST))
    return tuple(out)


ANYTHING = Repeat(Chars(((0, LAST),)), 0, None)


class Parser:
    """Reads one pattern in one reading. ``parse`` gives the tree of all texts that contain a match.

    Raises UnsupportedError.
    """

    def __init__(self, pattern: str, reading: Reading) -> None:
        self._text = pattern
        self._at = 0
        self._reading = reading
        self.named_beyond_ascii = False
        self.hangs_on_reading = False

    def parse(self) -> Node:
        parts = [self._top()]
        while self._take("|"):
            parts.append(self._top())
        if self._at < len(self._text):
            raise UnsupportedError
        if self.named_beyond_ascii and self.hangs_on_reading:
            raise UnsupportedError
        return Choice(tuple(parts))

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, text: str) -> bool:
        found = self._text.startswith(text, self._at)
        self._at += len(text) * found
        return found

    def _top(self) -> Node:
        start = self._take("^")
        body = self._sequence(0)
        end = self._take("$")
        return Sequence((*(() if start else (ANYTHING,)), body, *(() if end else (ANYTHING,))))

    def _choice(self, depth: int) -> Node:
        parts = [self._sequence(depth)]
        while self._take("|"):
            parts.append(self._sequence(depth))
        return Choice(tuple(parts))

    def _sequence(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise UnsupportedError
        parts: list[Node] = []
        while self._peek() and self._peek() not in "|)$":
            parts.append(self._repeated(depth))
        return Sequence(tuple(parts))

    def _repeated(self, depth: int) -> Node:
        part = self._atom(depth)
        low, high = 1, 1
        found = True
        if self._take("*"):
            low, high = 0, -1
        elif self._take("+"):
            low, high = 1, -1
        elif self._take("?"):
            low, high = 0, 1
        elif self._take("{"):
            low, high = self._counts()
        else:
            found = False
        if found:
            self._take("?")
            if self._peek() in ("*", "+", "?", "{") and self._peek():
                raise UnsupportedError
        return Repeat(part, low, None if high < 0 else high) if found else part

    def _counts(self) -> tuple[int, int]:
        stop = self._text.find("}", self._at)
        first, comma, second = self._text[self._at : max(stop, self._at)].partition(",")
        self._at = stop + 1
        if not _plain_digits(first) or (second and not _plain_digits(second)):
            raise UnsupportedError
        low = int(first)
        high = int(second) if second else -1 if comma else low
        if max(low, high) > _MOST_REPEATS or -1 < high < low:
            raise UnsupportedError
        return low, high

    def _atom(self, depth: int) -> Node:
        char = self._peek()
        self._at += 1
        if char == "(":
            if self._peek() == "?" and not self._take("?:"):
                raise UnsupportedError
            inner = self._choice(depth + 1)
            if not self._take(")"):
                raise UnsupportedError
            return inner
        if char == "[":
            return Chars(self._class())
        if char == ".":
            self.hangs_on_reading = True
            return Chars(other_than(self._reading.line_end))
        if char == "\\":
            return Chars(self._escape())
        if char in "^$*+?{}])":
            raise UnsupportedError
        return Chars(self._literal(char))

    def _literal(self, char: str) -> Ranges:
        self.named_beyond_ascii |= ord(char) > 127
        return ((ord(char), ord(char)),)

    def _escape(self) -> Ranges:
        char = self._peek()
        self._at += 1
        kinds = {"d": self._reading.digit, "w": self._reading.word, "s": self._reading.space}
        if char and char.lower() in kinds:
            self.hangs_on_reading = True
            return kinds[char] if char.islower() else other_than(kinds[char.lower()])
        if char in ("n", "r", "t", "f", "v"):
            return self._literal({"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}[char])
        if char in ("u", "x"):
            length = 4 if char == "u" else 2
            digits = self._text[self._at : self._at + length]
            self._at += length
            if len(digits) < length or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
                raise UnsupportedError
            return self._literal(chr(int(digits, 16)))
        if not char or char not in "\\/.^$*+?()[]{}|-":
            raise UnsupportedError
        return self._literal(char)

    def _class(self) -> Ranges:
        denied = self._take("^")
        out: list[tuple[int, int]] = []
        while not self._take("]"):
            first = self._member()
            if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                second = self._member()
                single = len(first) == len(second) == 1 and first[0][0] == first[0][1]
                if not single or second[0][0] != second[0][1] or first[0][0] > second[0][0]:
                    raise UnsupportedError
                self.named_beyond_ascii |= second[0][1] > 127
                out.append((first[0][0], second[0][1]))
            else:
                out.extend(first)
        if not out:
            raise UnsupportedError
        return other_than(tuple(out)) if denied else tuple(out)

    def _member(self) -> Ranges:
        char = self._peek()
        self._at += 1
        # "[", "&&", "--" and "~~" are set operations to some engines.
        if not char or char == "[" or (char in "&~-" and self._peek() == char):
            raise UnsupportedError
        return self._escape() if char == "\\" else self._literal(char)


def _plain_digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6
