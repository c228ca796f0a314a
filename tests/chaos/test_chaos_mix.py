"""Ninety seconds of load with every kind of fault struck into it."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.faults import all_faults
from tests.chaos.mix import run_mix
from tests.chaos.report import report

SEED = 4
SECONDS = 90.0


async def test_every_invariant_holds_under_a_mix_of_faults(tmp_path: Path) -> None:
    """Each fault fired, each outcome occurred, and four observers find nothing lost and nothing twice."""
    faults = [fault for fault in all_faults().values() if not fault.missing()]
    result = await run_mix(tmp_path / "run", seconds=SECONDS, seed=SEED, faults=faults, drain=60.0)
    print("\n" + report(result))
    assert result.ok, report(result)
