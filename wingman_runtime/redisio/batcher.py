"""Calls made in the same turn of the event loop travel in one pipeline.

Ten thousand requests in flight then need a handful of connections, and a server that syncs its log before it
answers does so once for all of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError, ResponseError

from wingman_runtime.redisio.faults import translate

if TYPE_CHECKING:
    from redis.asyncio import Redis

PIPELINE_LIMIT = 256
_REMEDIED = ("BUSYGROUP", "NOGROUP")
Command = tuple[Any, ...]


class Batcher:
    """Coalesces commands to one client. Order between pipelines is not promised; within one it is."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._waiting: list[tuple[Command, asyncio.Future[Any]]] = []
        self._scheduled = False
        self._sending: set[asyncio.Task[None]] = set()

    async def call(self, *command: Any) -> Any:
        """The reply to one command.

        Raises:
            BackendError: what the connection or the server said, translated.
            redis.exceptions.ResponseError: NOSCRIPT, BUSYGROUP, NOGROUP as they are: callers have a remedy.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((command, answer))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        return await answer

    def _flush(self) -> None:
        self._scheduled = False
        waiting, self._waiting = self._waiting, []
        for first in range(0, len(waiting), PIPELINE_LIMIT):
            task = asyncio.create_task(self._send(waiting[first : first + PIPELINE_LIMIT]))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, calls: list[tuple[Command, asyncio.Future[Any]]]) -> None:
        try:
            if len(calls) == 1:
                replies = [await self._client.execute_command(*calls[0][0])]  # type: ignore[no-untyped-call]
            else:
                pipeline = self._client.pipeline(transaction=False)
                for command, _ in calls:
                    pipeline.execute_command(*command)
                replies = await pipeline.execute(raise_on_error=False)
        except BaseException as error:
            # One failure of the connection is everybody's; who may retry is the caller's to know.
            for _, answer in calls:
                if not answer.done():
                    answer.set_exception(
                        _readable(error) if isinstance(error, Exception) else asyncio.CancelledError()
                    )
            if not isinstance(error, Exception):
                raise
            return
        for (_, answer), reply in zip(calls, replies, strict=True):
            if answer.done():
                continue
            if isinstance(reply, Exception):
                answer.set_exception(_readable(reply))
            else:
                answer.set_result(reply)


def _readable(error: Exception) -> Exception:
    if isinstance(error, NoScriptError):
        return error
    if isinstance(error, ResponseError) and str(error).startswith(_REMEDIED):
        return error
    return translate(error)
