"""What a run asks of a contestant. Both sides implement it, so both are measured by the same code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[1]


class Contestant(Protocol):
    """A running contestant. ``processes``: role to process, for the split of CPU time."""

    processes: dict[str, int]

    async def submit(self, count: int) -> Sequence[str]:
        """Submit ``count`` requests at once; returns their ids once the server has them."""
        ...

    async def result(self, request: str) -> None:
        """Return once the request's result is with this process. Raises if it is not what it should be."""
        ...

    async def settled(self, total: int) -> None:
        """Wait for what is still being recorded; raise unless ``total`` requests were answered once each."""
        ...


class WrongAnswerError(Exception):
    """An answer that is not right: whatever was measured is worth nothing."""


def spawn(room: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A Python process of a contestant; what it says goes to a file in ``room``."""
    with (room / f"{name}.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own modules
            [sys.executable, *arguments],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            env={**os.environ, "COLUMNS": "200"},
        )


def end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
