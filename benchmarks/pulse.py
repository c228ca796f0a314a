"""A steady stream of requests, whatever becomes of them, and how many of them end, second by second.

What ends is counted where a user sees it: when the client has the result.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.contestant import WrongAnswerError
from benchmarks.server import PAYLOAD
from wingman_runtime import Client
from wingman_runtime.errors import AdmissionClosedError, BackendError

_STEP = 0.1
_WITHIN = 900.0


class Pulse:
    """See the module. Times are `time.perf_counter`'s.

    Attributes:
        ends: when each request ended, in order; ``taken``: how long after it was due.
        refused: requests that a closed door turned away; whoever asked gives up.
        unknown: requests whose submit failed for another reason.
        uncertain: of those that ended; a worker that is struck at its tool cannot know what it did.
    """

    def __init__(self, client: Client, rate: float) -> None:
        self.rate = rate
        self.ends: list[float] = []
        self.taken: list[float] = []
        self.refused = 0
        self.unknown = 0
        self.uncertain = 0
        self._client = client
        self._open: dict[asyncio.Task[None], float] = {}
        self._failed: BaseException | None = None

    async def run(self) -> None:
        """Hand in until cancelled. A request that is due is handed in, however the one before fared."""
        due = time.perf_counter()
        while True:
            due += 1 / self.rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(self._one(due))
            self._open[task] = due
            task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        del self._open[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed = error

    async def _one(self, due: float) -> None:
        try:
            request = await self._client.submit("bench.echo", {"body": PAYLOAD})
        except AdmissionClosedError:
            self.refused += 1
            return
        except BackendError:
            self.unknown += 1
            return
        response = await request.result(_WITHIN)
        if response.outcome == "uncertain":
            self.uncertain += 1
        elif response.outcome != "completed":
            raise WrongAnswerError(f"{request.id}: {response.outcome}: {response.reasons}")
        self.ends.append(time.perf_counter())
        self.taken.append(self.ends[-1] - due)

    def check(self) -> None:
        """Raises what went wrong with any request so far."""
        if self._failed is not None:
            raise self._failed

    def ended(self, since: float, until: float) -> int:
        return bisect_left(self.ends, until) - bisect_left(self.ends, since)

    def slowest(self, since: float) -> float:
        """The longest that any that ended since then had taken, in seconds."""
        return max(self.taken[bisect_left(self.ends, since) :], default=0.0)

    def seconds(self, since: float, until: float) -> list[int]:
        """How many ended in each whole second of a span."""
        return [self.ended(since + second, since + second + 1) for second in range(int(until - since))]

    def back(self, since: float, until: float, enough: float) -> float | None:
        """Seconds after ``since`` at which the first second with ``enough`` ends begins; None: no such."""
        at = since
        while at + 1 <= until:
            if self.ended(at, at + 1) >= enough:
                return at - since
            at += _STEP
        return None

    async def back_within(self, since: float, patience: float, enough: float) -> float | None:
        """`back`, waited for."""
        while True:
            self.check()
            now = time.perf_counter()
            found = self.back(since, now, enough)
            if found is not None or now - since > patience:
                return found
            await asyncio.sleep(_STEP)

    async def caught_up(self, since: float, patience: float) -> float:
        """Seconds after ``since`` at which the last request from before it had ended; waits for that.

        Raises:
            WrongAnswerError: some had not after ``patience`` seconds.
        """
        before = [task for task, due in self._open.items() if due <= since]
        if not before:
            return 0.0
        _, late = await asyncio.wait(before, timeout=patience)
        self.check()
        if late:
            raise WrongAnswerError(f"{len(late)} requests had not ended {patience:g} s after the fault")
        return time.perf_counter() - since

    async def drained(self) -> None:
        """Wait for all that are still open."""
        while self._open:
            await asyncio.wait([*self._open])
        self.check()


@asynccontextmanager
async def beating(client: Client, rate: float) -> AsyncIterator[Pulse]:
    """A stream that runs inside; at the end what was handed in is waited for."""
    pulse = Pulse(client, rate)
    running = asyncio.create_task(pulse.run())
    try:
        yield pulse
        running.cancel()
        await pulse.drained()
    finally:
        running.cancel()
