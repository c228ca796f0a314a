"""A process of a run: a worker, or the recorder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class Process:
    """One ``wingman worker``, whichever agents it has.

    Attributes:
        name: of the report and of its log: ``chain``, ``desk``, ``recorder``.
        agents: as for ``--agents``; ``recorder`` among them or alone.
        env: further environment, from the next start on.
        module: what is run: the production command, or a launcher of tests.
        kept_down: a fault that needs it dead says so; the house starts it again once this is False.
        exits: how every process that had this place ended.
    """

    name: str
    project: Path
    url: str
    agents: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    module: tuple[str, ...] = ("wingman_runtime", "worker")
    concurrency: int | None = None
    kept_down: bool = False
    exits: list[int] = field(default_factory=list)
    _process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def frozen(self) -> bool:
        """Whether it is stopped by a signal."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state == "T"

    @property
    def log(self) -> Path:
        """What it said, all who had this place."""
        return self.project / "logs" / f"{self.name}.log"

    async def start(self) -> None:
        """Start it; it needs a second or two until it works."""
        self.log.parent.mkdir(exist_ok=True)
        env = {name: value for name, value in os.environ.items() if not name.startswith("WINGMAN_")}
        env |= {"PYTHONPATH": str(ROOT), "WINGMAN_REDIS__URL": self.url, **self.env}
        words = ["-m", *self.module, "--project", str(self.project), "--until-eof"]
        if self.agents:
            words += ["--agents", ",".join(self.agents)]
        if self.concurrency:
            words += ["--concurrency", str(self.concurrency)]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *words,
                stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, env=env, process_group=0,
            )  # fmt: skip

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that is gone gets none."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        await self.ended()

    async def stop(self, within: float = 30.0) -> None:
        """SIGTERM; killed if that is not enough."""
        if not self.alive:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.ended(), within)
        except TimeoutError:
            await self.kill()

    async def ended(self) -> int:
        """Wait for its end; returns its exit code, negative for a signal."""
        assert self._process is not None
        code = await self._process.wait()
        if not self.exits or self._process.pid != self._counted:
            self.exits.append(code)
            self._counted = self._process.pid
        return code

    _counted: int = 0
