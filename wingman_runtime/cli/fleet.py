"""Worker processes started by one command, watched and stopped with it.

1. Starts each as its own process, output in a file of its own. A pipe ties it to us: should we be killed, it
   reads the end of the pipe and stops in order.
2. Replaces one that ends unasked, with a growing pause.
3. Stops all with SIGTERM, and after the grace with SIGKILL.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from wingman_runtime.cli.out import note

_PAUSE_LIMIT = 10.0  # seconds between two starts of a worker that keeps failing
_STEADY = 5.0  # seconds of life after which a worker counts as started


class Fleet:
    """Worker processes of one project.

    Args:
        project: the project's folder.
        crews: what each process runs: names of agents by commas, or nothing for all.
        grace: seconds between SIGTERM and SIGKILL.
    """

    def __init__(self, project: Path, crews: Sequence[str], grace: float) -> None:
        self.project = project
        self.crews = list(crews)
        self.grace = grace
        self.logs = project / ".wingman" / "logs"
        self._stopping = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Workers run inside the block."""
        self.logs.mkdir(parents=True, exist_ok=True)
        keepers = [
            asyncio.create_task(self._keep(crew, self.log(crew, number)))
            for number, crew in enumerate(self.crews, 1)
        ]
        try:
            yield
        finally:
            self._stopping.set()
            await asyncio.gather(*keepers)

    def log(self, crew: str, number: int) -> Path:
        return self.logs / (f"{crew.replace(',', '-')}.log" if crew else f"worker-{number}.log")

    async def _keep(self, crew: str, output: Path) -> None:
        pause = 0.5
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            with output.open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "wingman_runtime", "worker", "--project", str(self.project),
                    "--until-eof", *(("--agents", crew) if crew else ()),
                    stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log,
                    # A group of its own: Ctrl-C reaches us alone, and we tell the workers in order.
                    process_group=0, env={**os.environ, "WINGMAN_PROJECT": str(self.project)},
                )  # fmt: skip
            ended = asyncio.create_task(process.wait())
            stopping = asyncio.create_task(self._stopping.wait())
            await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                await self._stop(process, ended)
                return
            stopping.cancel()
            pause = 0.5 if loop.time() - began > _STEADY else min(pause * 2, _PAUSE_LIMIT)
            code = process.returncode
            note(f"a worker ended with {code}; see {output}; the next one starts in {pause:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _stop(self, process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(asyncio.shield(ended), self.grace + 2)
            except TimeoutError:
                process.kill()
        await ended
