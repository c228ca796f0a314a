"""`wingman_runtime.testing` as a project's own tests use it, on the reference project and a starter."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time
from pathlib import Path
from typing import assert_type

import pytest

from tests.best_of import quickest
from wingman_runtime.errors import NotFoundError, StillPendingError, ToolError, UsageError
from wingman_runtime.project.init import init_project
from wingman_runtime.testing import Fake, Run, arun, run

REFERENCE = Path(__file__).resolve().parents[2]
NOTE = ("note.write", {"title": "a", "body": "b"})
PAGE = ("page.publish", {"slug": "news", "title": "News", "body": "b", "channel": "public"})


def test_one_line_runs_a_request_to_its_end() -> None:
    """The response, the trail and what is on disk come back; the project's own folders are left alone."""
    before = sorted(path for path in REFERENCE.glob("*"))
    result = run(REFERENCE, *NOTE, actor="alice")
    assert result.outcome == "completed"
    assert result.files() == {"notes/a.md": "b"}
    assert result.events[0] == "UserRequestReceived"
    assert result.events[-1] == "AuditStamped"
    assert [record.n for record in result.trail] == sorted(record.n for record in result.trail)
    assert result.response.stamp is not None
    assert sorted(path for path in REFERENCE.glob("*")) == before


def test_a_second_run_is_fast() -> None:
    """The server is reused: well under a second once it is there."""
    run(REFERENCE, *NOTE, actor="alice")
    assert quickest(lambda: run(REFERENCE, *NOTE, actor="alice"), 1.0) < 1.0


def test_runs_leave_nothing_on_the_server() -> None:
    """A namespace is gone with its run, so a session's memory stays flat."""
    from wingman_runtime.redisio import wire
    from wingman_runtime.testing.server import session_server

    run(REFERENCE, *NOTE, actor="alice")
    assert wire.ask(session_server().socket, "DBSIZE") == 0


def test_rights_are_the_projects() -> None:
    """Who has none is denied, with reasons; nothing is touched."""
    result = run(REFERENCE, *NOTE, actor="mallory")
    assert result.outcome == "denied"
    assert result.reasons
    assert result.files() == {}


def test_people_vote_for_whom_the_test_names() -> None:
    """An approving vote lets the plan through; a denying one ends it; the requester's own is refused."""
    assert run(REFERENCE, *PAGE, actor="alice", approve_as="bob").response.granted_by == "people:bob"
    assert run(REFERENCE, *PAGE, actor="alice", deny_as="bob").outcome == "denied"
    with pytest.raises(StillPendingError, match="vote was refused"):
        run(REFERENCE, *PAGE, actor="alice", approve_as="alice")


def test_waiting_for_nobody_is_an_error_at_once() -> None:
    """A forgotten approver is said, not waited for."""
    began = time.monotonic()
    with pytest.raises(StillPendingError, match="approver"):
        run(REFERENCE, *PAGE, actor="alice", timeout=60)
    assert time.monotonic() - began < 10


def test_time_is_the_tests_to_choose() -> None:
    """An approval of 200 ms expires on the server's clock."""
    result = run(REFERENCE, *PAGE, actor="alice", settings={"times.approval": "200ms"})
    assert result.outcome == "expired"


def test_fakes_record_and_touch_nothing() -> None:
    """Every tool is replaced; calls carry validated arguments and the idempotency key."""
    tools = Fake({"page.write": lambda slug, **_: {"wrote": slug}})
    result = run(REFERENCE, *PAGE, actor="alice", approve_as="bob", tools=tools)
    assert result.outcome == "completed"
    assert [call.tool for call in result.calls] == ["page.write", "page.index", "page.announce"]
    assert result.calls[0].args == {"slug": "news", "title": "News", "body": "b"}
    assert result.effects[0].result == {"wrote": "news"}
    assert len({call.key for call in result.calls}) == 3
    assert result.files() == {}


def test_a_fake_that_fails_is_rolled_back_by_fakes() -> None:
    """ToolError means nothing was done: the steps before it are undone, newest first."""
    tools = Fake({"page.announce": ToolError("closed")})
    result = run(REFERENCE, *PAGE, actor="alice", approve_as="bob", tools=tools)
    assert result.outcome == "failed"
    assert [effect.status for effect in result.effects] == ["compensated", "compensated", "failed"]
    assert len(result.compensations) == 2


