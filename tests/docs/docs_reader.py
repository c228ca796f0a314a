"""Reads a page as a newcomer would: writes the files it shows, types what it says, looks at what comes.

A block is marked by a comment on the line before it:

    <!-- run -->                   shell lines, typed in order in the reader's folder
    <!-- run: dev -->              the same, left running in a terminal of its own
    <!-- run: restart dev -->      Ctrl-C there, the lines here, then started again
    <!-- run: python -->           a program
    <!-- write: PATH -->           a new file; append: at a file's end; change: the line with the same key

``, shows: one | two`` behind a mark: words that must be among the output. ``req_…`` and ``apr_…`` stand
for the last such id that was seen.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
WAIT = 60.0
_BLOCK = re.compile(r"^<!-- (?P<mark>[^\n]*?) -->\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_IDS = {"req_…": re.compile(r"req_p\d+_[0-9a-f]{32}"), "apr_…": re.compile(r"apr_[a-z2-7]{26}")}


@dataclass(frozen=True, slots=True)
class Block:
    """A marked block of a page."""

    verb: str
    about: str
    shows: tuple[str, ...]
    text: str


def blocks_of(page: Path) -> list[Block]:
    """The marked blocks, in order."""
    found = []
    for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        mark, _, shows = match["mark"].partition(", shows: ")
        verb, _, about = mark.partition(": ")
        wanted = tuple(words for words in shows.split(" | ") if words)
        found.append(Block(verb, about, wanted, match["text"]))
    return found


class Reader:
    """Somebody at a shell, in a folder, with ``wingman`` on the path. Use it as a context."""

    def __init__(self, folder: Path) -> None:
        self.cwd = folder / "checkout"
        self.cwd.mkdir(parents=True)
        tools = folder / "bin"
        tools.mkdir()
        command = tools / "wingman"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m wingman_runtime "$@"\n')
        command.chmod(0o755)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WINGMAN_")}
        paths = {"PATH": f"{tools}{os.pathsep}{clean['PATH']}", "PYTHONPATH": str(ROOT)}
        self.environment = {**clean, **paths, "PYTHONUNBUFFERED": "1"}
        self._log = folder / "terminal.log"
        self._left: list[subprocess.Popen[bytes]] = []
        self._line = ""
        self._seen: dict[str, str] = {}

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.interrupt()

    def do(self, block: Block) -> str:
        """Do what a block says; returns what it showed. Fails where something it promises is missing."""
        shown = ""
        match block.verb, block.about:
            case "run", "":
                shown = "".join(self.type(line) for line in block.text.splitlines())
            case "run", "dev":
                [self._line] = block.text.splitlines()
                self.leave_running(self._line, ready="Ctrl-C ends it")
            case "run", "restart dev":
                self.interrupt()
                shown = "".join(self.type(line) for line in block.text.splitlines())
                self.leave_running(self._line, ready="Ctrl-C ends it")
            case "run", "python":
                program = self.cwd / "program.py"
                program.write_text(block.text)
                shown = self._call([sys.executable, str(program)])
            case "write", path:
                (self.cwd / path).parent.mkdir(parents=True, exist_ok=True)
                (self.cwd / path).write_text(block.text)
            case "append", path:
                with (self.cwd / path).open("a") as file:
                    file.write("\n" + block.text)
            case "change", path:
                self.change(path, block.text)
            case unknown:
                raise AssertionError(f"no such mark: {unknown}")
        missing = [words for words in block.shows if words not in shown]
        assert not missing, f"{missing} not shown by\n{block.text}\nbut this was:\n{shown}\n{self.terminal()}"
        return shown

    def change(self, path: str, text: str) -> None:
        """Put each line of ``text`` in the place of the line with the same key."""
        file = self.cwd / path
        lines = file.read_text().splitlines(keepends=True)
        for line in text.splitlines(keepends=True):
            key = line.partition(":")[0] + ":"
            [at] = [number for number, old in enumerate(lines) if old.startswith(key)]
            lines[at] = line
        file.write_text("".join(lines))

    def type(self, line: str) -> str:
        """One line at the shell. What only looks is typed again until there is something to see."""
        if line.startswith("cd "):
            self.cwd = (self.cwd / line[3:]).resolve()
            return ""
        for name, found in self._seen.items():
            line = line.replace(name, found)
        await_words = {"approval list": "apr_", "--tree": "AuditStamped"}
        wanted = next((words for part, words in await_words.items() if part in line), "")
        deadline = time.monotonic() + WAIT
        while True:
            shown = self._call(["sh", "-c", line])
            if wanted in shown or time.monotonic() > deadline:
                return shown
            time.sleep(0.2)

    def _call(self, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=self.cwd, env=self.environment, timeout=2 * WAIT, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        for name, pattern in _IDS.items():
            if found := pattern.search(done.stdout):  # lists have the newest first
                self._seen[name] = found.group()
        assert "Traceback" not in done.stdout, done.stdout
        # Refused and pending are among what a page may show; a wrong call or a lost server never is.
        assert done.returncode not in {2, 7, 126, 127}, f"{command[-1]}\n{done.stdout}\n{self.terminal()}"
        return done.stdout

    def leave_running(self, line: str, *, ready: str) -> None:
        """Another terminal; back once it says ``ready``."""
        with self._log.open("wb") as log:
            left = subprocess.Popen(
                line.split(), cwd=self.cwd, env=self.environment, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, process_group=0,
            )  # fmt: skip
        self._left.append(left)
        deadline = time.monotonic() + WAIT
        while ready not in self.terminal():
            assert left.poll() is None, self.terminal()
            assert time.monotonic() < deadline, self.terminal()
            time.sleep(0.05)

    def interrupt(self) -> None:
        """Ctrl-C in the other terminals; the first one owns the server and ends last."""
        while self._left:
            left = self._left.pop()
            with contextlib.suppress(ProcessLookupError):
                left.send_signal(signal.SIGINT)
            try:
                left.wait(WAIT)
            finally:
                left.kill()

    def terminal(self) -> str:
        """What the newest other terminal shows."""
        return self._log.read_text() if self._log.exists() else ""
