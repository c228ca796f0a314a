"""A worker that wakes at the worst moment: others hold its work, and have not yet committed it.

1. The first worker freezes when its tool has been called and nothing of it is recorded.
2. The second takes over, waits out the tool's deadline, records that nobody knows, and freezes before it has
   committed.
3. The first wakes and commits what it knows: that all went well. Nobody may believe it.
4. The second wakes.
"""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

from tests.chaos.checker import check
from tests.chaos.crash_worker import FREEZE, MUTATION
from tests.chaos.history import Violation, Wanted
from tests.chaos.house import House
from tests.chaos.load import KINDS, Load
from tests.chaos.matrix import CRASH_FILE, LAYOUTS, arm, armed_house
from tests.chaos.mix import observed, recorded
from tests.chaos.process import Process
from tests.chaos.waiting import until

_WITHIN = 30.0
_WOKEN = 1.5  # seconds in which a woken worker sends what it has to send


async def run_overtaken(where: Path, mutation: dict[str, str] | None = None) -> list[Violation]:
    """Run it in an empty directory, with a clause of a script taken out or not; what the checker finds."""
    env = {} if mutation is None else {MUTATION: json.dumps(mutation)}
    house, file = armed_house(where, LAYOUTS["together"], **env), where / CRASH_FILE
    [kind] = [kind for kind in KINDS if kind.name == "put"]
    problems: list[Violation] = []
    async with house.running():
        load = Load(house)
        async with load.opened():
            arm(file, f"{FREEZE}executor:after_effect")
            await load.submitted(kind)
            first = await _frozen(house, [])
            arm(file, f"{FREEZE}executor:before_commit")
            second = await _frozen(house, [first])
            first.signal(signal.SIGCONT)
            await asyncio.sleep(_WOKEN)
            second.signal(signal.SIGCONT)
            await load.drained(_WITHIN)
            await recorded(load, problems)
    return [*problems, *check(await observed(house), Wanted(completed=0))]


async def _frozen(house: House, known: list[Process]) -> Process:
    found: list[Process] = []

    def another() -> bool:
        found[:] = [worker for worker in house.workers if worker.frozen and worker not in known]
        return bool(found)

    await until(another, _WITHIN)
    return found[0]
