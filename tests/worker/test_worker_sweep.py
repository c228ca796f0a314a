"""Files kept for undoing: a worker that performs removes them once nobody can need them."""

from __future__ import annotations

import os
from pathlib import Path

from tests.rules.arena import Arena, Grounds, open_arena
from wingman_runtime import bootstrap
from wingman_runtime.effects.workspace import Workspace
from wingman_runtime.redisio import state
from wingman_runtime.worker.sweep import Sweep

DAY = 86_400.0


def _kept(arena: Arena) -> list[Path]:
    return sorted((arena.project.settings.workspace / ".undo").glob("eff_*"))


def _age(path: Path, seconds: float) -> None:
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


async def test_a_worker_sweeps_at_its_start(valkey_url: str, tmp_path: Path) -> None:
    """What is older than `state_ttl` goes when a worker starts, and once an hour; what is younger stays."""
    grounds = Grounds(tmp_path / "p")
    async with open_arena(valkey_url, grounds, times__state_ttl=DAY) as arena:
        for title in ("one", "two"):
            await arena.ended(await arena.submit(title=title, body="b"))
        old, young = _kept(arena)
        _age(old, 2 * DAY)
    async with open_arena(valkey_url, grounds, times__state_ttl=DAY) as arena:

        async def swept() -> bool:
            return _kept(arena) == [young]

        await arena.until(swept, "the old file is gone")
        assert arena.worker.times.sweep == 3600


async def test_what_an_open_request_may_need_stays(valkey_url: str, tmp_path: Path) -> None:
    """A file from the time of an open request stays however old it is, and goes when that has ended."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p"), partitions=2) as arena:
        store = arena.client.store
        assert await state.oldest_open(store) is None
        await arena.ended(await arena.submit())
        [file] = _kept(arena)
        waiting = [(await arena.publish(slug))[0] for slug in ("a", "b")]
        oldest = await state.oldest_open(store)
        assert oldest is not None
        assert abs(oldest - min(int(one.id.split("_")[2][:12], 16) for one in waiting) / 1000) < 0.001
        sweep = Sweep(store, Workspace(arena.project.settings.workspace), keep=60)
        _age(file, 1800)
        await sweep.look()
        assert _kept(arena) == [file]
        for request in waiting:
            await request.cancel(reason="enough")
            await arena.ended(request)
        await sweep.look()
        assert file not in _kept(arena)


async def test_a_worker_that_performs_nothing_sweeps_nothing(valkey_url: str, tmp_path: Path) -> None:
    """Only who has the workspace tidies it."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        for names, sweeps in ((["audit", "handshake"], False), (["executor"], True)):
            chosen = bootstrap.chosen_agents(arena.project, names)
            made = bootstrap.make_worker(arena.project, arena.client.store, chosen)
            assert (made.sweep is not None) is sweeps
