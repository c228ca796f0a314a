"""A newcomer's first project: what the README says to add, and what they hear when they get a step wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.docs_reader import ROOT, Reader, blocks_of

FILES = [block for block in blocks_of(ROOT / "README.md") if block.verb in {"write", "change", "append"}]
FLOW = "config/flows/request.yaml"
MANIFEST = "agents/shouting/manifest.yaml"


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Reader]:
    """Somebody in a fresh project to which the README's agent, tool and policy were added."""
    with Reader(tmp_path) as reader:
        reader.type("wingman init hello")
        reader.type("cd hello")
        for block in FILES:
            reader.do(block)
        yield reader


def test_a_request_passes_through_the_new_agent_and_the_new_tool(newcomer: Reader) -> None:
    """Init, a folder and one line, a tool and its scope, two workers: the request is seen in both."""
    flow = (newcomer.cwd / FLOW).read_text().splitlines()
    fresh = newcomer.cwd.parent / "untouched"
    newcomer.type(f"wingman init {fresh}")
    before = (fresh / FLOW).read_text().splitlines()
    assert sum(one != other for one, other in zip(before, flow, strict=True)) == 1
    assert "the project is sound" in newcomer.type("wingman config check")
    newcomer.leave_running("wingman worker", ready="started")
    newcomer.leave_running("wingman worker --agents shouting,executor", ready="started")
    done = newcomer.type("wingman submit todo.add -p item=milk -p why=none! --as alice --wait 60")
    assert done.startswith("completed")
    assert (newcomer.cwd / "workspace" / "todo" / "milk.txt").read_text() == "open\n"
    tree = newcomer.type("wingman request show req_… --tree")
    assert "by shouting" in tree
    assert "1 exclamation marks" in tree
    assert "effect todo.add todo:milk  by executor  done" in tree


def edit(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        text = (project / path).read_text()
        assert old in text
        (project / path).write_text(text.replace(old, new))

    return change


def without(path: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        (project / path).unlink()

    return change


WRONG: dict[str, tuple[Callable[[Path], None], str, tuple[str, ...]]] = {
    "the line in the flow was forgotten": (
        edit(FLOW, "[permission, shouting]", "permission"),
        f"{MANIFEST}:7:",
        ("no flow leads to shouting", "write `RequestValidated: [permission, shouting]`", f"{FLOW}:"),
    ),
    "a field of the manifest is missing": (
        edit(MANIFEST, "owner: you\n", ""),
        f"{MANIFEST}:",
        ("add the key 'owner'",),
    ),
    "a field of the manifest is misspelt": (
        edit(MANIFEST, "consumes:", "consume:"),
        f"{MANIFEST}:",
        ("write 'consumes' instead of 'consume'",),
    ),
    "the manifest was forgotten": (
        without(MANIFEST),
        "agents/shouting:",
        ("has no manifest.yaml", "copy that of another agent"),
    ),
    "an event is misspelt": (
        edit(MANIFEST, "[RequestValidated]", "[RequestValidatd]"),
        f"{MANIFEST}:7:",
        ("did you mean 'RequestValidated'",),
    ),
    "the agent sends an event nobody defined": (
        edit(MANIFEST, "emits: []", "emits: [MilkBought]"),
        f"{MANIFEST}:8:",
        ("no event 'MilkBought'", "events.py"),
    ),
    "the function has another name": (
        edit("agents/shouting/agent.py", "def handle", "def handel"),
        "agents/shouting/agent.py:",
        ("no function 'handle'", "handel", f"{MANIFEST}:6"),
    ),
    "the function wants a port it did not declare": (
        edit("agents/shouting/agent.py", "Validated])", "Validated], clock: int)"),
        "agents/shouting/agent.py:",
        ("'clock' is not declared", "the ports are: policy"),
    ),
    "the flow names an agent without a folder": (
        edit(FLOW, "[permission, shouting]", "[permission, shooting, shouting]"),
        f"{FLOW}:",
        ("shooting", "shouting"),
    ),
    "the tool does not say how it is undone": (
        edit("tools/todo.py", '\n    compensation="todo.drop",', ""),
        "tools/todo.py:",
        ("compensation", "irreversible"),
    ),
    "the tool names an undo that is not there": (
        edit("tools/todo.py", 'compensation="todo.drop"', 'compensation="todo.drip"'),
        "tools/todo.py:",
        ("todo.drip", "todo.drop"),
    ),
    "the scope names a tool that is not there": (
        edit("config/scopes.yaml", "todo.add: [", "todo.ad: ["),
        "config/scopes.yaml:",
        ("no tool 'todo.ad'", "todo.add"),
    ),
    "the plan was forgotten": (
        without("config/plans/todo.add.yaml"),
        "config/scopes.yaml:",
        ("no plan 'todo.add'", "config/plans/todo.add.yaml"),
    ),
    "a policy misspells an attribute": (
        edit("policies/40-handshake.cedar", 'areas.contains("todo', 'aeras.contains("todo'),
        "policies/40-handshake.cedar:",
        ("aeras",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_step_done_wrong_says_where_and_what_to_do(newcomer: Reader, wrong: str) -> None:
    """`wingman config check` exits with 2, names the place by its line, and the thing to do."""
    change, where, words = WRONG[wrong]
    change(newcomer.cwd)
    done = subprocess.run(
        ["wingman", "config", "check"], cwd=newcomer.cwd, env=newcomer.environment, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done
    assert where in done.stdout
    assert "→" in done.stdout
    assert str(newcomer.cwd) not in done.stdout
    assert [word for word in words if word not in done.stdout] == []
    assert "Traceback" not in done.stdout + done.stderr


def test_dev_refuses_what_is_wrong_before_anything_starts(newcomer: Reader) -> None:
    """The same words from `wingman dev`; no server and no worker was started."""
    edit(FLOW, "[permission, shouting]", "permission")(newcomer.cwd)
    done = subprocess.run(
        ["wingman", "dev"], cwd=newcomer.cwd, env=newcomer.environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no flow leads to shouting" in done.stderr
    assert not (newcomer.cwd / ".wingman" / "redis").exists()
