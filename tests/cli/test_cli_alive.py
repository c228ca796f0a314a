"""Liveness means progress: what a supervisor is told about workers and the recorder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from wingman_runtime.cli.alive import recorder_problem, worker_problem, written_at
from wingman_runtime.redisio.workers import WorkerBeat


def beat(name: str = "box-a-17-abc123", age_ms: int = 500, **facts: Any) -> WorkerBeat:
    return WorkerBeat(name, age_ms, facts)


@pytest.mark.parametrize(
    ("beats", "words"),
    [
        ([beat(oldest_s=0.0, idle_s=None)], ""),
        ([beat(oldest_s=0.0, idle_s=5000.0)], ""),
        ([beat(oldest_s=5000.0, idle_s=2.0)], ""),
        ([beat(oldest_s=5000.0, idle_s=4000.0), beat("box-a-18-abc124", oldest_s=0.1)], ""),
        ([], "no worker of box-a"),
        ([beat("box-17-abc123"), beat("box-a-b-17-abc123")], "no worker of box-a"),
        ([beat(age_ms=60_000)], "heartbeat is 60 s old"),
        ([beat(oldest_s=5000.0, idle_s=4000.0)], "finished for 4000 s"),
        ([beat(oldest_s=5000.0, idle_s=None)], "finished for 5000 s"),
        ([beat(deaf_s=12.0)], ""),
        ([beat(deaf_s=45.0)], "could not be read for 45 s"),
        ([beat(missing_policy="none")], "fetches nothing"),
        ([beat(missing_policy="none"), beat("box-a-18-abc124", missing_policy="")], ""),
    ],
)
def test_a_worker_is_alive_when_its_work_gets_on(beats: list[WorkerBeat], words: str) -> None:
    """Idle and busy are alive; stuck on one event with nothing else finished is not, nor is a stranger."""
    problem = worker_problem(beats, "box-a")
    assert bool(problem) == bool(words)
    assert words in problem


@pytest.mark.parametrize(
    ("waiting", "written", "alive"),
    [([0], [1.0], True), ([5, 9], [1.0, 2.0], True), ([5, 0], [1.0], True), ([5, 5], [1.0, 1.0], False)],
)
async def test_the_recorder_is_alive_when_it_writes(
    waiting: list[int], written: list[float], alive: bool
) -> None:
    """Nothing waits, or the store is written to while records wait."""

    async def lag() -> int:
        return waiting.pop(0)

    problem = await recorder_problem(lag, lambda: written.pop(0), 0.0)
    assert (not problem) is alive


def test_a_write_ahead_log_counts_as_the_store(tmp_path: Path) -> None:
    """SQLite writes beside the file first."""
    store = tmp_path / "audit.db"
    assert written_at(store) == 0
    store.touch()
    os.utime(store, (10, 10))
    (tmp_path / "audit.db-wal").touch()
    os.utime(tmp_path / "audit.db-wal", (20, 20))
    assert written_at(store) == 20
