"""A mix: load and faults side by side for so long, then calm; everything must end, and is checked."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.checker import check
from tests.chaos.fault import Fault, NotStruckError
from tests.chaos.history import History, Violation, Wanted
from tests.chaos.house import House
from tests.chaos.journal import read_journal
from tests.chaos.load import Load
from tests.chaos.process import ROOT
from tests.chaos.sink import read_sink
from tests.chaos.waiting import until
from wingman_runtime.contracts.work import Outcome

OUTCOMES = frozenset(outcome.value for outcome in Outcome)
_COOL = 2.0  # seconds at the start and the end in which nothing is struck
_TRIES = 3


@dataclass(slots=True)
class Strikes:
    """Draws faults by chance and strikes, until told to stop; then waits for those under way to end.

    Every kind comes before any comes again: a bag is drawn empty, then filled anew. A kind that never came
    about gets its turn at the end, alone, so that what a run covers does not hang on how fast the machine is.
    """

    house: House
    faults: Sequence[Fault]
    every: float
    broken: list[str] = field(default_factory=list)
    _fired: set[str] = field(default_factory=set)
    _busy: set[str] = field(default_factory=set)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    async def until(self, stop: asyncio.Event) -> None:
        """Strike on average ``every`` so many seconds."""
        bag: list[Fault] = []
        chance = self.house.chance("faults")
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(chance.uniform(0.2, 1.8) * self.every):
                    await stop.wait()
                    break
            free = [fault for fault in bag if not fault.touches & self._busy]
            if not bag:
                bag = [f for f in self.faults for _ in range(max(1, round(f.weight)))]
                chance.shuffle(bag)
            elif free:
                bag.remove(free[0])
                self._start(free[0])
        if self._running:
            await asyncio.gather(*self._running)
        for fault in [*self.faults] * _TRIES:
            if fault.name not in self._fired:
                await self._one(fault)

    def _start(self, fault: Fault) -> None:
        self._busy |= fault.touches
        task = asyncio.create_task(self._one(fault))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _one(self, fault: Fault) -> None:
        log = self.house.faults_log
        try:
            await log.note(phase="struck", fault=fault.name)
            facts = await fault.strike(self.house)
            await log.note(phase="ended", fault=fault.name, facts=facts)
            self._fired.add(fault.name)
        except NotStruckError as error:
            await log.note(phase="missed", fault=fault.name, why=str(error))
        except Exception as error:
            self.broken.append(f"{fault.name}: {type(error).__name__}: {error}")
            await log.note(phase="broken", fault=fault.name, why=repr(error))
        finally:
            self._busy -= fault.touches


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run."""

    seed: int
    seconds: float
    took: float
    history: History
    violations: list[Violation]

    @property
    def ok(self) -> bool:
        return not self.violations


async def run_mix(
    where: Path,
    *,
    seconds: float,
    seed: int,
    faults: Sequence[Fault],
    every: float = 2.0,
    in_flight: int = 40,
    wanted: Wanted | None = None,
    drain: float = 120.0,
) -> Result:
    """Run one mix in an empty directory, and check it.

    Args:
        every: seconds between two faults, on average.
        wanted: what must have been reached; default: a completed request a second, each fault and outcome.
        drain: seconds everything has to end once the faults have.
    """
    began = time.monotonic()
    house = House(where, random.Random(seed), seed)
    strikes = Strikes(house, faults, every)
    problems: list[Violation] = []
    async with house.running(faults):
        load = Load(house, in_flight=in_flight)
        async with load.opened():
            stop, calm = asyncio.Event(), asyncio.Event()
            submitting = asyncio.create_task(load.submitting(stop))
            await asyncio.sleep(_COOL)
            striking = asyncio.create_task(strikes.until(calm))
            await asyncio.sleep(max(0.0, seconds - 2 * _COOL))
            calm.set()
            await striking
            for fault in faults:
                await fault.settle(house)
            await house.mend()
            await asyncio.sleep(_COOL)
            stop.set()
            await submitting
            await load.drained(drain)
            await load.look_again()
            await recorded(load, problems)
    history = await observed(house)
    if wanted is None:
        least = {fault.name: 1 for fault in faults}
        anomalies = frozenset[str]().union(*(fault.anomalies for fault in faults))
        outcomes = OUTCOMES if seconds >= 60 else frozenset[str]()
        wanted = Wanted(int(seconds), least, outcomes, drain, anomalies)
    found = [*check(history, wanted), *problems, *await verified(house)]
    found += [Violation("I8 faults", "the suite itself", why) for why in strikes.broken]
    return Result(seed, seconds, time.monotonic() - began, history, found)


async def recorded(load: Load, problems: list[Violation], within: float = 60.0) -> None:
    """Wait until the recorder has stored everything."""

    async def caught_up() -> bool:
        return not (await load.client.status()).recorder_lag

    try:
        await until(caught_up, within)
    except TimeoutError:
        problems.append(Violation("I5 recorded", "the recorder", f"not done {within:g} s after the end"))


async def observed(house: House) -> History:
    """What the four observers hold, once everything has stopped."""
    await _wingman(house, "audit", "export", str(house.dir / "audit.jsonl"))
    return load_history(house.dir)


def load_history(where: Path) -> History:
    """The history of a run that is kept in a directory."""
    return History(
        client=read_journal(where / "client.jsonl"),
        sink=read_sink(where / "sink.db"),
        audit=read_journal(where / "audit.jsonl"),
        faults=read_journal(where / "faults.jsonl"),
    )


async def verified(house: House) -> list[Violation]:
    """The runtime's own verdict on its trail, beside the checker's."""
    code, said = await _wingman(house, "audit", "verify", check=False)
    return [Violation("I5 chain", "wingman audit verify", said[-500:])] if code else []


async def _wingman(house: House, *words: str, check: bool = True) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wingman_runtime", *words, "--project", str(house.root),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT,
    )  # fmt: skip
    said, _ = await process.communicate()
    code = process.returncode or 0
    assert not (check and code), said.decode()
    return code, said.decode()


def struck(history: History) -> Counter[str]:
    """Name of a fault to how often it was struck and ended."""
    return Counter(line["fault"] for line in history.faults if line["phase"] == "ended")
