"""The built wheel in an environment of its own, beside an installed foreign package named `agents`.

Its dependencies are those of the running environment, lent by path: no network, and no time to install them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

# What openai-agents installs under this name: a top-level package that a project's folder must not meet.
FOREIGN = {
    "agents/__init__.py": "FOREIGN = True\n",
    "agents/word_count/__init__.py": "",
    "agents/word_count/agent.py": "raise RuntimeError('the foreign package was imported')\n",
    "agents/counting/__init__.py": "raise RuntimeError('the foreign package was imported')\n",
}


@dataclass(frozen=True, slots=True)
class House:
    """A clean environment."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def environment(self) -> dict[str, str]:
        ours = ("WINGMAN_", "PYTHON", "PIP_", "VIRTUAL_ENV")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {**clean, "PATH": f"{self.folder / 'bin'}{os.pathsep}{clean['PATH']}", "NO_COLOR": "1"}

    def run(self, *words: str, cwd: Path, code: int = 0) -> str:
        """Run a command of the environment; returns its stdout."""
        done = subprocess.run(
            words, cwd=cwd, env=self.environment(), capture_output=True, text=True, timeout=120, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout


def build_wheel(folder: Path) -> Path:
    """The checkout's wheel, as a release would build it."""
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(ROOT))
    [wheel] = folder.glob("wingman_runtime-*.whl")
    return wheel


def foreign_wheel(folder: Path) -> Path:
    """A distribution that owns the name `agents`."""
    path = folder / "agents-9.0-py3-none-any.whl"
    facts = {
        "METADATA": "Metadata-Version: 2.1\nName: agents\nVersion: 9.0\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files = FOREIGN | {f"agents-9.0.dist-info/{name}": text for name, text in facts.items()}
    with zipfile.ZipFile(path, "w") as made:
        for name, text in files.items():
            made.writestr(name, text)
        made.writestr("agents-9.0.dist-info/RECORD", "".join(f"{name},,\n" for name in files))
    return path


def furnish(folder: Path, *wheels: Path) -> House:
    """A new environment with these wheels installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    house = House(folder)
    pip("--python", str(house.python), "install", "--no-deps", "--no-index", *map(str, wheels))
    # Behind its own packages, and without the .pth files there: an editable checkout is not lent.
    [site] = folder.glob("lib/python3*/site-packages")
    (site / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return house


def pip(*words: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *words],
        env=clean, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
