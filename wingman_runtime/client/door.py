"""Handing a request in: memory looked at first, and again with the same id when the server was away."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from wingman_runtime.contracts.event import Event
from wingman_runtime.contracts.events import UserRequestReceived
from wingman_runtime.errors import AdmissionClosedError, BackendUnreachableError
from wingman_runtime.redisio import admission, counts
from wingman_runtime.redisio.store import Store
from wingman_runtime.settings import Settings

_T = TypeVar("_T")

_RETRY_FOR = 15.0
_FIRST_WAIT = 0.1


class Door:
    """The way in on one server.

    Args:
        where: the server, as messages name it.
    """

    def __init__(self, store: Store, settings: Settings, where: str) -> None:
        self._store = store
        self._settings = settings
        self._where = where
        self._rules = admission.rules_of(settings)
        self._memory_seen: tuple[float, int, int] = (0.0, 0, 0)

    async def hand_in(self, event: Event[UserRequestReceived], *, patience: float = 0.0, **how: Any) -> str:
        """Admit; returns the request's id.

        Args:
            patience: seconds to wait for a closed door to open.
            how: as for `redisio.admission.admit`, which says what is raised.
        """
        if patience > 0:
            return await _patiently(lambda: self.hand_in(event, **how), patience)
        began = time.monotonic()
        try:
            await self._check_memory()
            return await admission.admit(self._store, event, rules=self._rules, **how)
        except BackendUnreachableError:
            left = began + _RETRY_FOR - time.monotonic()
            if left <= 0:
                raise
        # The id is ours: if the first answer was lost, the second says so and admits nothing. Apart from the
        # first attempt, which would pay for the repeating machine without using it.
        await asyncio.sleep(random.uniform(0.0, _FIRST_WAIT))  # noqa: S311 - jitter
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(BackendUnreachableError),
            stop=stop_after_delay(left),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT, max=2.0),
            reraise=True,
        ):
            with attempt:
                return await admission.admit(self._store, event, rules=self._rules, **how)
        raise AssertionError("unreachable: the last attempt raises")

    async def _check_memory(self) -> None:
        """Past the share of memory that admission may fill, refuse before the server has to."""
        used, limit = await self._memory()
        share = self._settings.admission.memory
        if limit and used > limit * share:
            raise AdmissionClosedError(
                f"the server uses {used:,} bytes of its {limit:,} (maxmemory), "
                f"admission stops at {share:.0%} (admission.memory): let work be done, or raise maxmemory",
                retry_after=self._settings.admission.retry_after,
                where=self._where,
            )

    async def _memory(self) -> tuple[int, int]:
        now = asyncio.get_running_loop().time()
        if now - self._memory_seen[0] > 1.0:
            # Set before asking: of many submits at once only one asks.
            self._memory_seen = (now, *self._memory_seen[1:])
            self._memory_seen = (now, *await counts.memory(self._store))
        return self._memory_seen[1:]


async def _patiently(hand_in: Callable[[], Awaitable[_T]], seconds: float) -> _T:
    """Ask again whenever the door says to, for as long as is left."""
    end = time.monotonic() + seconds
    while True:
        try:
            return await hand_in()
        except AdmissionClosedError as error:
            left = end - time.monotonic()
            if left < error.retry_after:
                raise
            # Those who wait for the same moment come one after the other.
            await asyncio.sleep(min(left, error.retry_after * random.uniform(1.0, 1.1)))  # noqa: S311 - jitter
