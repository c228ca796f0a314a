"""A worker process on a bench."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bad_input.bad_input_bench import Bench

READY = 30.0


@contextlib.contextmanager
def running(bench: Bench, *, program: str = "") -> Iterator[Path]:
    """A worker for every agent and the recorder inside the block; gives its log.

    Args:
        program: of this folder, run in the command line's place.
    """
    log = bench.root.parent / "worker.log"
    command = [sys.executable, str(Path(__file__).with_name(program))] if program else bench.command()
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "worker"], cwd=bench.root, env=bench.environment(PYTHONUNBUFFERED="1"),
            stdout=file, stderr=file, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + READY
            while "worker started" not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield log
        finally:
            process.terminate()
            try:
                process.wait(READY)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
