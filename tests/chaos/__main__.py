"""``python -m tests.chaos --seconds N --seed S``: a mix, its report, exit code 1 on any violation."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from tests.chaos.checker import check
from tests.chaos.faults import all_faults
from tests.chaos.history import Wanted
from tests.chaos.mix import Result, load_history, run_mix
from tests.chaos.report import report


def main() -> int:
    """See the module."""
    known = all_faults()
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=90.0, help="of load and faults")
    parser.add_argument("--seed", type=int, default=1, help="of everything left to chance here")
    parser.add_argument("--faults", default="", help="only these, by commas: " + ", ".join(known))
    parser.add_argument("--without", default="", help="not these")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between faults, on average")
    parser.add_argument("--in-flight", type=int, default=40, help="requests at a time")
    parser.add_argument("--drain", type=float, default=120.0, help="seconds for everything to end")
    parser.add_argument("--keep", type=Path, help="an empty directory for the run; kept")
    parser.add_argument("--again", type=Path, help="check a kept directory once more, run nothing")
    given = parser.parse_args()
    # That clients reconnect is what the faults are for; the report tells of it in one figure.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if given.again:
        history = load_history(given.again)
        anomalies = frozenset[str]().union(*(fault.anomalies for fault in known.values()))
        result = Result(given.seed, 0, 0, history, check(history, Wanted(anomalies=anomalies)))
        print(report(result))
        return 0 if result.ok else 1
    names = [name for name in given.faults.split(",") if name] or list(known)
    without = set(given.without.split(","))
    unknown = ({*names} | without - {""}) - {*known}
    if unknown:
        parser.error(f"no fault is named {', '.join(sorted(unknown))}")
    chosen = []
    for name in names:
        missing = known[name].missing()
        if missing:
            print(f"without {name}: {missing}", file=sys.stderr)
        elif name not in without:
            chosen.append(known[name])
    with tempfile.TemporaryDirectory(prefix="wingman-chaos-") as scratch:
        result = asyncio.run(
            run_mix(
                given.keep or Path(scratch),
                seconds=given.seconds,
                seed=given.seed,
                faults=chosen,
                every=given.every,
                in_flight=given.in_flight,
                drain=given.drain,
            )
        )
    print(report(result))
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main())
