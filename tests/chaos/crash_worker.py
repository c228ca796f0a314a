"""A worker that kills itself, really, at a crash point: ``python -m tests.chaos.crash_worker``.

It is the production worker with one thing put in between: a store that looks, before and after each script,
for a file that names a crash point (`wingman_runtime.testing.crash`), and perhaps words that must occur in
what the script is given: ``executor:after_intent "kind":"compensate"``. The worker that takes the file away
is the one that dies, by SIGKILL of itself; no code of ours runs after that. With ``freeze`` before the point
it is stopped there instead, by SIGSTOP, until somebody wakes it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from wingman_runtime.bootstrap import activate, chosen_agents, connect, make_worker
from wingman_runtime.project.load import Project
from wingman_runtime.redisio import scripts
from wingman_runtime.redisio.store import Store
from wingman_runtime.testing.crash import CrashPoint

ENV = "CHAOS_CRASH_FILE"
FREEZE = "freeze "
MUTATION = "CHAOS_MUTATION"
"""JSON of {"script", "old", "new"}: a clause of a script, taken out to see whether anybody notices."""


class KillStore(Store):
    """A store whose worker dies at the point that the file names, if it is the first to come there."""

    def __init__(self, store: Store, file: Path) -> None:
        self.__dict__.update(vars(store))
        self.file = file

    async def run(self, name: str, partition: int, *args: str | bytes | int | float) -> Any:
        end, point, words = self._point()
        hit = point is not None and point.is_hit(name, args) and _occurs(words, args)
        if point is not None and hit and not point.afterwards:
            self._die(end)
        reply = await super().run(name, partition, *args)
        if point is not None and hit and point.afterwards:
            self._die(end)
        return reply

    def _point(self) -> tuple[signal.Signals, CrashPoint | None, str]:
        try:
            line = self.file.read_text()
        except OSError:
            return signal.SIGKILL, None, ""
        end = signal.SIGSTOP if line.startswith(FREEZE) else signal.SIGKILL
        point, _, words = line.removeprefix(FREEZE).partition(" ")
        return end, CrashPoint.parse(point), words

    def _die(self, end: signal.Signals) -> None:
        try:
            self.file.unlink()
        except FileNotFoundError:
            return  # another worker came here first
        os.kill(os.getpid(), end)


def _occurs(words: str, args: tuple[Any, ...]) -> bool:
    return any(words.encode() in (arg if isinstance(arg, bytes) else str(arg).encode()) for arg in args)


def mutate(script: str, old: str, new: str) -> None:
    """From here on this process sends that script with other words in the place of those."""
    original = scripts.source

    def source(name: str, *, shebang: bool = True) -> scripts.Source:
        found = original(name, shebang=shebang)
        if name != script:
            return found
        assert old in found.text, f"{script}.lua has no {old!r} any more"
        text = found.text.replace(old, new)
        return scripts.Source(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())

    scripts.source = source  # type: ignore[assignment]


async def main(argv: list[str]) -> None:
    """As ``wingman worker``, for the options a fleet of tests uses."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--project", type=Path)
    parser.add_argument("--agents", default="")
    parser.add_argument("--until-eof", action="store_true")
    given = parser.parse_args(argv)
    if MUTATION in os.environ:
        mutate(**json.loads(os.environ[MUTATION]))
    project = Project.find(given.project).load()
    chosen = chosen_agents(project, [name for name in given.agents.split(",") if name])
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)  # nothing is ever written there: it has ended
    async with connect(project.settings, readers=len(chosen) + 5) as connected:
        await activate(project, connected.store, by="worker")
        store = KillStore(connected.store, Path(os.environ[ENV]))
        await make_worker(project, store, chosen).run(stop)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
