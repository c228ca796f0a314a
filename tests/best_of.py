"""How quick something is, measured on a machine that others use too: neighbours only ever add to it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

TRIES = 30


def quickest(act: Callable[[], object], enough: float) -> float:
    """The least seconds that ``act`` took; anew until it is below ``enough``, at most `TRIES` times."""
    least = float("inf")
    for _ in range(TRIES):
        began = time.perf_counter()
        act()
        least = min(least, time.perf_counter() - began)
        if least < enough:
            break
    return least


async def quickest_of(act: Callable[[], Awaitable[object]], enough: float) -> float:
    """The same for a coroutine function."""
    least = float("inf")
    for _ in range(TRIES):
        began = time.perf_counter()
        await act()
        least = min(least, time.perf_counter() - began)
        if least < enough:
            break
    return least
