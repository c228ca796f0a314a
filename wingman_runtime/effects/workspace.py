"""Files inside one folder, and nowhere else.

A path is walked folder by folder from an open descriptor of the root, following no link at any step, so there
is no moment between a check and a use in which a link could be slipped in. What is written is written beside,
synced, and renamed into place: a reader sees the old file or the new one. `.undo` in the root belongs to the
runtime (kept files, temporary files, locks) and has no name a tool could use.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import stat
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from wingman_runtime.errors import ToolError

UNDO_DIR: Final = ".undo"
FILE_LIMIT: Final = 8 * 2**20
"""Bytes of one file."""
SWEPT_AT_ONCE: Final = 10_000
_SWEPT = re.compile(r"eff_[a-z2-7]+\.[0-9a-f]{12}|tmp-[0-9a-f]{32}")
_PATH_BYTES = 1024
_NAME_BYTES = 200
_LOCKS = 64
_LOCK_SECONDS = 4.0
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Non-blocking: opening a named pipe somebody left there must not hang the worker.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"^[A-Za-z]:")


def segments(path: str) -> tuple[str, ...]:
    """The names of a relative path, one spelling per file.

    Raises:
        ToolError: the path is absolute, climbs, is spelled in a second way (``a//b``, ``./a``, decomposed
            Unicode), is no text a file can be named by, or names the runtime's own folder.
    """
    problem = _path_problem(path)
    if problem:
        raise ToolError(f"path {path[:100]!r} {problem}", hint="use a relative path such as notes/a.md")
    return tuple(path.split("/"))


def _path_problem(path: str) -> str:
    try:
        raw = path.encode()
    except UnicodeEncodeError:
        return "is not valid text"
    parts = path.split("/")
    checks = (
        (not path, "is empty"),
        (len(raw) > _PATH_BYTES, f"is longer than {_PATH_BYTES} bytes"),
        (_UNPRINTABLE.search(path) is not None, "holds control characters"),
        (path.startswith("/") or _DRIVE.match(path) is not None, "is absolute"),
        ("\\" in path, "holds a backslash"),
        (".." in parts, "climbs out of its folder"),
        ("" in parts or "." in parts, "has an empty or dot segment"),
        (unicodedata.normalize("NFC", path) != path, "is not in composed (NFC) form"),
        (any(len(part.encode()) > _NAME_BYTES for part in parts), f"has a name over {_NAME_BYTES} bytes"),
        (
            unicodedata.normalize("NFKC", parts[0]).casefold() == UNDO_DIR,
            "is the runtime's own folder",
        ),
    )
    return next((text for bad, text in checks if bad), "")


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file as it is."""

    content: bytes
    mode: int


