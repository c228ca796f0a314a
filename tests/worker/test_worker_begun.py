"""A coroutine begun at once behaves as one that is awaited."""

from __future__ import annotations

import asyncio

import pytest

from wingman_runtime.worker.begun import Begun


async def test_what_never_waits_is_done_at_once() -> None:
    """Its value is there without the loop having turned."""

    async def answer() -> int:
        return 7

    begun = Begun(answer())
    assert (begun.done, begun.value) == (True, 7)
    assert await begun == 7


async def test_what_raises_at_once_raises_at_once() -> None:
    """The error is the coroutine's own."""

    async def broken() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Begun(broken())


async def test_what_waits_goes_on_when_awaited() -> None:
    """Futures, bare yields and nested timeouts work; values and errors come through at every wait."""
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()
    seen: list[object] = []

    async def patient() -> str:
        seen.append(await first)
        try:
            await second
        except RuntimeError as error:
            seen.append(str(error))
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(5)
        except TimeoutError:
            seen.append("in time")
        return "done"

    begun = Begun(patient())
    assert not begun.done
    loop.call_soon(first.set_result, "one")
    loop.call_soon(second.set_exception, RuntimeError("two"))
    assert await begun == "done"
    assert seen == ["one", "two", "in time"]


async def test_anything_to_await_will_do() -> None:
    """A future is waited for as a coroutine is."""
    future = asyncio.get_running_loop().create_future()
    begun = Begun(future)
    assert not begun.done
    future.set_result(3)
    assert await begun == 3


async def test_a_timeout_reaches_it_and_its_clean_up_runs() -> None:
    """A coroutine that waits too long is cancelled where it waits; what it does then is its own affair."""
    cleaned: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(5)
        finally:
            await asyncio.sleep(0)
            cleaned.append("yes")

    begun = Begun(slow())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await begun
    assert cleaned == ["yes"]
