"""Each guard is needed: with it taken out, the attack it stops succeeds, that is, the test of the rule fails.

A mutation names one guard by its text in a script or a function, or by its function, and the test that must
notice. Where policies hold the same as the handshake's own checks, both are taken out: the test then shows
that it looks at something at all.
"""

from __future__ import annotations

import hashlib
import inspect
import shutil
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tests.rules.test_rule_no_hidden_permission_escalation as escalation
import tests.rules.test_rule_no_hidden_permission_escalation_votes as votes
import tests.rules.test_rule_no_invisible_cascades as cascades
import tests.rules.test_rule_no_silent_consumers as consumers
import tests.rules.test_rule_no_unlogged_event_triggers as triggers
from tests.rules import arena
from wingman_runtime.contracts.ports import Decision
from wingman_runtime.effects import perform
from wingman_runtime.flow import check
from wingman_runtime.ledger import recorder
from wingman_runtime.policy.judge import Judge
from wingman_runtime.project import load
from wingman_runtime.project.find import reference_root
from wingman_runtime.redisio import scripts
from wingman_runtime.worker import desk
from wingman_runtime.worker.watch import Watch


@dataclass(frozen=True, slots=True)
class Lua:
    """A guard in a script: ``text`` is replaced by ``instead`` wherever the script is used."""

    script: str
    text: str
    instead: str
    attack: Callable[..., Any]
    case: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Python:
    """A guard in Python: an attribute of a module or class."""

    where: Any
    name: str
    instead: Any
    attack: Callable[..., Any]
    case: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A guard inside a function: ``text`` is replaced by ``instead`` in its source."""

    where: Any
    name: str
    text: str
    instead: str
    attack: Callable[..., Any]
    case: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Files:
    """Guards in files of the project: an agent's function, a policy. Each edit is (file, old, new)."""

    edits: tuple[tuple[str, str, str], ...]
    attack: Callable[..., Any]
    case: tuple[Any, ...] = ()


async def _nothing(*_: Any) -> None:
    """In place of a coroutine that guards."""


def _allowed(*_: Any) -> Decision:
    return Decision(
        allow=True, gate="", action="", principal="", resource="", policies=(), reasons=(), bundle=""
    )


LUA = [
    Lua(
        "commit",
        "if not logged then return { 'unlogged', m.ev } end",
        "",
        triggers.test_a_copy_of_an_entry_under_another_id_triggers_nothing,
        ("permission",),
    ),
    Lua(
        "commit",
        "if verdicts[i][1] == 'already_committed' and m.owned then",
        "if false then",
        triggers.test_a_replay_of_an_old_event_triggers_nothing,
        ("dispatcher",),
    ),
    Lua(
        "commit",
        "if #m.lg == 0 then",
        "if false then",
        triggers.test_nonsense_is_buried_with_a_record,
        ({b"a": b"b"},),
    ),
    Lua(
        "intent",
        "{ 'refused', 'unlogged', 0 }",
        "{ 'refused', 'fenced', 0 }",
        triggers.test_a_copy_of_an_entry_under_another_id_triggers_nothing,
        ("executor",),
    ),
    Lua(
        "commit",
        "if #m.em > (tonumber(meta(s, 'fan_out')) or 16)",
        "if false",
        cascades.test_an_answer_wider_than_the_fan_out_is_refused_whole,
    ),
    Lua(
        "commit",
        "if spent > (tonumber(meta(s, 'events')) or 0) + spare",
        "if false",
        cascades.test_the_number_of_events_is_bounded,
    ),
    Lua(
        "commit",
        "if e.dp > (tonumber(meta(s, 'depth')) or 0) + spare",
        "if false",
        cascades.test_limits_of_the_flow_hold,
    ),
    Lua(
        "commit",
        "if not route or lacks(route, e) then return { 'refused_emit', e.ty } end",
        "if not route then return nil end",
        cascades.test_an_event_without_a_route_is_not_sent,
    ),
    Lua(
        "commit",
        "if not s then return { 'gone', m.r } end",
        "",
        triggers.test_an_event_of_a_deleted_request_triggers_nothing,
    ),
    Lua(
        "intent",
        "if step_of(H.r, H.ev, H.agent) ~= '@' .. H.e then",
        "if false then",
        escalation.test_an_approved_plan_sent_again_by_hand_runs_nothing,
    ),
    Lua(
        "commit",
        "m.ph > 0 and SPARE or 0",
        "0",
        cascades.test_a_declared_circle_ends_at_the_depth,
    ),
    Lua(
        "reconcile",
        "return 'dropped', agent, entry",
        "return 'waiting'",
        consumers.test_a_silent_acknowledgement_loses_nothing,
    ),
    Lua(
        "reconcile",
        "if state == 'gone' then lost = true end",
        "",
        consumers.test_a_deleted_entry_fails_the_request,
    ),
    *(
        Lua(
            "intent",
            text,
            "if false then",
            escalation.test_an_approval_is_of_one_plan_once_and_in_time,
            case,
        )
        for text, case in [
            ("if v[3] ~= H.digest or now >= tonumber(v[2]) then", ("digest", "sha256:00")),
            ("if v[3] ~= H.digest or now >= tonumber(v[2]) then", ("expires_at", "1")),
            ("if v[1] ~= 'approved' or v[5] ~= H.r then", ("status", "open")),
            ("if v[1] ~= 'approved' or v[5] ~= H.r then", ("req", "req_p0_0")),
            ("if v[4] ~= '' and v[4] ~= H.ev then", ("used", "evt_other")),
        ]
    ),
    Lua(
        "intent",
        "if other and cjson.decode(other).st ~= 'failed' then",
        "if false then",
        escalation.test_an_effect_is_undone_once,
    ),
    Lua(
        "common",
        "rules_known = count ==",
        "rules_known = true or count ==",
        escalation.test_deleting_a_rule_ends_no_pause,
        ("del",),
    ),
]

