"""`wingman config check` finds what fails for every request: plans, scopes and handlers that cannot fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.finding import Finding
from wingman_runtime.contracts.located import located
from wingman_runtime.project.find import reference_root
from wingman_runtime.project.init import init_project
from wingman_runtime.project.load import Project

PLAN = "config/plans/greeting.send.yaml"
SCOPES = "config/scopes.yaml"
HANDLER = "agents/word_count/agent.py"


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("WINGMAN_PROJECT", raising=False)
    init_project(tmp_path / "fresh")
    monkeypatch.chdir(tmp_path / "fresh")
    return tmp_path / "fresh"


def found(root: Path, path: str, old: str, new: str) -> list[Finding]:
    """Findings after one change."""
    text = (root / path).read_text()
    assert old in text, (path, text)
    (root / path).write_text(text.replace(old, new, 1))
    return Project.check_at(root)


def test_a_misspelt_argument_is_one_mistake(fresh: Path) -> None:
    """An argument nobody takes that is nearly one that is missing: said once, at its line."""
    (finding,) = found(fresh, PLAN, "text: ", "txet: ")
    assert finding.message == "plan 'greeting.send': greeting.send takes no argument 'txet'"
    assert finding.hint == "did you mean 'text'?"
    line = (fresh / PLAN).read_text().split("txet")[0].count("\n") + 1
    assert finding.where == f"{PLAN}:{line}"


def test_a_missing_argument_an_unknown_tool_and_an_undo(fresh: Path) -> None:
    """A required argument left out, a tool that is not there, one that only undoes."""
    text = (fresh / PLAN).read_text()
    kept = [row for row in text.splitlines(keepends=True) if "text:" not in row]
    (fresh / PLAN).write_text("".join(kept))
    (finding,) = Project.check_at(fresh)
    assert "lacks the argument 'text'" in finding.message
    (fresh / PLAN).write_text(text)
    (finding,) = found(fresh, PLAN, "tool: greeting.send", "tool: greeting.sent")
    assert (finding.message, finding.hint) == (
        "plan 'greeting.send': no tool 'greeting.sent'",
        "did you mean 'greeting.send'?",
    )
    (fresh / PLAN).write_text(text)
    (finding,) = found(fresh, PLAN, "tool: greeting.send", "tool: greeting.take_back")
    assert "only undoes" in finding.message


def test_a_literal_of_the_wrong_type(fresh: Path) -> None:
    """A number where text is wanted always fails; a placeholder may become anything."""
    (finding,) = found(fresh, PLAN, 'text: "{{ params.text }}"', "text: 5")
    assert "argument text" in finding.message
    assert "string" in finding.hint


@pytest.mark.parametrize(
    ("pattern", "sound"),
    [
        ("greting:*", False),
        ("greeting", False),
        ("greeting:*", True),
        ("*", True),
        ("greeting:ada", True),
        ("g*", True),
        ("{{ params.kind }}:*", True),
        ("greeting:{{ params.to }}", True),
    ],
)
def test_a_pattern_that_never_matches_its_tool(fresh: Path, pattern: str, sound: bool) -> None:
    """A pattern and a resource that begin with different words never meet; all else may."""
    findings = found(fresh, SCOPES, '["greeting:*"]', f'["{pattern}"]')
    assert (findings == []) is sound
    if not sound:
        assert "can never be a resource of greeting.send" in findings[0].message
        assert findings[0].hint.endswith("write 'greeting:*'")
        assert findings[0].where.startswith(f"{SCOPES}:")


def test_a_tenant_nobody_belongs_to(fresh: Path) -> None:
    """A scope's tenant is one of principals.yaml."""
    (finding,) = found(fresh, SCOPES, "tenants: [demo]", "tenants: [dmeo]")
    assert (finding.message, finding.hint) == ("scope 'greetings': no tenant 'dmeo'", "did you mean 'demo'?")


def test_a_handler_that_contradicts_its_manifest(fresh: Path) -> None:
    """Event[X] with X not consumed, something that is no event, and an answer that is none."""
    text = (fresh / HANDLER).read_text()
    assert "Event[PermissionsVerified]" in text
    (fresh / HANDLER).write_text(text.replace("PermissionsVerified", "RequestValidated"))
    (finding,) = Project.check_at(fresh)
    assert finding.message == "handle takes Event[RequestValidated], which is not among consumes"
    assert finding.hint == "add RequestValidated to consumes in manifest.yaml"
    (fresh / HANDLER).write_text(text.replace("event: Event[PermissionsVerified]", "event: dict"))
    (finding,) = Project.check_at(fresh)
    assert "takes dict, and is given an event" in finding.message
    (fresh / HANDLER).write_text(text.replace(") -> Emit", ") -> int"))
    (finding,) = Project.check_at(fresh)
    assert "is said to answer int" in finding.message
    assert finding.where.startswith(f"{HANDLER}:")


@pytest.mark.parametrize("hint", ["Any", "object", "Event", "Event[Any]", "'Event[PermissionsVerified]'"])
def test_a_vague_annotation_is_no_mistake(fresh: Path, hint: str) -> None:
    """Any, object and a bare Event say nothing that could be wrong."""
    text = "from typing import Any\n" + (fresh / HANDLER).read_text()
    (fresh / HANDLER).write_text(text.replace("event: Event[PermissionsVerified]", f"event: {hint}"))
    assert Project.check_at(fresh) == []
    (fresh / HANDLER).write_text(text.replace(") -> Emit", ") -> Any"))
    assert Project.check_at(fresh) == []


def test_a_misspelt_import_says_what_was_meant(fresh: Path) -> None:
    """A name the sdk has not: the nearest it has."""
    findings = found(fresh, HANDLER, "import Emit,", "import Emitt,")
    assert "cannot import name 'Emitt'" in findings[0].message
    assert findings[0].hint == "did you mean 'Emit'?"


def test_the_shipped_projects_pass() -> None:
    """Nothing of the reference project is mistaken for a mistake."""
    assert Project.check_at(reference_root()) == []


def test_a_misspelt_name_is_told_before_the_missing_one() -> None:
    """At run time, too: of an unknown and a missing name, the unknown one is told, with what was meant."""
    from pydantic import ValidationError

    class Told(EventModel):
        content: str

    with pytest.raises(ValidationError) as caught:
        Told.model_validate({"contnet": "x"})
    error = located(caught.value, "file.write")
    assert (error.where, error.message) == (
        "contnet",
        "file.write: is no known name: did you mean 'content'?",
    )
