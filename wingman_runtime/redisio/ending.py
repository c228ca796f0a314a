"""Ending tasks that speak to the server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection
from typing import Any

_AGAIN = 0.2


async def cancelled(tasks: Collection[asyncio.Task[Any]], within: float = math.inf) -> set[asyncio.Task[Any]]:
    """Cancel ``tasks`` until every one of them has ended, however it did; returns those that had not in time.

    Args:
        within: seconds.

    Asked once, a task may go on for ever: the library sends through ``asyncio.wait_for``, which up to Python
    3.11 returns a result that is there already instead of the cancellation (python/cpython#86296).
    """
    left = {task for task in tasks if not task.done()}
    until = asyncio.get_running_loop().time() + within
    while left and asyncio.get_running_loop().time() < until:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN)
    for task in set(tasks) - left:
        # Looked at, so that the loop does not complain about an error nobody asked for.
        if not task.cancelled():
            task.exception()
    return left
