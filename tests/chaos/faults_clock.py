"""Faults of the clock: the server's, or that of workers and recorder, jumps by minutes or an hour, and back.

By libfaketime, which reads the jump from a file at each question for the time. The monotonic clock is left
alone, as when a real clock is set. Only the embedded server can be had this way: Debian's hangs under it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.fault import Facts, Fault
from tests.chaos.preload import preload

if TYPE_CHECKING:
    from tests.chaos.house import House

_PLACES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1")
JUMPS = (-3600, -120, 120, 3600)
"""Seconds."""


def library() -> Path | None:
    """libfaketime for programs with threads, where a distribution puts it."""
    found = [path for place in _PLACES for path in Path("/").glob(place.removeprefix("/"))]
    return found[0] if found else None


def fake_clock(env: dict[str, str], file: Path) -> None:
    """Let what is started with ``env`` take its time from ``file``."""
    found = library()
    assert found is not None
    set_clock(file, 0)
    preload(env, found)
    env |= {
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
        "NO_FAKE_STAT": "1",
    }


def set_clock(file: Path, seconds: int) -> None:
    """Jump to so many seconds from the true time. Replaced in one piece: it is read at any moment."""
    draft = file.with_name(f".{file.name}")
    draft.write_text(f"{seconds:+d}\n")
    draft.replace(file)


class _Jump(Fault):
    """A jump, for some seconds."""

    touches = frozenset({"clock"})
    lasts: tuple[float, float] = (2.0, 6.0)
    jumps: tuple[int, ...] = JUMPS

    def missing(self) -> str:
        return "" if library() else "needs libfaketime: apt install libfaketime"

    def file(self, house: House) -> Path:
        return house.dir / f"{self.name}.txt"

    async def strike(self, house: House) -> Facts:
        jump = house.rng.choice(self.jumps)
        set_clock(self.file(house), jump)
        try:
            await asyncio.sleep(house.rng.uniform(*self.lasts))
        finally:
            set_clock(self.file(house), 0)
        return {"jump": jump}


class ServerClock(_Jump):
    """The server's clock jumps, and back."""

    name = "clock-server"

    def prepare(self, house: House) -> None:
        fake_clock(house.server_env, self.file(house))

    async def settle(self, house: House) -> None:
        """A deadline set while the clock was ahead is due when it is there again: so it goes there now."""
        set_clock(self.file(house), max(self.jumps) + 60)


class WorkerClock(_Jump):
    """The clock of all workers and of the recorder jumps, and back."""

    name = "clock-workers"

    def prepare(self, house: House) -> None:
        fake_clock(house.worker_env, self.file(house))
