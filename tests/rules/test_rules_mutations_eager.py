"""Each guard over eager steps is needed: with it taken out, the test of that guard fails.

Like `test_rules_mutations`, whose mutations these are; the tests that must notice are those of the scripts
and of the worker.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tests.redisio.test_scripts_eager as stories
import tests.redisio.test_scripts_eager_refused as refused
import tests.worker.test_worker_eager as worker
from tests.redisio.harness import open_house
from tests.rules.test_rules_mutations import Line, Lua, Python, take_out_clause, take_out_line
from wingman_runtime.contracts.control import ControlMode
from wingman_runtime.errors import BackendError
from wingman_runtime.worker import lane
from wingman_runtime.worker.calling import Caller
from wingman_runtime.worker.desk import Desk
from wingman_runtime.worker.eager import Eager

CHECKED = "if foreseen or f.ty ~= m.ty or refused(m, s) then"
HELD = "if rule then return { 'stale_control', rule } end"
WAITED_FOR = "awaited.r == req and awaited.agent == agent and awaited.ev == id"
WRONG = refused.test_a_wrong_step_leaves_no_trace
RULE = refused.test_a_rule_stops_a_chain_before_what_it_covers

LUA = [
    *(
        Lua("commit", CHECKED, "if foreseen or f.ty ~= m.ty then", WRONG, (wrong,))
        for wrong in (
            "other policies",
            "a changed approval",
            "no such route",
            "too deep",
            "too wide",
            "too many",
            "passes on another event",
        )
    ),
    *(
        Lua("commit", CHECKED, "if foreseen or f.ty ~= m.ty then", RULE, ("agent:b", mode, answer))
        for mode in (ControlMode.PAUSE, ControlMode.HALT)
        for answer in ("done", "retry")
    ),
    Lua("commit", HELD, "if rule and m.e ~= '' then return { 'stale_control', rule } end", RULE,
        ("event:Next", ControlMode.PAUSE, "done")),
    Lua("commit", CHECKED, "if foreseen or refused(m, s) then", WRONG, ("another type",)),
    Lua("commit", CHECKED, "if f.ty ~= m.ty or refused(m, s) then",
        refused.test_a_closing_answered_under_another_outcome_is_asked_again, ("Refused", "completed")),
    Lua("common", WAITED_FOR, WAITED_FOR.replace("awaited.agent == agent and ", ""),
        WRONG, ("another agent",)),
    Lua("common", WAITED_FOR, WAITED_FOR.replace(" and awaited.ev == id", ""), WRONG, ("another event",)),
    Lua("common", WAITED_FOR, WAITED_FOR.replace("awaited.r == req and ", ""),
        stories.test_another_request_does_not_come_along),
    Lua("commit", "    m.fields = f\n", "    m.fields = { ty = f.ty, b = body(m.em[1].b) }\n",
        stories.test_a_step_that_is_passed_on_keeps_its_bytes),
    Lua("commit", "  budgets[m.r] = spent\n", "", stories.test_the_budget_counts_the_whole_batch),
    Lua("commit", "deliver(f.r, m.agent, f.id, f.ty, f.f, f.fd, f.t, f.ph, f.b)", "",
        WRONG, ("no such route",)),
    Lua("commit", "write_retry(m, f, 1)", "write_retry(m, f, 0)",
        stories.test_an_early_failure_is_tried_again_and_counted),
]  # fmt: skip

WORKER = [
    Line(Caller, "call", "elif early:", "elif False:",
         worker.test_an_early_answer_does_not_read_past_its_commit),
    Line(Eager, "extend", "finished.result.entry.deliveries != 1 or ", "",
         worker.test_what_was_delivered_before_goes_step_by_step),
    Line(Eager, "extend", " or not finished.step.spared", "",
         worker.test_a_worker_that_dies_of_an_agent_costs_the_one_before_no_dead_letter, (1,)),
    Line(Eager, "extend", " or size + following.result.size > self._limit_bytes", "",
         worker.test_large_answers_go_one_by_one),
    Line(Eager, "_following", " or not desk.eager(entry.event_type)", "",
         worker.test_an_agent_that_always_waits_is_never_asked_early, (True,)),
    Line(lane.Lane, "_file", " or results[0].eager", "",
         worker.test_an_early_answer_that_cannot_be_committed_costs_only_its_agent),
]  # fmt: skip
ONCE = Python(
    Desk,
    "eager",
    lambda desk, event_type: desk._caller.prompt(event_type),
    worker.test_an_agent_that_may_fail_only_once_is_not_asked_early,
)


def _name(mutation: Lua | Line | Python) -> str:
    return f"{mutation.attack.__name__[5:50]} {mutation.case}"


@pytest.mark.parametrize("mutation", LUA, ids=_name)
async def test_without_this_clause_a_wrong_step_is_recorded(
    mutation: Lua, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clause of the commit that an eager step does not pass is missed by the test of the scripts."""
    take_out_clause(mutation, monkeypatch)
    async with open_house(valkey_url) as house:
        # What the script trips over was not refused either.
        with pytest.raises((AssertionError, BackendError)):
            await mutation.attack(house, *mutation.case)


@pytest.mark.parametrize("mutation", WORKER, ids=_name)
async def test_without_this_line_the_worker_asks_too_early(
    mutation: Line, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A condition under which nobody is asked early is missed by the test of the worker."""
    take_out_line(mutation, monkeypatch)
    await _noticed(mutation, valkey_url, tmp_path, monkeypatch)


async def test_without_a_second_attempt_nobody_is_asked_early(
    valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may fail only once, asked early all the same, is asked twice: the test of the worker sees it."""
    monkeypatch.setattr(ONCE.where, ONCE.name, ONCE.instead)
    await _noticed(ONCE, valkey_url, tmp_path, monkeypatch)


async def _noticed(mutation: Line | Python, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = mutation.attack.__code__.co_varnames[: mutation.attack.__code__.co_argcount]
    given: list[Any] = [folder, url]
    if "commits" in wanted:
        commits = worker.Commits()
        monkeypatch.setattr(lane, "commit", commits)
        given.append(commits)
    with pytest.raises(AssertionError):
        await mutation.attack(*given, *mutation.case)
