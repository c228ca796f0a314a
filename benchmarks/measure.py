"""One run: one contestant, on a server of its own, under each load in turn."""

from __future__ import annotations

import statistics
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestant import Contestant
from benchmarks.load import all_at_once, one_at_a_time, steadily
from benchmarks.ours import ours
from benchmarks.peer import peer
from benchmarks.processes import processor
from benchmarks.server import fresh_server
from wingman_runtime.redisio.embedded import EmbeddedServer

WARM_UP = 100


@dataclass(frozen=True, slots=True)
class Size:
    """How much of each load: requests all at once, one at a time, and seconds of the steady stream."""

    requests: int
    singles: int = 200
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Run:
    """What one run gave. Latencies in milliseconds; ``cpu``: milliseconds a request by role, at full load."""

    throughput: float
    idle_p50: float
    idle_p99: float
    half_p50: float
    half_p99: float
    cpu: dict[str, float]


def contestant_of(
    name: str, server: EmbeddedServer, room: Path, workers: int
) -> AbstractAsyncContextManager[Contestant]:
    return ours(server, room, workers) if name == "wingman" else peer(name, server, room, workers)


async def run(name: str, workers: int, size: Size) -> Run:
    """Raises WrongAnswerError, or TimeoutError, when not every request was answered rightly, once."""
    with fresh_server() as (server, room):
        async with contestant_of(name, server, room, workers) as contestant:
            await all_at_once(contestant, WARM_UP)
            await contestant.settled(WARM_UP)
            before = _cpu(contestant)
            throughput = await all_at_once(contestant, size.requests)
            client = _cpu(contestant)["client"]  # waiting for the recorder below is no work on a request
            await contestant.settled(WARM_UP + size.requests)
            after = {**_cpu(contestant), "client": client}
            idle = await one_at_a_time(contestant, size.singles)
            steady = max(50, int(throughput / 2 * size.seconds))
            half = await steadily(contestant, throughput / 2, steady)
            await contestant.settled(WARM_UP + size.requests + size.singles + steady)
    cpu: dict[str, float] = {}
    for role, spent in after.items():
        shared = role.rstrip("0123456789")
        cpu[shared] = cpu.get(shared, 0.0) + (spent - before[role]) / size.requests * 1000
    return Run(throughput, *_percentiles(idle), *_percentiles(half), cpu)


def _percentiles(seconds: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[98] * 1000


def _cpu(contestant: Contestant) -> dict[str, float]:
    """Seconds of processor time by role so far; only this process where there is no /proc."""
    return {"client": time.process_time(), **processor(contestant.processes)}