class Workspace:
    """The folder file tools work in. Safe to share between threads and processes; holds nothing open.

    Args:
        root: the folder; made when missing.
        limit: bytes a file may have.
    """

    def __init__(self, root: Path, *, limit: int = FILE_LIMIT) -> None:
        self.root = root
        self.limit = limit

    def find(self, path: str) -> Found | None:
        """A file with its permissions; None: there is none."""
        *folders, name = segments(path)
        with self._refusing(path):
            folder = self._walk(folders)
            if folder is None:
                return None
            with _closing(folder):
                return self._read(folder, name, path)

    def missing_folders(self, path: str) -> tuple[str, ...]:
        """The folders above ``path`` that do not exist, outermost first."""
        folders = segments(path)[:-1]
        for count in range(1, len(folders) + 1):
            with self._refusing(path):
                folder = self._walk(folders[:count])
            if folder is None:
                return tuple("/".join(folders[:many]) for many in range(count, len(folders) + 1))
            os.close(folder)
        return ()

    def write(self, path: str, content: bytes, *, mode: int | None = None) -> None:
        """Replace a file in one step; without ``mode`` its permissions stay, or are 0644 when it is new."""
        *folders, name = segments(path)
        if len(content) > self.limit:
            raise ToolError(f"{path}: {len(content)} bytes, the limit is {self.limit}")
        with contextlib.ExitStack() as stack:
            with self._refusing(path):
                folder = self._walk(folders, make=True)
                assert folder is not None
                stack.enter_context(_closing(folder))
                current = _status(folder, name)
                if current is not None and not stat.S_ISREG(current.st_mode):
                    raise ToolError(f"{path} is not a regular file")
                if mode is None:
                    mode = 0o644 if current is None else stat.S_IMODE(current.st_mode)
                undo = stack.enter_context(self._undo())
                temporary = _write_new(undo, content, mode)
                try:
                    # Replaces whatever the name is now, a link included; it never follows one.
                    os.rename(temporary, name, src_dir_fd=undo, dst_dir_fd=folder)
                except OSError:
                    os.unlink(temporary, dir_fd=undo)
                    raise
            os.fsync(folder)  # past the rename: a failure here is not "nothing was done"

    def delete(self, path: str) -> bool:
        """Remove a regular file; False: there was none."""
        *folders, name = segments(path)
        with contextlib.ExitStack() as stack:
            with self._refusing(path):
                folder = self._walk(folders)
                if folder is None:
                    return False
                stack.enter_context(_closing(folder))
                current = _status(folder, name)
                if current is None:
                    return False
                if not stat.S_ISREG(current.st_mode):
                    raise ToolError(f"{path} is not a regular file")
                os.unlink(name, dir_fd=folder)
            os.fsync(folder)
        return True

    def remove_empty(self, folders: tuple[str, ...]) -> None:
        """Remove these folders, innermost first, as far as they are empty."""
        for path in reversed(folders):
            *above, name = segments(path)
            with contextlib.suppress(OSError):
                folder = self._walk(above)
                if folder is not None:
                    with _closing(folder):
                        os.rmdir(name, dir_fd=folder)

    def stash(self, name: str, content: bytes) -> None:
        """Put bytes under ``.undo/<name>``, complete and synced; only the first to come counts."""
        with self._refusing(f"{UNDO_DIR}/{name}"), self._undo() as undo:
            temporary = _write_new(undo, content, 0o600)
            try:
                # A link, not a rename: it refuses to replace, so a re-run cannot overwrite the first image.
                with contextlib.suppress(FileExistsError):
                    os.link(temporary, name, src_dir_fd=undo, dst_dir_fd=undo, follow_symlinks=False)
            finally:
                os.unlink(temporary, dir_fd=undo)
            os.fsync(undo)

    def stashed(self, name: str) -> bytes | None:
        """What `stash` put there, or None."""
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}", name):
            raise ToolError(f"{name[:100]!r} names nothing that was kept")
        with self._refusing(f"{UNDO_DIR}/{name}"), self._undo() as undo:
            found = self._read(undo, name, f"{UNDO_DIR}/{name}", limit=self.limit + 2**16)
            return None if found is None else found.content

    def sweep(self, before: float, *, limit: int = SWEPT_AT_ONCE) -> int:
        """Remove what was kept, or begun and left by a crash, and last changed before ``before``.

        Args:
            before: seconds since the epoch; no effect from before it may still be undone.
            limit: removals, so that a call takes a bounded time.

        Returns:
            How many were removed; ``limit``: there may be more.
        """
        removed = 0
        with self._refusing(UNDO_DIR):
            undo = self._walk([UNDO_DIR])
            if undo is None:
                return 0
            with _closing(undo), os.scandir(undo) as found:
                for entry in found:
                    # Locks stay: to remove one that somebody holds would let a second one in.
                    if removed == limit or not _SWEPT.fullmatch(entry.name):
                        continue
                    with contextlib.suppress(FileNotFoundError):  # another worker sweeps, too
                        if entry.stat(follow_symlinks=False).st_mtime < before:
                            os.unlink(entry.name, dir_fd=undo)
                            removed += 1
        return removed

    @contextlib.contextmanager
    def exclusive(self, path: str) -> Iterator[None]:
        """Hold a path's lock against other threads and processes; a retryable ToolError when it is taken."""
        segments(path)
        slot = int.from_bytes(hashlib.sha256(path.casefold().encode()).digest()[:4], "big") % _LOCKS
        with self._refusing(path), self._undo() as undo:
            lock = os.open(
                f"lock-{slot}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=undo
            )
        with _closing(lock):
            until = time.monotonic() + _LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise ToolError(f"{path} is being changed by another", retryable=True) from None
                    time.sleep(0.005)
            yield

    @contextlib.contextmanager
    def _undo(self) -> Iterator[int]:
        folder = self._walk([UNDO_DIR], make=True)
        assert folder is not None
        with _closing(folder):
            yield folder

    def _walk(self, folders: list[str] | tuple[str, ...], *, make: bool = False) -> int | None:
        """A descriptor of the folder, or None when it is missing and not to be made."""
        if make:
            self.root.mkdir(parents=True, exist_ok=True)
        try:
            current = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        for name in folders:
            try:
                below = _enter(current, name, make=make)
            except FileNotFoundError:
                if make:
                    raise
                return None
            finally:
                os.close(current)
            current = below
        return current

    def _read(self, folder: int, name: str, path: str, *, limit: int | None = None) -> Found | None:
        limit = self.limit if limit is None else limit
        try:
            file = os.open(name, _READ, dir_fd=folder)
        except FileNotFoundError:
            return None
        with os.fdopen(file, "rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ToolError(f"{path} is not a regular file")
            content = opened.read(limit + 1)
        if len(content) > limit:
            raise ToolError(f"{path} is larger than {limit} bytes")
        return Found(content=content, mode=stat.S_IMODE(status.st_mode))

    @contextlib.contextmanager
    def _refusing(self, path: str) -> Iterator[None]:
        """An OSError in here happened before anything was changed; say so."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
                raise ToolError(f"{path} leads over a link or through a file") from None
            # A folder may be tidied away by an undo next door between the walk and the rename.
            again = error.errno in (errno.ENOENT, errno.EAGAIN, errno.EMFILE, errno.ENFILE)
            raise ToolError(f"{path}: {error.strerror}", retryable=again) from None


def _enter(folder: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):  # somebody else may have made it meanwhile
        os.mkdir(name, 0o755, dir_fd=folder)
        os.fsync(folder)
    return os.open(name, _DIRECTORY, dir_fd=folder)


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _write_new(folder: int, content: bytes, mode: int) -> str:
    """A complete, synced file under a name nobody else uses; removed again when writing fails."""
    name = f"tmp-{uuid4().hex}"
    file = os.open(name, _CREATE, 0o600, dir_fd=folder)
    try:
        with os.fdopen(file, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fchmod(opened.fileno(), mode)
            os.fsync(opened.fileno())
    except OSError:
        os.unlink(name, dir_fd=folder)
        raise
    return name


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)