PYTHON = [
    Python(Watch, "_groups", _nothing, consumers.test_a_second_group_on_an_inbox_is_on_the_record),
    Python(Watch, "_taken_back", _nothing, consumers.test_a_thief_in_the_workers_group_is_named_and_robbed),
    Python(desk, "may_write", lambda *_: True, escalation.test_an_agent_cannot_write_an_approval),
    Python(
        Judge,
        "can_emit",
        _allowed,
        escalation.test_an_agent_that_declares_a_grant_is_stopped_by_the_gate,
        ("PermissionsVerified",),
    ),
    Python(perform, "not_the_undo", lambda *_: None, escalation.test_a_compensation_is_no_way_to_run_tools),
]

LINES = [
    Line(
        desk.Desk,
        "_checked",
        "if name not in self._manifest.emits:",
        "if False:",
        escalation.test_an_agent_that_does_not_declare_an_event_cannot_send_it,
    ),
    Line(
        perform.Performer,
        "_ready",
        'or (step.tool not in declared and "*" not in declared)',
        "",
        escalation.test_a_tool_the_manifest_leaves_out_is_not_called,
    ),
    Line(
        recorder,
        "sort_out",
        "elif entry.n > position.next_n:",
        "elif False:",
        triggers.test_a_record_deleted_from_the_log_is_a_gap_with_a_name,
        ("xdel",),
    ),
]

HANDSHAKE = "agents/handshake/agent.py"
CLOSED = "    if record.status is not ApprovalStatus.OPEN:"
VOTES = "policies/40-handshake.cedar"
_APPROVE = 'action == Wingman::Action::"approve", resource is Wingman::Plan)'
ANYBODY = (
    f'permit (principal in Wingman::Role::"approver", {_APPROVE}\nwhen {{ resource.within_grants }}',
    f"permit (principal, {_APPROVE}\n"
    'when { principal in Wingman::Role::"approver" || principal is Wingman::User }',
)
"""People without the role approve as well; the handshake itself must still ask."""
FILES = [
    Files(
        (
            (HANDSHAKE, "if vote.voter == record.requester:", "if False:"),
            (VOTES, "when { principal == resource.requester };", "when { false };"),
        ),
        votes.test_nobody_votes_on_a_request_of_their_own,
    ),
    Files(
        (
            (HANDSHAKE, "if not set(record.roles) & set(policy.roles_of(vote.voter)):", "if False:"),
            (VOTES, *ANYBODY),
        ),
        votes.test_only_people_with_the_role_vote,
        ("mallory",),
    ),
    Files(
        ((HANDSHAKE, "if any(earlier.voter == vote.voter for earlier in record.votes):", "if False:"),),
        votes.test_nobody_votes_twice,
    ),
    Files(
        ((HANDSHAKE, "if vote.plan_digest != record.plan_digest:", "if False:"),),
        votes.test_a_vote_for_another_plan_posted_by_hand_counts_nothing,
    ),
    Files(
        ((HANDSHAKE, f"{CLOSED}\n        return _ref", "    if False:\n        return _ref"),),
        votes.test_a_vote_that_comes_after_the_decision_counts_nothing,
    ),
]

