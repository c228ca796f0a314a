"""What the server does to a worker: it restarts, loads, is demoted, is full, is emptied.

The worker recovers by itself or says that it stopped; it never spins.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.worker.projects import COMPLETE, END, Agent, Running, Site, Spec, load, site, until, write
from wingman_runtime import bootstrap
from wingman_runtime.cli.alive import worker_problem
from wingman_runtime.contracts.control import ControlMode, ControlRule, ControlTarget
from wingman_runtime.errors import BackendRefusedError
from wingman_runtime.project.load import Project
from wingman_runtime.redisio import control, workers
from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded
from wingman_runtime.redisio.wire import ask, ask_bytes
from wingman_runtime.worker.worker import WorkerTimes

SENT = ("evalsha", "eval", "xreadgroup", "xread", "xgroup|create", "client|setname")
"""What a worker sends; the rest of what a server counts is done by scripts."""
BUSY = 120
"""Commands a second that a worker of nine agents may send while it cannot work; reconnecting counts twice."""


@dataclass
class Machine:
    """A server of the test's own, that can be killed and started again on its data."""

    folder: Path
    server: EmbeddedServer

    def ask(self, *words: str) -> Any:
        return ask(self.server.socket, *words)

    async def kill(self) -> None:
        os.kill(self.server.pid, signal.SIGKILL)
        await asyncio.to_thread(self.server.stop)

    async def start(self, **extra: str) -> None:
        self.server = await asyncio.to_thread(start_embedded, self.folder, extra=extra)

    async def commands_a_second(self, seconds: float = 2.0) -> float:
        """While nothing else happens; refused ones are counted as well."""
        before = self.counted()
        await asyncio.sleep(seconds)
        return (self.counted() - before) / seconds

    def counted(self) -> int:
        stats = self.info("commandstats")
        sent = [row for name, row in stats.items() if name.removeprefix("cmdstat_") in SENT]
        rows = [dict(part.split("=") for part in row.split(",")) for row in sent]
        return sum(int(row["calls"]) + int(row["rejected_calls"]) for row in rows)

    def info(self, section: str) -> dict[str, str]:
        lines = ask_bytes(self.server.socket, "INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "redis", start_embedded(tmp_path / "redis"))
    yield made
    made.server.stop()


@asynccontextmanager
async def _place(tmp_path: Path, machine: Machine) -> AsyncIterator[tuple[Site, Running]]:
    """One worker that ticks and beats as in production, so that what it sends is what would be sent."""
    agent = Agent(f"await asyncio.sleep(0.02)\n{COMPLETE}", emits=["ExecutionComplete"])
    root = write(tmp_path / "p", Spec({"work": agent}, {"UserRequestReceived": "work", **END}))
    async with site(
        load(root, machine.server.url, times__claim_idle=60.0, times__block=1.0), workers=0
    ) as place:
        running = await place.start()
        running.worker.times = WorkerTimes(grace=2.0)
        assert (await (await place.submit()).result(10)).outcome == "completed"
        yield place, running


async def test_a_server_killed_and_restarted_under_load_loses_nothing(
    tmp_path: Path, machine: Machine
) -> None:
    """Three times `kill -9` while requests run: every one completes, the same worker goes on."""
    async with _place(tmp_path, machine) as (place, running):
        requests = [await place.submit() for _ in range(40)]
        for _ in range(3):
            await machine.kill()
            submitting = asyncio.create_task(place.submit())
            await machine.start()
            requests.append(await submitting)
        ends = [(await request.result(30)).outcome for request in requests]
        assert set(ends) == {"completed"}
        assert running.alive


async def test_a_demoted_server_is_waited_for_without_spinning(tmp_path: Path, machine: Machine) -> None:
    """READONLY: nothing is worked on, few commands are sent; promoted again, it goes on by itself."""
    async with _place(tmp_path, machine) as (place, _):
        requests = [await place.submit() for _ in range(5)]
        machine.ask("REPLICAOF", "127.0.0.1", "1")
        await asyncio.sleep(1.0)
        assert await machine.commands_a_second() < BUSY
        late = asyncio.create_task(place.submit())
        machine.ask("REPLICAOF", "NO", "ONE")
        requests.append(await late)
        assert {(await request.result(15)).outcome for request in requests} == {"completed"}


@pytest.mark.timing("the worker must ask while the server loads, which is over after some seconds")
async def test_a_loading_server_is_waited_for(tmp_path: Path, machine: Machine) -> None:
    """LOADING for some seconds after a restart: refused commands are repeated, then all goes on."""
    async with _place(tmp_path, machine) as (place, _):
        await asyncio.gather(*(place.store.call("SET", f"f:{n}", "x" * 100) for n in range(2000)))
        machine.ask("BGREWRITEAOF")

        async def rewritten() -> bool:
            return machine.info("persistence")["aof_rewrite_in_progress"] == "0"

        await until(rewritten)
        await machine.kill()
        slow = {"key-load-delay": "2500", "loading-process-events-interval-bytes": "1024"}
        with capture_logs() as said:
            starting = asyncio.create_task(machine.start(**slow))
            request = await place.submit()
            await starting
            assert (await request.result(15)).outcome == "completed"
        assert any("loading" in str(one.get("error")) for one in said)


async def test_an_emptied_server_stops_the_worker_and_is_not_begun_anew(
    tmp_path: Path, machine: Machine
) -> None:
    """FLUSHALL: the worker says so, fetches nothing, liveness sees it, no start hides it; an apply does."""
    async with _place(tmp_path, machine) as (place, _):
        stop = asyncio.Event()
        recording = asyncio.create_task(bootstrap.record(place.project.settings, place.store, stop))
        assert (await (await place.submit()).result(10)).outcome == "completed"
        stop.set()
        await recording
        with capture_logs() as said:
            machine.ask("FLUSHALL")

            async def stopped() -> bool:
                return any("was emptied" in one["event"] for one in said)

            await until(stopped, 5)

        async def dead() -> bool:
            beats = await workers.beats(place.store)
            return bool(beats) and "fetches nothing" in worker_problem(beats, beats[0].name.rsplit("-", 2)[0])

        await until(dead, 5)
        assert await machine.commands_a_second() < BUSY
        with pytest.raises(BackendRefusedError, match=r"audit store has \d+ records"):
            await bootstrap.activate(place.project, place.store, by="test")
        assert await control.policies(place.store) == ("",)
        await bootstrap.apply_policy(place.project, place.store, by="ops", reason="the volume is gone")
        await bootstrap.activate(place.project, place.store, by="test")
        assert (await (await place.submit()).result(10)).outcome == "completed"


async def test_a_full_server_takes_a_new_worker_which_drains_it(tmp_path: Path, machine: Machine) -> None:
    """Past maxmemory no request comes in; a worker that starts now finishes what is there, and is seen."""
    async with _place(tmp_path, machine) as (place, first):
        await first.stop()
        requests = [await place.submit() for _ in range(10)]
        machine.ask("CONFIG", "SET", "maxmemory", "1mb")
        await bootstrap.activate(place.project, place.store, by="test")
        second = await place.start()
        assert {(await request.result(15)).outcome for request in requests} == {"completed"}

        async def seen() -> bool:
            return second.worker.name in {
                beat.name for beat in await workers.beats(place.store) if beat.alive
            }

        await until(seen)


async def test_forgotten_scripts_and_groups_are_made_again(tmp_path: Path, machine: Machine) -> None:
    """SCRIPT FLUSH and a destroyed group in the middle of work: NOSCRIPT and NOGROUP end nothing."""
    async with _place(tmp_path, machine) as (place, running):
        requests = []
        for _ in range(10):
            requests.append(await place.submit())
            machine.ask("SCRIPT", "FLUSH")
            machine.ask("XGROUP", "DESTROY", place.store.keys(0).inbox("work"), "workers")
        assert {(await request.result(30)).outcome for request in requests} == {"completed"}
        assert running.alive


async def test_a_halt_that_a_backup_forgot_stays_in_force(tmp_path: Path, machine: Machine) -> None:
    """The control record goes back: this worker keeps the rule it was told of, and says so."""
    async with _place(tmp_path, machine) as (place, running):
        keys = place.store.keys(0)
        before = await place.store.call("DUMP", keys.control)
        rule = ControlRule(target=ControlTarget.parse("all"), mode=ControlMode.PAUSE, reason="t", by="ops")
        await control.hold(place.store, rule)

        async def held() -> bool:
            return all(lane.held() for lane in running.worker.lanes)

        await until(held)
        with capture_logs() as said:
            await place.store.call("RESTORE", keys.control, 0, before, "REPLACE")
            await place.store.call("DEL", keys.rules)

            async def told() -> bool:
                return any("went back" in one["event"] for one in said)

            await until(told)
        request = await place.submit()
        assert await held()
        await place.start()  # it was never told
        assert (await request.result(10)).outcome == "completed"


async def test_an_embedded_server_that_crashes_is_started_again(tmp_path: Path) -> None:
    """Its owner notices, starts it on its data, and whoever waited goes on; at the end it is stopped."""
    agent = Agent(COMPLETE, emits=["ExecutionComplete"])
    root = write(tmp_path / "p", Spec({"work": agent}, {"UserRequestReceived": "work", **END}))
    async with site(Project.find(root, times__block=0.2).load()) as place:
        assert (await (await place.submit()).result(10)).outcome == "completed"
        attached = start_embedded(root / ".wingman" / "redis")
        assert not attached.owned
        os.kill(attached.pid, signal.SIGKILL)
        assert (await (await place.submit()).result(20)).outcome == "completed"
        again = start_embedded(root / ".wingman" / "redis")
        assert again.pid != attached.pid
    assert not again.running
