"""One row of a flow's table, and the pure function that finds it. The commit script reads the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wingman_runtime.flow.model import ANYONE


@dataclass(frozen=True, slots=True)
class JoinRoute:
    """A contribution: once ``need`` of the agents ``of`` have made theirs, ``to`` get them together."""

    name: str
    need: int
    of: tuple[str, ...]
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Where an event goes. Nothing set: it is recorded and its branch ends.

    Attributes:
        to: a branch is opened for each of these agents.
        settle: a failure; the agent gets the event once no branch is open.
        outcome: the outcome it decides; the finally agent gets the event once no branch is open.
        outcome_field: the same, the outcome being this field of the event's data.
        join: a contribution to a join.
        end: ends the request.
    """

    to: tuple[str, ...] = ()
    settle: str = ""
    outcome: str = ""
    outcome_field: str = ""
    join: JoinRoute | None = None
    end: bool = False

    @property
    def decides(self) -> bool:
        """Whether the event decides the request's outcome."""
        return bool(self.outcome or self.outcome_field)

    def to_json(self) -> dict[str, Any]:
        """Plain data, the shape stored in Redis and read by the commit script."""
        join = self.join
        return {
            "to": list(self.to),
            "settle": self.settle,
            "outcome": self.outcome,
            "outcome_field": self.outcome_field,
            "join": None
            if join is None
            else {"name": join.name, "need": join.need, "of": list(join.of), "to": list(join.to)},
            "end": self.end,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Route:
        """The inverse of `to_json`.

        Raises:
            KeyError: a field is missing.
        """
        join = data["join"]
        return cls(
            to=tuple(data["to"]),
            settle=data["settle"],
            outcome=data["outcome"],
            outcome_field=data["outcome_field"],
            join=None
            if join is None
            else JoinRoute(join["name"], join["need"], tuple(join["of"]), tuple(join["to"])),
            end=data["end"],
        )


def key_of(agent: str, event_type: str) -> str:
    """The table's key: who sends what."""
    return f"{agent}>{event_type}"


def next_of(table: Mapping[str, Route], agent: str, event_type: str) -> Route | None:
    """Where ``event_type`` goes when ``agent`` sends it; None: the flow does not let it.

    An agent's own row comes before the runtime's row for any agent.
    """
    return table.get(key_of(agent, event_type)) or table.get(key_of(ANYONE, event_type))
