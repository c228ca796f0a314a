"""What the four observers saw of one run, and what the checker says is wrong with it: plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """One run.

    Attributes:
        client: the client log: what was asked (phase ``send``) and answered (``ack``, ``end``).
        sink: every call the tool sink got, with whether it did anything.
        audit: lines of the audit export, oldest first.
        faults: the fault log: ``struck`` (begun) and ``ended``, by name.
    """

    client: list[Row]
    sink: list[Row]
    audit: list[Row]
    faults: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run must have reached in order to say anything, and what it may take.

    Attributes:
        completed: completed requests.
        faults: name to how often it must have been struck and ended.
        outcomes: terminal outcomes that must have occurred.
        within: seconds from the last fault's end, or a request's acknowledgement, to the request's end.
        anomalies: anomalies of the trail that the faults of this run bring about on purpose.
    """

    completed: int = 1
    faults: dict[str, int] = field(default_factory=dict)
    outcomes: frozenset[str] = frozenset()
    within: float = 120.0
    anomalies: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Violation:
    """``clause`` is the invariant and which part of it: ``I2 done-once``."""

    clause: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.clause}: {self.where}: {self.what}"


@dataclass(slots=True)
class Known:
    """An effect, as the trail has it. ``status`` is what counts; a late report does not change it."""

    id: str
    request: str
    plan: str
    step: int
    tool: str
    kind: str
    undoes: str
    args: Row
    events: list[str] = field(default_factory=list)
    intents: list[Row] = field(default_factory=list)
    owner: str = ""
    status: str = "intent"
    ended_n: int = 0
    late: list[str] = field(default_factory=list)

    @property
    def first_n(self) -> int:
        return int(self.intents[0]["n"])


class Trail:
    """The audit export, opened: rows with ``body`` as data, events and effects by request."""

    def __init__(self, audit: list[Row]) -> None:
        self.rows = [{**row, "data": _opened(row)} for row in audit]
        self.effects: dict[str, Known] = {}
        self.events: dict[str, list[Row]] = {}
        self.orphans: list[Row] = []
        for row in self.rows:
            if row["kind"] == "event":
                self.events.setdefault(row["request_id"], []).append(row)
            elif row["kind"] == "effect_intent":
                self._intent(row)
            elif row["kind"] == "effect_result":
                self._result(row)
        self.of_request: dict[str, list[Known]] = {}
        for effect in self.effects.values():
            self.of_request.setdefault(effect.request, []).append(effect)

    def of_type(self, request: str, *types: str) -> Iterator[Row]:
        """Its events of these types, in order; each row with the envelope's ``data`` under ``said``."""
        for row in self.events.get(request, ()):
            event = row["data"]["event"]
            if event["type"] in types:
                yield {**row, "said": event["data"]}

    def _intent(self, row: Row) -> None:
        said = row["data"]["effect"]
        effect = self.effects.get(said["effect_id"])
        if effect is None:
            effect = Known(
                said["effect_id"], row["request_id"], said["plan_id"], said["step"], said["tool"],
                said["kind"], said["undoes"], said["args"],
            )  # fmt: skip
            self.effects[effect.id] = effect
        effect.intents.append(row)
        effect.events.append(row["data"]["event_id"])
        effect.owner = row["data"]["worker"]

    def _result(self, row: Row) -> None:
        said = row["data"]["effect"]
        effect = self.effects.get(said["effect_id"])
        if effect is None:
            self.orphans.append(row)
            return
        worker, status = row["data"]["worker"], said["status"]
        if effect.status != "intent" or (worker != effect.owner and status != "uncertain"):
            effect.late.append(status)
            return
        effect.status, effect.ended_n = status, row["n"]


def _opened(row: Row) -> Row:
    try:
        found = orjson.loads(row["body"])
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
