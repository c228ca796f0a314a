"""The house rules that a machine can watch: sizes, floors, words that belong on no page."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SIZE_LIMIT = 420  # lines; past it a file has more than one noun in it
PURE_ROOMS = ("contracts", "flow", "policy")
IMPURE = frozenset({"asyncio", "random", "secrets", "time", "socket", "subprocess"})
# Built from parts, so that this file does not trip over itself.
MACHINE_WORDS = tuple(
    "".join(parts)
    for parts in (
        ("/wo", "rk/main"),
        ("/wo", "rk/shared"),
        ("/wo", "rk/."),
        ("/tmp/", "probe"),
        ("/tmp/", "brief"),
        ("/tmp/", "bash_jobs"),
        (".lib", "rary/"),
    )
)


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if "__pycache__" not in path.parts]


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file of the project; what tools and runs leave behind is in hidden or cache folders."""
    passed_over = {"__pycache__", "dist", "build"}
    pending = [ROOT]
    while pending:
        for path in sorted(pending.pop().iterdir()):
            hidden = path.name.startswith(".") and path.name not in {".ci", ".github", ".gitignore"}
            if hidden or path.name in passed_over or path.is_symlink() or path.name.endswith(".egg-info"):
                continue
            if path.is_dir():
                pending.append(path)
            else:
                try:
                    yield path, path.read_text(encoding="utf-8")
                except UnicodeDecodeError:
                    continue


def imported(path: Path) -> set[str]:
    """Modules a file imports, at any depth of its code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_no_file_outgrows_one_sitting() -> None:
    """A Python file of the runtime, its agents or its tests has at most 420 lines."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources("wingman_runtime", "agents", "tests")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > SIZE_LIMIT
    }
    assert long == {}


def test_the_guards_see_the_project() -> None:
    """The walks above and below find files at all: a guard of nothing guards nothing."""
    names = {str(path.relative_to(ROOT)) for path, _ in texts()}
    assert {"pyproject.toml", "wingman_runtime/errors.py", "config/flows/request.yaml"} <= names
    assert len(sources("wingman_runtime")) > 20
    assert len(sources("agents")) >= 7


def test_no_file_names_the_machine_it_was_written_on() -> None:
    """A path of a developer's machine is of no use to anybody else."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {word}"
        for path, text in texts()
        for word in MACHINE_WORDS
        if word in text
        for number, row in enumerate(text.splitlines(), 1)
        if word in row
    ]
    assert found == []


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_a_pure_room_has_no_clock_and_no_wires(room: str) -> None:
    """Contracts, flow and policy import no clock, loop or chance: the same question has the same answer."""
    found = {
        str(path.relative_to(ROOT)): sorted(impure)
        for path in sources(f"wingman_runtime/{room}")
        if (impure := {name.partition(".")[0] for name in imported(path)} & IMPURE)
    }
    assert found == {}


def test_one_room_speaks_to_the_server() -> None:
    """Only redisio imports redis; an agent imports the sdk and nothing else of the runtime."""
    speaking = {
        path.relative_to(ROOT).parts[1]
        for path in sources("wingman_runtime")
        if "redis" in {name.partition(".")[0] for name in imported(path)}
    }
    assert speaking <= {"redisio"}
    reaching = {
        str(path.relative_to(ROOT)): sorted(names)
        for path in sources("agents")
        if (
            names := {
                name
                for name in imported(path)
                if name.startswith("wingman_runtime") and name != "wingman_runtime.sdk"
            }
        )
    }
    assert reaching == {}


def test_agents_is_no_package() -> None:
    """Other projects install a top-level ``agents``; ours is mounted under a private name instead."""
    assert not (ROOT / "agents" / "__init__.py").exists()


def test_every_module_says_what_it_is() -> None:
    """The tree can be read from top to bottom: each module begins with a sentence."""
    silent = [
        str(path.relative_to(ROOT))
        for path in sources("wingman_runtime", "agents")
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_every_test_states_the_behaviour_it_holds() -> None:
    """A test's docstring is the sentence that is true when it passes."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources("tests")
        if path.name.startswith("test_")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []
