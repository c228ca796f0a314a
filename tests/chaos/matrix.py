"""The enumerated matrix: `kill -9` at every named crash point of every agent, in two layouts of workers.

    together    two processes that have all agents each: steps follow at once, up to five in one commit
    apart       agents that follow each other are in different processes, each twice: every step is a delivery

One server and fleet for all points of a layout. For each point a few requests are submitted whose ways lead
through it; the first worker to get there dies of it; the other takes over; all must end.

And frozen: at each point from which a worker could still do harm it is stopped instead, by SIGSTOP, and woken
once everything has ended without it. What it then sends is the work of a fenced worker.
"""

from __future__ import annotations

import asyncio
import random
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from tests.chaos.checker import check
from tests.chaos.crash_worker import ENV, FREEZE
from tests.chaos.history import History, Violation, Wanted
from tests.chaos.house import House, Layout
from tests.chaos.load import KINDS, Load
from tests.chaos.mix import observed, recorded, verified
from tests.chaos.process import Process
from tests.chaos.waiting import until
from wingman_runtime.testing.crash import Moment

_CHAIN = (
    "dispatcher",
    "scope_filter",
    "permission",
    "proposal",
    "handshake",
    "executor",
    "audit",
    "rollback",
)
_ONLY_EXECUTOR = ("after_intent", "after_effect")
POINTS = tuple(
    f"{agent}:{moment}"
    for agent in _CHAIN
    for moment in get_args(Moment)
    if agent == "executor" or moment not in _ONLY_EXECUTOR
)
_UNDOING = '"kind":"compensate"'
_VOTED = "people:bob"
POINTS += tuple(f"executor:{moment} {_UNDOING}" for moment in get_args(Moment))
POINTS += tuple(f"handshake:{moment} {_VOTED}" for moment in ("before_commit", "after_commit"))
"""The last few are the same moments again, in what is undone, and in what people approved."""
HARMFUL = tuple(point for point in POINTS if ":after_commit" not in point)
"""Before a commit, and around a tool's call."""
LAYOUTS: dict[str, Layout] = {
    "together": {"all-1": (), "all-2": ()},
    "apart": {
        f"{name}-{n}": agents
        for name, agents in {
            "odd": ("dispatcher", "permission", "handshake", "audit", "rollback"),
            "even": ("scope_filter", "proposal", "executor"),
        }.items()
        for n in (1, 2)
    },
}
CRASH_FILE = "crash"
_SENT = ("put", "set", "both", "fail", "yes")
_DIES_WITHIN = 30.0
_ENDS_WITHIN = 60.0
_WOKEN = 0.5


@dataclass(slots=True)
class Matrix:
    """What came of one layout. ``died`` is the points at which a worker was struck by its own hand."""

    died: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    history: History | None = None


def armed_house(where: Path, layout: Layout, **env: str) -> House:
    """A house whose workers strike themselves at the point in its crash file."""
    return House(
        where,
        random.Random(0),
        layout=layout,
        proxied=(),
        settings={"times": "{agent_timeout: 5s, approval: 60s, claim_idle: 1s, grace: 2s, block: 200ms}"},
        worker_env={ENV: str(where / CRASH_FILE), **env},
        worker_module=("tests.chaos.crash_worker",),
    )


def arm(file: Path, line: str) -> None:
    """Write the crash file, all of it at once."""
    draft = file.with_suffix(".new")
    draft.write_text(line)
    draft.rename(file)


async def run_matrix(
    where: Path, layout: str, points: tuple[str, ...] = POINTS, *, freeze: bool = False
) -> Matrix:
    """Run one layout in an empty directory through all points, and check it."""
    found, file = Matrix(), where / CRASH_FILE
    house = armed_house(where, LAYOUTS[layout])
    kinds = [kind for kind in KINDS if kind.name in _SENT]
    async with house.running():
        load = Load(house)
        async with load.opened():
            for point in points:
                await house.faults_log.note(phase="struck", fault=point)
                arm(file, FREEZE + point if freeze else point)
                for kind in kinds:
                    await load.submitted(kind)
                await until(lambda: not file.exists(), _DIES_WITHIN)
                found.died.append(point)
                if freeze:
                    await _outlived(house, load)
                await house.faults_log.note(phase="ended", fault=point)
                # The next point needs somebody to strike at, not everybody.
                await until(lambda: any(w.alive for w in house.workers), _DIES_WITHIN)
            left = await load.drained(_ENDS_WITHIN)
            if not left:
                await load.look_again()
            await recorded(load, found.violations)
        killed = sum(code == -9 for worker in house.workers for code in worker.exits)
    if killed != (0 if freeze else len(points)):
        found.violations.append(Violation("I8 faults", layout, f"{killed} died of {len(points)} points"))
    found.history = await observed(house)
    wanted = Wanted(2 * len(points), dict.fromkeys(points, 1), frozenset({"failed"}), _ENDS_WITHIN)
    found.violations += [*check(found.history, wanted), *await verified(house)]
    return found


async def _outlived(house: House, load: Load) -> None:
    """Everything has ended without the frozen worker; it wakes, and says what it had to say."""
    frozen: list[Process] = []

    def found() -> bool:
        frozen[:] = [worker for worker in house.workers if worker.frozen]
        return bool(frozen)

    await until(found, _DIES_WITHIN)
    await until(lambda: not load.open, _ENDS_WITHIN)
    for worker in frozen:
        worker.signal(signal.SIGCONT)
    # What it does first is what it was stopped in; the requests of the next point wait behind that.
    await asyncio.sleep(_WOKEN)


async def _main() -> None:
    import sys
    import tempfile

    for layout in sys.argv[1:] or [*LAYOUTS, "frozen"]:
        freeze = layout == "frozen"
        with tempfile.TemporaryDirectory() as scratch:
            where = Path(scratch) / "run"
            if freeze:
                found = await run_matrix(where, "together", HARMFUL, freeze=True)
            else:
                found = await run_matrix(where, layout)
            said = "\n  ".join(["no violation"] if not found.violations else map(str, found.violations))
            print(f"{layout}: {len(found.died)} points\n  {said}")


if __name__ == "__main__":
    asyncio.run(_main())
