"""Waiting for many requests at once: one reading connection per partition, whatever their number.

A stream of outcomes says where to look; the state of the request is the truth, and many are looked at in one
pipeline. What a lost connection or a trimmed stream hides, a sweep over the state finds: reconnecting needs
nothing of the caller.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any

import structlog

from wingman_runtime.contracts.ids import partition_of
from wingman_runtime.errors import BackendUnreachableError, ContractError, WingmanError
from wingman_runtime.redisio.ending import cancelled
from wingman_runtime.redisio.outcomes import Ending, endings, last_id, read_outcomes
from wingman_runtime.redisio.store import Store

_LOG = structlog.get_logger(__name__)
_SWEEP = 2.0
_CHUNK = 250
_NAP, _LONGEST_NAP = 0.1, 2.0
_FIRST_NAP = 0.04


class Waiter:
    """Wakes whoever waits for the end of a request."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, set[asyncio.Future[Ending | None]]] = {}
        self._unseen: dict[str, None] = {}  # to be looked at next; a set that keeps its order
        self._looking: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[Any]] = []

    async def ended(self, request_id: str, timeout: float | None = None) -> Ending | None:  # noqa: ASYNC109
        """How the request ended, once it has; None when there is no such request. Cancel it to stop waiting.

        A server that is away is waited for.

        Raises:
            TimeoutError: not within ``timeout`` seconds.
            BackendError: the server refuses us.
        """
        self._start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Ending | None] = loop.create_future()
        # Registered first, looked at second: an end in between wakes us either way.
        self._waiting.setdefault(request_id, set()).add(future)
        self._look_at(request_id)
        # A bare timer: asyncio.timeout takes five times as long, and there is nothing here to cancel.
        timer = None if timeout is None else loop.call_later(max(0.0, timeout), _late, future)
        try:
            return await future
        finally:
            if timer is not None:
                timer.cancel()
            # Whoever stops waiting leaves nothing behind for the sweep to ask about for ever.
            waiting = self._waiting.get(request_id)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiting[request_id]

    async def close(self) -> None:
        await cancelled([*self._tasks, *([self._looking] if self._looking else [])])
        self._tasks.clear()
        self._looking = None
        for futures in list(self._waiting.values()):
            for future in list(futures):
                future.cancel()
        self._waiting.clear()

    def _start(self) -> None:
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._listen(number)) for number in range(self._store.partitions)
            ]
            self._tasks.append(asyncio.create_task(self._sweep()))

    def _wake(self, request_id: str, ending: Ending | None) -> None:
        for future in self._waiting.pop(request_id, ()):
            if not future.done():
                future.set_result(ending)

    def _look_at(self, request_id: str) -> None:
        self._unseen[request_id] = None
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        """Look at the state of what is unseen until nothing is; what comes meanwhile is for the next look."""
        nap = _FIRST_NAP
        while ids := list(islice(self._unseen, _CHUNK)):
            for request_id in ids:
                del self._unseen[request_id]
            try:
                for request_id, ending in (await endings(self._store, ids)).items():
                    self._wake(request_id, ending)
                nap = _FIRST_NAP
            except BackendUnreachableError:
                self._unseen.update(dict.fromkeys(name for name in ids if name in self._waiting))
                await asyncio.sleep(nap)
                nap = min(nap * 2, _LONGEST_NAP)
            except Exception as error:
                for request_id in ids:
                    for future in self._waiting.pop(request_id, ()):
                        if not future.done():
                            future.set_exception(error)
        self._looking = None

    async def _listen(self, partition: int) -> None:
        cursor, nap = "", _NAP
        while True:
            try:
                if not cursor:
                    cursor = await last_id(self._store, partition)
                    for request_id in self._waiting:  # what ended before this cursor wakes nobody
                        self._look_at(request_id)
                for entry_id, request_id in await read_outcomes(self._store, partition, cursor):
                    cursor = entry_id
                    if request_id in self._waiting:
                        self._look_at(request_id)
                nap = _NAP
            except WingmanError as error:
                _LOG.info("reconnecting", partition=partition, error=str(error))
                # A server restored from a backup may be behind the cursor: begin where it is now.
                cursor = ""
                await asyncio.sleep(nap)
                nap = min(nap * 2, _LONGEST_NAP)
            except Exception:
                _LOG.exception("cannot read outcomes; the sweep goes on", partition=partition)
                await asyncio.sleep(_SWEEP)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            ids = list(self._waiting)
            try:
                for first in range(0, len(ids), _CHUNK):
                    found = await endings(self._store, ids[first : first + _CHUNK])
                    for request_id, ending in found.items():
                        self._wake(request_id, ending)
            except WingmanError as error:
                _LOG.info("sweep skipped", error=str(error))
            except Exception:
                _LOG.exception("sweep skipped")


def _late(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


def same_partition(store: Store, request_id: str) -> None:
    """Raises ContractError unless the id names one of this namespace's partitions."""
    number = partition_of(request_id)
    if number >= store.partitions:
        raise ContractError(
            f"{request_id} names partition {number}, and there are {store.partitions}",
            hint="check `partitions` in config/wingman.yaml",
        )
