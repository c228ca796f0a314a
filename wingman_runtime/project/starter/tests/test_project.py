"""Run with `pytest`: real policies, agents and tools, on a server of the test's own that keeps nothing."""

from pathlib import Path

from wingman_runtime import Project
from wingman_runtime.testing import run

PROJECT = Path(__file__).parent.parent


def test_the_project_is_sound() -> None:
    assert Project.check_at(PROJECT) == []


def test_a_greeting_is_sent() -> None:
    result = run(PROJECT, "greeting.send", {"to": "ada", "text": "good morning"}, actor="alice")
    assert result.outcome == "completed"
    assert result.files() == {"greetings/ada.txt": "good morning\n"}
    assert "WordsCounted" in result.events


def test_a_notice_waits_for_an_approver() -> None:
    notice = {"title": "party", "text": "Friday, 4 pm"}
    result = run(PROJECT, "notice.post", notice, actor="alice", approve_as="bob")
    assert result.outcome == "completed"
    assert result.response.granted_by == "people:bob"


def test_who_has_no_rights_sends_nothing() -> None:
    result = run(PROJECT, "greeting.send", {"to": "ada", "text": "hi"}, actor="mallory")
    assert result.outcome == "denied"
    assert result.effects == ()
