"""The texts that match some patterns and not others: some of them, or the proof that there are none.

Each pattern becomes a nondeterministic automaton; all run side by side over the few kinds of characters that
any of them tells apart. The work is bounded: beyond it nothing is proven.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

from wingman_runtime.schemas.inclusion.pattern import (
    LAST,
    READINGS,
    VALIDATOR,
    Chars,
    Choice,
    Node,
    Parser,
    Ranges,
    Reading,
    Repeat,
    Sequence,
    UnsupportedError,
)

_MOST_STATES = 1_500
_MOST_STEPS = 1_500
_LONGEST = 300
_SURROGATES = (0xD800, 0xDFFF)
_LIKED = "ax0A1_b-. @"


class Wanted(NamedTuple):
    """A pattern, and whether it is to match."""

    pattern: str
    matches: bool


class _Automaton:
    """States are numbers; ``steps`` lead on by a character, ``free`` without one."""

    def __init__(self, tree: Node) -> None:
        self.steps: list[tuple[Ranges, int] | None] = []
        self.free: list[list[int]] = []
        self.start = self._new()
        self.end = self._add(tree, self.start)

    def _new(self) -> int:
        if len(self.free) >= _MOST_STATES:
            raise UnsupportedError
        self.steps.append(None)
        self.free.append([])
        return len(self.free) - 1

    def _add(self, node: Node, at: int) -> int:
        """Adds the node after the state; the state in which it ends."""
        if isinstance(node, Chars):
            here, end = self._new(), self._new()
            self.free[at].append(here)
            self.steps[here] = (node.ranges, end)
            return end
        if isinstance(node, Sequence):
            for part in node.parts:
                at = self._add(part, at)
            return at
        if isinstance(node, Choice):
            end = self._new()
            for part in node.parts:
                begin = self._new()
                self.free[at].append(begin)
                self.free[self._add(part, begin)].append(end)
            return end
        return self._repeat(node, at)

    def _repeat(self, node: Repeat, at: int) -> int:
        for _ in range(node.low):
            at = self._add(node.part, at)
        if node.high is None:
            loop, end = self._new(), self._new()
            self.free[at].append(loop)
            self.free[self._add(node.part, loop)].append(loop)
            self.free[loop].append(end)
            return end
        end = self._new()
        self.free[at].append(end)
        for _ in range(node.high - node.low):
            at = self._add(node.part, at)
            self.free[at].append(end)
        return end

    def closed(self, states: Iterable[int]) -> frozenset[int]:
        """The states, and what can be reached from them without a character."""
        out = set(states)
        todo = list(out)
        while todo:
            for state in self.free[todo.pop()]:
                if state not in out:
                    out.add(state)
                    todo.append(state)
        return frozenset(out)

    def after(self, states: frozenset[int], char: int) -> frozenset[int]:
        found = set()
        for state in states:
            step = self.steps[state]
            if step is not None and any(low <= char <= high for low, high in step[0]):
                found.add(step[1])
        return self.closed(found)


def texts(
    wanted: list[Wanted], refused: list[str], low: int, high: int | None, spend: Callable[[int], None]
) -> tuple[list[str], bool]:
    """Some texts that match as wanted, shortest first, and whether it is proven that there are none.

    Args:
        refused: texts that do not count. low, high: the range of lengths. spend: called with the work done.
    """
    literal = "|".join(f"^{_quoted(text)}$" for text in refused)
    wanted = [*wanted, Wanted(literal, False)] if refused else wanted
    found, none = _run(wanted, VALIDATOR, low, high, spend)
    if none:
        none = all(_run(wanted, reading, low, high, spend)[1] for reading in READINGS[1:])
    return found, none


def _quoted(text: str) -> str:
    return "".join(char if char.isalnum() or ord(char) > 127 else f"\\u{ord(char):04x}" for char in text)


def _run(
    wanted: list[Wanted], reading: Reading, low: int, high: int | None, spend: Callable[[int], None]
) -> tuple[list[str], bool]:
    automata: list[tuple[_Automaton, bool]] = []
    beyond = hangs = False
    for pattern, matches in wanted:
        parser = Parser(pattern, reading)
        try:
            automata.append((_Automaton(parser.parse()), matches))
        except UnsupportedError:
            continue  # one statement less: more texts, never fewer
        beyond |= parser.named_beyond_ascii
        hangs |= parser.hangs_on_reading
    if not automata:
        return [], False
    spend(sum(len(one.free) for one, _ in automata) // 20)
    found, complete = _search(automata, low, high, spend)
    return found, complete and not found and not (beyond and hangs)


def _search(
    automata: list[tuple[_Automaton, bool]], low: int, high: int | None, spend: Callable[[int], None]
) -> tuple[list[str], bool]:
    """Runs all automata side by side; the texts found, and whether all were looked at."""
    if low > _LONGEST or (high is not None and high > _LONGEST):
        low, high = min(low, _LONGEST), None
        if low == _LONGEST:
            return [], False
    most = low if high is None else high
    chars = _kinds(automata)
    start = tuple(one.closed((one.start,)) for one, _ in automata)
    todo: deque[tuple[tuple[frozenset[int], ...], int, str]] = deque([(start, 0, "")])
    seen = {(start, 0)}
    found: list[str] = []
    steps = 0
    while todo:
        states, length, text = todo.popleft()
        if length >= low and all(
            (one.end in state) == matches for (one, matches), state in zip(automata, states, strict=True)
        ):
            found.append(text)
            if len(found) >= 4:
                return found, False
        if high is not None and length >= high:
            continue
        for char in chars:
            steps += 1
            spend(1)
            if steps > _MOST_STEPS:
                return found, False
            after = tuple(one.after(state, char) for (one, _), state in zip(automata, states, strict=True))
            if any(matches and not state for (_, matches), state in zip(automata, after, strict=True)):
                continue
            reached = after, min(length + 1, most)
            if reached not in seen:
                seen.add(reached)
                todo.append((*reached, text + chr(char)))
    return found, True


def _kinds(automata: list[tuple[_Automaton, bool]]) -> list[int]:
    """One character out of each range in which no automaton tells characters apart."""
    bounds = {0, LAST + 1, _SURROGATES[0], _SURROGATES[1] + 1}
    for one, _ in automata:
        for step in one.steps:
            for low, high in step[0] if step is not None else ():
                bounds.add(low)
                bounds.add(high + 1)
    edges = sorted(bounds)
    chosen = []
    for low, after in pairwise(edges):
        if low != _SURROGATES[0]:
            liked = next((ord(char) for char in _LIKED if low <= ord(char) < after), None)
            chosen.append(liked if liked is not None else max(low, min(33, after - 1)))
    return sorted(chosen, key=lambda char: (chr(char) not in _LIKED, char > 126, char))
