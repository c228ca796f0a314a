"""An agent that does not end when it is told to: its worker ends all the same, another one gets its work."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.worker.projects import COMPLETE, END, REFERENCE, Agent, Spec, load, site, until, write

DEAF = """
import pathlib
seen = pathlib.Path({mark!r})
if not seen.exists():
    seen.write_text("begun")
    while True:
        try:
            await asyncio.sleep(60)
        except BaseException:
            pass
"""


async def test_a_stopped_worker_does_not_wait_for_a_deaf_agent(tmp_path: Path, valkey_url: str) -> None:
    """SIGTERM: the process ends soon after its grace; the event is delivered again, its request completes."""
    mark = tmp_path / "mark"
    agent = Agent(DEAF.format(mark=str(mark)) + COMPLETE, emits=["ExecutionComplete"])
    root = write(tmp_path / "p", Spec({"work": agent}, {"UserRequestReceived": "work", **END}))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WINGMAN_")}
    environment |= {
        "PYTHONPATH": str(REFERENCE),
        "WINGMAN_REDIS_URL": valkey_url,
        "WINGMAN_TIMES__GRACE": "0.5",
    }
    project = load(root, valkey_url, times__claim_idle=1.0)
    async with site(project, workers=0) as place:
        request = await place.submit()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "wingman_runtime", "worker", "--project", str(root),
            env=environment, stderr=asyncio.subprocess.PIPE, process_group=0,
        )  # fmt: skip

        async def begun() -> bool:
            return mark.exists()

        try:
            await until(begun, 20)
            process.send_signal(signal.SIGTERM)
            _, said = await asyncio.wait_for(process.communicate(), 20)
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 1
        assert b"did not end when it was told to" in said
        await place.start()
        assert (await request.result(20)).outcome == "completed"
