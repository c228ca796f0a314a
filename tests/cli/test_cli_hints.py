"""What the command line suggests to type."""

from __future__ import annotations

from pathlib import Path

import pytest

from wingman_runtime.cli.audit import act
from wingman_runtime.cli.dev import _fields
from wingman_runtime.cli.out import Out
from wingman_runtime.cli.request import show_response
from wingman_runtime.contracts.work import Outcome, Response
from wingman_runtime.errors import ContractError
from wingman_runtime.project.find import reference_root
from wingman_runtime.project.init import init_project
from wingman_runtime.project.load import Project


def test_what_is_no_text_is_suggested_with_colon_equals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number: `dev` writes `:=`, the refusal says it is no text, and the CLI how to send one."""
    monkeypatch.delenv("WINGMAN_PROJECT", raising=False)
    root = tmp_path / "p"
    init_project(root)
    tool = root / "tools" / "greeting.py"
    tool.write_text(tool.read_text().replace("text: str", "text: int"))
    loaded = Project.find(root).load()
    assert _fields(loaded, "greeting.send") == [("to", "="), ("text", ":=")]
    with pytest.raises(ContractError) as caught:
        loaded.tools.validate("greeting.send", {"to": "ada", "text": "5"})
    assert caught.value.message == "greeting.send: a whole number is expected, not text"
    reason = f"planner 'greeting.send': steps[0].{caught.value.where}: {caught.value.message}"
    show_response(Out(False), Response(request_id="req_p0_x", outcome=Outcome.REJECTED, reasons=(reason,)))
    assert "as in `-p text:=5`" in capsys.readouterr().err


def test_a_mapping_is_no_text() -> None:
    """The reference project's record.update takes a mapping."""
    assert _fields(Project.find(reference_root()).load(), "record.update") == [
        ("record", "="),
        ("fields", ":="),
    ]


def test_an_act_is_one_line() -> None:
    """What, on what, by whom, why; a digest shortened. Any other record is no act."""
    body = {"action": "policy_applied", "digest": "sha256:" + "a" * 64, "by": "bob", "reason": "why"}
    assert act(body) == "policy_applied sha256:aaaaaaaaaaaa by bob: why"
    assert act({"event": {}}) == ""
