"""A flow as its file says it: which event goes where, who settles failures, who stamps the end."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from wingman_runtime.contracts.manifest import DOMAIN_PATTERN, NAME_PATTERN
from wingman_runtime.yamlfile import Located

DISPATCHER: Final = "dispatcher"
ANYONE: Final = "*"  # in a table's key: the runtime itself, on behalf of any agent
# Events that enter a running request from outside, and who posts them.
POSTED: Final = {"ApprovalVoteCast": "client", "ApprovalTimedOut": "timer"}
RESERVED_NAMES: Final = frozenset({DISPATCHER, "client", "timer", "runtime"})


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _twice(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is listed twice")
    return names


def sender_and_event(key: str) -> tuple[str, str]:
    """The two parts of a route's key: ``tone>RequestValidated``; of a plain key the sender is empty."""
    sender, arrow, event = key.rpartition(">")
    return (sender, event) if arrow else ("", key)


class RouteSpec(BaseModel):
    """Where one event goes; exactly one of these, or nothing at all: then it is only recorded.

    In a file a bare name or a list of names stands for ``to``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: tuple[str, ...] = Field(default=(), description="agents that get it, each on a branch of its own")
    settle: str = Field(default="", description="a failure: this agent gets it once every branch has settled")
    outcome: str = Field(default="", description="decides this outcome; the `finally` agent gets it")
    outcome_field: str = Field(default="", description="the same, with the outcome read from its data")
    join: str = Field(default="", description="contributes to this join")
    end: bool = Field(default=False, description="ends the request")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"to": [value]}
        if isinstance(value, list):
            return {"to": value}
        if value is None:
            raise ValueError("nothing is said; write [] for an event that is only recorded")
        if not isinstance(value, dict | cls):
            raise ValueError(f"a route is an agent's name, a list of names or a mapping, not {value!r}")
        return value

    @field_validator("to", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return _listed(value)

    @field_validator("to")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _twice(value)

    @model_validator(mode="after")
    def _one_destination(self) -> RouteSpec:
        said = [name for name in type(self).model_fields if getattr(self, name)]
        if len(said) > 1:
            raise ValueError(f"a route says one thing, this one says {' and '.join(said)}")
        return self


class Join(BaseModel):
    """Branches that come together: ``to`` gets one BranchesJoined with the events of enough of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: tuple[str, ...] = Field(description="agents whose branches are waited for")
    mode: Literal["all", "any", "quorum"] = "all"
    quorum: int | None = Field(default=None, description="how many suffice, for mode quorum")
    to: tuple[str, ...] = Field(min_length=1)
    on_branch_failure: Literal["fail", "continue"] = "fail"

    @model_validator(mode="before")
    @classmethod
    def _shape(cls, value: Any) -> Any:
        if not isinstance(value, dict | cls):
            raise ValueError(f"a join is a mapping with `of` and `to`, not {value!r}")
        return value

    @field_validator("of", "to", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return _listed(value)

    @field_validator("of", "to")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _twice(value)

    @property
    def need(self) -> int:
        """Contributions that complete the join."""
        if self.mode == "any":
            return 1
        if self.mode == "quorum" and self.quorum is not None:
            return self.quorum
        return len(self.of)


class Limits(BaseModel):
    """What bounds a cascade: hops from the start, events of one request, branches one event opens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: int = Field(default=16, ge=1, le=64, examples=[16])
    events: int = Field(default=256, ge=1, le=4096, examples=[256])
    fan_out: int = Field(default=16, ge=1, le=64, examples=[16])


class Flow(BaseModel):
    """``config/flows/<name>.yaml``. Names of agents and events are judged by `flow.check`, not here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(alias="flow", pattern=NAME_PATTERN, examples=["request"])
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$", examples=["1.0.0"])
    purpose: str = Field(min_length=1, examples=["a governed request, from admission to its stamp"])
    owner: str = Field(min_length=1, examples=["governance"])
    domain: str = Field(
        default="",
        pattern=DOMAIN_PATTERN,
        description="part of the business it belongs to; left out: the flow's name",
        examples=["billing"],
    )
    start: str = Field(
        min_length=1,
        description="event given to the dispatcher, which forwards it along its route",
        examples=["UserRequestReceived"],
    )
    finally_: str = Field(
        default="", alias="finally", description="agent that stamps every outcome", examples=["audit"]
    )
    failure: str = Field(
        default="",
        description="agent that settles failures; none: they decide the outcome",
        examples=["rollback"],
    )
    limits: Limits = Field(default=Limits(), examples=[{"depth": 16, "events": 256, "fan_out": 16}])
    routes: dict[str, RouteSpec] = Field(
        min_length=1,
        examples=[{"UserRequestReceived": "scope_filter", "RequestRejected": {"outcome": "rejected"}}],
    )
    joins: dict[str, Join] = {}
    cycles: tuple[tuple[str, ...], ...] = Field(
        default=(), description="agents that may go round, in order", examples=[[["handshake", "reviewer"]]]
    )

    _file: Located | None = PrivateAttr(default=None)

    @field_validator("joins", mode="before")
    @classmethod
    def _joins_by_name(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"joins are a mapping from a name to what it waits for, not {value!r}")
        return value

    def placed(self, file: Located) -> Flow:
        """Remember the file the flow was read from, so that findings can name its lines."""
        self._file = file
        return self

    def where(self, *inside: str | int) -> str:
        """``file:line`` of a part of the flow; the flow's name when it was not read from a file."""
        return self._file.where(*inside) if self._file is not None else f"flow {self.name}"
