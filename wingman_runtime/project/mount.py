"""Importing a project's Python files under a private name.

1. Takes a snapshot of a folder's files; their digest is the code digest that audit records name.
2. Serves imports from that snapshot, under ``_wingman_project_<hash>``: what runs is what was hashed, a
   stale ``.pyc`` cannot come between, and the folder's name never becomes a top-level module, so an installed
   package that is called ``agents`` and this folder do not see each other.
3. Turns whatever goes wrong in an import into an error with file and line.

The hash covers path and content: unchanged code is imported once, changed code gets a new name.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

from wingman_runtime.errors import ConfigError
from wingman_runtime.yamlfile import shown, suggestion

PREFIX = "_wingman_project_"
_SKIPPED = {"__pycache__"}


@dataclass(frozen=True, slots=True)
class Mount:
    """A snapshot of ``folder`` importable as ``name``.

    Args:
        name: the private top-level module name.
        folder: the mounted folder, e.g. ``<project>/agents``.
        files: its files by posix path relative to the folder.
    """

    name: str
    folder: Path
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, folder: Path) -> Mount:
        """Read the folder and make it importable. Importing happens in `load`."""
        folder = folder.resolve()
        files = _snapshot(folder)
        name = PREFIX + hashlib.sha256(f"{folder}\0{_digest(files)}".encode()).hexdigest()[:16]
        mount = cls(name, folder, files)
        _FINDER.mounts.setdefault(name, mount)
        if _FINDER not in sys.meta_path:
            sys.meta_path.append(_FINDER)
        return _FINDER.mounts[name]

    def has(self, path: str) -> bool:
        return path in self.files

    def digest(self, inside: str) -> str:
        """``sha256:`` and 64 hex digits over the files of a folder inside the mount, names included."""
        start = f"{inside}/"
        return _digest({path: data for path, data in self.files.items() if path.startswith(start)})

    def load(self, *parts: str, error: type[ConfigError] = ConfigError) -> ModuleType:
        """Import ``<folder>/<parts…>.py``.

        Raises:
            ConfigError: (or ``error``) the file is missing or its import raises; ``where`` is the line of the
                project's own file that led there.
        """
        path = "/".join(parts) + ".py"
        if not self.has(path):
            raise error("no such file", where=shown(self.folder / path), hint="create it, or mend its name")
        try:
            return importlib.import_module(".".join((self.name, self.folder.name, *parts)))
        except SyntaxError as problem:
            at = f"{shown(problem.filename or self.folder / path)}:{problem.lineno or 1}"
            raise error(f"not valid Python: {problem.msg}", where=at, hint="correct this line") from None
        except Exception as problem:
            where = self._line_of(problem, path)
            raise error(_said(problem), where=where, hint=_meant(problem)) from problem

    def _line_of(self, problem: Exception, path: str) -> str:
        inside = [
            frame
            for frame in traceback.extract_tb(problem.__traceback__)
            if Path(frame.filename).is_relative_to(self.folder)
        ]
        if not inside:
            return f"{shown(self.folder / path)}:1"
        return f"{shown(inside[-1].filename)}:{inside[-1].lineno or 1}"


def _said(problem: Exception) -> str:
    if isinstance(problem, ModuleNotFoundError) and (problem.name or "").startswith(PREFIX):
        return f"there is no module {'.'.join((problem.name or '').split('.')[2:])!r} in this folder"
    return f"cannot be imported: {type(problem).__name__}: {problem}"


def _meant(problem: Exception) -> str | None:
    """For a misspelt import, the name that was meant."""
    if not isinstance(problem, ImportError) or problem.name not in sys.modules:
        return None
    wanted = re.search(r"cannot import name '(\w+)'", str(problem))
    known = sys.modules[problem.name]
    return suggestion(wanted[1], getattr(known, "__all__", dir(known))) or None if wanted else None


def _snapshot(folder: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part in _SKIPPED or part.startswith(".") for part in parts):
            files["/".join(parts)] = path.read_bytes()
    return files


def _digest(files: Mapping[str, bytes]) -> str:
    total = hashlib.sha256()
    for path, data in sorted(files.items()):
        for raw in (path.encode(), data):
            total.update(len(raw).to_bytes(8, "big") + raw)
    return "sha256:" + total.hexdigest()


class _SnapshotLoader(InspectLoader):
    """Compiles one file of a snapshot, always from its source."""

    def __init__(self, path: Path, source: bytes, package: bool) -> None:
        self.path = path
        self.source = source
        self.package = package

    def is_package(self, fullname: str) -> bool:
        return self.package

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self.source)

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.source, str(self.path))


class _Finder(MetaPathFinder):
    """Answers only for names that begin with `PREFIX`."""

    def __init__(self) -> None:
        self.mounts: dict[str, Mount] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, *inside = fullname.split(".")
        mount = self.mounts.get(top)
        if mount is None:
            return None
        if not inside or inside == [mount.folder.name]:
            return ModuleSpec(fullname, None, is_package=True)
        if inside[0] != mount.folder.name:
            return None
        stem = "/".join(inside[1:])
        for file, package in ((f"{stem}.py", False), (f"{stem}/__init__.py", True)):
            if mount.has(file):
                loader = _SnapshotLoader(mount.folder / file, mount.files[file], package)
                spec = ModuleSpec(fullname, loader, origin=str(mount.folder / file), is_package=package)
                spec.has_location = True
                return spec
        if any(known.startswith(f"{stem}/") for known in mount.files):
            return ModuleSpec(fullname, None, is_package=True)
        return None


_FINDER = _Finder()
