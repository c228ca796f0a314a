"""Where a policy stands in its file: Cedar's parser names no line, so the text is cut at its semicolons."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# A comment, a string, or a semicolon; what stands between them is of no interest here.
_TOKEN = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"|;|\S', re.DOTALL)
_NAMED = re.compile(r"`([^`]+)`|\w: (\S+)$")


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy as written, from its first token (an annotation counts) to its semicolon."""

    line: int
    text: str


def statements(source: str) -> tuple[Statement, ...]:
    """The policies of a file in their order; a tail without a semicolon is the last one."""
    found: list[Statement] = []
    start: int | None = None
    for token in _TOKEN.finditer(source):
        if token.group().startswith("//"):
            continue
        if start is None:
            start = token.start()
        if token.group() == ";":
            found.append(_cut(source, start, token.end()))
            start = None
    if start is not None:
        found.append(_cut(source, start, len(source)))
    return tuple(found)


def blame(source: str, parse: Callable[[str], object]) -> tuple[int, str]:
    """Line and message of the first policy that ``parse`` refuses; (1, "") when it refuses none alone."""
    for statement in statements(source):
        try:
            parse(statement.text)
        except ValueError as problem:
            return statement.line + line_of_name(statement.text, str(problem)) - 1, str(problem)
    return 1, ""


def line_of_name(text: str, message: str) -> int:
    """Line, from 1, of the token a parser's message names, if it occurs once; else 1."""
    for match in _NAMED.finditer(message):
        name = (match.group(1) or match.group(2)).rpartition("::")[2]
        if text.count(name) == 1:
            return text.count("\n", 0, text.index(name)) + 1
    return 1


def _cut(source: str, start: int, end: int) -> Statement:
    return Statement(source.count("\n", 0, start) + 1, source[start:end])
