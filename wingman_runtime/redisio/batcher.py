"""Calls made in the same turn of the event loop travel in one pipeline.

Ten thousand requests in flight then need a handful of connections, and a server that syncs its log before it
answers does so once for all of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import NoScriptError, ResponseError

from wingman_runtime.errors import UnconfirmedError
from wingman_runtime.redisio.faults import translate
from wingman_runtime.redisio.pipeline import pipelined

if TYPE_CHECKING:
    from redis.asyncio import Redis

PIPELINE_LIMIT = 256
_REMEDIED = ("BUSYGROUP", "NOGROUP")
Command = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Quorum:
    """How many replicas must have a write before it counts, and how long they are waited for."""

    replicas: int
    timeout_ms: int

    @classmethod
    def of(cls, replicas: int, seconds: float) -> Quorum | None:
        return cls(replicas, max(1, int(seconds * 1000))) if replicas else None

    @property
    def command(self) -> Command:
        """Sent on the connection of the write. The server counts from the last command there, even one that
        wrote nothing: so a repeat that finds its write done already is confirmed by it as well.
        """
        return ("WAIT", self.replicas, self.timeout_ms)

    def shortfall(self, reply: object) -> Exception | None:
        """What is wrong with ``reply``, the one to `command`; None: enough replicas have it."""
        if isinstance(reply, Exception):
            return translate(reply)
        if isinstance(reply, int) and reply >= self.replicas:
            return None
        return UnconfirmedError(
            f"written by the primary, but {reply} of {self.replicas} replicas confirmed it within"
            f" {self.timeout_ms / 1000:g} s: a failover could lose it",
            hint="send the same again (a request: with the same idempotency key); it is recorded once",
        )


class _Call(NamedTuple):
    command: Command
    answer: asyncio.Future[Any]


class Batcher:
    """Coalesces commands to one client. Order between pipelines is not promised; within one it is.

    Args:
        quorum: what a call that is ``confirmed`` waits for; None: nothing.
    """

    def __init__(self, client: Redis, quorum: Quorum | None = None) -> None:
        self._client = client
        self._quorum = quorum
        self._waiting: list[_Call] = []
        self._to_confirm: list[_Call] = []
        self._scheduled = False
        self._sending: set[asyncio.Task[None]] = set()

    async def call(self, *command: Any, confirmed: bool = False) -> Any:
        """The reply to one command.

        Args:
            confirmed: not before as many replicas have it as the quorum says.

        Raises:
            UnconfirmedError: it was done, but may yet be lost.
            BackendError: what the connection or the server said, translated.
            redis.exceptions.ResponseError: NOSCRIPT, BUSYGROUP, NOGROUP as they are: callers have a remedy.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        # Apart: what needs no replica must not wait for one.
        waiting = self._to_confirm if confirmed and self._quorum is not None else self._waiting
        waiting.append(_Call(command, answer))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        return await answer

    def _flush(self) -> None:
        self._scheduled = False
        waiting, self._waiting = self._waiting, []
        self._start(waiting, None)
        if self._to_confirm:
            waiting, self._to_confirm = self._to_confirm, []
            self._start(waiting, self._quorum)

    def _start(self, waiting: list[_Call], quorum: Quorum | None) -> None:
        for first in range(0, len(waiting), PIPELINE_LIMIT):
            task = asyncio.create_task(self._send(waiting[first : first + PIPELINE_LIMIT], quorum))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, calls: list[_Call], quorum: Quorum | None) -> None:
        try:
            if len(calls) == 1 and quorum is None:
                replies = [await self._client.execute_command(*calls[0].command)]  # type: ignore[no-untyped-call]
            else:
                commands = [command for command, _ in calls]
                if quorum is not None:
                    commands.append(quorum.command)
                replies = await pipelined(self._client, commands)
            missing = quorum.shortfall(replies.pop()) if quorum is not None else None
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
            _settle(answer, reply, missing)


def _settle(answer: asyncio.Future[Any], reply: Any, missing: Exception | None) -> None:
    if answer.done():
        return
    if isinstance(reply, Exception):
        answer.set_exception(_readable(reply))
    elif missing is not None:
        answer.set_exception(missing)
    else:
        answer.set_result(reply)


def _readable(error: Exception) -> Exception:
    if isinstance(error, NoScriptError):
        return error
    if isinstance(error, ResponseError) and str(error).startswith(_REMEDIED):
        return error
    return translate(error)
