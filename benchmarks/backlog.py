"""``python -m benchmarks.backlog``: whether a backlog is worked off as fast, however long it is.

All requests are submitted while no worker runs; then one worker and the recorder are started. The rate is
taken over the first part, while the backlog still has its size, and set beside that of a short backlog.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.contestant import WrongAnswerError
from benchmarks.fleet import RECORDER, Fleet, fleet
from benchmarks.processes import processor, resident
from benchmarks.runner import measured
from benchmarks.server import PAYLOAD, fresh_server
from wingman_runtime.redisio.counts import memory

WORKER = "worker"
_BURST = 200
_SAMPLE = 0.2
_STUCK = 60.0  # seconds without an end


@dataclass(frozen=True, slots=True)
class Sample:
    """A look at a moment: requests that have ended, processor seconds of each process so far."""

    at: float
    ended: int
    cpu: dict[str, float]


@dataclass(frozen=True, slots=True)
class Drain:
    """One backlog, worked off. Rates in requests a second, memory in MB.

    Attributes:
        full_rate: over ``full_from``..``full_to`` ended requests, while the backlog has about its size.
        cpu: processor milliseconds a request by role, over the same part.
        tenths: the rate over each tenth of the backlog.
        recorder_behind: log records not yet in the audit store, at the most, while it was worked off.
    """

    requests: int
    submit_rate: float
    full_from: int
    full_to: int
    full_rate: float
    whole_rate: float
    tenths: list[float]
    cpu: dict[str, float]
    worker_middle: float
    worker_end: float
    server_peak: float
    recorder_behind: int
    audit_records: int


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backlog", description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000, help="of the long backlog (200000)")
    parser.add_argument("--small", type=int, default=5_000, help="of the short backlog (5000)")
    parser.add_argument("--rounds", type=int, default=1, help="long runs, a short one around each (1)")
    parser.add_argument("--state-ttl", type=float, default=20.0, help="seconds an end is kept (20)")
    parser.add_argument(
        "--record-beside", action="store_true", help="the recorder runs from the first submit"
    )
    parser.add_argument("--json", action="store_true", help="every run, as JSON")
    return parser.parse_args()


def part_at_full_size(count: int) -> tuple[int, int]:
    """From which ended request to which the rate counts.

    The first ones are left out: a worker that has just started has decided nothing before. A tenth of the
    backlog follows; of a short one more, since a rate over a second says nothing.
    """
    warm = min(500, count // 10)
    return warm, warm + max(count // 10, min(2000, count * 2 // 5))


def _when(samples: Sequence[Sample], ended: int) -> Sample:
    """The moment at which so many had ended, between the samples around it."""
    later = next(number for number, sample in enumerate(samples) if sample.ended >= ended)
    after, before = samples[later], samples[max(later - 1, 0)]
    share = (ended - before.ended) / (after.ended - before.ended) if after.ended > before.ended else 1.0
    cpu = {role: before.cpu[role] + share * (spent - before.cpu[role]) for role, spent in after.cpu.items()}
    return Sample(before.at + share * (after.at - before.at), ended, cpu)


def _rate(samples: Sequence[Sample], first: int, last: int) -> float:
    return (last - first) / (_when(samples, last).at - _when(samples, first).at)


async def _submit(running: Fleet, count: int) -> float:
    """Submit, wait for nothing; returns requests a second."""
    began = time.perf_counter()
    for first in range(0, count, _BURST):
        burst = range(min(_BURST, count - first))
        await asyncio.gather(*(running.client.submit("bench.echo", {"body": PAYLOAD}) for _ in burst))
    if await running.open() != count:
        raise WrongAnswerError(f"{count} submitted, {await running.open()} are open")
    return count / (time.perf_counter() - began)


async def drained(count: int, wanted: argparse.Namespace) -> Drain:
    """One run, on a server of its own.

    Raises:
        WrongAnswerError: something is left over, or not every request was completed, once.
    """
    limits = f"admission: {{inbox_lag: {count + 1000}, recorder_lag: {count + 1000}}}\n"
    times = f"times: {{state_ttl: {wanted.state_ttl}, idempotency_ttl: 20}}\n"
    with fresh_server() as (server, room):
        async with fleet(server, room, limits + times) as running:
            if wanted.record_beside:
                running.start(RECORDER)
            submit_rate = await _submit(running, count)
            for role in {WORKER, RECORDER} - {*running.processes}:
                running.start(role)
            processes = {**running.processes, "server": server.pid}
            samples = [Sample(time.perf_counter(), 0, processor(processes))]
            middle = peak = 0.0
            behind = 0
            moved = samples[0].at
            while samples[-1].ended < count:
                await asyncio.sleep(_SAMPLE)
                ended = count - await running.open()
                now = Sample(time.perf_counter(), ended, processor(processes))
                if ended > samples[-1].ended:
                    moved = now.at
                elif now.at - moved > _STUCK:
                    raise WrongAnswerError(f"{ended} of {count} ended, and none since {_STUCK:g} s")
                samples.append(now)
                behind = max(behind, await running.unrecorded())
                peak = max(peak, (await memory(running.client.store))[0] / 2**20)
                if not middle and ended >= count / 2:
                    middle = resident(processes)[WORKER]
            end = resident(processes)[WORKER]
            await running.recorded()
            if left := await running.left_over():
                raise WrongAnswerError(f"left over: {left}")
            audited = await asyncio.to_thread(running.audit)
            if audited.outcomes != {"completed": count} or audited.effects != count:
                raise WrongAnswerError(f"of {count} requests: {audited}")
    first, last = part_at_full_size(count)
    before, after = _when(samples, first), _when(samples, last)
    marks = [max(1, count * tenth // 10) for tenth in range(11)]
    return Drain(
        requests=count,
        submit_rate=submit_rate,
        full_from=first,
        full_to=last,
        full_rate=(last - first) / (after.at - before.at),
        whole_rate=_rate(samples, first, count),
        tenths=[_rate(samples, a, b) for a, b in pairwise(marks)],
        cpu={role: (spent - before.cpu[role]) / (last - first) * 1000 for role, spent in after.cpu.items()},
        worker_middle=middle,
        worker_end=end,
        server_peak=peak,
        recorder_behind=behind,
        audit_records=audited.records,
    )


async def _measured(wanted: argparse.Namespace) -> tuple[list[Drain], list[Drain]]:
    """Short, long, short, and so on: what the machine does meanwhile it does to both."""
    short: list[Drain] = []
    long: list[Drain] = []
    for number in range(2 * wanted.rounds + 1):
        done = await drained(wanted.requests if number % 2 else wanted.small, wanted)
        (long if number % 2 else short).append(done)
        print(f"{done.requests}: {done.full_rate:.0f} requests/s", file=sys.stderr, flush=True)
    return short, long


def _show(short: Sequence[Drain], long: Sequence[Drain], console: Console) -> None:
    table = Table(title="A backlog, worked off by one worker")
    for head in ("requests", "submitted/s", "ended/s at full size", "ended/s in all", "tenths"):
        table.add_column(head, justify="right")
    for head in (
        "CPU ms: worker + recorder + server",
        "worker MB: middle, end",
        "×",
        "server MB",
        "log behind",
    ):
        table.add_column(head, justify="right")
    table.add_column("audit records", justify="right")
    for run in (*short, *long):
        table.add_row(
            f"{run.requests}",
            f"{run.submit_rate:.0f}",
            f"{run.full_rate:.0f} ({run.full_from} to {run.full_to})",
            f"{run.whole_rate:.0f}",
            " ".join(f"{rate:.0f}" for rate in run.tenths),
            " + ".join(f"{run.cpu[role]:.2f}" for role in (WORKER, RECORDER, "server")),
            f"{run.worker_middle:.0f}, {run.worker_end:.0f}",
            f"{run.worker_end / run.worker_middle:.2f}",
            f"{run.server_peak:.0f}",
            f"{run.recorder_behind}",
            f"{run.audit_records}",
        )
    console.print(table)


def _ratio(short: Sequence[Drain], long: Sequence[Drain]) -> float:
    """Of the rates at full size: long to short, each long run against the mean of those around it."""
    return statistics.median(
        run.full_rate / statistics.mean((short[number].full_rate, short[number + 1].full_rate))
        for number, run in enumerate(long)
    )


def main() -> int:
    wanted = _arguments()
    short, long = measured(_measured(wanted), late="not done in time")
    ratio = _ratio(short, long)
    if wanted.json:
        found = {
            "ratio": ratio,
            "short": [asdict(run) for run in short],
            "long": [asdict(run) for run in long],
        }
        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(short, long, Console(width=None if sys.stdout.isatty() else 200))
        print(f"rate at full size, long to short: {ratio:.2f}; all completed, nothing left over")
    return 0


if __name__ == "__main__":
    sys.exit(main())
