"""``config/principals.yaml``: who there is, in which roles, teams and tenants. Nobody else exists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from wingman_runtime.errors import PolicyError
from wingman_runtime.yamlfile import Located, suggestion, validate

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class User(_Entry):
    """A person. ``attributes`` must be those the schema gives the entity type User."""

    roles: tuple[Name, ...] = ()
    teams: tuple[Name, ...] = ()
    tenants: tuple[Name, ...] = ()
    attributes: Mapping[str, Any] = Field(default_factory=dict)


class Team(_Entry):
    """A group of users that holds roles."""

    roles: tuple[Name, ...] = ()


class AgentRoles(_Entry):
    """The roles of an agent. One that is not listed exists, and has none."""

    roles: tuple[Name, ...] = ()


class Principals(_Entry):
    """The file. ``roles`` and ``tenants`` map a name to a sentence saying what it stands for."""

    roles: Mapping[Name, str]
    tenants: Mapping[Name, str]
    teams: Mapping[Name, Team] = Field(default_factory=dict)
    users: Mapping[Name, User]
    agents: Mapping[Name, AgentRoles] = Field(default_factory=dict)

    def roles_of(self, user: str) -> tuple[str, ...]:
        """Roles held directly or through a team, sorted; none for somebody undeclared."""
        known = self.users.get(user)
        if known is None:
            return ()
        held = set(known.roles)
        for team in known.teams:
            held.update(self.teams[team].roles)
        return tuple(sorted(held))


def read_principals(located: Located) -> Principals:
    """Checked against the model, and every name it uses against its declaration.

    Raises:
        PolicyError: at file:line of the first name nobody declared.
    """
    principals = validate(Principals, located, error=PolicyError)
    for user, entry in principals.users.items():
        _declared(located, ("users", user, "roles"), entry.roles, principals.roles)
        _declared(located, ("users", user, "teams"), entry.teams, principals.teams)
        _declared(located, ("users", user, "tenants"), entry.tenants, principals.tenants)
    for team, held in principals.teams.items():
        _declared(located, ("teams", team, "roles"), held.roles, principals.roles)
    for agent, given in principals.agents.items():
        _declared(located, ("agents", agent, "roles"), given.roles, principals.roles)
    return principals


def _declared(
    located: Located, inside: tuple[str, ...], used: tuple[str, ...], known: Mapping[str, object]
) -> None:
    kind = inside[-1]
    for index, name in enumerate(used):
        if name not in known:
            raise PolicyError(
                f"{'.'.join(inside)}: {name!r} is not one of the declared {kind}",
                where=located.where(*inside, index),
                hint=suggestion(name, known) or f"declare it under {kind}:",
            )
