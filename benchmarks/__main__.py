"""``python -m benchmarks``: this runtime beside FastStream, interleaved, a fresh durable server each run."""

from __future__ import annotations

import argparse
import sys

import orjson
from rich.console import Console

from benchmarks import measure, report
from benchmarks.runner import measured


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000, help="of the throughput run (2000)")
    parser.add_argument("--repetitions", type=int, default=3, help="of everything, interleaved (3)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="worker processes (1 2)")
    parser.add_argument("--only", nargs="+", choices=tuple(report.NAMES), default=list(report.NAMES))
    parser.add_argument("--quick", action="store_true", help="300 requests, once: does it work at all")
    parser.add_argument("--json", action="store_true", help="every run and the medians, as JSON")
    return parser.parse_args()


async def _measured(wanted: argparse.Namespace) -> dict[tuple[str, int], list[measure.Run]]:
    size = measure.Size(300, 50, 1.0) if wanted.quick else measure.Size(wanted.requests)
    runs: dict[tuple[str, int], list[measure.Run]] = {}
    for repetition in range(1 if wanted.quick else wanted.repetitions):
        for workers in wanted.workers:
            for name in wanted.only:
                done = await measure.run(name, workers, size)
                runs.setdefault((name, workers), []).append(done)
                print(
                    f"{repetition + 1}: {name} with {workers}: {done.throughput:.0f} requests/s",
                    file=sys.stderr,
                )
    return runs


def main() -> int:
    wanted = _arguments()
    rows = report.summary(measured(_measured(wanted)))
    if wanted.json:
        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    else:
        report.show(rows, Console(width=None if sys.stdout.isatty() else 170))
    return 0


if __name__ == "__main__":
    sys.exit(main())
