"""Events made on the spot, and what a change of one is read by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import Field, create_model

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.version import Version
from wingman_runtime.schemas.change import Change
from wingman_runtime.schemas.describe import describe
from wingman_runtime.schemas.finding import Direction, Weight
from wingman_runtime.schemas.record import SchemaRecord


def model(**fields: Any) -> type[EventModel]:
    return create_model("OrderPlaced", __base__=EventModel, **fields)


def event(**fields: Any) -> SchemaRecord:
    return describe(model(**fields))


def field(annotation: Any, **rules: Any) -> SchemaRecord:
    """An event with one field that is looked at, required."""
    return event(kept=(str, ...), it=(annotation, Field(**rules)))


def version(record: SchemaRecord, text: str) -> SchemaRecord:
    return replace(record, version=Version.parse(text))


def named(kind: type[EventModel], name: str) -> SchemaRecord:
    return replace(describe(kind), event=name)


def broken(change: Change) -> str:
    """The directions in which it breaks somebody: ``b``, ``f``, ``bf`` or nothing."""
    directions = {one.direction for one in change.findings if one.weight is Weight.BREAKING}
    marks = (("b", Direction.BACKWARD), ("f", Direction.FORWARD))
    return "".join(mark for mark, direction in marks if direction in directions)


def rules(change: Change) -> set[str]:
    return {one.rule for one in change.findings}
