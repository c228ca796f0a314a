"""The registry: every released version of every event, read from the files under ``config/schemas``.

Nothing is asked but the file system: producers, consumers and CI read the same files. Records are read when
they are first asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from wingman_runtime.errors import ConfigError, ContractError, NotFoundError
from wingman_runtime.schemas.record import SchemaRecord
from wingman_runtime.schemas.recordfile import read_record, write_record
from wingman_runtime.schemas.version import Version
from wingman_runtime.yamlfile import shown, suggestion

SCHEMAS_FOLDER = "config/schemas"
WAIVERS_FILE = "config/schemas/waivers.yaml"
_BESIDE = {Path(WAIVERS_FILE).name, "README.md"}


class Registry:
    """Released versions, by event.

    Args:
        root: the project's folder; what is released is written there.
        shipped: the folder of the reference project, whose events every project knows.
        names: the event types that are recorded there and not in ``root``.
    """

    def __init__(self, root: Path, shipped: Path | None = None, names: Iterable[str] = ()) -> None:
        self.root = root
        self.shipped = shipped
        self._foreign = frozenset(names) if shipped is not None and shipped != root else frozenset()
        self._read: dict[str, tuple[SchemaRecord, ...]] = {}

    @property
    def begun(self) -> bool:
        """Whether this project records its own events at all."""
        return any(self.owns(folder.name) for folder in self._folders(self.root))

    def owns(self, event: str) -> bool:
        """Whether this project's folder is where the event's versions are recorded."""
        return event not in self._foreign

    @property
    def shipped_begun(self) -> bool:
        """Whether the reference project has records of the shipped events."""
        return self.shipped is not None and any(True for _ in self._folders(self.shipped))

    def folder(self, event: str) -> Path:
        """Where the versions of an event lie; it need not exist."""
        root = self.shipped if event in self._foreign and self.shipped is not None else self.root
        return root / SCHEMAS_FOLDER / event

    def file(self, event: str, version: Version) -> Path:
        return self.folder(event) / f"{version}.json"

    def events(self) -> tuple[str, ...]:
        """Every event type with a released version, sorted."""
        own = {path.name for path in self._folders(self.root)} - self._foreign
        theirs = {path.name for path in self._folders(self.shipped)} if self.shipped is not None else set()
        return tuple(sorted(own | (theirs & self._foreign)))

    def history(self, event: str) -> tuple[SchemaRecord, ...]:
        """Every released version of an event, oldest first; empty when there is none.

        Raises:
            ConfigError: a file is no record, or was edited; ``where`` is file:line.
        """
        if event not in self._read:
            folder = self.folder(event)
            files = _versions(folder) if event.isidentifier() and folder.is_dir() else {}
            self._read[event] = tuple(read_record(files[version]) for version in sorted(files))
        return self._read[event]

    def latest(self, event: str) -> SchemaRecord | None:
        history = self.history(event)
        return history[-1] if history else None

    def get(self, event: str, version: Version | str = "") -> SchemaRecord:
        """One released version; the latest when none is named.

        Raises:
            NotFoundError: there is none.
            ContractError: ``version`` is no version.
        """
        history = self.history(event)
        if not history:
            known = self.events()
            hint = suggestion(event, known) or "the recorded events are: " + (", ".join(known) or "none yet")
            raise NotFoundError(f"no released version of {event!r}", hint=hint)
        if not version:
            return history[-1]
        wanted = Version.parse(version) if isinstance(version, str) else version
        for record in history:
            if record.version == wanted:
                return record
        released = ", ".join(str(record.version) for record in history)
        raise NotFoundError(f"{event} {wanted} was never released", hint=f"released are: {released}")

    def write(self, record: SchemaRecord) -> Path:
        """File a released version; the very same one again changes nothing.

        Raises:
            ConflictError: the version is released, and was another one.
            ConfigError: the event is not this project's to record.
        """
        if not self.owns(record.event):
            raise ConfigError(
                f"{record.event} is a shipped event: its versions are the runtime's to release",
                where=shown(self.folder(record.event)),
                hint="release an event of your own",
            )
        path = self.file(record.event, record.version)
        write_record(path, record)
        self._read.pop(record.event, None)
        return path

    def problems(self) -> list[ConfigError]:
        """Everything wrong with the files of this project and of the shipped records."""
        found: list[ConfigError] = []
        top = self.root / SCHEMAS_FOLDER
        for path in sorted(top.iterdir()) if top.is_dir() else ():
            if not path.is_dir() and path.name not in _BESIDE and not path.name.startswith("."):
                hint = "versions lie in a folder with the event's name: <Event>/<version>.json"
                found.append(ConfigError("is no part of the registry", where=shown(path), hint=hint))
        for event in self.events():
            try:
                self.history(event)
            except ConfigError as problem:
                found.append(problem)
        return found

    @staticmethod
    def _folders(root: Path) -> Iterator[Path]:
        """In no order, and not listed in advance: most who ask want to know whether there is one."""
        top = root / SCHEMAS_FOLDER
        if not top.is_dir():
            return
        with os.scandir(top) as entries:
            for entry in entries:
                path = Path(entry.path)
                if entry.is_dir() and not entry.name.startswith(".") and any(path.glob("*.json")):
                    yield path


def _versions(folder: Path) -> dict[Version, Path]:
    """The files of an event's folder by version."""
    found: dict[Version, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "README.md":
            continue
        name = path.name.removesuffix(".json")
        try:
            if name == path.name:
                raise ContractError("a version's file ends in .json")
            version = Version.parse(name)
        except ContractError as problem:
            hint = "name it like 1.0.0.json, or move it away"
            raise ConfigError(problem.message, where=shown(path), hint=hint) from None
        found[version] = path
    return found
