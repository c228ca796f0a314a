"""Mounting agents: private names, a snapshot that is hashed, and errors with file and line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wingman_runtime.errors import AgentCodeError, ConfigError, ManifestError
from wingman_runtime.project.agents import MountedAgent, collect_events, mount_agents, with_reference
from wingman_runtime.project.find import reference_root

MANIFEST = """\
name: watcher
version: 1.0.0
purpose: watch
owner: tests
scope: looks on
handler: agent:handle
consumes: [RequestValidated]
emits: [Watched]
refusals: []
tools: []
needs: [policy]
output: an event
audit: [that it looked]
"""
AGENT = """\
from wingman_runtime.sdk import Done, Event, RequestValidated

from .words import WORD


def handle(event, policy):
    return Done(WORD)
"""
EVENTS = """\
from wingman_runtime.sdk import EventContract, EventModel, Primitive


class Watched(EventModel):
    word: str
    contract = EventContract(
        purpose="seen", primitives=(Primitive.AUDIT_STAMP,), failure="none", rollback="none", audit="it"
    )
"""


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    """An agents/ folder with one agent of three files."""
    folder = tmp_path / "agents"
    write(folder, manifest=MANIFEST, agent=AGENT, events=EVENTS)
    (folder / "watcher" / "words.py").write_text("WORD = 'seen'\n")
    return folder


def write(folder: Path, name: str = "watcher", **files: str) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    for stem, text in files.items():
        suffix = ".yaml" if stem == "manifest" else ".py"
        (folder / name / (stem + suffix)).write_text(text)


def mounted(folder: Path) -> MountedAgent:
    problems: list[ConfigError] = []
    agents = mount_agents(folder, problems)
    assert not problems, problems
    return agents["watcher"]


def refused(folder: Path) -> ConfigError:
    problems: list[ConfigError] = []
    mount_agents(folder, problems)
    assert len(problems) == 1
    return problems[0]


def test_relative_imports_work_and_nothing_becomes_global(agents: Path) -> None:
    """A module of the agent's folder imports its neighbours; sys.path and the name `agents` stay free."""
    before = list(sys.path)
    agent = mounted(agents)
    assert agent.function(None, None).note == "seen"
    assert sys.path == before
    assert "watcher" not in sys.modules
    assert str(agents) not in str(getattr(sys.modules.get("agents"), "__path__", ""))
    assert agent.function.__module__.startswith("_wingman_project_")


