"""A branch that says no beside one that has begun to act: what was applied is undone, and the no stands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from wingman_runtime.testing import Run, arun

REFERENCE = Path(__file__).resolve().parents[2]
TOOL = '''
import time
from wingman_runtime.sdk import ToolContext, tool

@tool("mark.set", purpose="mark", risk="low", timeout=5, compensation="mark.clear", resource="mark:{name}")
def put(name: str, seconds: float, context: ToolContext) -> str:
    """Mark, then take a while."""
    context.files.write(f"{name}.txt", b"marked")
    time.sleep(seconds)
    return name

@tool("mark.clear", purpose="unmark", risk="low", timeout=5, undo_only=True, idempotent=True,
      irreversible=True, resource="mark:{name}")
def clear(name: str, context: ToolContext) -> str:
    """Unmark."""
    context.files.write(f"{name}.txt", b"cleared")
    return name
'''
AGENT = """
import asyncio
from wingman_runtime.sdk import Event, Refuse, RequestRejected, RequestValidated

async def handle(event: Event[RequestValidated]) -> Refuse:
    await asyncio.sleep(event.data.request.params["after"])
    return Refuse(RequestRejected(reasons=("too loud",)))
"""
MANIFEST = """
name: tone
version: 1.0.0
purpose: refuse
owner: tests
scope: Reads the request.
handler: agent:handle
consumes: [RequestValidated]
emits: [RequestRejected]
refusals: [RequestRejected]
tools: []
output: a refusal
audit: [the refusal]
"""
SCOPE = """
  marks:
    purpose: a test
    intents: [mark]
    tenants: [demo]
    limits: {bytes: 1000, steps: 0}
    tools:
      mark.set: ["mark:*"]
"""
PLAN = """
plan: mark
purpose: a test
steps:
  - tool: mark.set
    args: {name: a, seconds: "{{ params.seconds }}"}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The reference project with a slow tool, and an agent beside the chain that refuses everything, late."""
    for part in ("config", "policies", "tools"):
        shutil.copytree(REFERENCE / part, tmp_path / part)
    (tmp_path / "tools" / "mark.py").write_text(TOOL)
    (tmp_path / "config" / "plans" / "mark.yaml").write_text(PLAN)
    with (tmp_path / "config" / "scopes.yaml").open("a") as out:
        out.write(SCOPE)
    flow = tmp_path / "config" / "flows" / "request.yaml"
    text = flow.read_text()
    assert "RequestValidated: permission" in text
    flow.write_text(text.replace("RequestValidated: permission", "RequestValidated: [permission, tone]"))
    agent = tmp_path / "agents" / "tone"
    agent.mkdir(parents=True)
    (agent / "manifest.yaml").write_text(MANIFEST)
    (agent / "agent.py").write_text(AGENT)
    return tmp_path


async def mark(project: Path, *, after: float, seconds: float) -> Run:
    return await arun(project, "mark", {"after": after, "seconds": seconds}, actor="alice", timeout=20)


async def test_a_refusal_while_an_effect_is_under_way_undoes_it(project: Path) -> None:
    """The outcome is the refusal's, with its reason; the effect that was begun is compensated."""
    result = await mark(project, after=0.5, seconds=1.5)
    assert result.outcome == "rejected"
    assert any("too loud" in reason for reason in result.reasons)
    assert [(one.tool, one.status) for one in result.effects] == [("mark.set", "compensated")]
    assert [(one.tool, one.status) for one in result.compensations] == [("mark.clear", "done")]
    assert result.files() == {"a.txt": "cleared"}
    assert result.response.stamp is not None
    assert result.response.stamp.outcome == "rejected"


async def test_a_refusal_before_any_effect_needs_no_rollback(project: Path) -> None:
    """Nothing was begun, so the refusal ends the request as it always did."""
    result = await mark(project, after=0.0, seconds=0.0)
    assert result.outcome == "rejected"
    assert result.effects == ()
    assert "CompensationPlanned" not in result.events
    assert "RequestFailed" not in result.events


async def test_a_refusal_after_the_end_is_decided_is_cut(project: Path) -> None:
    """The first decision wins: the late refusal is on the record, and changes nothing."""
    result = await mark(project, after=3.0, seconds=0.0)
    assert result.outcome == "completed"
    assert result.files() == {"a.txt": "marked"}
    assert "cut" in {record.kind for record in result.trail}
