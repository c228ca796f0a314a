"""``config/schedules.yaml``: which requests the clock hands in, in whose name. The file is optional.

A schedule gives nobody a right: what it hands in enters by the same door as a person's request and is judged
as its actor's. Workers put the file in force when they start; from then on the server holds what is due.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from wingman_runtime.contracts.canonical import canonical, digest, refuse_unrepresentable
from wingman_runtime.errors import ConfigError, ContractError
from wingman_runtime.project.cron import Cron, parse_cron
from wingman_runtime.yamlfile import Located, load_yaml, suggestion, validate

if TYPE_CHECKING:
    from wingman_runtime.policy.principals import Principals
    from wingman_runtime.project.scopes import ScopeBook

_PEOPLE = "config/principals.yaml"
SCHEDULES_FILE = "config/schedules.yaml"
MOST_CAUGHT_UP = 100
_ALL = re.compile(r"all\((\d{1,3})\)")
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]


class Schedule(BaseModel):
    """One schedule of the file, without its name.

    ``catch_up`` says what becomes of due times that passed while nothing ran or a rule held it: ``one`` hands
    in the latest, ``none`` nothing, ``all(N)`` the latest N.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    purpose: str = Field(min_length=1)
    cron: str = Field(min_length=1, max_length=200)
    timezone: str = Field(default="UTC", max_length=100)
    intent: str = Field(min_length=1, max_length=100)
    params: dict[str, Any] = Field(default_factory=dict)
    tenant: str = Field(min_length=1, max_length=100)
    actor: str = Field(min_length=1, max_length=200)
    flow: str = "request"
    catch_up: str = "one"
    enabled: bool = True

    def times(self) -> Cron:
        """Raises ContractError for a wrong expression or zone."""
        return parse_cron(self.cron, self.timezone)

    @property
    def kept(self) -> int:
        """How many missed times are caught up with at most: 0 for ``none``."""
        found = _ALL.fullmatch(self.catch_up)
        return int(found[1]) if found else int(self.catch_up == "one")

    def check_catch_up(self) -> None:
        """Raises ContractError for a word that is none of the three."""
        if self.catch_up == "none" or 1 <= self.kept <= MOST_CAUGHT_UP:
            return
        raise ContractError(
            f"{self.catch_up!r} is no way to catch up",
            where="catch_up",
            hint=f"write one, none, or all(N) with N from 1 to {MOST_CAUGHT_UP}",
        )

    def digest(self) -> str:
        return digest(self.model_dump(mode="json"))


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    schedules: dict[Name, Schedule]


@dataclass(frozen=True, slots=True)
class ScheduleBook:
    """The schedules of one project by name, and where they stand."""

    schedules: Mapping[str, Schedule]
    located: Located | None = None

    def problems(
        self,
        *,
        scopes: ScopeBook | None,
        principals: Principals | None,
        flows: Collection[str],
        payload_bytes: int,
    ) -> Iterator[ConfigError]:
        """What is no expression, names something the project lacks, or would be refused every time."""
        for name, one in self.schedules.items():
            yield from self._written(name, one, payload_bytes)
            if scopes is not None and one.intent not in scopes.intents():
                yield self._unknown(name, "intent", one.intent, scopes.intents(), "config/scopes.yaml")
            if flows and one.flow not in flows:
                yield self._unknown(name, "flow", one.flow, flows, "config/flows")
            if principals is not None:
                yield from self._people(name, one, principals)

    def _written(self, name: str, one: Schedule, payload_bytes: int) -> Iterator[ConfigError]:
        for check in (one.times, one.check_catch_up, lambda: _check_params(one, payload_bytes)):
            try:
                check()
            except ContractError as error:
                yield self._problem(name, error.where or "cron", error.message, error.hint or "")

    def _people(self, name: str, one: Schedule, principals: Principals) -> Iterator[ConfigError]:
        users = principals.users
        if one.tenant not in principals.tenants:
            yield self._unknown(name, "tenant", one.tenant, principals.tenants, _PEOPLE)
        if one.actor not in users:
            yield self._unknown(name, "actor", one.actor, users, f"{_PEOPLE}, under users")
        elif one.tenant in principals.tenants and one.tenant not in users[one.actor].tenants:
            yield self._problem(
                name,
                "actor",
                f"{one.actor} is not of the tenant {one.tenant!r}: each request would be denied",
                f"add {one.tenant} to the tenants of {one.actor} in {_PEOPLE}",
            )

    def _unknown(self, name: str, key: str, value: str, known: Collection[str], place: str) -> ConfigError:
        there = ", ".join(sorted(known)) or "none"
        hint = suggestion(value, known) or f"declare it in {place}; there are: {there}"
        return self._problem(name, key, f"no {key} {value!r}", hint)

    def _problem(self, name: str, key: str, message: str, hint: str) -> ConfigError:
        where = self.located.where("schedules", name, *key.split(".")) if self.located else None
        return ConfigError(f"schedule {name!r}: {message}", where=where, hint=hint)


def load_schedules(path: Path) -> ScheduleBook:
    """Read the file; a project without one has no schedules.

    Expressions and names are looked at by `ScheduleBook.problems`.

    Raises:
        ConfigError: a wrong key or value; ``where`` is file:line of the first.
    """
    if not path.exists():
        return ScheduleBook({})
    located = load_yaml(path)
    return ScheduleBook(validate(_File, located).schedules, located)


def _check_params(one: Schedule, payload_bytes: int) -> None:
    refuse_unrepresentable(one.params, "params")
    try:
        size = len(canonical(one.params))
    except TypeError as error:  # half a surrogate pair, too deep
        raise ContractError(f"the parameters are not JSON: {error}", where="params") from None
    if size > payload_bytes:
        raise ContractError(
            f"the parameters are {size:,} bytes, the limit is {payload_bytes:,}",
            where="params",
            hint="name a reference instead, or raise limits.payload_bytes",
        )
