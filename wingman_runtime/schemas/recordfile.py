"""The file of one released version: read strictly, sealed, written once.

1. ``seal`` is a digest over everything else in the file: a record that was edited by hand does not open.
2. A file is written beside its place and linked into it: there is a whole record or none, and never another
   one in the place of one that was released.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import orjson

from wingman_runtime.contracts.canonical import digest, refuse_unrepresentable
from wingman_runtime.errors import ConfigError, ConflictError, ContractError
from wingman_runtime.schemas.record import SchemaRecord
from wingman_runtime.schemas.version import Version
from wingman_runtime.yamlfile import shown, suggestion

SIZE_LIMIT = 4 * 1024 * 1024
"""Bytes of one file."""
_TEXTS = ("digest", "event", "fingerprint", "owner", "pydantic", "seal", "version", "wording")
_MAPPINGS = ("reader", "reserved", "writer")
_LISTS = ("accepted", "samples")
_KEYS = (*_TEXTS, *_MAPPINGS, *_LISTS)
_AGAIN = "restore it from version control: a released version is never changed, a change is a new version"


def to_data(record: SchemaRecord) -> dict[str, Any]:
    """A record as plain data, sealed."""
    data: dict[str, Any] = {
        "accepted": [dict(one) for one in record.accepted],
        "digest": record.digest,
        "event": record.event,
        "fingerprint": record.fingerprint,
        "owner": record.owner,
        "pydantic": record.pydantic,
        "reader": record.reader,
        "reserved": record.reserved,
        "samples": list(record.samples),
        "version": str(record.version),
        "wording": record.wording,
        "writer": record.writer,
    }
    return data | {"seal": digest(data)}


def read_record(path: Path) -> SchemaRecord:
    """The record of ``<Event>/<version>.json``.

    Raises:
        ConfigError: it cannot be read, is no JSON, has other keys or types than a record, does not fit its
            place or its seal; ``where`` is file:line.
    """
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise ConfigError(f"cannot be read: {problem.strerror}", where=shown(path)) from None
    if len(raw) > SIZE_LIMIT:
        raise ConfigError(f"{len(raw)} bytes are more than {SIZE_LIMIT}", where=f"{shown(path)}:1")
    return _Reader(path, raw).record()


def write_record(path: Path, record: SchemaRecord) -> bool:
    """Put a record into its place; False when the very same is there.

    Raises:
        ConflictError: another one is there.
        ContractError: it holds what JSON cannot carry.
    """
    data = to_data(record)
    refuse_unrepresentable(data)
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".draft-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).chmod(0o644)
        _placed(Path(draft), path)
    except FileExistsError:
        if to_data(read_record(path)) == data:
            return False
        raise ConflictError(
            f"{record.event} {record.version} is released, and was another one",
            where=shown(path),
            hint="give the class a higher schema_version",
        ) from None
    finally:
        Path(draft).unlink(missing_ok=True)
    return True


def _placed(draft: Path, path: Path) -> None:
    """Raises FileExistsError when the place is taken."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: one look and one move are the best there is
        if path.exists():
            raise FileExistsError(path) from None
        draft.replace(path)


class _Reader:
    """One file: its text is kept to say on which line something is wrong."""

    def __init__(self, path: Path, raw: bytes) -> None:
        self.path = path
        self.raw = raw

    def record(self) -> SchemaRecord:
        data = self.parsed()
        self.shaped(data)
        version = self.fitting(data)
        seal = data.pop("seal")
        try:
            fits = seal == digest(data)
        except TypeError:  # nested beyond what is ever written
            fits = False
        if not fits:
            raise self.refused(
                "seal", "the record was edited after its release: its seal does not fit", _AGAIN
            )
        return SchemaRecord(
            event=data["event"],
            version=version,
            writer=data["writer"],
            reader=data["reader"],
            digest=data["digest"],
            reserved=data["reserved"],
            owner=data["owner"],
            samples=tuple(data["samples"]),
            fingerprint=data["fingerprint"],
            pydantic=data["pydantic"],
            wording=data["wording"],
            accepted=tuple(data["accepted"]),
        )

    def parsed(self) -> dict[str, Any]:
        try:
            data = orjson.loads(self.raw)
        except orjson.JSONDecodeError as problem:
            where = f"{shown(self.path)}:{problem.lineno}"
            raise ConfigError(f"not valid JSON: {problem.msg}", where=where, hint=_AGAIN) from None
        if not isinstance(data, dict):
            raise self.refused("", "no record: a JSON object is expected", _AGAIN)
        return data

    def shaped(self, data: dict[str, Any]) -> None:
        """Known keys, all of them, of the right type."""
        for key in data:
            if key not in _KEYS:
                hint = suggestion(key, _KEYS) or "known keys: " + ", ".join(sorted(_KEYS))
                raise self.refused(key, f"{key}: is not known here", hint)
        for keys, kind, said in (
            (_TEXTS, str, "text"),
            (_MAPPINGS, dict, "an object"),
            (_LISTS, list, "a list"),
        ):
            for key in keys:
                if key not in data:
                    raise self.refused("", f"{key}: is missing", _AGAIN)
                if not isinstance(data[key], kind):
                    raise self.refused(key, f"{key}: {said} is expected", _AGAIN)
        for name, schema in data["reserved"].items():
            if not isinstance(schema, dict):
                raise self.refused("reserved", f"reserved.{name}: an object is expected", _AGAIN)
        for one in data["accepted"]:
            if not isinstance(one, dict) or not all(isinstance(text, str) for text in one.values()):
                raise self.refused("accepted", "accepted: objects of texts are expected", _AGAIN)

    def fitting(self, data: dict[str, Any]) -> Version:
        """What it says it is, against the name of its file and folder."""
        if data["event"] != self.path.parent.name:
            said = f"event: {data['event']!r} in the folder of {self.path.parent.name!r}"
            raise self.refused("event", said, "move the file to where it belongs")
        try:
            version = Version.parse(data["version"])
        except ContractError as problem:
            raise self.refused("version", f"version: {problem.message}", problem.hint or "") from None
        if f"{version}.json" != self.path.name:
            said = f"version: {version} in a file called {self.path.name}"
            raise self.refused(
                "version", said, f"a copy is no release: use `wingman schema release {data['event']}`"
            )
        return version

    def refused(self, key: str, message: str, hint: str) -> ConfigError:
        """At the line of a key of the outermost object, as this module writes it."""
        found = re.search(rb'^ {0,2}"' + re.escape(key.encode()) + rb'"\s*:', self.raw, re.M) if key else None
        line = self.raw.count(b"\n", 0, found.start()) + 1 if found else 1
        return ConfigError(message, where=f"{shown(self.path)}:{line}", hint=hint)
