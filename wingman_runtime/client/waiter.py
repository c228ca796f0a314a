"""Waiting for many requests at once: one reading connection per partition, whatever their number.

A stream of outcomes wakes the waiters; the state of the request is the truth. What a lost connection or a
trimmed stream hides, a sweep over the state finds, so reconnecting needs nothing of the caller.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import structlog

from wingman_runtime.contracts.ids import partition_of
from wingman_runtime.errors import BackendUnreachableError, ContractError, WingmanError
from wingman_runtime.redisio import state
from wingman_runtime.redisio.ending import cancelled
from wingman_runtime.redisio.outcomes import last_id, read_outcomes
from wingman_runtime.redisio.store import Store

_LOG = structlog.get_logger(__name__)
_SWEEP = 2.0
_CHUNK = 500
_NAP, _LONGEST_NAP = 0.1, 2.0


class Waiter:
    """Wakes whoever waits for the end of a request."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._tasks: list[asyncio.Task[Any]] = []

    async def ended(self, request_id: str) -> None:
        """Return once the request has ended or is gone. Cancel it to stop waiting.

        A server that is away is waited for. Raises BackendError for one that refuses us.
        """
        self._start()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(request_id, set()).add(future)
        try:
            # Registered first, looked at second: an end in between wakes us either way.
            with contextlib.suppress(BackendUnreachableError):  # the sweep will look again
                if await state.ended(self._store, [request_id]):
                    return
            await future
        finally:
            # Whoever stops waiting leaves nothing behind for the sweep to ask about for ever.
            waiting = self._waiting.get(request_id)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiting[request_id]

    async def close(self) -> None:
        await cancelled(self._tasks)
        self._tasks.clear()
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

    def _wake(self, request_id: str) -> None:
        for future in self._waiting.pop(request_id, ()):
            if not future.done():
                future.set_result(None)

    async def _listen(self, partition: int) -> None:
        cursor, nap = "", _NAP
        while True:
            try:
                cursor = cursor or await last_id(self._store, partition)
                for entry_id, request_id in await read_outcomes(self._store, partition, cursor):
                    cursor = entry_id
                    self._wake(request_id)
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
                    for request_id in await state.ended(self._store, ids[first : first + _CHUNK]):
                        self._wake(request_id)
            except WingmanError as error:
                _LOG.info("sweep skipped", error=str(error))
            except Exception:
                _LOG.exception("sweep skipped")


def same_partition(store: Store, request_id: str) -> None:
    """Raises ContractError unless the id names one of this namespace's partitions."""
    number = partition_of(request_id)
    if number >= store.partitions:
        raise ContractError(
            f"{request_id} names partition {number}, and there are {store.partitions}",
            hint="check `partitions` in config/wingman.yaml",
        )
