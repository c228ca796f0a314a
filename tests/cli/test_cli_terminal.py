"""What a person at a terminal sees, and what a pipe gets instead."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.bad_input.bad_input_bench import SUBMIT, Bench
from wingman_runtime.cli.app import COMMANDS, build
from wingman_runtime.project.init import init_project
from wingman_runtime.redisio.embedded import EmbeddedServer

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[()][A-Z0-9]")
WAIT = 60.0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    init_project(tmp_path / "fresh")
    made = Bench(tmp_path / "fresh")
    made.env["TERM"] = "xterm-256color"
    return made


@pytest.fixture
def asked(bench: Bench, valkey_url: str, valkey: EmbeddedServer) -> Bench:
    """One request is handed in; no worker runs."""
    bench.serve(valkey)
    assert bench.run(*SUBMIT).code == 0
    return bench


def on_terminal(bench: Bench, *words: str, columns: int = 80, plain: bool = False) -> tuple[int, str]:
    """Run a command with a terminal for all three streams; returns its exit code and all it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = bench.environment()
    env = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES", "NO_COLOR", "CI")}
    process = subprocess.Popen(
        bench.command(*words), cwd=bench.root, env=env | ({"NO_COLOR": "1"} if plain else {}),
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    deadline = time.monotonic() + WAIT
    while True:
        assert time.monotonic() < deadline, written
        if not select.select([ours], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(ours, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not data:
            break
        written += data
    os.close(ours)
    return process.wait(WAIT), written.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [80, 120])
def test_a_table_fits_the_terminal(asked: Bench, columns: int) -> None:
    """Statuses have colour, no line is longer than the terminal, and an id is in one piece."""
    code, shown = on_terminal(asked, "request", "list", columns=columns)
    assert code == 0
    assert "\x1b[33m" in shown  # open: yellow
    lines = ESCAPE.sub("", shown).splitlines()
    assert max(map(len, lines)) <= columns
    assert any(re.search(r"\breq_p0_[0-9a-f]{32}\b", line) for line in lines)
    assert "greeting.send" in ESCAPE.sub("", shown)


def test_no_color_is_heeded(asked: Bench) -> None:
    """NO_COLOR leaves out colour, on a terminal too."""
    _, shown = on_terminal(asked, "request", "list", plain=True)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", shown)
    _, error = on_terminal(asked, "request", "show", "nope", plain=True)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", error)


def test_json_has_no_colour_anywhere(asked: Bench) -> None:
    """On a terminal it is only laid out; in a pipe it is one line."""
    _, shown = on_terminal(asked, "request", "list", "--json")
    assert "\x1b" not in shown
    [row] = json.loads(shown)
    assert row["state"] == "open"
    piped = asked.run("request", "list", "--json", FORCE_COLOR="1", NO_COLOR="")
    assert "\x1b" not in piped.out
    assert piped.out.count("\n") == 1


def test_waiting_is_told_on_a_terminal_only(asked: Bench) -> None:
    """A line that is repainted says how far the request has come; it is gone at the end. A pipe gets none."""
    code, shown = on_terminal(asked, *SUBMIT, "--wait", "2")
    assert code == 5
    assert "UserRequestReceived by client" in shown
    assert "\x1b[2K" in shown
    assert "error: req_p0_" in ESCAPE.sub("", shown)
    piped = asked.run(*SUBMIT, "--wait", "1")
    assert "UserRequestReceived" not in piped.out + piped.err


def test_watching_tells_events_above_the_line(asked: Bench) -> None:
    """The events stay, in order; what is repainted does not run into them."""
    [row] = json.loads(asked.run("request", "list", "--json").out.replace("req_…", "req"))
    assert row["state"] == "open"
    done = subprocess.run(
        asked.command("request", "list", "--json"), cwd=asked.root, env=asked.environment(),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    request = json.loads(done.stdout)[0]["request_id"]
    code, shown = on_terminal(asked, "request", "watch", request, "--timeout", "2", columns=120)
    assert code == 5
    assert re.search(r"^\S+ \S+  client        UserRequestReceived$", ESCAPE.sub("", shown), re.MULTILINE)


def test_an_error_wraps_at_words(bench: Bench) -> None:
    """Red on a terminal, and no word is cut in two."""
    code, shown = on_terminal(bench, *SUBMIT, "--params", "{")
    assert code == 2
    assert "\x1b[1;31merror: " in shown
    text = ESCAPE.sub("", shown)
    assert "enclosed in double \nquotes" in text
    assert max(map(len, text.splitlines())) <= 80


def leaves() -> list[tuple[str, ...]]:
    app = build()
    found: list[tuple[str, ...]] = []
    for name, _, _ in COMMANDS:
        inside = [leaf for leaf in app[name] if not leaf.startswith("-")]
        found += [(name, leaf) for leaf in inside] or [(name,)]
    return found


@pytest.mark.parametrize("words", leaves(), ids=" ".join)
def test_help_has_examples_that_name_the_command(bench: Bench, words: tuple[str, ...]) -> None:
    """Every command: what it does, at least one line to copy, within 80 columns and on stdout."""
    done = bench.run(*words, "--help", COLUMNS="80")
    assert (done.code, done.err) == (0, "")
    assert f"    wingman {' '.join(words)}" in done.out.partition("For example")[2]
    assert max(map(len, done.out.splitlines())) <= 80


def completed(script: Path, *words: str) -> list[str]:
    """What bash offers after these words."""
    lines = [
        f"source '{script}'",
        f"COMP_WORDS=({' '.join(words)})",
        f"COMP_CWORD={len(words) - 1}",
        "_wingman",
        'printf "%s\\n" "${COMPREPLY[@]}"',
    ]
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.split()


def test_bash_completes_commands_and_options(bench: Bench, tmp_path: Path) -> None:
    """Nouns, verbs and options, from the script that --install-completion writes."""
    script = tmp_path / "wingman.bash"
    done = bench.run("--install-completion", "--shell", "bash", "--output", str(script), HOME=str(tmp_path))
    assert done.code == 0, done.err
    assert completed(script, "wingman", "req") == ["request"]
    assert set(completed(script, "wingman", "request", "''")) >= {"list", "show", "watch", "cancel"}
    assert "--params" in completed(script, "wingman", "submit", "--pa")
    assert {name for name, _, _ in COMMANDS} <= set(completed(script, "wingman", "''"))


def test_zsh_is_told_every_command(bench: Bench, tmp_path: Path) -> None:
    """A completion function for `wingman` that knows each command with its line of help."""
    script = tmp_path / "_wingman"
    done = bench.run("--install-completion", "--shell", "zsh", "--output", str(script), HOME=str(tmp_path))
    assert done.code == 0, done.err
    text = script.read_text()
    assert text.startswith("#compdef wingman\n")
    for name, _, about in COMMANDS:
        assert f"'{name}:{about}'" in text


def test_the_streams_are_told_apart(asked: Bench) -> None:
    """Piped into a file, a command's data is there and its notes are not."""
    done = asked.run(*SUBMIT)
    assert done.out == "req_…\n"
    # Where wingman is not on PATH, the command is told with the path it was called by.
    assert re.match(r"see `(\S*/)?wingman request show req_…`\n", done.err)
