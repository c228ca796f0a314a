"""A gate on a real server: what it passes on arrives as it was sent, what it refuses goes no further."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from wingman_runtime.testing import Run, arun

REFERENCE = Path(__file__).resolve().parents[2]
MANIFEST = """
name: tone
version: 1.0.0
purpose: refuse what shouts
owner: tests
scope: Reads the parameters of a request.
handler: agent:handle
consumes: [{event}]
forwards: [{event}]
emits: [RequestRejected]
refusals: [RequestRejected]
tools: []
output: the event unchanged, or a rejection
audit: [the rejection]
"""
AGENT = """
import asyncio
from wingman_runtime.sdk import Forward, Refuse, RequestRejected

async def handle(event):
    await asyncio.sleep(0.3)  # slower than all of the chain: a gate holds it up all the same
    {answer}
"""
SAYS = {
    "forwards": "return Forward()",
    "refuses": "return Refuse(RequestRejected(reasons=('too loud',)))",
}


def project(root: Path, says: str, event: str = "RequestValidated", onward: str = "permission") -> Path:
    """The reference project with a gate before ``onward``."""
    for part in ("config", "policies", "tools"):
        shutil.copytree(REFERENCE / part, root / part)
    folder = root / "agents" / "tone"
    folder.mkdir(parents=True)
    (folder / "manifest.yaml").write_text(MANIFEST.format(event=event))
    (folder / "agent.py").write_text(AGENT.format(answer=SAYS[says]))
    flow = root / "config" / "flows" / "request.yaml"
    text = flow.read_text()
    old = f"  {event}: {onward}\n"
    assert text.count(old) == 1
    flow.write_text(text.replace(old, f"  {event}: tone\n  tone>{event}: {onward}\n"))
    return root


async def write(root: Path) -> Run:
    return await arun(root, "note.write", {"title": "t", "body": "b"}, actor="alice", timeout=20)


@pytest.mark.parametrize(
    ("event", "onward"),
    [
        ("UserRequestReceived", "scope_filter"),
        ("RequestValidated", "permission"),
        ("ExecutionPlanProposed", "handshake"),
        ("ExecutionApproved", "executor"),
        ("ExecutionComplete", "{outcome: completed}"),
    ],
)
async def test_what_a_gate_passes_on_goes_the_whole_way(tmp_path: Path, event: str, onward: str) -> None:
    """The event is made once, passed on once under its own id, and the request completes."""
    result = await write(project(tmp_path, "forwards", event, onward))
    assert result.outcome == "completed", result.reasons
    assert result.files() == {"notes/t.md": "b"}
    assert [one.status for one in result.effects] == ["done"]
    [passed] = [one.record for one in result.trail if one.kind == "routed" and one.agent == "tone"]
    assert passed["event_type"] == event
    sent = [one.record["event"] for one in result.trail if one.kind == "event"]
    if event != "UserRequestReceived":  # that one is admitted, not sent by an agent
        assert [one["id"] for one in sent if one["type"] == event] == [passed["event_id"]]
    assert passed["event_id"] in {one["causationid"] for one in sent}


@pytest.mark.parametrize(
    ("event", "onward"), [("RequestValidated", "permission"), ("ExecutionApproved", "executor")]
)
async def test_what_a_gate_refuses_goes_no_further(tmp_path: Path, event: str, onward: str) -> None:
    """However long it takes to say so: nobody behind it was asked, nothing was done, nothing is undone."""
    result = await write(project(tmp_path, "refuses", event, onward))
    assert result.outcome == "rejected"
    assert "too loud" in " ".join(result.reasons)
    assert result.effects == ()
    assert result.files() == {}
    behind = [one for one in result.trail if one.kind == "event" and one.agent == onward]
    assert behind == []
    assert "cut" not in {one.kind for one in result.trail}


async def test_an_agent_forwards_only_what_its_manifest_names(tmp_path: Path) -> None:
    """Without `forwards` the answer is no answer: the request fails, and says why."""
    root = project(tmp_path, "forwards")
    manifest = root / "agents" / "tone" / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("forwards: [RequestValidated]\n", ""))
    flow = root / "config" / "flows" / "request.yaml"
    text = flow.read_text()
    beside = "  RequestValidated: [permission, tone]\n"
    flow.write_text(text.replace("  RequestValidated: tone\n  tone>RequestValidated: permission\n", beside))
    # A page waits for people, so nothing beside the agent ends the request first.
    page = {"slug": "news", "title": "News", "body": "b", "channel": "public"}
    gone = await arun(
        root, "page.publish", page, actor="alice", timeout=20, settings={"times.approval": "10s"}
    )
    assert gone.outcome == "failed"
    assert "answered Forward, which it may not" in " ".join(gone.reasons)