AT_LOAD = [
    Python(
        check,
        "check_governance",
        lambda *_: (),
        escalation.test_a_flow_past_the_handshake_is_refused,
        (
            "ExecutionPlanProposed: handshake",
            "ExecutionPlanProposed: [handshake, hands]",
            "hands acts on ExecutionPlanProposed",
        ),
    ),
    Python(check, "check_governance", lambda *_: (), escalation.test_who_could_vote_for_itself_is_refused),
    Python(check, "_cycles", lambda *_: (), cascades.test_an_undeclared_circle_is_refused),
    Python(check, "_orphan_events", lambda *_: (), cascades.test_an_event_that_goes_nowhere_is_refused),
    Python(
        load,
        "with_reference",
        lambda own, reference, _: {**reference, **own},
        escalation.test_a_shipped_agent_is_not_shadowed_unsaid,
    ),
]


Mutation = Lua | Python | Line | Files


def _name(mutation: Mutation) -> str:
    match mutation:
        case Lua(text=text) | Line(text=text) | Files(edits=((_, text, _), *_)):
            guard = text[:30]
        case Python(name=name):
            guard = name
    return f"{guard} -> {mutation.attack.__name__[5:40]} {mutation.case[:1]}"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a guard would have brought about never comes; a busy machine still gets time to show it."""
    monkeypatch.setattr(arena, "PATIENCE", 2.0)


async def _succeeds(mutation: Mutation, url: str, folder: Path) -> None:
    """One try is enough: what an attack needs is there before it begins, or the attack is an error."""
    with pytest.raises(AssertionError):
        await mutation.attack(url, folder, *mutation.case)


def take_out_clause(mutation: Lua, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts as loaded from here on are without the clause."""
    whole = scripts.source
    used_in = "commit" if mutation.script == "common" else mutation.script
    assert mutation.text in whole(used_in).text, "the guard is not in the script any more"

    def mutated(name: str, *, shebang: bool = True) -> scripts.Source:
        text = whole(name, shebang=shebang).text
        if mutation.script in (name, "common"):
            text = text.replace(mutation.text, mutation.instead)
        return scripts.Source(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())

    monkeypatch.setattr(scripts, "source", mutated)


def take_out_line(mutation: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function is from here on without the condition."""
    function = getattr(mutation.where, mutation.name)
    source = textwrap.dedent(inspect.getsource(function))
    assert mutation.text in source, "the guard is not in the function any more"
    made: dict[str, Any] = {}
    rewritten = "from __future__ import annotations\n" + source.replace(mutation.text, mutation.instead)
    exec(compile(rewritten, "<mutated>", "exec"), function.__globals__, made)
    monkeypatch.setattr(mutation.where, mutation.name, made[mutation.name])


@pytest.mark.parametrize("mutation", LUA, ids=_name)
async def test_without_this_clause_the_attack_succeeds(
    mutation: Lua, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clause of a script, taken out, is missed by the test that names it."""
    take_out_clause(mutation, monkeypatch)
    await _succeeds(mutation, valkey_url, tmp_path)


@pytest.mark.parametrize("mutation", PYTHON, ids=_name)
async def test_without_this_function_the_attack_succeeds(
    mutation: Python, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guard in Python that answers yes is missed by the test that names it."""
    monkeypatch.setattr(mutation.where, mutation.name, mutation.instead)
    await _succeeds(mutation, valkey_url, tmp_path)


@pytest.mark.parametrize("mutation", LINES, ids=_name)
async def test_without_this_line_the_attack_succeeds(
    mutation: Line, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A condition in Python, taken out of its function, is missed by the test that names it."""
    take_out_line(mutation, monkeypatch)
    await _succeeds(mutation, valkey_url, tmp_path)


@pytest.mark.parametrize("mutation", FILES, ids=_name)
async def test_without_these_rules_the_attack_succeeds(
    mutation: Files, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent's or a policy's check, taken out of the project, is missed by the test that names it."""
    opened = arena.open_arena
    for file, old, _ in mutation.edits:
        assert old in (reference_root() / file).read_text(), f"the guard is not in {file} any more"

    def mutated(url: str, grounds: arena.Grounds, **flags: Any) -> Any:
        shutil.copytree(reference_root() / "agents" / "handshake", grounds.root / "agents" / "handshake")
        grounds.edit("agents/handshake/manifest.yaml", "name: handshake", "name: handshake\nreplaces: true")
        for edit in mutation.edits:
            grounds.edit(*edit)
        return opened(url, grounds, **flags)

    monkeypatch.setattr(votes, "open_arena", mutated)
    await _succeeds(mutation, valkey_url, tmp_path)


@pytest.mark.parametrize("mutation", AT_LOAD, ids=_name)
def test_without_this_check_the_project_loads(
    mutation: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check of the loader, taken out, is missed by the test that names it."""
    monkeypatch.setattr(mutation.where, mutation.name, mutation.instead)
    with pytest.raises((AssertionError, ValueError)):  # ValueError: an unpacking that expects one finding
        mutation.attack(tmp_path, *mutation.case)
