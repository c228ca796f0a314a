"""The server of a test session: one embedded server per process, started when first asked for.

It holds nothing worth keeping, so it does not wait for its disk. It stops when the process exits; when the
process is killed, its guardian stops it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from pathlib import Path

from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded

_LOCK = threading.Lock()
_SERVERS: dict[int, EmbeddedServer] = {}
_FOLDERS: dict[int, Path] = {}


def session_server() -> EmbeddedServer:
    """The server, started once per process; a forked child gets one of its own.

    Raises:
        BackendError: no server can be had.
    """
    with _LOCK:
        server = _SERVERS.get(os.getpid())
        if server is None or not server.running:
            server = start_embedded(session_folder() / "server", extra={"appendfsync": "no"})
            _SERVERS[os.getpid()] = server
        return server


def session_folder() -> Path:
    """Where runs of this process put their files; removed when it exits."""
    folder = _FOLDERS.get(os.getpid())
    if folder is None:
        folder = _FOLDERS[os.getpid()] = Path(tempfile.mkdtemp(prefix="wingman-test-"))
        atexit.register(_clean_up, os.getpid())
    return folder


def _clean_up(owner: int) -> None:
    if owner != os.getpid():
        return
    server = _SERVERS.pop(owner, None)
    if server is not None:
        server.stop()
    shutil.rmtree(_FOLDERS.pop(owner), ignore_errors=True)
