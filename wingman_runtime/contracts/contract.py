"""The written half of an event's ten-field contract entry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Primitive(StrEnum):
    """The six primitives of the pattern."""

    SCOPE_LOCK = "P-01"
    PERMISSION_BOUNDARY = "P-02"
    INTERRUPT = "P-03"
    RESPONSIBILITY_HANDSHAKE = "P-04"
    AUDIT_STAMP = "P-05"
    ROLLBACK_COVENANT = "P-06"


@dataclass(frozen=True, slots=True)
class EventContract:
    """What cannot be derived about an event; refused at load when a field is empty.

    The other five fields (event type, producer, consumers, input schema, output schema) come from the model,
    the manifests and the flow: see `wingman_runtime.flow.entries`.
    """

    purpose: str
    primitives: tuple[Primitive, ...]
    failure: str
    rollback: str
    audit: str


@dataclass(frozen=True, slots=True)
class ContractEntry:
    """The complete ten-field entry of one event, written and derived parts together."""

    event_type: str
    purpose: str
    producer: tuple[str, ...]
    consumers: tuple[str, ...]
    input_schema: str
    output_schema: str
    primitives: tuple[Primitive, ...]
    failure_mode: str
    rollback_behaviour: str
    audit_artifact: str
