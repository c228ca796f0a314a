"""The examples of docs/agents.md and docs/plans.md, run as a reader would."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.agents.agents_fakes import NOTES, a_request, envelope
from wingman_runtime.project.agents import PORTS, mount_agents
from wingman_runtime.project.load import Project
from wingman_runtime.project.planners import load_planners
from wingman_runtime.project.scopes import load_scopes
from wingman_runtime.sdk import Forward, Refuse, RequestValidated, WorkRequest


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


async def test_example_agent_mounts_and_answers(project_root: Path, tmp_path: Path) -> None:
    """The agent of the page, copied into a project, is accepted and does what the page says."""
    page = project_root / "docs" / "agents.md"
    folder = tmp_path / "agents" / "word_limit"
    folder.mkdir(parents=True)
    python = blocks(page, "python")
    (folder / "manifest.yaml").write_text(blocks(page, "yaml")[0])
    (folder / "agent.py").write_text(python[0])
    (folder / "events.py").write_text(python[1])
    problems: list[Exception] = []
    mounted = mount_agents(tmp_path / "agents", problems)["word_limit"]  # type: ignore[arg-type]
    assert problems == []
    assert [event.__name__ for event in mounted.events] == ["WordsCounted"]
    short = envelope(RequestValidated(request=a_request(params={"body": "a b"}), scope=NOTES))
    assert await mounted.function(short) == Forward()
    long = envelope(RequestValidated(request=a_request(params={"body": "a " * 501}), scope=NOTES))
    answer = await mounted.function(long)
    assert isinstance(answer, Refuse)


def test_example_agent_joins_the_chain_by_two_lines(project_root: Path, tmp_path: Path) -> None:
    """Its own folder and the lines of the flow: the project of the page is sound."""
    page = project_root / "docs" / "agents.md"
    for part in ("config", "policies", "tools"):
        shutil.copytree(project_root / part, tmp_path / part)
    folder = tmp_path / "agents" / "word_limit"
    folder.mkdir(parents=True)
    manifest, line = blocks(page, "yaml")
    (folder / "manifest.yaml").write_text(manifest)
    (folder / "agent.py").write_text(blocks(page, "python")[0])
    flow = tmp_path / "config" / "flows" / "request.yaml"
    text = flow.read_text()
    assert text.count("  RequestValidated: permission\n") == 1
    flow.write_text(text.replace("  RequestValidated: permission\n", line))
    assert Project.find(tmp_path).check() == []


def test_page_lists_every_port(project_root: Path) -> None:
    """The table of ports is the runtime's."""
    text = (project_root / "docs" / "agents.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", text.split("## Ports")[1].split("## Outcomes")[0], re.MULTILINE)
    assert set(listed) == set(PORTS)


def test_examples_of_plans_work(project_root: Path, tmp_path: Path) -> None:
    """Scope, template and planner of the page load and plan."""
    page = project_root / "docs" / "plans.md"
    scopes, plan = blocks(page, "yaml")
    (tmp_path / "config" / "plans").mkdir(parents=True)
    (tmp_path / "planners").mkdir()
    (tmp_path / "config" / "scopes.yaml").write_text(scopes)
    (tmp_path / "config" / "plans" / "note.write.yaml").write_text(plan)
    (tmp_path / "planners" / "lines.py").write_text(blocks(page, "python")[0])
    planners = load_planners(tmp_path)
    request = WorkRequest(
        intent="note.write", params={"title": "t", "body": "b", "slug": "s", "lines": "x\ny"}
    )
    scope, reasons = load_scopes(tmp_path / "config" / "scopes.yaml").find(request, "demo")
    assert scope is not None, reasons
    assert len(planners.get("one-note-per-line").plan(request, scope)) == 2
    assert planners.get(scope.planner).plan(request, scope) == [
        ("file.write", {"path": "notes/t.md", "content": "b"})
    ]
