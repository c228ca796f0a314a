"""What `wingman init` writes is the newcomer's own: policies and tests that speak of what the project has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wingman_runtime.policy.load import load_bundle
from wingman_runtime.policy.testing import Result, check, run_tests
from wingman_runtime.project.find import reference_root
from wingman_runtime.project.init import init_project
from wingman_runtime.project.load import LoadedProject, Project


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("starter") / "fresh"
    init_project(root)
    return root


@pytest.fixture(scope="module")
def loaded(fresh: Path) -> LoadedProject:
    return Project.find(fresh).load()


@pytest.fixture(scope="module")
def results(fresh: Path) -> list[Result]:
    return run_tests(load_bundle(fresh / "policies", fresh / "config/principals.yaml"))


def test_its_policies_are_sound_and_each_has_its_cases(fresh: Path) -> None:
    """Nothing for `wingman policy check` to say: no trap, no failing case, no policy without cases."""
    assert check(load_bundle(fresh / "policies", fresh / "config/principals.yaml")) == []


def test_its_cases_ask_about_what_the_project_has(loaded: LoadedProject, results: list[Result]) -> None:
    """Tools, intents, agents and users of the cases are the project's; one user is a stranger on purpose."""
    asked = [one.question for one in results]
    tools = {one.resource.id for one in asked if one.resource.type == "Tool"}
    tools |= {tool for one in asked for tool in one.attributes.get("tools", ())}
    assert {"greeting.send", "notice.post"} <= tools <= set(loaded.tools.names())
    intents = {one.attributes.get("intent") or one.context.get("intent") for one in asked} - {None}
    assert intents == {intent for scope in loaded.scopes.scopes() for intent in scope.entry.intents}
    assert {one.principal.id for one in asked if one.principal.type == "Agent"} <= set(loaded.agents)
    users = {one.principal.id for one in asked if one.principal.type == "User"}
    assert users - set(loaded.bundle.principals.users) == {"nobody"}
    resources = {one.attributes["resource"] for one in asked if "resource" in one.attributes}
    assert {text.partition(":")[0] for text in resources} <= {"greeting", "board"}


def test_nothing_of_the_demos_is_in_it(fresh: Path) -> None:
    """The reference project's intents and resources are named nowhere."""
    plans = {path.stem for path in (reference_root() / "config/plans").glob("*.yaml")}
    words = re.compile("|".join(map(re.escape, sorted(plans))) + r"|\b(?:page|channel|record|ticket):")
    for path in sorted(fresh.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            assert not words.search(path.read_text()), path
