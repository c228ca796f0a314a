"""``python -m benchmarks.endurance``: whether a worker's memory stays what it is, whatever it has seen.

A fixed number of requests is kept under way. Their state is dropped soon after their end, so that the server
holds what is under way and little more. Resident memory is read after the first part and at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from benchmarks.ours import Ours, ours
from benchmarks.processes import resident
from benchmarks.runner import measured
from benchmarks.server import fresh_server

UNDER_WAY = 300


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance", description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000, help="in all (200000)")
    parser.add_argument("--first", type=int, default=20_000, help="after so many it is read first (20000)")
    return parser.parse_args()


async def _through(contestant: Ours, count: int) -> None:
    """So many requests, `UNDER_WAY` of them at a time."""
    left = iter(range(count))

    async def one_by_one() -> None:
        for _ in left:
            (name,) = await contestant.submit(1)
            await contestant.result(name)
            contestant.forget(name)

    await asyncio.gather(*(one_by_one() for _ in range(UNDER_WAY)))


async def _measured(wanted: argparse.Namespace) -> None:
    with fresh_server() as (server, room):
        async with ours(server, room, 1, more="times: {state_ttl: 20, idempotency_ttl: 20}\n") as contestant:
            done = 0
            before: dict[str, float] = {}
            for part in (wanted.first, wanted.requests - wanted.first):
                began = time.perf_counter()
                await _through(contestant, part)
                done += part
                rate = part / (time.perf_counter() - began)
                now = resident(contestant.processes)
                for role, size in now.items():
                    ratio = f"  {size / before[role]:.2f} times" if role in before else ""
                    print(f"{done:7d} requests  {role:9s} {size:8.1f} MB{ratio}")
                print(f"{done:7d} requests  {rate:.0f} requests/s since the last line", flush=True)
                before = before or now


def main() -> int:
    wanted = _arguments()
    measured(_measured(wanted))
    return 0


if __name__ == "__main__":
    sys.exit(main())
