"""Each clause of the commit is needed: with it taken out, the test of what it is for fails.

Like `test_rules_mutations`, whose mutations these are. The owner check and the intent are taken out in
`tests/chaos/test_chaos_overtaken.py`; docs/testing.md has the whole list.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import tests.worker.test_worker_clauses as clauses
import tests.worker.test_worker_control as control
from tests.rules.test_rules_mutations import Lua, take_out_clause

ACK = """\
for first = 1, #acks, 1000 do
  local last = math.min(first + 999, #acks)
  call('XACK', inbox(agent), GROUP, unpack(acks, first, last))
  call('XDEL', inbox(agent), unpack(acks, first, last))
end
"""
END = "return { tonumber(call('HGET', P .. ':control', 'epoch') or '0'), verdicts, recorded }"
DRAINS = clauses.test_a_full_server_drains_what_is_in_hand
RECEIPT = "if receipt and string.sub(receipt, 1, 1) ~= '@' then return { 'already_committed', receipt } end"

LUA = {
    "control": Lua(
        "commit",
        "if rule then return { 'stale_control', rule } end",
        "",
        clauses.test_a_pause_acknowledged_while_a_step_is_in_hand_holds_its_answer,
    ),
    "policy": Lua(
        "commit",
        "if m.p ~= '' and m.p ~= policy then return { 'stale_policy', policy } end",
        "",
        control.test_a_policy_applied_in_flight_judges_the_stored_outcome,
        (control.PERMIT, 2),
    ),
    "receipt, of a lost answer": Lua(
        "commit",
        RECEIPT,
        "",
        clauses.test_a_commit_whose_answer_was_lost_is_known_when_it_is_repeated,
    ),
    "receipt, of a copy": Lua("commit", RECEIPT, "", clauses.test_a_copy_of_what_is_done_is_dropped_and_told),
    "receipt, written": Lua(
        "commit", "mark_step(m.r, m.ev, m.agent, m.rc)", "", clauses.test_what_is_done_is_not_taken_for_lost
    ),
    "flag": Lua("commit", "#!lua flags=allow-oom", "#!lua", DRAINS, (True,)),
}
LATE = (Lua("commit", ACK, "", DRAINS), Lua("commit", END, ACK + END, DRAINS))
"""Acknowledged last."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clauses, "PATIENCE", 3.0)


async def _fails(mutation: Lua, url: str, folder: Path, *case: object) -> None:
    names = mutation.attack.__code__.co_varnames[:2]
    given = {"valkey_url": url, "tmp_path": folder}
    with pytest.raises(AssertionError):
        await mutation.attack(*(given[name] for name in names), *(case or mutation.case))


@pytest.mark.parametrize("clause", LUA)
async def test_without_this_clause_the_commit_breaks_a_promise(
    clause: str, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clause of the commit, taken out, is missed by the test of what it is for."""
    take_out_clause(LUA[clause], monkeypatch)
    await _fails(LUA[clause], valkey_url, tmp_path)


async def test_acknowledging_last_a_full_server_without_the_flag_is_stuck(
    valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is what drains a server that knows no `allow-oom`: there the first write decides."""
    for mutation in LATE:
        take_out_clause(mutation, monkeypatch)
    await _fails(LATE[0], valkey_url, tmp_path, False)


async def test_acknowledging_last_the_flag_alone_drains(
    valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two guards, each enough where the server heeds both: it takes both out to see the loss there."""
    for mutation in LATE:
        take_out_clause(mutation, monkeypatch)
    await DRAINS(valkey_url, tmp_path, True)
