"""Where each node of the whole graph stands: layered from left to right, worked out when the site is built.

1. Every weakly connected part by itself; the parts are then set side by side on shelves.
2. Cycles are cut at the edges that lead back in a depth-first walk; ranks are longest paths.
3. Within a rank nodes are ordered by the mean place of their neighbours, a fixed number of times.

Bounded (no step is worse than n log n) and deterministic: the same graph has the same picture. Long edges get
no dummy nodes; the neighbourhood view, which people read, is laid out anew in the browser.
Source: Sugiyama, Tagawa, Toda 1981, in short.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Point = tuple[int, int]

STEP_X = 280
STEP_Y = 60
_ROWS = 40
"""Nodes above each other at most, in a small graph; a fuller rank takes several columns."""
_SWEEPS = 6
_GAP = 160


def layout(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> dict[str, Point]:
    """A place for each node, in pixels; x grows along the edges.

    Args:
        nodes: ids, each once.
        edges: pairs of ids; loops and edges of unknown nodes are passed over.
    """
    number = {name: at for at, name in enumerate(sorted(set(nodes)))}
    pairs = sorted(
        {(number[a], number[b]) for a, b in edges if a != b and a in number and b in number}
    )  # fmt: skip
    after: list[list[int]] = [[] for _ in number]
    before: list[list[int]] = [[] for _ in number]
    for a, b in pairs:
        after[a].append(b)
        before[b].append(a)
    boxes = [_placed(part, after, before) for part in _parts(after, before)]
    names = list(number)
    return {names[at]: point for at, point in _shelved(boxes).items()}


def _parts(after: list[list[int]], before: list[list[int]]) -> list[list[int]]:
    """Weakly connected parts, the largest first."""
    seen = [False] * len(after)
    parts: list[list[int]] = []
    for start in range(len(after)):
        if seen[start]:
            continue
        seen[start] = True
        part = [start]
        for here in part:
            for there in (*after[here], *before[here]):
                if not seen[there]:
                    seen[there] = True
                    part.append(there)
        parts.append(sorted(part))
    return sorted(parts, key=lambda part: (-len(part), part[0]))


def _placed(part: list[int], after: list[list[int]], before: list[list[int]]) -> dict[int, Point]:
    """One part, its left upper corner at 0, 0."""
    forward, order = _acyclic(part, after, before)
    ranks = _ranks(order, forward)
    rows: list[list[int]] = [[] for _ in range(max(ranks.values()) + 1)]
    for at in order:
        rows[ranks[at]].append(at)
    _sort(rows, after, before)
    most = max(_ROWS, round((3 * len(part)) ** 0.5))  # a large graph comes out about as high as it is wide
    columns = [chunk for row in rows for chunk in _chunks(row, most)]
    return _coordinates(columns, after, before)


def _acyclic(
    part: list[int], after: list[list[int]], before: list[list[int]]
) -> tuple[dict[int, list[int]], list[int]]:
    """Edges that do not lead back, and a topological order; a walk begins where nothing leads in."""
    state: dict[int, int] = {}
    forward: dict[int, list[int]] = {at: [] for at in part}
    done: list[int] = []
    for start in sorted(part, key=lambda at: (len(before[at]) > 0, at)):
        if start in state:
            continue
        state[start] = 1
        stack = [(start, iter(after[start]))]
        while stack:
            here, rest = stack[-1]
            for there in rest:
                seen = state.get(there, 0)
                if seen != 1:  # 1: on the way here, so the edge closes a cycle
                    forward[here].append(there)
                if not seen:
                    state[there] = 1
                    stack.append((there, iter(after[there])))
                    break
            else:
                state[here] = 2
                done.append(here)
                stack.pop()
    return forward, done[::-1]


def _ranks(order: list[int], forward: dict[int, list[int]]) -> dict[int, int]:
    ranks = dict.fromkeys(order, 0)
    entered: set[int] = set()
    for here in order:
        for there in forward[here]:
            ranks[there] = max(ranks[there], ranks[here] + 1)
            entered.add(there)
    for here in reversed(order):
        # What nothing leads to stands beside what it leads to, not at the far left.
        if here not in entered and forward[here]:
            ranks[here] = min(ranks[there] for there in forward[here]) - 1
    least = min(ranks.values())
    return {at: rank - least for at, rank in ranks.items()}


def _sort(rows: list[list[int]], after: list[list[int]], before: list[list[int]]) -> None:
    place: dict[int, float] = {}
    for row in rows:
        _number(row, place)
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        beside = before if forth else after
        for row in rows if forth else reversed(rows):
            wanted = {}
            for at in row:
                near = [place[one] for one in beside[at]]
                wanted[at] = sum(near) / len(near) if near else place[at]
            row.sort(key=lambda at: (wanted[at], at))
            _number(row, place)


def _number(row: list[int], place: dict[int, float]) -> None:
    """Places from 0 to 1, so that rows of different lengths compare."""
    for index, at in enumerate(row):
        place[at] = (index + 0.5) / len(row)


def _chunks(row: list[int], most: int) -> list[list[int]]:
    """A row in even columns of at most ``most``; neighbours in the order stay on one height."""
    if not row:
        return []
    count = -(-len(row) // most)
    return [row[column::count] for column in range(count)]


def _coordinates(
    columns: list[list[int]], after: list[list[int]], before: list[list[int]]
) -> dict[int, Point]:
    height: dict[int, float] = {}
    for column in columns:
        for index, at in enumerate(column):
            height[at] = (index - (len(column) - 1) / 2) * STEP_Y
    for beside, walked in ((before, columns), (after, columns[::-1]), (before, columns)):
        for column in walked:
            wanted = []
            for at in column:
                near = [height[one] for one in beside[at]]
                wanted.append(sum(near) / len(near) if near else height[at])
            for at, y in zip(column, _spread(wanted), strict=True):
                height[at] = y
    top = min(height.values())
    return {
        at: (index * STEP_X, round(height[at] - top))
        for index, column in enumerate(columns)
        for at in column
    }  # fmt: skip


def _spread(wanted: list[float]) -> list[float]:
    """As near to what is wanted as the order and the distance between neighbours allow (pool neighbours)."""
    groups: list[list[float]] = []  # sum of (wanted - own offset), count
    for index, y in enumerate(wanted):
        groups.append([y - index * STEP_Y, 1.0])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] > groups[-1][0] / groups[-1][1]:
            total, count = groups.pop()
            groups[-1][0] += total
            groups[-1][1] += count
    out: list[float] = []
    for total, count in groups:
        out += [total / count + index * STEP_Y for index in range(len(out), len(out) + int(count))]
    return out


def _shelved(boxes: list[dict[int, Point]]) -> dict[int, Point]:
    """Parts in rows of about the width of the largest, or of a square of them all."""
    sizes = [
        (max(x for x, _ in box.values()) + STEP_X, max(y for _, y in box.values()) + STEP_Y) for box in boxes
    ]
    area = sum((width + _GAP) * (height + _GAP) for width, height in sizes)
    limit = max([width for width, _ in sizes] + [round((area * 1.6) ** 0.5)])
    placed: dict[int, Point] = {}
    left = top = tallest = 0
    for box, (width, height) in zip(boxes, sizes, strict=True):
        if left and left + width > limit:
            left, top, tallest = 0, top + tallest + _GAP, 0
        for at, (x, y) in box.items():
            placed[at] = (left + x, top + y)
        left, tallest = left + width + _GAP, max(tallest, height)
    return placed
