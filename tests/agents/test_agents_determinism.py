"""Agents are functions: the same event, with the same ports, gives the same answer, byte for byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agents.agents_fakes import (
    NOTES,
    FakeApprovals,
    FakeLedger,
    FakePlanner,
    FakePlanners,
    FakePolicy,
    FakeScopes,
    FakeTools,
    a_plan,
    an_effect,
    envelope,
)
from wingman_runtime.project.mount import Mount
from wingman_runtime.project.template import fill, parse_text
from wingman_runtime.sdk import (
    CompensationPlanned,
    EffectStatus,
    ExecutionFailed,
    ExecutionPlanProposed,
    PermissionsVerified,
    RequestValidated,
    UserRequestReceived,
    WorkRequest,
)

AGENTS = Mount.of(Path(__file__).resolve().parents[2] / "agents")
texts = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
steps = st.fixed_dictionaries(
    {
        "tool": st.sampled_from(["file.write", "mail.send", "rm"]),
        "args": st.dictionaries(st.sampled_from(["path", "to"]), texts | st.integers(), max_size=2),
    }
)
requests = st.builds(
    lambda intent, params, chosen: WorkRequest.model_validate(
        {"intent": intent, "params": params, "steps": chosen}
    ),
    st.sampled_from(["note.write", "page.publish"]),
    st.dictionaries(texts, values, max_size=3),
    st.lists(steps, max_size=3),
)
allowed = st.sets(
    st.sampled_from(["validate", "permit", "propose", ("approve", "handshake"), ("approve", "approver")])
)


def twice(agent: str, make: Callable[[], tuple[Any, dict[str, Any]]]) -> Any:
    """Both answers of ``agent`` to inputs made anew, after checking that they are equal."""
    answers = []
    for _ in range(2):
        event, ports = make()
        answers.append(asyncio.run(AGENTS.load(agent, "agent").handle(event, **ports)))
    assert answers[0] == answers[1]
    return answers[0]


@settings(max_examples=40, deadline=None)
@given(requests, allowed)
def test_same_request_same_answers(request: WorkRequest, rights: set[Any]) -> None:
    """Scope filter, permission, proposal and handshake answer alike each time, whatever the request holds."""
    tools = FakeTools()

    def policy() -> FakePolicy:
        return FakePolicy(set(rights))

    planners = FakePlanners(
        {
            name: FakePlanner([(step.tool, step.args) for step in request.steps])
            for name in ("steps", "note.write")
        }
    )
    twice(
        "scope_filter",
        lambda: (
            envelope(UserRequestReceived(request=request)),
            {"policy": policy(), "scopes": FakeScopes(NOTES), "tools": tools},
        ),
    )
    twice(
        "permission",
        lambda: (
            envelope(RequestValidated(request=request, scope=NOTES)),
            {"policy": policy(), "tools": tools},
        ),
    )
    verified = PermissionsVerified(request=request, scope=NOTES, grants=NOTES.grants)
    twice(
        "proposal", lambda: (envelope(verified), {"policy": policy(), "planners": planners, "tools": tools})
    )
    proposed = ExecutionPlanProposed(plan=a_plan(), plan_digest=a_plan().digest(), grants=NOTES.grants)
    twice("handshake", lambda: (envelope(proposed), {"policy": policy(), "approvals": FakeApprovals()}))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(EffectStatus)), st.booleans()), max_size=6))
def test_rollback_accounts_for_every_effect(ledger: list[tuple[EffectStatus, bool]]) -> None:
    """Each effect that may still stand is either undone, newest first, or named; each is told once."""
    rows = tuple(
        an_effect(index, status, **({} if undoable else {"undo": None}))
        for index, (status, undoable) in enumerate(ledger)
    )
    failed = ExecutionFailed(
        plan=a_plan(), approval_id="", granted_by="", effects=rows, failed_step=None, reasons=("x",)
    )
    answer = twice("rollback", lambda: (envelope(failed), {"ledger": FakeLedger(rows)}))
    (event,) = answer.events
    standing = [row for row in rows if row.status not in (EffectStatus.FAILED, EffectStatus.COMPENSATED)]
    undoable = [row for row in standing if row.status is EffectStatus.DONE and row.undo is not None]
    if isinstance(event, CompensationPlanned):
        undone = [step.undoes for step in event.plan.steps]
        assert undone == [row.effect_id for row in reversed(undoable)]
        told = [*undone, *event.plan.irreversible]
    else:
        assert not undoable
        told = [row.effect_id for row in rows if any(row.effect_id in reason for reason in event.reasons)]
    assert sorted(told) == sorted(row.effect_id for row in standing)


@given(values)
def test_lone_placeholder_is_the_value_itself(value: Any) -> None:
    """Whatever a parameter holds, a template hands it on unchanged."""
    request = WorkRequest(intent="x", params={"v": value})
    filled = fill({"args": (parse_text("{{ params.v }}"),)}, request)
    assert json.dumps(filled) == json.dumps({"args": [value]})


@given(texts)
def test_text_is_a_template_or_refused(text: str) -> None:
    """Text without doubled braces stands for itself."""
    if "{{" in text or "}}" in text:
        return
    assert parse_text(text).fill(WorkRequest(intent="x")) == text


def test_agents_import_the_sdk_alone() -> None:
    """An agent's file imports the standard library and wingman_runtime.sdk, nothing else of the runtime."""
    for path, source in AGENTS.files.items():
        lines = [line for line in source.decode().splitlines() if line.startswith(("import ", "from "))]
        for line in lines if path.endswith(".py") else ():
            if "wingman_runtime" in line:
                assert line.startswith("from wingman_runtime.sdk import"), (path, line)
