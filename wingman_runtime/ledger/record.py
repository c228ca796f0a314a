"""One record of the trail: as it is written, and as it is read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

# The recorder's own notes (anomalies) form a chain of their own, beside those of the log's partitions.
NOTES = -1
# Kinds that the recorder writes; every other kind comes from the log.
GAP = "gap"
NEW_INCARNATION = "new_incarnation"
ANOMALY = "anomaly"


@dataclass(frozen=True, slots=True)
class Record:
    """What any view of the trail needs; made from the store or straight from the log.

    ``n`` is the partition's number, ``at_ms`` milliseconds on the server's clock, ``body`` JSON bytes.
    """

    n: int
    at_ms: int
    kind: str
    request_id: str
    body: bytes

    def data(self) -> dict[str, Any]:
        """The body as plain data; empty when it is no JSON object."""
        return body_data(self.body)


@dataclass(frozen=True, slots=True)
class StoredRecord(Record):
    """A record with its place in the store and in the chain. ``seq`` is the order of arrival."""

    seq: int
    partition: int
    incarnation: int
    event_type: str | None
    agent: str | None
    prev_hash: bytes
    hash: bytes


class Draft(NamedTuple):  # made for every row of the log: a third of the time a frozen dataclass takes
    """A record to be appended; the store gives it its place in the chain.

    ``next_n`` is the number expected after it: ``n + 1``, save for a gap or a new incarnation. In partition
    `NOTES` the store gives out ``n`` itself.
    """

    partition: int
    incarnation: int
    n: int
    at_ms: int
    kind: str
    request_id: str
    body: bytes
    next_n: int


def body_data(body: bytes) -> dict[str, Any]:
    """The body as plain data; empty when it is no JSON object."""
    try:
        value = orjson.loads(body)
    except (orjson.JSONDecodeError, TypeError):
        return {}
    return value if isinstance(value, dict) else {}


def columns_of(data: dict[str, Any]) -> tuple[str | None, str | None]:
    """(event type, agent) named by a body: the searchable columns, always derivable from the body again."""
    event = data.get("event")
    event_type = event.get("type") if isinstance(event, dict) else data.get("event_type")
    agent = data.get("agent")
    return _text(event_type), _text(agent)


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
