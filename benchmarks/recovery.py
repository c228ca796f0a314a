"""``python -m benchmarks.recovery``: how soon after a fault as much is done as before it.

A steady stream of requests runs over each fault. What ends is counted each second, as the client sees it;
throughput is back with the first second that has at least nine tenths of what there was before.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.contestant import WrongAnswerError
from benchmarks.fleet import RECORDER, Audited, Fleet, fleet
from benchmarks.pulse import Pulse, beating
from benchmarks.runner import measured
from benchmarks.server import PAYLOAD, DurableServer, restartable
from wingman_runtime.redisio.workers import beats

WORKERS = ("worker0", "worker1")
ENOUGH = 0.9
_BEFORE = 8.0  # seconds of which the mean is what there was before
_AFTER = 5.0
_SETTLE = 5.0
_PATIENCE = 120.0
_WARM = 400


@dataclass(frozen=True, slots=True)
class Recovery:
    """What one fault did. Rates in requests a second, times in seconds.

    Attributes:
        during, least: the mean rate from the fault's beginning to its end, and its poorest second.
        back: from the end of the fault to the beginning of the first second with enough; None: not seen.
        caught_up: from the end of the fault until everything handed in before it had ended.
        stored: from the end of the fault until the audit store had caught up; 0 where that is not the point.
        slowest: the longest that a request took which ended since the fault began, from when it was due.
        seconds: requests that ended, second by second, from some before the fault to some after it.
    """

    fault: str
    lasted: float
    before: float
    during: float
    least: float
    back: float | None
    caught_up: float
    stored: float
    slowest: float
    refused: int
    unknown: int
    uncertain: int
    seconds: list[int] = field(default_factory=list)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__)
    parser.add_argument("--freeze", type=float, default=60.0, help="seconds a worker is frozen (60)")
    parser.add_argument("--restarts", type=int, default=10, help="of the server, kill -9 each (10)")
    parser.add_argument("--away", type=float, default=3.0, help="seconds the killed server is away (3)")
    parser.add_argument("--stop", type=float, default=300.0, help="seconds the recorder is stopped (300)")
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second (a third of the most)")
    parser.add_argument("--claim-idle", type=float, default=15.0, help="times.claim_idle (15)")
    parser.add_argument("--recorder-lag", type=int, default=50_000, help="admission.recorder_lag (50000)")
    parser.add_argument("--only", nargs="+", choices=tuple(FAULTS), default=list(FAULTS))
    parser.add_argument("--json", action="store_true", help="with every second, as JSON")
    return parser.parse_args()


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault happens to."""

    wanted: argparse.Namespace
    server: DurableServer
    running: Fleet
    pulse: Pulse


async def _observed(
    scene: Scene, name: str, fault: Callable[[], Awaitable[None]], *, store: bool = False
) -> Recovery:
    """One fault: what was before it, it, and what comes after it until throughput is back."""
    pulse = scene.pulse
    await asyncio.sleep(_BEFORE)
    refused, unknown, uncertain = pulse.refused, pulse.unknown, pulse.uncertain
    began = time.perf_counter()
    before = pulse.ended(began - _BEFORE, began) / _BEFORE
    scene.running.check()
    await fault()
    over = time.perf_counter()
    scene.running.check()
    back = await pulse.back_within(over, _PATIENCE, ENOUGH * before)
    caught_up = await pulse.caught_up(over, _PATIENCE)
    stored = 0.0
    if store:
        # But for a second's worth: the log has new records all the time.
        while await scene.running.unrecorded() > pulse.rate * 10:  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.1)
        stored = time.perf_counter() - over
    await asyncio.sleep(_AFTER)
    lasted = over - began
    seconds = pulse.seconds(began, over)
    found = Recovery(
        fault=name,
        lasted=lasted,
        before=before,
        during=pulse.ended(began, over) / lasted,
        least=min(seconds, default=0),
        back=back,
        caught_up=caught_up,
        stored=stored,
        slowest=pulse.slowest(began),
        refused=pulse.refused - refused,
        unknown=pulse.unknown - unknown,
        uncertain=pulse.uncertain - uncertain,
        seconds=pulse.seconds(began - _BEFORE, time.perf_counter()),
    )
    told = "not" if back is None else f"{back:.1f} s later"
    print(f"{name}: over after {lasted:.1f} s, {told} back", file=sys.stderr, flush=True)
    return found


