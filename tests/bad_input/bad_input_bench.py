"""A project to spoil, and the real command line run on it as a process of its own.

`Bench.refused` is the golden test that all of these share: the whole of stderr, an empty stdout, the exit
code, the same as JSON, no traceback, and not a byte changed in the project or on the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

from wingman_runtime.bootstrap import activate
from wingman_runtime.project.load import Project
from wingman_runtime.redisio import wire
from wingman_runtime.redisio.embedded import EmbeddedServer
from wingman_runtime.redisio.opening import connect

ROOT = Path(__file__).parents[2]
SUBMIT = ("submit", "greeting.send", "-p", "to=ada", "-p", "text=hello", "--as", "alice")
FIELDS = ["error", "kind", "where", "hint", "exit_code"]


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended; both texts with this machine's paths and ids replaced."""

    code: int
    out: str
    err: str


@dataclass
class Bench:
    """A fresh project in ``root``; ``env`` is added to every command's environment."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    server: EmbeddedServer | None = None
    replaced: dict[str, str] = field(default_factory=dict)

    def write(self, path: str, data: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)

    def append(self, path: str, data: str | bytes) -> None:
        self.write(path, (self.root / path).read_bytes() + (data.encode() if isinstance(data, str) else data))

    def change(self, path: str, old: str, new: str) -> None:
        """Replace ``old``, which must stand there exactly once."""
        text = (self.root / path).read_text()
        assert text.count(old) == 1, (path, old)
        self.write(path, text.replace(old, new))

    def serve(self, server: EmbeddedServer) -> None:
        """Commands use this server; the project's flows and policies are in force there."""
        self.server = server
        self.env["WINGMAN_REDIS_URL"] = server.url
        asyncio.run(self._activate())

    async def _activate(self) -> None:
        assert self.server is not None
        project = Project.find(self.root, redis_url=self.server.url)
        async with connect(project.settings) as connected:
            await activate(project.load(), connected.store, by="test")

    def environment(self, **more: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WINGMAN_")}
        dull = {"NO_COLOR": "1", "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        return {**clean, **dull, "PYTHONPATH": str(ROOT), **self.env, **more}

    def command(self, *words: str | bytes) -> Sequence[str | bytes]:
        return [sys.executable, "-P", "-m", "wingman_runtime", *words]

    def run(self, *words: str | bytes, **env: str) -> Done:
        done = subprocess.run(
            self.command(*words), cwd=self.root, env=self.environment(**env), capture_output=True,
            timeout=60, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Done(done.returncode, self.plain(done.stdout.decode()), self.plain(done.stderr.decode()))

    def both(self, *words: str | bytes, **env: str) -> tuple[Done, Done]:
        """The command, and beside it the command with --json."""
        with ThreadPoolExecutor(2) as pool:
            done = pool.submit(self.run, *words, **env)
            as_json = pool.submit(self.run, *words, "--json", **env)
            return done.result(), as_json.result()

    def plain(self, text: str) -> str:
        """The text as it would be anywhere."""
        for found, name in sorted(self.replaced.items(), key=lambda one: -len(one[0])):
            text = text.replace(found, name)
        text = text.replace(str(self.root), "PROJECT").replace(str(self.root.parent), "ABOVE")
        text = re.sub(r"req_p\d+_[0-9a-f]{32}", "req_…", text)
        return re.sub(r"stm_[a-z2-7]{26}", "stm_…", text)

    def state(self) -> dict[str, bytes | None]:
        """Everything that could have been half-applied: files and folders, and what the server holds."""
        found: dict[str, bytes | None] = {
            str(path.relative_to(self.root)): path.read_bytes() if path.is_file() else None
            for path in self.root.rglob("*")
        }
        if self.server is not None and self.server.running:
            password = self.server.password
            keys = wire.ask(self.server.socket, "KEYS", "*", password=password)
            assert isinstance(keys, list)
            for key in keys:
                assert isinstance(key, bytes)
                found[f"key {key.decode()}"] = wire.ask_bytes(
                    self.server.socket, "DUMP", key, password=password
                )
        return found

    def refused(self, *words: str | bytes, code: int, says: str, **env: str) -> None:
        """The command says exactly ``says`` on stderr and has done nothing."""
        before = self.state()
        done, as_json = self.both(*words, **env)
        assert done.err == dedent(says).lstrip("\n")
        assert (done.code, done.out) == (code, "")
        assert (as_json.code, as_json.out) == (code, "")
        told = json.loads(as_json.err)
        assert list(told) == FIELDS
        assert told["exit_code"] == code
        place = f"{told['where']}: " if told["where"] else ""
        assert done.err == f"error: {place}{told['error']}\n  → {told['hint']}\n"
        assert "Traceback" not in done.err + as_json.err
        assert self.state() == before

    def found(self, *words: str, says: str) -> None:
        """A check tells exactly ``says`` as its result and changes nothing; the same as JSON."""
        before = self.state()
        done, as_json = self.both(*words)
        assert done.out == dedent(says).lstrip("\n")
        assert done.code == as_json.code == 2
        findings = json.loads(as_json.out)
        told = [f"{one['where']}: {one['message']} [{one['rule']}]\n  → {one['hint']}\n" for one in findings]
        assert "".join(told) == done.out
        count = len(findings)
        assert done.err == f"{count} problem{'s' if count > 1 else ''}\n"
        assert self.state() == before
