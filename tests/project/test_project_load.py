"""A whole project: found, loaded, all problems named; and what `wingman init` writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from wingman_runtime.errors import ConfigError, ConflictError, NotFoundError, UsageError
from wingman_runtime.project.find import find_root, reference_root
from wingman_runtime.project.init import init_project
from wingman_runtime.project.load import Project


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project as `wingman init` writes it."""
    monkeypatch.delenv("WINGMAN_PROJECT", raising=False)
    init_project(tmp_path / "fresh")
    return tmp_path / "fresh"


def test_this_repository_is_a_project() -> None:
    """The reference project loads, without a finding."""
    root = reference_root()
    assert Project.check_at(root) == []
    assert Project.find(root).settings.name == "reference"


def test_a_fresh_project_is_sound(fresh: Path) -> None:
    """What init writes loads as it is: own agent, own event, own tool, the shipped agents referenced."""
    loaded = Project.find(fresh).load()
    assert not loaded.agents["word_count"].shipped
    assert loaded.agents["executor"].shipped
    assert "WordsCounted" in loaded.catalog
    assert "greeting.send" in loaded.tools.names()
    assert loaded.settings.name == "fresh"
    assert loaded.flows["request"].route("word_count", "WordsCounted") is not None
    assert not (fresh / "agents" / "executor").exists()


def test_an_agent_takes_its_folder_and_one_line_of_the_flow(fresh: Path) -> None:
    """Copying the example agent and naming the copy in one line adds an agent."""
    shutil.copytree(fresh / "agents" / "word_count", fresh / "agents" / "second")
    manifest = fresh / "agents" / "second" / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("name: word_count", "name: second"))
    flow = fresh / "config" / "flows" / "request.yaml"
    flow.write_text(flow.read_text().replace("[proposal, word_count]", "[proposal, word_count, second]"))
    assert "second" in Project.find(fresh).load().flows["request"].agents


def test_every_problem_is_named_at_once(fresh: Path) -> None:
    """A wrong manifest, flow, policy, tool and scope are all in the list, each with file and line."""
    spoil = {
        "agents/word_count/manifest.yaml": (
            "consumes: [PermissionsVerified]",
            "consumes: [PermissionVerified]",
        ),
        "config/flows/request.yaml": (
            "RequestRejected: {outcome: rejected}",
            "RequestRejected: {outcome: nope}",
        ),
        "policies/10-scope.cedar": ("permit (", "permit ((("),
        "tools/greeting.py": ('risk="low"', 'risk="lowish"'),
        "config/scopes.yaml": ("purpose:", "porpose:"),
    }
    for path, (old, new) in spoil.items():
        text = (fresh / path).read_text()
        assert old in text, path
        (fresh / path).write_text(text.replace(old, new, 1))
    findings = Project.check_at(fresh)
    named = {finding.where.rpartition(":")[0].rpartition("/")[2] for finding in findings}
    assert named >= {"manifest.yaml", "request.yaml", "10-scope.cedar", "greeting.py", "scopes.yaml"}
    assert all(finding.where.rpartition(":")[2].isdigit() for finding in findings)
    with pytest.raises(ConfigError, match="problems"):
        Project.find(fresh).load()


def test_unknown_events_tools_and_gates_of_a_manifest_are_located(fresh: Path) -> None:
    """What a manifest names must exist."""
    manifest = fresh / "agents" / "word_count" / "manifest.yaml"
    text = manifest.read_text().replace("tools: []", "tools: [greeting.sent]") + "gate: 20-permision.cedar\n"
    manifest.write_text(text)
    found = [str(finding) for finding in Project.check_at(fresh)]
    assert any("no tool 'greeting.sent'" in one and "greeting.send" in one for one in found)
    assert any("no gate '20-permision.cedar'" in one and "20-permission.cedar" in one for one in found)


def test_settings_fill_in_what_manifests_and_flows_leave_out(fresh: Path) -> None:
    """`times.agent_timeout`, `retry` and `limits` are defaults; what a file says for itself stays."""
    (fresh / "agents" / "word_count" / "manifest.yaml").open("a").write("timeout: 7\n")
    flow = fresh / "config" / "flows" / "request.yaml"
    flow.write_text(
        flow.read_text().replace("limits: {depth: 16, events: 256, fan_out: 16}", "limits: {depth: 9}")
    )
    project = Project.find(fresh, times__agent_timeout=11, retry__attempts=2, limits__events=99)
    loaded = project.load()
    assert loaded.agents["word_count"].manifest.timeout.total_seconds() == 7
    assert loaded.agents["audit"].manifest.timeout.total_seconds() == 11
    assert loaded.agents["audit"].manifest.retry.attempts == 2
    limits = loaded.flows["request"].limits
    assert (limits.depth, limits.events, limits.fan_out) == (9, 99, 16)


def test_a_project_may_leave_the_shipped_agents_out(fresh: Path) -> None:
    """`agents: {use: none}` mounts one's own only; the flow then misses the others, and that is said."""
    config = fresh / "config" / "wingman.yaml"
    config.write_text(config.read_text().replace("use: reference", "use: none"))
    assert any("scope_filter" in str(finding) for finding in Project.check_at(fresh))


def test_the_nearest_parent_is_the_project(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a project no option is needed; WINGMAN_PROJECT wins over the place, an argument over both."""
    monkeypatch.chdir(fresh / "agents" / "word_count")
    assert find_root() == fresh
    other = fresh.parent / "other"
    init_project(other)
    monkeypatch.setenv("WINGMAN_PROJECT", str(other))
    assert find_root() == other
    assert find_root(fresh) == fresh


def test_no_project_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing found says what to type; a named folder that is none is not searched above."""
    monkeypatch.delenv("WINGMAN_PROJECT", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFoundError, match="any parent") as caught:
        find_root()
    assert "wingman init" in str(caught.value)
    init_project(tmp_path / "here")
    with pytest.raises(NotFoundError, match="--project"):
        find_root(tmp_path / "here" / "agents")
    monkeypatch.setenv("WINGMAN_PROJECT", str(tmp_path))
    with pytest.raises(NotFoundError, match="WINGMAN_PROJECT"):
        find_root()


def test_init_does_not_touch_a_folder_with_files(tmp_path: Path) -> None:
    """A folder with files is refused; with force files are added and none is overwritten."""
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ConflictError, match="not empty"):
        init_project(tmp_path)
    with pytest.raises(ConflictError, match=r"would overwrite README\.md"):
        init_project(tmp_path, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    (tmp_path / "README.md").rename(tmp_path / "notes.txt")
    init_project(tmp_path, force=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert Project.check_at(tmp_path) == []


def test_init_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When writing fails half-way nothing is left, and files that were there stay."""
    target = tmp_path / "half"
    target.mkdir()
    (target / "mine.txt").write_text("x")
    moved: list[Path] = []
    rename = Path.rename

    def failing(self: Path, to: Path) -> Path:
        if len(moved) == 5:
            raise OSError("disk full")
        moved.append(Path(to))
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(UsageError, match="disk full"):
        init_project(target, force=True)
    assert [path.name for path in target.iterdir()] == ["mine.txt"]
    moved.clear()
    with pytest.raises(UsageError, match="disk full"):
        init_project(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["a: b", "x#y", "quo'te", "new\nline"])
def test_a_name_that_would_break_the_yaml_is_refused(tmp_path: Path, name: str) -> None:
    """The name goes into a YAML file; what would change its meaning is no name."""
    with pytest.raises(UsageError):
        init_project(tmp_path / "x", name=name)
    assert not (tmp_path / "x").exists()
