"""The files around an embedded server: its directories, lock, configuration and log."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from wingman_runtime.errors import BackendRefusedError

SOCKET_LIMIT = 103 if sys.platform == "darwin" else 107
"""Bytes of a unix socket's path, without the closing zero."""
LOG_LIMIT = 1 << 20
"""Bytes of ``server.log`` past which a start moves it to ``server.log.1``."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller of `start_embedded` asked for; the fields are its arguments."""

    cluster: bool = False
    maxmemory: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    binary: Path | None = None
    runtime_dir: Path | None = None


def runtime_directory(data_dir: Path, chosen: Path | None = None) -> Path:
    """Make and check the private directory of the socket.

    Args:
        data_dir: names the directory, so that each has its own.
        chosen: use this directory instead of the default place.

    Raises:
        BackendRefusedError: it cannot be made, is not ours, is a link, or its path leaves no room for a
            socket name.
    """
    if chosen is not None:
        return _own_directory(chosen)
    tag = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:8]
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if base and os.path.isabs(base):
        with contextlib.suppress(BackendRefusedError):
            if os.path.isdir(base) and os.stat(base).st_uid == os.getuid():
                return _own_directory(Path(base) / f"wingman-{tag}")
    return _own_directory(Path("/tmp") / f"wingman-{os.getuid()}-{tag}")  # noqa: S108 - checked to be ours


def _own_directory(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=False, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise BackendRefusedError(
            f"cannot make the runtime directory: {error.strerror}",
            where=str(path),
            hint="set XDG_RUNTIME_DIR to a directory of yours",
        ) from error
    if not path.is_dir() or path.is_symlink() or found.st_uid != os.getuid():
        raise BackendRefusedError(
            "the runtime directory is not a directory of ours; somebody else made it",
            where=str(path),
            hint="remove it, or set XDG_RUNTIME_DIR to a directory of yours",
        )
    if found.st_mode & 0o077:
        path.chmod(0o700)
    if len(os.fsencode(path / "redis.sock")) > SOCKET_LIMIT:
        raise BackendRefusedError(
            f"the path leaves no room for a socket ({SOCKET_LIMIT} bytes)",
            where=str(path),
            hint="set XDG_RUNTIME_DIR to a shorter path",
        )
    return path


def make_data_dir(data_dir: Path) -> Path:
    """Make the data directory and check that we may write there; returns its real path.

    Raises:
        BackendRefusedError: it cannot be made or written.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir = data_dir.resolve()
        with open(data_dir / "server.lock", "ab"):
            pass
    except OSError as error:
        raise BackendRefusedError(
            f"cannot use the data directory: {error.strerror}",
            where=str(data_dir),
            hint="make it writable, or choose another project directory",
        ) from error
    return data_dir


def take_lock(data_dir: Path) -> int | None:
    """A descriptor that holds the lock, or None when a server (or its starter) has it."""
    lock = os.open(data_dir / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def configuration(data_dir: Path, path: Path, password: str, wanted: Wanted) -> str:
    """The server's configuration file.

    Directives that Redis 6.2 knows (cluster mode apart): an old server starts and is then refused by name.

    Args:
        data_dir: the server's working directory.
        path: its unix socket.
        password: of the default user; empty for none.
        wanted: the rest; a port of None is no TCP at all.
    """
    lines = {
        "dir": str(data_dir),
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "port": str(wanted.port or 0),
        "bind": "127.0.0.1",
        "daemonize": "no",
        "logfile": "",
        "always-show-logo": "no",
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        # It keeps copies of arguments, that is of requests, past every lifetime of ours; on a busy machine it
        # fills with commits that only waited for a processor.
        "slowlog-log-slower-than": "100000",
        "slowlog-max-len": "16",
    }
    if password:
        lines["requirepass"] = password
    if wanted.maxmemory:
        lines["maxmemory"] = wanted.maxmemory
    if wanted.cluster:
        lines["cluster-enabled"] = "yes"
        lines["cluster-port"] = str(free_port())
    lines |= wanted.extra
    return "".join(f"{name} {value if name == 'bind' else _quoted(value)}\n" for name, value in lines.items())


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def open_log(data_dir: Path) -> BinaryIO:
    """The log for appending; a long one is put aside first."""
    path = data_dir / "server.log"
    with contextlib.suppress(OSError):
        if path.stat().st_size > LOG_LIMIT:
            path.replace(data_dir / "server.log.1")
    return open(path, "ab")


def log_tail(data_dir: Path, start: int, lines: int = 8) -> str:
    """The last lines of the log written after position ``start``, indented."""
    with open(data_dir / "server.log", "rb") as stream:
        stream.seek(start)
        text = stream.read().decode(errors="replace").strip()
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:]) or "    (it wrote no log)"


def free_port() -> int:
    """A loopback TCP port nobody uses at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
