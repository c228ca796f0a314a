"""The example workflow: what it runs exists, and says what it is meant to say."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from wingman_runtime.cli.app import run
from wingman_runtime.project.init import init_project

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "github-workflow.yml"


def commands() -> list[str]:
    document: dict[str, Any] = YAML(typ="safe").load(EXAMPLE)
    return [step["run"] for job in document["jobs"].values() for step in job["steps"] if "run" in step]


def test_its_commands_run_in_a_fresh_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each `wingman` line passes in what `wingman init` makes; the report is the JSON it promises."""
    monkeypatch.delenv("WINGMAN_PROJECT", raising=False)
    init_project(tmp_path / "fresh")
    monkeypatch.chdir(tmp_path / "fresh")
    ours = [shlex.split(line.partition(" > ")[0])[1:] for line in commands() if line.startswith("wingman ")]
    assert ours == [["check", "--annotations", "github"], ["check", "--json"]]
    for words in ours:
        capsys.readouterr()
        assert run(words) == 0
    assert json.loads(capsys.readouterr().out)["clean"] is True


def test_a_fresh_project_has_contract_tests_that_pass(tmp_path: Path) -> None:
    """`tests/test_contracts.py` of a new project: a case for each event an agent of its own reads."""
    init_project(tmp_path / "fresh")
    tests = tmp_path / "fresh" / "tests" / "test_contracts.py"
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)]
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=tmp_path / "fresh", env=there, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
