"""No server outlives the process that started it, whichever process is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wingman_runtime.redisio import wire
from wingman_runtime.redisio.embedded import start_embedded

ROOT = Path(__file__).parents[2]
OWNER = """
import os, sys, time
from pathlib import Path
from wingman_runtime.redisio.embedded import start_embedded
server = start_embedded(Path(sys.argv[1]))
if sys.argv[2] == "fork" and os.fork() == 0:
    os.write(1, b"%d\\n" % os.getpid())  # one write: two processes share the pipe
    time.sleep(60)
    os._exit(0)
os.write(1, f"{server.pid} {server._guardian.pid} {server.socket}\\n".encode())
if sys.argv[2] == "exit":
    sys.exit(0)
time.sleep(60)
"""


class Owner:
    """A process that starts an embedded server and does nothing else."""

    def __init__(self, data_dir: Path, mode: str = "sleep") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(data_dir), mode],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert self.process.stdout is not None
        self.fork = 0
        words: list[str] = []
        for line in self.process.stdout:
            words = line.split(maxsplit=2)
            if len(words) == 3:
                break
            self.fork = int(words[0])
        self.server, self.guardian, self.socket = int(words[0]), int(words[1]), Path(words[2].strip())
        if mode == "fork" and not self.fork:
            self.fork = int(self.process.stdout.readline())

    def end(self) -> None:
        for pid in (self.fork, self.server, self.guardian):
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    made = Owner(tmp_path)
    yield made
    made.end()


def _state(pid: int) -> str:
    """One letter as ps prints it; empty when there is no such process."""
    if sys.platform == "linux":  # a bare Debian has no ps
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return ""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()[:1]


def _gone(pid: int, seconds: float = 5.0) -> bool:
    """The process has ended; one that only waits to be reaped counts as gone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if _state(pid) in {"", "Z"}:
            return True
        time.sleep(0.01)
    return False


def test_killing_the_owner_ends_the_server_and_keeps_its_data(owner: Owner, tmp_path: Path) -> None:
    """``kill -9`` of the parent: guardian and server go, the next start owns a new server with the data."""
    wire.ask(owner.socket, "SET", "k", "v")
    os.kill(owner.process.pid, signal.SIGKILL)
    assert _gone(owner.server)
    assert _gone(owner.guardian)
    assert not (tmp_path / "server.json").exists()
    with start_embedded(tmp_path) as server:
        assert server.owned
        assert wire.ask(server.socket, "GET", "k") == b"v"


if sys.platform == "linux":  # macOS has no such signal; a killed guardian leaves its server there

    def test_killing_the_guardian_kills_the_server(owner: Owner, tmp_path: Path) -> None:
        """The parent-death signal, alone: the owner lives on, and a new start finds the lock free."""
        os.kill(owner.guardian, signal.SIGKILL)
        assert _gone(owner.server)
        with start_embedded(tmp_path) as server:
            assert server.owned

    def test_killing_owner_and_guardian_together_leaves_nothing(owner: Owner) -> None:
        """Both at once, as an out-of-memory killer might."""
        os.kill(owner.guardian, signal.SIGSTOP)  # so that the guardian cannot act on the owner's death
        os.kill(owner.process.pid, signal.SIGKILL)
        os.kill(owner.guardian, signal.SIGKILL)
        assert _gone(owner.server)


def test_the_watchdog_pipe_suffices_where_there_is_no_parent_death_signal(tmp_path: Path) -> None:
    """On a system without that signal, here a pretended macOS, the pipe alone ends the server."""
    child = ROOT / "wingman_runtime" / "redisio" / "embedded_child.py"
    portable = tmp_path / "portable_child.py"
    portable.write_text(
        f"import runpy, sys\nsys.platform = 'darwin'\nrunpy.run_path({str(child)!r}, run_name='__main__')\n"
    )
    script = (
        "import sys\nfrom pathlib import Path\nimport wingman_runtime.redisio.embedded as embedded\n"
        f"embedded.CHILD = Path({str(portable)!r})\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script + OWNER, str(tmp_path / "data"), "sleep"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    server, guardian, _ = process.stdout.readline().split(maxsplit=2)
    process.kill()
    process.wait()
    process.stdout.close()
    assert _gone(int(server))
    assert _gone(int(guardian))


def test_an_owner_that_exits_without_stopping_takes_the_server_along(tmp_path: Path) -> None:
    """A forgotten ``stop`` leaks nothing past the end of the process."""
    owner = Owner(tmp_path, "exit")
    try:
        assert _gone(owner.server)
        assert _gone(owner.guardian)
    finally:
        owner.end()


def test_a_fork_of_the_owner_keeps_neither_the_pipe_nor_the_server(tmp_path: Path) -> None:
    """A forked child holds a copy of the pipe's end; the guardian notices its own parent's death."""
    owner = Owner(tmp_path, "fork")
    try:
        os.kill(owner.process.pid, signal.SIGKILL)
        assert _gone(owner.server)
        assert not _gone(owner.fork, seconds=0.1)
    finally:
        owner.end()
