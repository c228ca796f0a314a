"""What a fenced worker knows better is not believed; and without a clause for that, the suite fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.overtaken import run_overtaken

MUTATIONS = {
    "owner check": (
        "I2 doubt-shows",
        "commit",
        "if not m.owned then return { 'fenced', owner or '' } end",
    ),
    "an intent belongs to one claim": (
        "I2 at-most-once",
        "intent",
        "if not H.takeover or now < m.dl then "
        "return { 'in_doubt', m.st, math.max(0, m.dl - now) } end\n    attempt = m.n + 1",
    ),
    "an intent is on record": (
        "I2 absent-none",
        "intent",
        "append('effect_intent', H.r, string.sub(ARGV[3], 1, -3) .. ',\"attempt\":' .. attempt .. '}}')",
    ),
}
"""Clause, taken out of a script: what the checker must find."""


async def test_a_fenced_worker_commits_nothing(tmp_path: Path) -> None:
    """It wakes while another holds its work: its commit is refused, and the effect stays uncertain."""
    assert not await run_overtaken(tmp_path / "run")


@pytest.mark.parametrize("clause", MUTATIONS)
async def test_without_the_clause_the_checker_finds_it(clause: str, tmp_path: Path) -> None:
    """The clause taken out, one and the same course of events breaks an invariant, and it is seen."""
    found, script, old = MUTATIONS[clause]
    mutation = {"script": script, "old": old, "new": ""}
    assert found in {violation.clause for violation in await run_overtaken(tmp_path / "run", mutation)}
