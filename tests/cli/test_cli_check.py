"""`wingman check`: every check of a project in one report, as text, JSON and annotations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wingman_runtime.cli.app import run
from wingman_runtime.contracts.contract import EventContract, Primitive
from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.contracts.work import Plan
from wingman_runtime.project.init import init_project

ROOT = Path(__file__).parents[2]
CHECKS = ["config", "policy", "flow", "schema", "contract"]
Shown = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh project, which is the working directory."""
    monkeypatch.delenv("WINGMAN_PROJECT", raising=False)
    init_project(tmp_path / "fresh")
    monkeypatch.chdir(tmp_path / "fresh")
    return tmp_path / "fresh"


def told(capsys: Shown, *more: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(["check", "--json", *more])
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == code
    return code, report


def found(report: dict[str, Any], check: str) -> list[str]:
    """Rules of what one check found, notes left out."""
    (section,) = [one for one in report["checks"] if one["check"] == check]
    return [one["rule"] for one in section["findings"] if one["weight"] != "note"]


def changed(project: Path, file: str, old: str, new: str) -> None:
    path = project / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def test_a_sound_project_says_so(project: Path, capsys: Shown) -> None:
    """Five checks, what each looked at, exit code 0."""
    code, report = told(capsys)
    assert code == 0
    assert report["clean"] is True
    assert [one["check"] for one in report["checks"]] == CHECKS
    assert {one["status"] for one in report["checks"]} == {"ok"}
    assert all(one["looked_at"] for one in report["checks"])
    assert report["next"] == []
    assert run(["check", "--skip", "policy", "--skip", "schema"]) == 0
    text = capsys.readouterr()
    told_of = [row.split()[:2] for row in text.out.splitlines()]
    assert told_of == [[name, "ok"] for name in ("config", "flow", "contract")]
    assert "the project is sound" in text.err


def test_each_check_tells_what_is_its_own(project: Path, capsys: Shown) -> None:
    """A flow, a policy case and a manifest that are wrong: each in its section, with place and next step."""
    changed(project, "config/flows/request.yaml", "handshake\n", "handshak\n")
    changed(project, "policies/tests/00-always.yaml", "expect: allow", "expect: deny")
    code, report = told(capsys)
    assert code == 2
    assert "flow/unknown-agent" in found(report, "flow")
    assert "policy/test-failed" in found(report, "policy")
    assert found(report, "config") == found(report, "schema") == found(report, "contract") == []
    assert [step.partition(":")[0] for step in report["next"]] == ["policy", "flow"]
    assert run(["check", "--only", "flow"]) == 2
    text = capsys.readouterr()
    assert "config/flows/request.yaml:" in text.out
    assert "failed: flow" in text.err
    changed(project, "agents/word_count/manifest.yaml", "owner:", "ownr:")
    code, report = told(capsys, "--skip", "policy")
    states = {one["check"]: one["status"] for one in report["checks"]}
    assert (states["config"], states["schema"], states["contract"]) == ("failed", "not run", "not run")
    assert run(["check", "--skip", "policy", "--skip", "flow"]) == 2
    assert "failed: config; not run: schema, contract" in capsys.readouterr().err


def test_only_and_skip_choose(project: Path, capsys: Shown) -> None:
    """What is wrong elsewhere does not count then; nothing left to check is a mistake."""
    changed(project, "config/flows/request.yaml", "handshake\n", "handshak\n")
    code, report = told(capsys, "--only", "schema", "--only", "contract")
    assert (code, [one["check"] for one in report["checks"]]) == (0, ["schema", "contract"])
    code, report = told(capsys, "--skip", "flow", "--skip", "policy", "--skip", "schema")
    assert (code, [one["check"] for one in report["checks"]]) == (0, ["config", "contract"])
    assert run(["check", "--only", "flow", "--skip", "flow"]) == 2
    assert run(["check", "--only", "flows"]) == 2
    assert run(["check", "--json", "--annotations", "github"]) == 2


def test_wrong_settings_are_told_first(project: Path, capsys: Shown) -> None:
    """Without settings nothing else can be read, whatever was asked for."""
    (project / "config" / "wingman.yaml").write_text("limits: {steps: many}\n")
    code, report = told(capsys, "--only", "contract")
    assert code == 2
    assert [(one["check"], one["status"]) for one in report["checks"]] == [
        ("config", "failed"), ("contract", "not run"),
    ]  # fmt: skip


def test_files_of_schemas_and_contracts_are_told_once(project: Path, capsys: Shown) -> None:
    """A waiver and a contract that cannot be read: each in its own section; annotations are one line each."""
    (project / "config" / "schemas").mkdir(parents=True)
    (project / "config/schemas/waivers.yaml").write_text("- event: A\n")
    (project / "config" / "contracts").mkdir(parents=True)
    (project / "config/contracts/billing.json").write_text('{\n  "consumer": "billing"\n')
    code, report = told(capsys, "--skip", "policy")
    assert code == 1
    assert found(report, "schema") == ["schema/file"]
    assert found(report, "contract") == ["contract/file"]
    assert found(report, "config") == []
    assert run(["check", "--annotations", "github", "--only", "schema", "--only", "contract"]) == 1
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 2
    assert rows[0].startswith("::error file=config/schemas/waivers.yaml,line=1,title=schema/file::")
    assert rows[1].startswith("::error file=config/contracts/billing.json,line=3,title=contract/file::")


def test_a_class_without_a_schema_is_told_and_not_thrown(project: Path, capsys: Shown) -> None:
    """A field that JSON cannot carry: one check says so, the other that it could not run."""
    changed(project, "agents/word_count/events.py", "    words: int\n", "    words: Callable[[], int]\n")
    changed(
        project, "agents/word_count/events.py", "from wingman_runtime.sdk",
        "from collections.abc import Callable\n\nfrom wingman_runtime.sdk",
    )  # fmt: skip
    code, report = told(capsys, "--only", "schema", "--only", "contract")
    assert code == 1
    assert found(report, "schema") != []
    assert {one["check"]: one["status"] for one in report["checks"]} == {
        "schema": "failed",
        "contract": "not run",
    }


def test_this_repository_is_a_sound_project(
    monkeypatch: pytest.MonkeyPatch, capsys: Shown, tmp_path: Path
) -> None:
    """Its own events, flows, policies and contracts pass what it asks of others."""
    monkeypatch.chdir(tmp_path)
    code, report = told(capsys, "--project", str(ROOT))
    assert [(one["check"], one["findings"]) for one in report["checks"] if one["status"] != "ok"] == []
    assert code == 0


def _renamed() -> type[EventModel]:
    """`ExecutionPlanProposed` with another name for its digest."""

    class ExecutionPlanProposed(EventModel):
        plan: Plan
        digest: str
        contract = EventContract("a test", (Primitive.AUDIT_STAMP,), "none", "none", "itself")

    return ExecutionPlanProposed


def test_a_breaking_change_fails_and_names_the_agents_hurt(
    monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    """`ExecutionPlanProposed` with its digest renamed: `handshake`, which reads it, is named."""
    monkeypatch.setitem(SHIPPED, "ExecutionPlanProposed", _renamed())
    monkeypatch.chdir(ROOT)
    code, report = told(capsys, "--only", "contract")
    assert code == 1
    found_here = report["checks"][0]["findings"]
    (hurt,) = [one for one in found_here if one["rule"] == "contract/breaks"]
    assert (hurt["event"], hurt["path"]) == ("ExecutionPlanProposed", "/plan_digest")
    assert "handshake 1.0.0 (governance)" in hurt["message"]
    assert "proposal" in hurt["message"]
    assert hurt["act"] == "consumers first: handshake (governance)"
    assert "plan_digest" not in hurt["witness"]
    assert any("handshake" in step for step in report["next"])
    assert run(["contract", "record", "handshake"]) == 6  # 1.0.0 stays what it is
    assert "higher version" in capsys.readouterr().err
