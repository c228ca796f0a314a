"""Ending tasks that do not hear the first time."""

from __future__ import annotations

import asyncio

import pytest

from wingman_runtime.redisio.ending import cancelled


async def test_a_task_that_misses_a_cancellation_is_ended_all_the_same() -> None:
    """The library may swallow one that comes with a reply; the loop around it would go on for ever."""
    missed = 0

    async def reading() -> None:
        nonlocal missed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                missed += 1
                if missed > 2:
                    raise

    task = asyncio.create_task(reading())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await cancelled([task])
    assert task.cancelled()
    assert missed == 3


async def test_how_the_others_ended_does_not_matter(caplog: pytest.LogCaptureFixture) -> None:
    """One that failed, one that was done, none at all: it returns, and nothing complains later."""

    async def failing() -> None:
        raise ValueError("told to")

    tasks = [asyncio.create_task(failing()), asyncio.create_task(asyncio.sleep(0))]
    await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        await cancelled(tasks)
        await cancelled([])
    del tasks
    assert not caplog.records
