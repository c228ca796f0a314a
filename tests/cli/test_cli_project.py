"""Commands that need no server: config, flow, agent, policy, init, doctor, audit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wingman_runtime.cli.app import run
from wingman_runtime.cli.demo import prepare
from wingman_runtime.cli.submit import parameters
from wingman_runtime.cli.times import moment
from wingman_runtime.errors import ConflictError, UsageError
from wingman_runtime.project.init import init_project
from wingman_runtime.project.load import Project

Shown = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh project, which is the working directory."""
    for name in ("WINGMAN_PROJECT", "WINGMAN_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    init_project(tmp_path / "fresh")
    monkeypatch.chdir(tmp_path / "fresh")
    return tmp_path / "fresh"


def test_init_makes_a_project_that_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    """`wingman init NAME`, then `wingman config check`: sound. The files are named on stdout."""
    monkeypatch.chdir(tmp_path)
    assert run(["init", "hello"]) == 0
    shown = capsys.readouterr()
    assert "hello/config/wingman.yaml" in shown.out.splitlines()
    assert "cd hello" in shown.err
    monkeypatch.chdir(tmp_path / "hello")
    assert run(["config", "check"]) == 0


def test_config_check_lists_what_is_wrong(project: Path, capsys: Shown) -> None:
    """Every problem with its place; exit code 2; the same as JSON."""
    flow = project / "config" / "flows" / "request.yaml"
    flow.write_text(
        flow.read_text().replace("PermissionsVerified: [proposal, word_count]", "Verified: proposal")
    )
    assert run(["config", "check"]) == 2
    text = capsys.readouterr().out
    assert "config/flows/request.yaml:" in text
    assert run(["config", "check", "--json"]) == 2
    assert all({"rule", "message", "where"} <= row.keys() for row in json.loads(capsys.readouterr().out))


def test_config_show_names_sources(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown) -> None:
    """Only what was changed, with where it was changed."""
    monkeypatch.setenv("WINGMAN_LIMITS__STEPS", "10")
    assert run(["config", "show", "--changed", "--json"]) == 0
    rows = {row["setting"]: row["source"] for row in json.loads(capsys.readouterr().out)}
    assert rows["limits.steps"] == "WINGMAN_LIMITS__STEPS"
    assert "limits.depth" not in rows


def test_flow_check_and_graph(project: Path, capsys: Shown) -> None:
    """A sound flow says so; its picture names the agents; Mermaid begins as Mermaid does."""
    assert run(["flow", "check"]) == 0
    assert run(["flow", "graph"]) == 0
    assert "word_count" in capsys.readouterr().out
    assert run(["flow", "graph", "--mermaid"]) == 0
    assert capsys.readouterr().out.startswith("flowchart")
    flow = project / "config" / "flows" / "request.yaml"
    flow.write_text(flow.read_text().replace("handshake\n", "handshak\n", 1))
    assert run(["flow", "check"]) == 2
    assert "handshake" in capsys.readouterr().out


def test_agent_list_tells_own_from_shipped(project: Path, capsys: Shown) -> None:
    """Where each agent comes from, and what it may take in and send."""
    assert run(["agent", "list", "--json"]) == 0
    rows = {row["agent"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["word_count"]["from"] == "own"
    assert rows["handshake"]["from"] == "shipped"
    assert rows["word_count"]["emits"] == ["WordsCounted"]
    assert rows["word_count"]["code"].startswith("sha256:")


def test_policy_explain_answers_with_its_exit_code(project: Path, capsys: Shown) -> None:
    """Allowed is 0, denied is 4, and both name the policy."""
    question = "policy explain submit --resource Request::any -a tenant=demo -a intent=x"
    words = question.split()
    assert run([*words, "--principal", "User::alice"]) == 0
    assert "because scope-" in capsys.readouterr().out
    assert run([*words, "--principal", "User::mallory", "--json"]) == 4
    told = json.loads(capsys.readouterr().out)
    assert told["decision"]["allow"] is False
    assert told["change"]


def test_policy_check_finds_a_trap(project: Path, capsys: Shown) -> None:
    """An id used twice is a finding with file and line."""
    gate = project / "policies" / "60-audit.cedar"
    text = gate.read_text()
    gate.write_text(text + text[text.index("@id") :])
    assert run(["policy", "check"]) == 2
    assert "60-audit.cedar:" in capsys.readouterr().out


def test_policy_test_runs_the_cases(project: Path, capsys: Shown) -> None:
    """A case that fails is named with its file and line, and the exit code is 1."""
    (project / "policies" / "tests").mkdir(exist_ok=True)
    (project / "policies" / "tests" / "own.yaml").write_text(
        "action: submit\nresource: Request::any\nattributes: {tenant: demo, intent: x}\ncases:\n"
        "  - {name: alice asks, principal: 'User::alice', expect: allow}\n"
        "  - {name: mallory asks, principal: 'User::mallory', expect: allow}\n"
    )
    assert run(["policy", "test"]) == 1
    out = capsys.readouterr().out
    assert "own.yaml:6" in out
    assert "mallory asks" in out
    assert "alice asks" not in out


def test_doctor_names_what_is_wrong(project: Path, capsys: Shown) -> None:
    """All is well in a fresh project; a broken flow is an error with the command to run."""
    assert run(["doctor", "--json"]) == 0
    states = {row["check"]: row["state"] for row in json.loads(capsys.readouterr().out)}
    assert states["python"] == states["files"] == states["server"] == "ok"
    assert not (project / ".wingman").exists(), "a look starts nothing and leaves nothing"
    (project / "config" / "flows" / "request.yaml").write_text("flow: request\n")
    assert run(["doctor"]) == 1
    assert "wingman config check" in capsys.readouterr().out


def test_doctor_outside_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown) -> None:
    """Without a project the machine is looked at, and the missing project is said."""
    monkeypatch.chdir(tmp_path)
    assert run(["doctor"]) == 1
    assert "wingman init" in capsys.readouterr().out


def test_parameters_are_text_or_json() -> None:
    """`key=text` is text, `key:=JSON` is what it says, and both lie over --params."""
    given = parameters(("title=a=b", 'fields:={"n": 1}', "flag:=true"), '{"title": "x", "rest": 1}')
    assert given == {"title": "a=b", "fields": {"n": 1}, "flag": True, "rest": 1}
    with pytest.raises(UsageError, match="not valid JSON"):
        parameters(("n:=one",), "")
    with pytest.raises(UsageError, match="object"):
        parameters((), "[1]")


def test_times_of_a_query() -> None:
    """A moment is ISO text or an age."""
    assert moment("", "--since") is None
    assert moment("999999999d", "--since") == 0, "no server knows a time before 1970"
    assert moment("2026-01-31T12:00:00+00:00", "--since") == 1769860800000
    now, before = moment("0s", "--since"), moment("2h", "--since")
    assert now is not None
    assert before is not None
    assert 7_199_000 < now - before < 7_201_000
    with pytest.raises(UsageError, match="no time"):
        moment("yesterday", "--since")


def test_the_demo_touches_no_folder_of_yours(tmp_path: Path) -> None:
    """The demo's project is sound; a folder it did not make is refused and left alone."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("x")
    with pytest.raises(ConflictError, match="no demo made it"):
        prepare(tmp_path / "mine")
    assert (tmp_path / "mine" / "file").read_text() == "x"
    prepare(tmp_path / "demo")
    assert Project.check_at(tmp_path / "demo") == []
    (tmp_path / "demo" / "old").write_text("x")
    prepare(tmp_path / "demo")
    assert not (tmp_path / "demo" / "old").exists()