def test_an_installed_package_named_agents_is_not_disturbed(
    agents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A foreign top-level package `agents` and the project's folder do not see each other."""
    site = tmp_path / "site"
    (site / "agents").mkdir(parents=True)
    (site / "agents" / "__init__.py").write_text("WHO = 'foreign'\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "agents", raising=False)
    write(agents, agent="import agents\nfrom .words import WORD\n\n\ndef handle(event, policy):\n"
          "    return agents.WHO + WORD\n")  # fmt: skip
    try:
        assert mounted(agents).function(None, None) == "foreignseen"
    finally:
        sys.modules.pop("agents", None)


def test_changed_code_is_what_runs(agents: Path) -> None:
    """An edit within the same second and of the same size is seen, and changes the code digest."""
    first = mounted(agents)
    (agents / "watcher" / "words.py").write_text("WORD = 'late'\n")
    second = mounted(agents)
    assert (first.function(None, None).note, second.function(None, None).note) == ("seen", "late")
    assert first.code_digest != second.code_digest
    assert mounted(agents).function is second.function, "unchanged code is imported once"


def test_the_digest_is_over_the_folder_alone(agents: Path) -> None:
    """Another agent's change, or a bytecode cache, leaves an agent's digest as it is."""
    before = mounted(agents).code_digest
    write(agents, "other", manifest=MANIFEST.replace("watcher", "other").replace("[policy]", "[]"),
          agent="def handle(event):\n    return None\n")  # fmt: skip
    (agents / "watcher" / "__pycache__").mkdir()
    (agents / "watcher" / "__pycache__" / "agent.pyc").write_bytes(b"x")
    assert mounted(agents).code_digest == before


@pytest.mark.parametrize(
    ("change", "line", "message", "hint"),
    [
        (("needs: [policy]", "needs: [police]"), 11, "no port 'police'", "policy, scopes, tools"),
        (("handler: agent:handle", "handler: agnet:handle"), 6, "there is no agnet.py", "'agent'"),
        (("name: watcher", "name: wotcher"), 1, "'wotcher'", "same name"),
        (("refusals: []", "refusals: [Nope]"), 9, "'Nope' is a refusal", "emits"),
        (("tools: []", "tools: ['*']"), 10, "performs", "performs: true"),
        (("output: an", "timeuot: 3\noutput: an"), 12, "timeuot", "timeout"),
    ],
)
def test_a_wrong_manifest_is_located(
    agents: Path, change: tuple[str, str], line: int, message: str, hint: str
) -> None:
    """Each mistake in a manifest names file, line and the way out."""
    write(agents, manifest=MANIFEST.replace(*change))
    error = refused(agents)
    assert isinstance(error, ManifestError)
    assert (error.where or "").endswith(f"watcher/manifest.yaml:{line}")
    assert message in str(error)
    assert hint in str(error)


@pytest.mark.parametrize(
    ("agent", "line", "message"),
    [
        ("def handle(event, policy, clock):\n    pass\n", 1, "'clock' is not declared"),
        ("def handle(event, policy, tools):\n    pass\n", 1, "'tools' is not declared"),
        ("def handle():\n    pass\n", 1, "takes no event"),
        ("X = 1\n\n\ndef handle(event, *policy):\n    pass\n", 4, "takes *policy"),
        ("import nothing_of_this_name\n", 1, "nothing_of_this_name"),
        ("\nfrom .missing import x\n", 2, "no module 'watcher.missing'"),
        ("X = 1\nY = X / 0\n", 2, "ZeroDivisionError"),
        ("X = 1\ndef handle(:\n", 2, "not valid Python"),
        ("X = 1\ndef handel(event, policy):\n    pass\n", 2, "no function 'handle'"),
        ("X = 1\nhandle = 2\n", 1, "no function 'handle'"),
        ("X = 1\ndef handle(event):\n    pass\n", 2, "no parameter 'policy'"),
    ],
)
def test_a_wrong_function_is_located(agents: Path, agent: str, line: int, message: str) -> None:
    """A signature that does not fit, or an import that fails, names the line of the agent's own file."""
    write(agents, agent=agent)
    error = refused(agents)
    assert isinstance(error, AgentCodeError)
    assert message in str(error)
    assert (error.where or "").endswith(f"watcher/agent.py:{line}")


def test_an_event_without_a_contract_is_refused(agents: Path) -> None:
    """An event of one's own must say what it means."""
    write(
        agents, events="from wingman_runtime.sdk import EventModel\n\n\nclass Bare(EventModel):\n    x: int\n"
    )
    error = refused(agents)
    assert "Bare has no contract" in str(error)
    assert (error.where or "").endswith("watcher/events.py:4")


def test_an_empty_contract_field_is_refused(agents: Path) -> None:
    """Written down means written down: an empty text is none."""
    write(agents, events=EVENTS.replace('purpose="seen"', 'purpose=""'))
    assert "leaves purpose empty" in str(refused(agents))


def test_a_shipped_event_is_not_redefined(agents: Path) -> None:
    """Nobody gives a shipped event another meaning."""
    write(agents, events=EVENTS.replace("Watched", "AuditStamped"))
    assert "AuditStamped is a shipped event" in str(refused(agents))


def test_two_agents_may_not_define_one_event_differently(agents: Path) -> None:
    """The same name twice is one event or an error."""
    other = MANIFEST.replace("watcher", "other").replace("[policy]", "[]")
    write(agents, "other", manifest=other, agent="def handle(event):\n    pass\n", events=EVENTS)
    problems: list[ConfigError] = []
    assert "Watched" in collect_events(mount_agents(agents, problems), problems)
    assert not problems, "the same definition twice is the same event"
    write(agents, "other", events=EVENTS.replace("word: str", "word: int"))
    collect_events(mount_agents(agents, problems), problems)
    assert "Watched is defined in two ways" in str(problems[0])
    assert isinstance(problems[0], AgentCodeError)
    line = EVENTS[: EVENTS.index("class Watched")].count("\n") + 1
    assert (problems[0].where or "").endswith(f"/events.py:{line}")


def test_shadowing_a_shipped_agent_must_be_declared(agents: Path) -> None:
    """An own `audit` stands in for the shipped one only when its manifest says `replaces: true`."""
    text = MANIFEST.replace("watcher", "audit")
    write(agents, "audit", manifest=text, agent="def handle(event, policy):\n    pass\n")
    problems: list[ConfigError] = []
    reference = mount_agents(reference_root() / "agents", problems, shipped=True)
    with_reference(mount_agents(agents, problems), reference, problems)
    assert "'audit' is a shipped, governed agent" in str(problems[0])
    problems.clear()
    write(agents, "audit", manifest=text + "replaces: true\n")
    agents_now = with_reference(mount_agents(agents, problems), reference, problems)
    assert not problems
    assert not agents_now["audit"].shipped
    write(agents, manifest=MANIFEST + "replaces: true\n")
    with_reference(mount_agents(agents, problems), reference, problems)
    assert "no shipped agent 'watcher'" in str(problems[0])
