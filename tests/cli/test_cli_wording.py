"""What commands print for people: lists, counts, and a name that nobody knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wingman_runtime.cli.app import run
from wingman_runtime.cli.out import Out
from wingman_runtime.cli.schematext import counted
from wingman_runtime.project.init import init_project
from wingman_runtime.schemas.finding import Direction, SchemaFinding, Weight

Shown = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh project, which is the working directory."""
    for name in [name for name in os.environ if name.startswith("WINGMAN_")]:
        monkeypatch.delenv(name)
    init_project(tmp_path / "fresh")
    monkeypatch.chdir(tmp_path / "fresh")
    return tmp_path / "fresh"


def test_a_list_is_told_in_words(capsys: Shown) -> None:
    """Names stand in one line, sentences in a line each under the first; other data is JSON."""
    Out(False).fields({"parked": ["two at till", "one at desk"], "agents": ["a", "b"], "n": [1], "none": []})
    assert capsys.readouterr().out.splitlines() == [
        "parked  two at till",
        "        one at desk",
        "agents  a, b",
        "n       [1]",
    ]


def test_findings_are_counted_in_english() -> None:
    """One note, two notes; breaking has no plural."""
    weights = (Weight.BREAKING, Weight.BREAKING, Weight.WARNING, Weight.NOTE, Weight.NOTE)
    found = [SchemaFinding("r", "E", "", Direction.NEITHER, weight, "m") for weight in weights]
    assert counted(found) == "2 breaking, 1 warning, 2 notes"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["docs", "mermaid", "--domain", "requst"], "did you mean 'request'?"),
        (["docs", "mermaid", "--domain", "billing"], "the domains are: request"),
        (["event", "new", "BillSent", "--agent", "billing"], "its own are: word_count"),
    ],
)
def test_a_name_nobody_knows_is_told_with_those_there_are(
    project: Path, arguments: list[str], said: str, capsys: Shown
) -> None:
    """Exit code 3, and what could have been meant; never an empty picture."""
    assert run(arguments) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
