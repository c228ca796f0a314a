"""A consumer's contract: what it reads of which event, at which of its versions, and who answers for it.

A file of ``config/contracts/`` is the JSON of one `ConsumerContract`. ``reads`` is derived from the
consumer's reader models; ``consents`` and ``deprecations`` are what people agreed to, and are kept when it is
derived anew.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from wingman_runtime.contracts.projection import REQUIRED_ENVELOPE
from wingman_runtime.contracts.wording import example, plain, value
from wingman_runtime.errors import ConfigError, ContractError, UsageError
from wingman_runtime.schemas.record import Schema
from wingman_runtime.schemas.version import Version
from wingman_runtime.yamlfile import SIZE_LIMIT, load_yaml, shown, validate

CONTRACTS_FOLDER = "config/contracts"
PartT = TypeVar("PartT", bound=BaseModel)


def _version(text: str) -> str:
    try:
        Version.parse(text)
    except ContractError as problem:
        raise ValueError(problem.message) from None
    return text


def _schema(schema: Schema) -> Schema:
    import jsonschema_rs

    try:
        jsonschema_rs.meta.validate(schema)
    except (ValueError, jsonschema_rs.ValidationError) as problem:
        said = str(problem).partition("\n")[0][:200]
        raise ValueError(f"no JSON Schema: {said}") from None
    return schema


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Read(_Part):
    """One event as the consumer reads it.

    Attributes:
        majors: major versions of the event that the consumer takes.
        reader: JSON Schema of the data it takes: only the fields it reads, open.
        envelope: fields of the envelope that it needs.
        model: the class the schema was derived from; for people.
    """

    majors: tuple[Annotated[int, Field(ge=0, strict=True)], ...] = Field(min_length=1, examples=[(1,)])
    reader: Annotated[Schema, AfterValidator(_schema)]
    envelope: tuple[str, ...] = REQUIRED_ENVELOPE
    model: str = ""


class Consent(_Part):
    """The consumer is ready for a major it does not read yet, somebody says, and why.

    Attributes:
        on: the day it was given, ISO 8601.
    """

    major: int = Field(ge=0, strict=True, examples=[2])
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    on: date | None = Field(default=None, examples=["2026-12-31"])


class SignOff(_Part):
    """The consumer agrees that a field it reads may be gone after a day.

    Attributes:
        path: JSON Pointer of the field in the event's data; ``*`` for any item.
        until: the last day on which the field must be there, ISO 8601.
    """

    event: str = Field(min_length=1)
    path: str = Field(pattern=r"^/", examples=["/note"])
    until: date = Field(examples=["2026-12-31"])
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class ConsumerContract(_Part):
    """What one consumer needs of the events it reads.

    Attributes:
        kind: ``agent``: one of this project, its contract is derived; ``external``: another team's service.
    """

    consumer: str = Field(pattern=r"^[A-Za-z0-9][\w.-]{0,99}$", examples=["billing"])
    consumer_version: Annotated[str, AfterValidator(_version)] = Field(examples=["1.0.0"])
    owner: str = Field(min_length=1, examples=["the billing team"])
    kind: Literal["agent", "external"] = "external"
    reads: Mapping[str, Read] = Field(min_length=1)
    consents: Mapping[str, tuple[Consent, ...]] = Field(default_factory=dict)
    deprecations: tuple[SignOff, ...] = ()

    @property
    def named(self) -> str:
        """Who it is, for a message: ``billing 1.2.0 (the billing team)``."""
        return f"{self.consumer} {self.consumer_version} ({self.owner})"

    def consents_to(self, event: str, major: int) -> bool:
        return any(one.major == major for one in self.consents.get(event, ()))

    def signed(self, event: str, path: str) -> SignOff | None:
        """The sign-off that covers a path: for it, or for something it lies in."""
        for one in self.deprecations:
            if one.event == event and (path == one.path or path.startswith(f"{one.path}/")):
                return one
        return None

    def agreements_of(self, earlier: ConsumerContract) -> ConsumerContract:
        """This contract with what people agreed to in an earlier one."""
        kept = {"consents": earlier.consents, "deprecations": earlier.deprecations}
        return self.model_copy(update=kept)

    def to_text(self) -> str:
        """The file: keys sorted, the same contract always the same bytes."""
        data = self.model_dump(mode="json")
        for part in ("consents", "deprecations"):
            if not data[part]:
                del data[part]
        return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def made(model: type[PartT], **given: Any) -> PartT:
    """A part of a contract from what somebody typed.

    Raises:
        UsageError: it does not fit; in plain words.
    """
    try:
        return model.model_validate(given)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        right = example(model, first["loc"])
        hint = f"write it like `{right}`" if right else None
        raise UsageError(f"{where}: {plain(first, name=value)}", hint=hint) from None


def contract_file(root: Path, consumer: str) -> Path:
    return root / CONTRACTS_FOLDER / f"{consumer}.json"


def read_contracts(root: Path, problems: list[ConfigError]) -> dict[str, ConsumerContract]:
    """Every contract of a project's ``config/contracts``, by consumer; problems are added to the list."""
    found: dict[str, ConsumerContract] = {}
    folder = root / CONTRACTS_FOLDER
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            found[path.stem] = read_contract(path)
        except ConfigError as problem:
            problems.append(problem)
    return found


def read_contract(path: Path) -> ConsumerContract:
    """One contract.

    Raises:
        ConfigError: missing, no JSON, a key twice, unknown or missing, a reader that is no JSON Schema, a
            consumer that is not called as its file; ``where`` is file:line.
    """
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise ConfigError(f"cannot be read: {problem.strerror}", where=shown(path)) from None
    if len(raw) > SIZE_LIMIT:
        raise ConfigError(f"{len(raw)} bytes are more than {SIZE_LIMIT}", where=f"{shown(path)}:1")
    try:
        contract = ConsumerContract.model_validate(json.loads(raw, object_pairs_hook=_unique))
    except json.JSONDecodeError as problem:
        where = f"{shown(path)}:{problem.lineno}"
        raise ConfigError(f"not valid JSON: {problem.msg}", where=where, hint="correct it") from None
    except (ValidationError, _TwiceError, UnicodeDecodeError, RecursionError):
        # JSON is YAML as well: read again, slowly, by what remembers lines.
        contract = validate(ConsumerContract, load_yaml(path))
    except ValueError as problem:  # a number longer than Python reads
        told = str(problem).partition(";")[0]
        raise ConfigError(told, where=f"{shown(path)}:1", hint="write a shorter number") from None
    if contract.consumer != path.stem:
        raise ConfigError(
            f"the consumer is called {contract.consumer!r}, its file {path.name!r}",
            where=load_yaml(path).where("consumer"),
            hint="give both the same name",
        )
    return contract


class _TwiceError(ValueError):
    """A key that stands twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _TwiceError
    return made


def write_contract(root: Path, contract: ConsumerContract) -> bool:
    """Put a contract into its place, whole or not at all; False when the very same is there."""
    path, text = contract_file(root, contract.consumer), contract.to_text()
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".draft-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(draft).chmod(0o644)
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)
    return True


def readers_of(contracts: Iterable[ConsumerContract], event: str, path: str = "") -> list[ConsumerContract]:
    """The contracts that read an event, or one field of it, in order of their names."""
    from wingman_runtime.schemas.paths import reads_path

    return sorted(
        (
            one
            for one in contracts
            if event in one.reads and (not path or reads_path(one.reads[event].reader, path))
        ),
        key=lambda one: one.consumer,
    )
