"""The guardian of one embedded server: a process between the owner and the server.

Run by path (``python -I -S embedded_child.py …``), never imported by the runtime, standard library only: it
must start in milliseconds whatever the package above it imports.

Its duties:

1. start the server as its child, with the configuration it was itself given on standard input;
2. stop the server when the owner is gone: the *life* pipe, whose other end only the owner holds, reads
   end-of-file, or the parent process id changes (an owner that forked leaves copies of its pipe end behind);
3. have the server killed should the guardian itself be killed (Linux: parent-death signal; macOS has none,
   there a ``kill -9`` of the guardian leaves the server running until it is stopped by hand);
4. when the server ends or is about to, take the info file away, so that nobody attaches to it; end with its
   exit code, after removing the socket while the lock is still held: later it may be the next server's.

Why a process and not the parent-death signal alone, set in ``preexec_fn``: that signal fires when the
*thread* that forked ends, and owners start servers from worker threads; and code between fork and exec of a
threaded parent may deadlock.

The lock descriptor is inherited by the server, so the lock is held as long as either of the two lives.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
GRACE = 10.0
"""Seconds a server has between SIGTERM and SIGKILL."""
OWNER_POLL = 1.0
"""Seconds between two looks at the parent's process id, for owners whose pipe end was copied by a fork."""


def die_with_parent(parent: int) -> None:
    """Have the kernel kill the calling process when its parent dies; nothing where that does not exist."""
    if sys.platform.startswith("linux"):
        # SIGKILL: a server busy in a script would not hear SIGTERM; what it acknowledged is on disk anyway.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def spawn(argv: list[str], life: int, lock: int) -> int:
    """Fork and execute the server; returns its process id. Safe to fork: this process has one thread."""
    guardian = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.close(life)
        os.set_inheritable(lock, True)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        die_with_parent(guardian)
        os.execv(argv[0], argv)  # noqa: S606 - no shell wanted
    except OSError as error:
        os.write(2, f"cannot execute {argv[0]}: {error}\n".encode())
    os._exit(127)


def reap(pid: int) -> int | None:
    """The server's exit code as a shell has it, or None while it runs."""
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done:
        return None
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def forget(info: str) -> None:
    """Remove the info file; missing is fine."""
    with contextlib.suppress(OSError):
        os.unlink(info)


def tidy(socket: str) -> None:
    """Remove the socket and, if it was made for it, its directory."""
    directory = os.path.dirname(socket)
    with contextlib.suppress(OSError):
        os.unlink(socket)
    if os.path.basename(directory).startswith("wingman-"):
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def main(arguments: list[str]) -> int:
    """Guard one server until it ends.

    Args:
        arguments: life pipe descriptor, lock descriptor, owner's process id, info file, socket, and the
            server's argv.
    """
    life, lock, owner = (int(number) for number in arguments[:3])
    info, socket, *argv = arguments[3:]
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    os.set_blocking(wake_read, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    asked: list[int] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if os.getppid() != owner:
        return 1
    server = spawn(argv, life, lock)

    deadline = 0.0
    while True:
        watched = [wake_read] if deadline else [wake_read, life]
        ready, _, _ = select.select(watched, [], [], 0.1 if deadline else OWNER_POLL)
        if wake_read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake_read, 512)
        code = reap(server)
        if code is not None:
            forget(info)
            tidy(socket)
            return code
        if deadline:
            if time.monotonic() > deadline:
                os.kill(server, signal.SIGKILL)
        elif asked or life in ready or os.getppid() != owner:
            forget(info)
            deadline = time.monotonic() + GRACE
            os.kill(server, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
