"""A coroutine begun at once: most agents answer without waiting for anything, and need no timer set for them.

Setting and clearing a timer costs more than many an agent does; and what does not wait cannot be timed out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


class Begun:
    """Runs a coroutine, inside the current task, up to where it first waits.

    ``done`` tells whether it has come to its end: then ``value`` is what it returned. If not, await this
    object for the rest. What the coroutine raises before it first waits is raised by the constructor.
    """

    __slots__ = ("_coroutine", "_waits_for", "done", "value")

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        # A decorated function may say that it is a coroutine function and return something else to await.
        coroutine = awaitable if isinstance(awaitable, Coroutine) else _awaited(awaitable)
        self._coroutine: Coroutine[Any, Any, Any] = coroutine
        self._waits_for: Any = None
        self.value: Any = None
        self.done = False
        self._step(coroutine.send, None)

    def __await__(self) -> Generator[Any, Any, Any]:
        while not self.done:
            try:
                sent = yield self._waits_for
            except BaseException as error:  # a cancellation, most of all: it is the coroutine's to answer
                self._step(self._coroutine.throw, error)
            else:
                self._step(self._coroutine.send, sent)
        return self.value

    def _step(self, move: Any, given: Any) -> None:
        try:
            self._waits_for = move(given)
        except StopIteration as end:
            self.value, self.done = end.value, True
