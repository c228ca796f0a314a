"""The embedded server: one durable server per data directory, started by whoever comes first.

Its duties:

1. find a program (`binary.py`) and write its configuration, which goes over standard input;
2. make the runtime directory of the unix socket: short (108 bytes, macOS 104), mode 700, ours
   (`embedded_files.py`);
3. take the lock of the data directory, or attach to the server of the one who has it;
4. start the server under its guardian (`embedded_child.py`) and wait until it answers;
5. stop it cleanly, leaving no file behind but the data and the log.

The lock (``server.lock``, flock) is inherited by the server process: it is free exactly when no server
runs on the data. So a stale info file is harmless, a crashed server frees the lock by itself, and a start
that meets a server on its way out waits until it is gone. ``server.json`` says how to reach the server and
is the first thing removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from wingman_runtime.errors import BackendError, BackendRefusedError, BackendUnreachableError
from wingman_runtime.redisio import wire
from wingman_runtime.redisio.binary import find_binary
from wingman_runtime.redisio.embedded_files import (
    Wanted,
    configuration,
    free_port,
    log_tail,
    make_data_dir,
    open_log,
    runtime_directory,
    take_lock,
)

CHILD = Path(__file__).with_name("embedded_child.py")
START_TIMEOUT = 15.0
"""Seconds for a server to answer, loading of its data not counted."""
LOAD_TIMEOUT = 600.0
"""Seconds for a server to load its data."""
POLL = 0.002


@dataclass(slots=True)
class EmbeddedServer:
    """A running embedded server.

    Args:
        url: what a client connects to: ``unix://`` and, when there is one, the password.
        socket: the unix socket.
        pid: process id of the server itself.
        owned: this process started it, and it stops with this process; otherwise `stop` does nothing.
        data_dir: the directory of its append-only file, lock, info file and log.
        version: product and version, as ``valkey 9.1.2``.
        port: loopback TCP port; None when it listens on the socket only.
        cluster: cluster mode, all 16,384 slots on this server.
    """

    url: str = field(repr=False)
    socket: Path
    pid: int
    owned: bool
    data_dir: Path
    version: str
    port: int | None = None
    cluster: bool = False
    password: str = field(default="", repr=False)
    _guardian: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _life: int = field(default=-1, repr=False)
    _owner: int = field(default_factory=os.getpid, repr=False)

    @property
    def tcp_url(self) -> str:
        """The same server over loopback TCP.

        Raises:
            BackendRefusedError: it was started without a port.
        """
        if self.port is None:
            raise BackendRefusedError("this embedded server has no TCP port", hint="start it with port=")
        return f"redis://:{quote(self.password, safe='')}@127.0.0.1:{self.port}/0"

    @property
    def running(self) -> bool:
        """Whether it answers now."""
        try:
            return wire.ask(self.socket, "PING", password=self.password, timeout=2.0) == b"PONG"
        except (OSError, wire.ReplyError):
            return False

    @property
    def crashed(self) -> bool:
        """Whether it was ours and has ended without being told to."""
        return self._guardian is not None and self._guardian.poll() is not None

    def stop(self, timeout: float = 10.0) -> None:
        """Shut the server down cleanly and wait until it is gone.

        Does nothing when this process did not start it, or has stopped it before.

        Args:
            timeout: seconds before it is killed; what it acknowledged is on disk either way.
        """
        guardian, self._guardian = self._guardian, None
        if guardian is None or self._owner != os.getpid():  # a fork's copy must not stop its parent's server
            return
        life, self._life = self._life, -1
        if guardian.poll() is not None:  # it crashed before; what is there now may be somebody else's
            os.close(life)
            return
        with contextlib.suppress(OSError):
            (self.data_dir / "server.json").unlink()
        with contextlib.suppress(OSError, wire.ReplyError):
            wire.ask(self.socket, "SHUTDOWN", password=self.password, timeout=timeout)
        try:
            guardian.wait(timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            guardian.wait(timeout)
        os.close(life)

    async def astop(self) -> None:
        """`stop`, in a thread."""
        await asyncio.to_thread(self.stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_embedded(
    data_dir: Path,
    *,
    runtime_dir: Path | None = None,
    cluster: bool = False,
    maxmemory: str | None = None,
    extra: Mapping[str, str] | None = None,
    port: int | None = None,
    binary: Path | None = None,
) -> EmbeddedServer:
    """Start the server of a data directory, or attach to the one that runs there.

    Args:
        data_dir: where its data lives; made when missing. Any path, spaces included.
        runtime_dir: where the socket goes; default a private directory in ``$XDG_RUNTIME_DIR`` or ``/tmp``.
        cluster: cluster mode with all slots on this one server (takes two seconds to come up).
        maxmemory: as the server writes it, ``256mb``; past it writes fail, nothing is evicted. Default: no
            limit.
        extra: further directives, the last word over ours.
        port: also listen on this loopback TCP port, with a generated password; 0 picks a free one.
        binary: the program to run, whatever its version; default `find_binary`.

    Raises:
        BackendRefusedError: no program, a directory that cannot be used, a server that ends at once (with
            its last log lines), or a running server of the other mode.
        BackendUnreachableError: the server that holds the lock does not answer.
    """
    wanted = Wanted(cluster, maxmemory, extra or {}, port, binary, runtime_dir)
    data_dir = make_data_dir(data_dir)
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        lock = take_lock(data_dir)
        if lock is not None:
            try:
                return _start(data_dir, lock, wanted)
            except OSError as error:
                raise BackendRefusedError(
                    f"the embedded server cannot be started: {error.strerror or error}",
                    where=str(error.filename or data_dir),
                    hint="see whether the disk is full and the directory is writable",
                ) from error
            finally:
                os.close(lock)
        attached, loading = attach(data_dir)
        if attached is not None:
            if attached.cluster != cluster:
                raise BackendRefusedError(
                    f"a server with cluster mode {'on' if attached.cluster else 'off'} runs on this data",
                    where=str(data_dir),
                    hint="stop it, or use another data directory",
                )
            return attached
        if loading:
            deadline = max(deadline, time.monotonic() + START_TIMEOUT)
        if time.monotonic() > deadline:
            raise BackendUnreachableError(
                f"another process holds {data_dir / 'server.lock'} but its server does not answer",
                where=str(data_dir),
                hint=f"see {data_dir / 'server.log'}; `fuser` on the lock names the process to end",
            )
        time.sleep(POLL)


def attach(data_dir: Path) -> tuple[EmbeddedServer | None, bool]:
    """The server described by the info file if it answers, and whether it is loading its data."""
    try:
        found: dict[str, Any] = json.loads((data_dir / "server.json").read_bytes())
        path, password = Path(found["socket"]), str(found["password"])
        wire.ask(path, "PING", password=password)
        server = EmbeddedServer(
            url=_url(path, password),
            socket=path,
            pid=int(found["pid"]),
            owned=False,
            data_dir=data_dir,
            version=found["version"],
            port=found["port"],
            cluster=found["cluster"],
            password=password,
        )
    except wire.ReplyError as error:
        return None, str(error).startswith("LOADING")
    except (OSError, ValueError, KeyError, TypeError):
        return None, False
    return server, False


def _start(data_dir: Path, lock: int, wanted: Wanted) -> EmbeddedServer:
    program = wanted.binary if wanted.binary is not None else find_binary().path
    path = runtime_directory(data_dir, wanted.runtime_dir) / "redis.sock"
    for leftover in (path, data_dir / "server.json"):
        leftover.unlink(missing_ok=True)
    if wanted.port == 0:
        wanted = replace(wanted, port=free_port())
    password = secrets.token_urlsafe(24) if wanted.port is not None else ""
    config = configuration(data_dir, path, password, wanted)
    log = open_log(data_dir)
    log_from = log.tell()
    life_read, life = os.pipe()
    config_read, config_write = os.pipe()
    try:
        os.write(config_write, config.encode(errors="surrogateescape"))
        os.close(config_write)
        guardian = subprocess.Popen(  # noqa: S603 - our own file and a program the caller chose
            [
                *(sys.executable, "-I", "-S", str(CHILD)),
                *(str(life_read), str(lock), str(os.getpid()), str(data_dir / "server.json"), str(path)),
                *(str(program.absolute()), "-"),
            ],
            stdin=config_read,
            stdout=log,
            stderr=log,
            pass_fds=(life_read, lock),
            start_new_session=True,  # a Ctrl-C in the terminal must not stop the server before the workers
            cwd="/",
        )
    except BaseException:
        os.close(life)
        raise
    finally:
        os.close(config_read)
        os.close(life_read)
        log.close()
    try:
        about = _await_answer(guardian, path, password, data_dir, log_from)
        if wanted.cluster:
            _take_all_slots(path, password, data_dir)
        server = EmbeddedServer(
            url=_url(path, password),
            socket=path,
            pid=int(about["process_id"]),
            owned=True,
            data_dir=data_dir,
            version=f"valkey {about['valkey_version']}"
            if "valkey_version" in about
            else f"redis {about['redis_version']}",
            port=wanted.port,
            cluster=wanted.cluster,
            password=password,
            _guardian=guardian,
            _life=life,
        )
        _write_info(server)
    except BaseException:
        os.close(life)
        guardian.wait()
        raise
    return server


def _await_answer(
    guardian: subprocess.Popen[bytes], path: Path, password: str, data_dir: Path, log_from: int
) -> dict[str, str]:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            wire.ask(path, "PING", password=password)  # INFO alone would be answered while it is loading
            return wire.info(path, password=password)
        except wire.ReplyError as error:
            if not str(error).startswith("LOADING"):
                raise BackendRefusedError(
                    f"the embedded server refuses us: {error}", where=str(data_dir)
                ) from error
            deadline = max(deadline, time.monotonic() + LOAD_TIMEOUT)
        except OSError:
            pass
        code = guardian.poll()
        if code is not None:
            raise BackendRefusedError(
                f"the embedded server ended at once (exit code {code}):\n{log_tail(data_dir, log_from)}",
                where=str(data_dir),
                hint=f"the whole log is {data_dir / 'server.log'}",
            )
        if time.monotonic() > deadline:
            raise BackendUnreachableError(
                f"the embedded server does not answer:\n{log_tail(data_dir, log_from)}",
                where=str(data_dir),
                hint=f"the whole log is {data_dir / 'server.log'}",
            )
        time.sleep(POLL)


def _take_all_slots(path: Path, password: str, data_dir: Path) -> None:
    with contextlib.suppress(wire.ReplyError):  # a restart: the slots are in its nodes file already
        wire.ask(path, "CLUSTER", "ADDSLOTSRANGE", "0", "16383", password=password)
    deadline = time.monotonic() + START_TIMEOUT
    while b"cluster_state:ok" not in wire.ask_bytes(path, "CLUSTER", "INFO", password=password):
        if time.monotonic() > deadline:
            raise BackendError("the cluster does not come up", where=str(data_dir))
        time.sleep(0.02)


def _write_info(server: EmbeddedServer) -> None:
    info = {
        "socket": str(server.socket),
        "pid": server.pid,
        "version": server.version,
        "port": server.port,
        "cluster": server.cluster,
        "password": server.password,
    }
    target = server.data_dir / "server.json"
    draft = server.data_dir / f".server.json.{os.getpid()}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        json.dump(info, stream)
    draft.replace(target)


def _url(path: Path, password: str) -> str:
    login = f":{quote(password, safe='')}@" if password else ""
    return f"unix://{login}{quote(str(path))}"
