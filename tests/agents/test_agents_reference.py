"""The reference project's agents with its real policies, tools, scopes and plans, step after step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agents.agents_fakes import FakeApprovals, envelope
from wingman_runtime.policy.judge import Judge
from wingman_runtime.project.load import LoadedProject, Project
from wingman_runtime.sdk import (
    ApprovalVoteCast,
    Emit,
    ExecutionApproved,
    ExecutionBlocked,
    Forward,
    Outcome,
    Perform,
    Refuse,
    RequestRejected,
    UserRequestReceived,
    Vote,
    VoteRefused,
    Wait,
    WorkRequest,
)
from wingman_runtime.worker.ports import StepPolicy

NOTE = {"title": "a", "body": "hello"}
PAGE = {"slug": "s", "title": "T", "body": "b", "channel": "team"}


@pytest.fixture(scope="module")
def loaded(project_root: Path) -> LoadedProject:
    return Project.find(project_root).load()


@pytest.fixture
def step(loaded: LoadedProject) -> Callable[..., Any]:
    """Call a mounted agent as the worker does, with the ports its manifest names."""

    async def call(agent: str, event: Any, approvals: FakeApprovals | None = None) -> Any:
        mounted = loaded.agents[agent]
        ports: dict[str, Any] = {
            "policy": StepPolicy(Judge(loaded.bundle), mounted.manifest.gate),
            "scopes": loaded.scopes,
            "tools": loaded.tools,
            "planners": loaded.planners,
            "approvals": approvals or FakeApprovals(),
        }
        needed = {name: ports[name] for name in mounted.manifest.needs}
        return await mounted.function(event, **needed)

    return call


@pytest.fixture
def walk(step: Callable[..., Any]) -> Callable[..., Any]:
    """Walk a request along the chain until an agent answers something else than one event to go on with."""

    async def go(intent: str, params: dict[str, Any], actor: str = "alice", **more: Any) -> Any:
        request = WorkRequest.model_validate({"intent": intent, "params": params, **more})
        event = envelope(UserRequestReceived(request=request), actor=actor)
        assert await step("dispatcher", event) == Forward()
        answer: Any = None
        for agent in ("scope_filter", "permission", "proposal", "handshake"):
            answer = await step(agent, event)
            if not isinstance(answer, Emit):
                return answer
            event = envelope(answer.events[0], actor=actor)
        return answer

    return go


async def test_note_is_approved_by_policy_and_performed(
    walk: Callable[..., Any], step: Callable[..., Any]
) -> None:
    """A low risk note passes every gate without a person, and becomes exactly one write."""
    answer = await walk("note.write", NOTE)
    (approved,) = answer.events
    assert isinstance(approved, ExecutionApproved)
    assert approved.granted_by == "policy:handshake-low-risk"
    perform = await step("executor", envelope(approved))
    assert isinstance(perform, Perform)
    (only,) = approved.plan.steps
    assert (only.tool, only.resource, only.compensation) == ("file.write", "file:notes/a.md", "file.restore")


async def test_explicit_steps_take_the_same_road(walk: Callable[..., Any]) -> None:
    """Explicit steps inside the scope are planned as they are."""
    steps = [{"tool": "file.append", "args": {"path": "notes/log.md", "content": "x"}}]
    answer = await walk("note.write", {}, steps=steps)
    assert [one.resource for one in answer.events[0].plan.steps] == ["file:notes/log.md"]


@pytest.mark.parametrize(
    ("params", "more"),
    [
        ({"title": "../secret", "body": "x"}, {}),
        ({"title": "a/../../secret", "body": "x"}, {}),
        ({"title": "/../../etc/passwd", "body": "x"}, {}),
        ({}, {"steps": [{"tool": "file.write", "args": {"path": "notes/../x", "content": ""}}]}),
        ({}, {"steps": [{"tool": "file.restore", "args": {"path": "notes/x", "stash": "s"}}]}),
        ({}, {"steps": [{"tool": "page.write", "args": {"slug": "s", "title": "t", "body": ""}}]}),
        ({"title": "a"}, {}),
        ({"title": "a", "body": 3}, {}),
        (NOTE, {"planner": "page.publish"}),
    ],
)
async def test_what_leaves_the_scope_is_rejected(
    walk: Callable[..., Any], params: dict[str, Any], more: dict[str, Any]
) -> None:
    """Climbing paths, tools of another scope, undo-only tools, missing or mistyped parameters: rejected."""
    answer = await walk("note.write", params, **more)
    assert isinstance(answer, Refuse)
    assert isinstance(answer.event, RequestRejected)
    assert all(answer.event.reasons)


async def test_publishing_asks_people(walk: Callable[..., Any], step: Callable[..., Any]) -> None:
    """Publishing waits for an approver; the requester's vote and a stranger's do not count, bob's does."""
    answer = await walk("page.publish", PAGE)
    assert isinstance(answer, Wait)
    assert answer.approval.roles == ("approver",)
    assert [one.compensation for one in answer.approval.plan.steps] == [
        "file.restore",
        "file.restore",
        "page.retract",
    ]
    held = FakeApprovals({answer.approval.approval_id: answer.approval})
    for voter, kind in (("alice", VoteRefused), ("mallory", VoteRefused), ("bob", ExecutionApproved)):
        vote = Vote(voter=voter, verdict="approve", plan_digest=answer.approval.plan_digest)
        cast = ApprovalVoteCast(approval_id=answer.approval.approval_id, vote=vote)
        voted = await step("handshake", envelope(cast, actor=voter), held)
        assert isinstance(voted.events[0], kind), voted


async def test_records_are_routine_unless_protected(walk: Callable[..., Any]) -> None:
    """An ordinary record needs no person; a protected one is blocked, by the policy that says so."""
    fields = {"count": 3}
    answer = await walk("record.update", {"record": "inventory/42", "fields": fields})
    assert answer.events[0].plan.steps[0].args["fields"] == fields
    blocked = await walk("record.update", {"record": "protected/42", "fields": fields})
    assert isinstance(blocked, Refuse)
    assert isinstance(blocked.event, ExecutionBlocked)
    assert blocked.event.outcome is Outcome.BLOCKED
    assert "handshake-protected" in blocked.event.policies


async def test_who_has_no_rights_gets_nowhere(walk: Callable[..., Any]) -> None:
    """Mallory is refused before anything is planned."""
    answer = await walk("note.write", NOTE, actor="mallory")
    assert isinstance(answer, Refuse)


def test_scopes_name_tools_and_planners_that_exist(loaded: LoadedProject) -> None:
    """The reference project's scopes fit its tools and planners."""
    loaded.scopes.check(loaded.tools.names(), loaded.planners.names())
