"""The command line as a whole: exit codes, streams, no traceback, a quick version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.best_of import quickest
from wingman_runtime import __version__
from wingman_runtime.cli.app import COMMANDS, build, run
from wingman_runtime.project.find import reference_root
from wingman_runtime.project.init import init_project


def wingman(*arguments: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, from this checkout."""
    root = str(Path(__file__).parents[2])
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WINGMAN_")}
    return subprocess.run(
        [sys.executable, "-m", "wingman_runtime", *arguments],
        capture_output=True, text=True, timeout=60, cwd=cwd, check=False, stdin=subprocess.DEVNULL,
        env={**clean, "PYTHONPATH": root, **env},
    )  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh project, which is the working directory."""
    for name in [name for name in os.environ if name.startswith("WINGMAN_")]:
        monkeypatch.delenv(name)
    init_project(tmp_path / "fresh")
    monkeypatch.chdir(tmp_path / "fresh")
    return tmp_path / "fresh"


def test_the_version_is_told_at_once() -> None:
    """`wingman --version` answers in under 0.3 s: nothing heavy is imported for it."""

    def told() -> None:
        done = wingman("--version")
        assert done.stdout == f"{__version__}\n"
        assert done.returncode == 0

    assert quickest(told, 0.3) < 0.3


def test_importing_the_package_imports_nothing_heavy() -> None:
    """`import wingman_runtime` costs nothing; its names come when they are asked for."""
    code = (
        "import sys, wingman_runtime\n"
        "heavy = {'pydantic', 'redis', 'cedarpy', 'cyclopts', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from wingman_runtime import Settings\n"
        "assert 'pydantic' in sys.modules and 'redis' not in sys.modules\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_public_names() -> None:
    """The exported names are these, and each can be had."""
    import wingman_runtime

    assert wingman_runtime.__all__ == [
        "Client", "Project", "Settings", "SyncClient", "WingmanError", "__version__",
    ]  # fmt: skip
    for name in wingman_runtime.__all__:
        assert getattr(wingman_runtime, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        wingman_runtime.Nope  # noqa: B018


@pytest.mark.parametrize("name", [name for name, _, _ in COMMANDS])
def test_every_command_has_help_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command, and each command of a noun, says what it does and shows a way to type it.

    80 columns hold it: what a terminal breaks cannot be copied.
    """
    monkeypatch.setenv("COLUMNS", "80")
    app = build()[name]
    leaves = [
        [name, leaf] for leaf in app if not leaf.startswith("-")
    ] or [[name]]  # fmt: skip
    for words in leaves:
        assert run([*words, "--help"]) == 0
        shown = capsys.readouterr().out
        assert f"wingman {' '.join(words)}" in shown
        assert "For example" in shown, words
        examples = shown.partition("For example\n")[2].partition("╭")[0].splitlines()
        assert [line for line in examples if line and not line.startswith("    ")] == [], words
        assert "--project" in shown
        assert "--json" in shown


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["flow", "check", "--nope"], 2),
        (["nonsense"], 2),
        (["submit"], 2),
        (["submit", "x", "-p", "novalue"], 2),
        (["submit", "x", "--params", "{broken"], 2),
        (["pause", "agent:executor"], 2),
        (["pause", "everything", "--reason", "x"], 2),
        (["flow", "graph", "nope"], 3),
        (["audit", "tail"], 3),
        (["audit", "query", "--since", "yesterday"], 2),
        (["config", "show", "--project", "/nonexistent"], 3),
        (["worker", "--agents", ","], 2),
        (["init", "."], 6),
        (["policy", "explain", "nothing", "--principal", "User::a", "--resource", "Tool::b"], 2),
        (["policy", "explain", "emit", "--principal", "alice", "--resource", "Tool::b"], 2),
    ],
)
def test_a_mistake_has_its_exit_code_and_no_traceback(
    project: Path, arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong call says what is wrong on stderr, leaves stdout empty, and ends with the documented code."""
    assert run(arguments) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert "Traceback" not in shown.err


def test_errors_are_json_when_asked_for(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json an error is one JSON object on stderr, with kind, place, hint and exit code."""
    assert run(["--json", "flow", "graph", "nope"]) == 3
    told = json.loads(capsys.readouterr().err)
    assert told["kind"] == "NotFoundError"
    assert told["exit_code"] == 3
    assert "request" in told["hint"]


def test_a_bug_is_called_a_bug_and_debug_shows_it(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unforeseen exception is one line and exit code 1; WINGMAN_DEBUG=1 lets the traceback through."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("wingman_runtime.settings.Settings.explain", broken)
    assert run(["config", "show"]) == 1
    assert "internal error: ZeroDivisionError: oops" in capsys.readouterr().err
    monkeypatch.setenv("WINGMAN_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(["config", "show"])


def test_ctrl_c_is_130(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted command ends with 130, without a traceback."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wingman_runtime.settings.Settings.explain", interrupted)
    assert run(["config", "show"]) == 130


def test_a_reader_that_has_seen_enough_is_no_error(project: Path) -> None:
    """`wingman … | head -1` ends quietly."""
    command = f"'{sys.executable}' -m wingman_runtime config show --json | head -c 1"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        ["sh", "-c", command], cwd=project, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr == ""


def test_global_options_may_stand_before_the_noun(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`wingman --json --project DIR config show` is the same as with the options behind."""
    root = reference_root()
    assert run(["--project", str(root), "--json", "config", "show"]) == 0
    rows = {row["setting"]: row["value"] for row in json.loads(capsys.readouterr().out)}
    assert rows["name"] == "reference"


def test_a_wrong_environment_is_told_with_a_suggestion(project: Path) -> None:
    """An unknown WINGMAN_ variable stops every command, with exit code 2 and the nearest name."""
    done = wingman("config", "show", cwd=project, WINGMAN_LIMITS__STEP="3")
    assert done.returncode == 2
    assert "WINGMAN_LIMITS__STEP\n" in done.stderr
    assert "WINGMAN_LIMITS__STEPS" in done.stderr
    assert done.stdout == ""


def test_no_colour_where_nobody_looks(project: Path) -> None:
    """Piped output carries no escape codes and no cut cells."""
    done = wingman("config", "show", cwd=project, TERM="xterm-256color")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "…" not in done.stdout


def test_a_parameter_without_its_option_is_told_how_to_give_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`submit INTENT to=ada` is a wrong call that says where -p goes, quoted for the shell."""
    assert run(["submit", "greeting.send", "text=good morning", "--as", "alice"]) == 2
    assert "a parameter needs -p before it, each its own: -p 'text=good morning'" in capsys.readouterr().err
    assert run(["submit", "greeting.send", "ada", "--as", "alice"]) == 2
    assert "see `wingman submit --help`" in capsys.readouterr().err
