"""What is put on a contestant: all at once, one at a time, and a steady stream that waits for nobody."""

from __future__ import annotations

import asyncio
import time

from benchmarks.contestant import Contestant

BURST = 100
_PATIENCE = 300.0


async def all_at_once(contestant: Contestant, count: int) -> float:
    """Requests a second, from before the first submit to after the last result; submitted in bursts."""
    began = time.perf_counter()
    async with asyncio.timeout(_PATIENCE):
        ids: list[str] = []
        for first in range(0, count, BURST):
            ids += await contestant.submit(min(BURST, count - first))
        await asyncio.gather(*(contestant.result(name) for name in ids))
    return count / (time.perf_counter() - began)


async def one_at_a_time(contestant: Contestant, count: int) -> list[float]:
    """Seconds from submit to result, each begun when the one before has ended."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        async with asyncio.timeout(_PATIENCE):
            (name,) = await contestant.submit(1)
            await contestant.result(name)
        taken.append(time.perf_counter() - began)
    return taken


async def steadily(contestant: Contestant, rate: float, count: int) -> list[float]:
    """Seconds from when each was due to its result, at ``rate`` a second whatever the answers.

    Counted from when it was due, not from when it was sent, so that a sender held up hides nothing (Gil
    Tene's "coordinated omission").
    """
    began = time.perf_counter()

    async def one(due: float) -> float:
        (name,) = await contestant.submit(1)
        await contestant.result(name)
        return time.perf_counter() - due

    tasks = []
    for number in range(count):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due)))
    async with asyncio.timeout(_PATIENCE):
        return await asyncio.gather(*tasks)
