"""Faults of memory, clock and inboxes do what they say, and are undone at their end."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.chaos.bench import bench
from tests.chaos.faults import all_faults
from tests.chaos.faults_clock import JUMPS, ServerClock, WorkerClock, set_clock
from tests.chaos.faults_disk import PowerCut
from tests.chaos.faults_server import POISON, MemorySqueeze, Poison
from tests.chaos.process import ROOT
from wingman_runtime.redisio.wire import ReplyError


async def test_a_squeezed_server_refuses_writes_until_the_end(tmp_path: Path) -> None:
    """OOM while it lasts, no limit before and after, and nothing evicted."""
    fault = MemorySqueeze()
    fault.lasts = (0.5, 0.5)
    async with bench(tmp_path, fault) as house:
        house.server.ask("SET", "kept", "v")
        striking = asyncio.create_task(fault.strike(house))
        await asyncio.sleep(0.1)
        with pytest.raises(ReplyError, match="OOM"):
            house.server.ask("SET", "more", "v")
        await striking
        assert house.server.ask("SET", "more", "v") == b"OK"
        assert house.server.ask("DBSIZE") == 2


async def test_poison_lands_in_inboxes(tmp_path: Path) -> None:
    """Each strike puts three entries; over many strikes every kind is there."""
    fault = Poison()
    async with bench(tmp_path, fault) as house:
        put = [(await fault.strike(house))["put"] for _ in range(20)]
        assert {kind for one in put for kind in one.values()} == set(POISON)
        counts = [house.server.ask("XLEN", f"wm:{{p0}}:in:{agent}") for agent in fault.agents]
        assert sum(counts) == 60  # type: ignore[arg-type]


@pytest.mark.parametrize("jump", JUMPS)
async def test_the_servers_clock_jumps_and_comes_back(tmp_path: Path, jump: int) -> None:
    """TIME is off by as much while it lasts; afterwards it is right; the server answers all along."""
    fault = ServerClock()
    assert not fault.missing(), fault.missing()
    fault.lasts, fault.jumps = (0.5, 0.5), (jump,)

    async with bench(tmp_path, fault) as house:

        def off() -> float:
            seconds, _ = house.server.ask("TIME")  # type: ignore[misc]
            return int(seconds) - time.time()  # type: ignore[arg-type]

        assert abs(off()) < 3
        striking = asyncio.create_task(fault.strike(house))
        await asyncio.sleep(0.2)
        assert abs(off() - jump) < 3
        assert await striking == {"jump": jump}
        assert abs(off()) < 3


async def test_a_workers_clock_jumps_and_its_monotonic_one_does_not(tmp_path: Path) -> None:
    """A Python process with threads and a loop, as a worker is, sees the jump and sleeps as before."""
    fault = WorkerClock()
    assert not fault.missing(), fault.missing()
    async with bench(tmp_path, fault) as house:
        script = (
            "import asyncio,sys,time,threading\n"
            "def told(): print(time.time(), time.monotonic(), flush=True)\n"
            "async def main():\n"
            "    told(); sys.stdin.readline()\n"
            "    await asyncio.to_thread(told)\n"
            "    await asyncio.sleep(0.3); told()\n"
            "asyncio.run(main())\n"
        )
        process = await asyncio.create_subprocess_exec(
            "python3", "-c", script, env=dict(house.worker_env), cwd=ROOT,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None

        async def said() -> tuple[float, float]:
            assert process.stdout is not None
            line = await asyncio.wait_for(process.stdout.readline(), 10)
            wall, steady = map(float, line.split())
            return wall, steady

        wall, steady = await said()
        set_clock(fault.file(house), 3600)
        process.stdin.write(b"\n")
        jumped, later = await said()
        assert 3590 < jumped - wall < 3620
        assert 0 <= later - steady < 10
        end, at_last = await said()
        assert 0.25 < at_last - later < 5
        assert end > jumped
        assert await process.wait() == 0


async def test_clock_and_power_go_together(tmp_path: Path) -> None:
    """Two faults that preload a library each: both work in one server."""
    clock, power = ServerClock(), PowerCut()
    clock.lasts, clock.jumps = (0.1, 0.1), (120,)
    async with bench(tmp_path, clock, power) as house:
        house.server.ask("SET", "k", "v")
        assert await clock.strike(house) == {"jump": 120}
        assert (await power.strike(house))["lost"] == {}
        assert house.server.ask("GET", "k") == b"v"


def test_every_fault_is_found_and_can_be_had_here() -> None:
    """By name, each once; what a machine lacks is said with the package to install, never passed over."""
    found = all_faults()
    assert {"lost-replies", "half-open", "maxmemory", "poison", "torn-tail", "power-cut"} <= set(found)
    assert {name: why for name, fault in found.items() if (why := fault.missing())} == {}
