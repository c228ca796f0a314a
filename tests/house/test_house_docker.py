"""The container files against the project: nothing is missing from the build, every agent has a service."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from wingman_runtime.bootstrap import RECORDER, chosen_agents
from wingman_runtime.project.load import Project
from wingman_runtime.settings import setting_paths
from wingman_runtime.settings_layers import ENV_OTHER, env_name

ROOT = Path(__file__).parents[2]
RECIPE = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")


def services() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker" / "compose.yaml")["services"]
    return found


def test_what_the_recipe_copies_is_there_and_let_through() -> None:
    """Each COPY from the checkout names something that exists and that .dockerignore does not hold back."""
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = {
        name
        for line in RECIPE.splitlines()
        if line.startswith("COPY") and "--from" not in line
        for name in [word for word in line.split()[1:-1] if not word.startswith("--")]
    }
    assert "requirements.lock" in copied
    assert copied <= let_through
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert not any(fnmatch.fnmatch(".git", pattern) for pattern in let_through)


def test_the_wheel_in_the_image_has_all_its_parts() -> None:
    """What pyproject.toml puts into the wheel is copied before it is built."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    parts = re.findall(r'^"(\w+)" = "wingman_runtime/reference/', project, re.MULTILINE)
    before = RECIPE[: RECIPE.index("pip wheel")]
    assert parts
    for name in (*parts, "wingman_runtime"):
        assert f"\nCOPY {name} " in before


def test_nobody_is_root() -> None:
    """The image ends as a user with a number; no service takes that back or keeps capabilities."""
    assert re.findall(r"^USER (\S+)$", RECIPE, re.MULTILINE) == ["10001:10001"]
    for name, service in services().items():
        assert not service.get("user", "10001").startswith(("0", "root")), name
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name


def test_every_agent_has_one_service() -> None:
    """The services' agents are the flow's and the recorder, each once, so they scale apart."""
    project = Project.find(ROOT).load()
    run = [
        agent
        for service in services().values()
        if service["command"][:2] == ["worker", "--agents"]
        for agent in service["command"][2].split(",")
    ]
    assert sorted(run) == sorted([*(agent.name for agent in chosen_agents(project, ())), RECORDER])


def test_variables_are_settings() -> None:
    """A misspelled variable would stop every worker at its start."""
    known = {env_name(path) for path, _ in setting_paths()} | set(ENV_OTHER)
    named = set(re.findall(r"\b(WINGMAN_\w+)=", RECIPE))
    for service in services().values():
        named |= {name for name in service["environment"] if name.startswith("WINGMAN_")}
    assert named
    assert named <= known


def test_the_server_forgets_nothing() -> None:
    """Append-only file, synced always, in a volume, never evicting; its password is no argument."""
    server = services()["server"]
    script = server["command"][-1]
    for line in ("appendonly yes", "appendfsync always", "maxmemory-policy noeviction"):
        assert f'echo "{line}"' in script
    assert server["volumes"] == ["server-data:/data"]
    assert "--requirepass" not in script
