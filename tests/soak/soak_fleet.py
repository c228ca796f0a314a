"""Two worker processes, the older of which is replaced every few seconds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
_STOP_WITHIN = 30.0


@dataclass(slots=True)
class Fleet:
    """``exits`` is (exit code, seconds from SIGTERM to the end) of every worker that was stopped."""

    project: Path
    every: float
    exits: list[tuple[int, float]] = field(default_factory=list)
    started: int = 0
    _running: list[asyncio.subprocess.Process] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self, size: int) -> AsyncIterator[None]:
        """So many workers run inside the block. Whatever happens in it, none is left behind."""
        try:
            for _ in range(size):
                await self._start()
            yield
            await asyncio.gather(*(self._stop(process) for process in list(self._running)))
        finally:
            for process in self._running:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def replacing(self, enough: asyncio.Event) -> None:
        """Replace one every few seconds until it is enough."""
        while not enough.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.every):
                    await enough.wait()
                return
            await self.replace()

    async def replace(self) -> None:
        """Stop the older worker, start another, both at once."""
        await asyncio.gather(self._stop(self._running[0]), self._start())

    def alive(self) -> bool:
        """Whether every worker that should run does."""
        return all(process.returncode is None for process in self._running)

    def logs(self) -> str:
        """What the workers said, to be shown when something is wrong."""
        return "\n".join(f"{path.name}: {path.read_text()[-4000:]}" for path in sorted(self._logs.iterdir()))

    @property
    def _logs(self) -> Path:
        return self.project / "logs"

    async def _start(self) -> None:
        self._logs.mkdir(exist_ok=True)
        self.started += 1
        env = {name: value for name, value in os.environ.items() if not name.startswith("WINGMAN_")}
        with (self._logs / f"worker-{self.started}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "wingman_runtime", "worker", "--project", str(self.project),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                env={**env, "PYTHONPATH": str(ROOT)}, process_group=0,
            )  # fmt: skip
        self._running.append(process)

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        assert process.returncode is None, (
            f"a worker ended by itself with {process.returncode}\n{self.logs()}"
        )
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _STOP_WITHIN)
        except TimeoutError:
            raise AssertionError(f"a worker did not stop in {_STOP_WITHIN:g} s\n{self.logs()}") from None
        self._running.remove(process)
        self.exits.append((process.returncode or 0, time.monotonic() - began))
