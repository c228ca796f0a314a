"""Faults of processes: killed, frozen, killed again."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from tests.chaos.fault import Facts, Fault, NotStruckError
from tests.chaos.process import Process
from tests.chaos.waiting import until

if TYPE_CHECKING:
    from tests.chaos.house import House

_BACK_WITHIN = 60.0


async def _killed(house: House, process: Process) -> Facts:
    """Dead, and up again by the house's own hand."""
    pid = process.pid
    await process.kill()
    await until(lambda: process.alive, _BACK_WITHIN)
    return {"process": process.name, "pid": pid}


class KillWorker(Fault):
    """`kill -9` of a worker process, wherever it is in its work."""

    name = "kill-worker"
    weight = 3.0

    async def strike(self, house: House) -> Facts:
        return await _killed(house, house.a_worker(having="executor"))


class KillDispatcher(Fault):
    """`kill -9` of the process that has the dispatcher."""

    name = "kill-dispatcher"

    async def strike(self, house: House) -> Facts:
        return await _killed(house, house.a_worker(having="dispatcher"))


class KillRecorder(Fault):
    """`kill -9` of the recorder; sometimes it stays away for seconds."""

    name = "kill-recorder"
    touches = frozenset({"recorder"})

    async def strike(self, house: House) -> Facts:
        recorder = house.recorder
        if not recorder.alive:
            raise NotStruckError("the recorder is starting")
        away = house.rng.choice((0.0, 0.0, house.rng.uniform(1, 6)))
        recorder.kept_down = away > 0
        try:
            pid = recorder.pid
            await recorder.kill()
            await asyncio.sleep(away)
        finally:
            recorder.kept_down = False
        return {"pid": pid, "away": round(away, 2)}


class Zombie(Fault):
    """A worker frozen until others have reclaimed and committed its work; then it wakes and goes on."""

    name = "zombie"
    weight = 2.0

    async def strike(self, house: House) -> Facts:
        worker = house.a_worker(having="executor")
        frozen = house.rng.uniform(4.0, 9.0)
        worker.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(frozen)
        finally:
            worker.signal(signal.SIGCONT)
        await asyncio.sleep(1.0)
        return {"process": worker.name, "pid": worker.pid, "frozen": round(frozen, 2)}


class Blink(Fault):
    """A worker frozen for a moment, shorter than any deadline."""

    name = "blink"

    async def strike(self, house: House) -> Facts:
        worker = house.a_worker()
        frozen = house.rng.uniform(0.05, 1.0)
        worker.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(frozen)
        finally:
            worker.signal(signal.SIGCONT)
        return {"process": worker.name, "frozen": round(frozen, 2)}


class SlowConsumer(Fault):
    """A worker that gets a tenth of the time it had: connected, fetching, renewing its claims, lagging."""

    name = "slow-consumer"

    async def strike(self, house: House) -> Facts:
        worker = house.a_worker()
        lasts = house.rng.uniform(3.0, 8.0)
        deadline = asyncio.get_running_loop().time() + lasts
        try:
            while asyncio.get_running_loop().time() < deadline:
                worker.signal(signal.SIGSTOP)
                await asyncio.sleep(0.18)
                worker.signal(signal.SIGCONT)
                await asyncio.sleep(0.02)
        finally:
            worker.signal(signal.SIGCONT)
        return {"process": worker.name, "pid": worker.pid, "slow": round(lasts, 2)}


class StopWorker(Fault):
    """SIGTERM, as a deployment does it, under load."""

    name = "stop-worker"

    async def strike(self, house: House) -> Facts:
        worker = house.a_worker()
        await worker.stop()
        code = worker.exits[-1]
        await until(lambda: worker.alive, _BACK_WITHIN)
        return {"process": worker.name, "code": code}


class KillServer(Fault):
    """`kill -9` of the server, and a restart from its append-only file."""

    name = "kill-server"
    touches = frozenset({"server", "proxy"})

    async def strike(self, house: House) -> Facts:
        pid = house.server.pid
        await house.server.kill()
        away = house.rng.uniform(0.0, 2.0)
        try:
            await asyncio.sleep(away)
        finally:
            await house.server.start()
            await house.server.answers()
        return {"pid": pid, "away": round(away, 2)}
