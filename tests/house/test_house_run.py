"""`./run` on machines that lack something, and the locks it installs from."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-bench.lock", "requirements-redis62.lock")
TOOLS = ("sh", "env", "cat", "cksum", "dirname", "rm", "uname", "grep")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout at a path with a space, and beside it a PATH without any Python."""
    checkout = tmp_path / "a checkout"
    checkout.mkdir()
    for name in ("run", "pyproject.toml", *LOCKS):
        shutil.copy2(ROOT / name, checkout / name)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (tmp_path / "bin" / tool).symlink_to(found)
    return checkout


def _python(checkout: Path, script: str) -> None:
    fake = checkout.parent / "bin" / "python3"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)


def _run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "run"), *arguments],
        capture_output=True,
        text=True,
        env={"PATH": str(checkout.parent / "bin"), "HOME": os.environ.get("HOME", "/")},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", ["demo", "test", "bench", "wingman"])
def test_without_python_the_package_to_install_is_named(bare: Path, command: str) -> None:
    """No Python at all: fails, saying what to install on Debian and macOS; makes nothing."""
    done = _run(bare, command)
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "apt install python3 python3-venv" in done.stderr
    assert "brew install" in done.stderr
    assert not (bare / ".venv").exists()


def test_an_old_python_is_named(bare: Path) -> None:
    """The version found is in the message."""
    _python(bare, 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')
    done = _run(bare, "demo")
    assert done.returncode == 1
    assert "and this is Python 3.9.2" in done.stderr


def test_a_debian_python_without_venv_is_named(bare: Path) -> None:
    """Debian splits venv off its Python; the message names the package, also for this version."""
    _python(bare, 'case "$2" in *ensurepip*) exit 1;; *%d.%d*) echo 3.11;; *) exit 0;; esac')
    done = _run(bare, "test")
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr
    assert "python3.11-venv" in done.stderr
    assert not (bare / ".venv").exists()


def test_help_and_an_unknown_command_need_no_python(bare: Path) -> None:
    """Help exits 0 on stdout; an unknown command exits 2 and makes nothing."""
    done = _run(bare)
    assert (done.returncode, done.stderr) == (0, "")
    assert "demo" in done.stdout
    done = _run(bare, "nonsense")
    assert done.returncode == 2
    assert "no such command: nonsense" in done.stderr


def test_the_locks_name_no_host_and_no_path() -> None:
    """What is installed is said by name, version and hash; where from is the machine's business."""
    for name in LOCKS:
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert not re.search(r"^(-|\s+--(?!hash=))", text, re.MULTILINE), name


def test_the_locks_hold_every_declared_dependency_with_hashes() -> None:
    """A dependency added to pyproject.toml without ``./run lock`` is noticed here, before pip meets it."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = [*declared["project"]["dependencies"], *declared["dependency-groups"]["build"]]
    dev = [line for line in declared["dependency-groups"]["dev"] if isinstance(line, str)]
    bench = [line for line in declared["dependency-groups"]["bench"] if isinstance(line, str)]
    for lock, wanted in (
        ("requirements.lock", runtime),
        ("requirements-dev.lock", [*runtime, *dev]),
        ("requirements-bench.lock", [*runtime, *bench]),
    ):
        locked = _pins(lock)
        names = {re.split(r"[\[<>=;~! ]", line, maxsplit=1)[0] for line in wanted}
        assert names <= locked.keys(), f"{lock}: run `./run lock`"
    both = _pins("requirements.lock")
    development = _pins("requirements-dev.lock")
    assert both.items() <= development.items()
    # One environment may hold both.
    bench_pins = _pins("requirements-bench.lock")
    shared = bench_pins.keys() & development.keys()
    assert {name: bench_pins[name] for name in shared} == {name: development[name] for name in shared}


def _pins(lock: str) -> dict[str, str]:
    """Name to version and hashes; a pin without a hash fails."""
    found: dict[str, str] = {}
    lines = [line for line in (ROOT / lock).read_text().splitlines() if not line.lstrip().startswith("#")]
    for entry in re.split(r"\n(?=\S)", "\n".join(lines)):
        name, _, rest = entry.partition("==")
        assert "--hash=sha256:" in rest, f"{lock}: {name} has no hash"
        found[re.sub(r"\[.*", "", name)] = rest
    return found
