"""Run with `pytest`: the whole flow, with real policies and tools, without a server."""

from pathlib import Path

from wingman_runtime.project.load import Project
from wingman_runtime.testing import run

PROJECT = Path(__file__).parent.parent


def test_the_project_is_sound() -> None:
    assert Project.check_at(PROJECT) == []


def test_a_greeting_is_sent() -> None:
    result = run(PROJECT, "greeting.send", {"to": "ada", "text": "good morning"}, actor="alice")
    assert result.outcome == "completed"
    assert "WordsCounted" in result.events


def test_who_has_no_rights_sends_nothing() -> None:
    assert run(PROJECT, "greeting.send", {"to": "ada", "text": "hi"}, actor="mallory").outcome != "completed"