async def _freeze(scene: Scene) -> list[Recovery]:
    async def frozen() -> None:
        scene.running.freeze(WORKERS[0])
        await asyncio.sleep(scene.wanted.freeze)
        scene.running.thaw(WORKERS[0])

    return [await _observed(scene, "one of two workers frozen", frozen)]


async def _restarts(scene: Scene) -> list[Recovery]:
    async def restarted() -> None:
        await scene.server.restart(scene.wanted.away)

    return [
        await _observed(scene, f"server killed, restart {number + 1}", restarted)
        for number in range(scene.wanted.restarts)
    ]


async def _recorder(scene: Scene) -> list[Recovery]:
    async def stopped() -> None:
        await scene.running.end(RECORDER)
        await asyncio.sleep(scene.wanted.stop)
        scene.running.start(RECORDER)

    return [await _observed(scene, "recorder stopped", stopped, store=True)]


FAULTS: dict[str, Callable[[Scene], Awaitable[list[Recovery]]]] = {
    "freeze": _freeze,
    "restarts": _restarts,
    "recorder": _recorder,
}


async def _most(running: Fleet) -> float:
    """Requests a second when many are handed in at once."""
    async with asyncio.timeout(_PATIENCE):
        while len(await beats(running.client.store)) < len(WORKERS):  # noqa: ASYNC110 - other processes decide
            await asyncio.sleep(0.1)
    began = time.perf_counter()
    for _ in range(2):  # the first is for workers that have decided nothing yet
        began = time.perf_counter()
        made = await asyncio.gather(
            *(running.client.submit("bench.echo", {"body": PAYLOAD}) for _ in range(_WARM))
        )
        await asyncio.gather(*(request.result(_PATIENCE) for request in made))
    return _WARM / (time.perf_counter() - began)


async def _measured(wanted: argparse.Namespace) -> tuple[list[Recovery], Audited]:
    more = (
        f"admission: {{recorder_lag: {wanted.recorder_lag}}}\n"
        f"times: {{state_ttl: 20, idempotency_ttl: 20, claim_idle: {wanted.claim_idle}}}\n"
    )
    found: list[Recovery] = []
    with restartable() as (server, room):
        async with fleet(server.running, room, more) as running:
            for role in (*WORKERS, RECORDER):
                running.start(role)
            most = await _most(running)  # in any case: only now are they all at work
            rate = wanted.rate or most / 3
            async with beating(running.client, rate) as pulse:
                await asyncio.sleep(_SETTLE)
                for name in wanted.only:
                    found += await FAULTS[name](Scene(wanted, server, running, pulse))
            await running.recorded()
            if left := await running.left_over():
                raise WrongAnswerError(f"left over: {left}")
            audited = await asyncio.to_thread(running.audit)
            if not sum(audited.outcomes.values()) >= len(pulse.ends):
                raise WrongAnswerError(f"{len(pulse.ends)} ended, and on record are {audited}")
    return found, audited


def _show(found: Sequence[Recovery], console: Console) -> None:
    table = Table(title="Throughput over a fault (requests/s), and how soon it is back (s)")
    table.add_column("fault")
    for head in (
        "lasted",
        "before",
        "during",
        "poorest second",
        "back after",
        "caught up after",
        "stored after",
    ):
        table.add_column(head, justify="right")
    for head in ("refused", "unknown", "uncertain"):
        table.add_column(head, justify="right")
    for one in found:
        table.add_row(
            one.fault,
            f"{one.lasted:.1f}",
            f"{one.before:.0f}",
            f"{one.during:.0f}",
            f"{one.least}",
            "not seen" if one.back is None else f"{one.back:.1f}",
            f"{one.caught_up:.1f}",
            f"{one.stored:.1f}" if one.stored else "",
            f"{one.slowest:.1f}",
            *(f"{count}" for count in (one.refused, one.unknown, one.uncertain)),
        )
    console.print(table)


def main() -> int:
    wanted = _arguments()
    found, audited = measured(_measured(wanted), late="not done in time", log=logging.ERROR)
    if wanted.json:
        told = {"faults": [asdict(one) for one in found], "audit": asdict(audited)}
        print(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(found, Console(width=None if sys.stdout.isatty() else 170))
        print(
            f"nothing left over; the audit trail is whole: {audited.records} records, ends {audited.outcomes}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
