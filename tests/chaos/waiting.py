"""Waiting for a condition; the only place here that polls."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(true: Callable[[], bool | Awaitable[bool]], within: float) -> None:
    """Wait until it is true.

    Raises:
        TimeoutError: it was not, so many seconds long.
    """
    async with asyncio.timeout(within):
        while True:
            found = true()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.05)