def test_a_fake_that_breaks_is_uncertain() -> None:
    """Any other exception leaves the effect unknown, and so the outcome."""
    tools = Fake({"page.announce": ValueError("broke")})
    assert run(REFERENCE, *PAGE, actor="alice", approve_as="bob", tools=tools).outcome == "uncertain"


def test_a_fake_of_no_tool_is_refused() -> None:
    """A typo in a test must not silently fake nothing."""
    with pytest.raises(NotFoundError, match=r"file\.wriet"):
        run(REFERENCE, *NOTE, actor="alice", tools=Fake({"file.wriet": 1}))


@pytest.mark.parametrize("moment", ["before_commit", "after_commit", "after_intent", "after_effect"])
def test_an_idempotent_plan_survives_any_crash(moment: str) -> None:
    """The next worker finishes: one file, one outcome, at most one effect on the record."""
    tools = Fake(real=("file.write", "file.restore"))
    result = run(REFERENCE, *NOTE, actor="alice", tools=tools, crash_at=f"executor:{moment}")
    assert result.outcome == "completed"
    assert result.files() == {"notes/a.md": "b"}
    assert [effect.status for effect in result.effects] == ["done"]
    assert result.events.count("ExecutionComplete") == 1


@pytest.mark.parametrize(
    "agent", ["dispatcher", "scope_filter", "permission", "proposal", "handshake", "audit"]
)
def test_a_crash_of_any_agent_is_survived(agent: str) -> None:
    """Before and after its commit alike: the same events as without a crash, none of them twice."""
    plain = run(REFERENCE, *NOTE, actor="alice").events
    for moment in ("before_commit", "after_commit"):
        assert run(REFERENCE, *NOTE, actor="alice", crash_at=f"{agent}:{moment}").events == plain


def test_an_unsafe_tool_is_never_called_twice(tmp_path: Path) -> None:
    """Not idempotent, crashed between intent and result: uncertain, whether it was called or not."""
    init_project(tmp_path / "p")
    tool = tmp_path / "p" / "tools" / "greeting.py"
    tool.write_text(tool.read_text().replace("idempotent=True,  #", "idempotent=False,  #"))
    request = ("greeting.send", {"to": "ada", "text": "hi"})
    for moment, calls in (("after_intent", 0), ("after_effect", 1)):
        tools = Fake()
        result = run(tmp_path / "p", *request, actor="alice", tools=tools, crash_at=f"executor:{moment}")
        assert result.outcome == "uncertain"
        assert tools.count("greeting.send") == calls


def test_a_crash_point_that_is_none_is_refused() -> None:
    """Its error names the moments there are."""
    with pytest.raises(UsageError, match="after_intent"):
        run(REFERENCE, *NOTE, actor="alice", crash_at="executor:someday")


async def test_the_same_inside_a_loop() -> None:
    """`arun` awaits; `run` in a loop says so instead of blocking it."""
    assert (await arun(REFERENCE, *NOTE, actor="alice")).outcome == "completed"
    with pytest.raises(UsageError, match="arun"):
        run(REFERENCE, *NOTE, actor="alice")


def test_both_take_the_same_and_are_typed_alike() -> None:
    """`run` is called as `arun` is, names and defaults included, and a type checker sees both."""
    assert inspect.signature(run) == inspect.signature(arun)
    assert not inspect.iscoroutinefunction(run)
    assert run.__name__ == "run"
    assert_type(run(REFERENCE, *NOTE, actor="alice"), Run)
    with pytest.raises(TypeError, match="actor"):
        run(REFERENCE, "note.write")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="approved_by"):
        run(REFERENCE, "note.write", actor="alice", approved_by="bob")  # type: ignore[call-arg]


def test_the_starters_own_tests_pass_and_leave_no_process(tmp_path: Path) -> None:
    """What `wingman init` writes is green under pytest, and its server is gone with it."""
    init_project(tmp_path / "fresh")
    done = subprocess.run(
        check=False,
        args=[sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path / "fresh",
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REFERENCE), "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.glob("wingman-test-*")) == []
