"""Killed at every named moment of every agent, a worker loses nothing and does nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.matrix import HARMFUL, LAYOUTS, POINTS, run_matrix


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_worker_killed_at_every_crash_point(layout: str, tmp_path: Path) -> None:
    """At each point a worker really dies, by SIGKILL; another goes on, and all eight invariants hold."""
    found = await run_matrix(tmp_path / "run", layout)
    assert found.died == list(POINTS)
    assert not found.violations, "\n".join(map(str, found.violations))


async def test_a_worker_frozen_at_every_point_where_it_could_do_harm(tmp_path: Path) -> None:
    """It wakes after others have taken over and ended its work; what it then sends changes nothing."""
    found = await run_matrix(tmp_path / "run", "together", HARMFUL, freeze=True)
    assert found.died == list(HARMFUL)
    assert not found.violations, "\n".join(map(str, found.violations))
