"""Each fault of the disk does what it says, and leaves what a server that syncs always has acknowledged."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.chaos.bench import bench, figure
from tests.chaos.fault import Facts, Fault, NotStruckError
from tests.chaos.faults_disk import PowerCut, RewriteRestart, TornTail, last_part
from tests.chaos.house import House
from tests.chaos.waiting import until


async def struck(fault: Fault, house: House, tries: int = 5) -> Facts:
    """What a run does, too: a fault that had nothing to strike at is tried again."""
    for _ in range(tries):
        with contextlib.suppress(NotStruckError):
            return await fault.strike(house)
    raise AssertionError(f"{fault.name} was never struck")


async def test_a_restart_in_a_rewrite_finds_everything(tmp_path: Path) -> None:
    """The rewrite was under way and is lost with its half-written file; no acknowledged write is."""
    fault = RewriteRestart()
    async with bench(tmp_path, fault) as house:
        for number in range(200):
            house.server.ask("SET", f"k{number}", "v")
        facts = await struck(fault, house)
        assert facts["left"], "no rewrite had begun"
        assert house.server.starts == 2
        assert house.server.ask("DBSIZE") == 200


async def test_a_torn_tail_is_cut_off_and_the_rest_loads(tmp_path: Path) -> None:
    """Half a command stands at the end of the file; the server cuts it off and has all that was before it."""
    fault = TornTail()
    async with bench(tmp_path, fault) as house:
        for number in range(50):
            house.server.ask("SET", f"k{number}", "v")
        facts = await fault.strike(house)
        assert facts["torn"] > 0
        assert b"chaos:torn" not in last_part(house.server).read_bytes()
        assert "truncat" in (house.server.data_dir / "server.log").read_text().lower()
        assert house.server.ask("DBSIZE") == 50


@pytest.mark.parametrize(("fsync", "loses"), [("always", False), ("no", True)])
async def test_a_power_cut_leaves_what_was_synced(tmp_path: Path, fsync: str, loses: bool) -> None:
    """A server that syncs always keeps every acknowledged write; the same one that does not loses some."""
    fault = PowerCut()
    assert not fault.missing()
    async with bench(tmp_path, fault, appendfsync=fsync) as house:
        for number in range(300):
            house.server.ask("SET", f"k{number}", "v" * 50)
        facts = await fault.strike(house)
        assert bool(facts["lost"]) is loses, facts
        assert (house.server.ask("DBSIZE") < 300) is loses  # type: ignore[operator]


async def test_a_power_cut_after_a_rewrite_leaves_the_rewritten_file(tmp_path: Path) -> None:
    """What the child of the server wrote was synced as well."""
    fault = PowerCut()
    async with bench(tmp_path, fault) as house:
        for number in range(100):
            house.server.ask("SET", f"k{number}", "v")
        house.server.ask("BGREWRITEAOF")
        await until(lambda: figure(house, "persistence", "aof_rewrite_in_progress") == "0", 10.0)
        house.server.ask("SET", "after", "v")
        await fault.strike(house)
        assert house.server.ask("DBSIZE") == 101
