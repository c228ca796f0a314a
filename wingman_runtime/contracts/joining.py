"""The inputs of a join, each as the model of its event: they may be of different releases."""

from __future__ import annotations

from pydantic_core import to_json

from wingman_runtime.contracts.event import DataT, Event, envelope_of
from wingman_runtime.contracts.events import BranchesJoined
from wingman_runtime.contracts.reading import EventReader


def joined(event: Event[BranchesJoined], model: type[DataT]) -> tuple[DataT, ...]:
    """The data of the inputs that are such events, in their order, of whatever version they are.

    Raises:
        NewerSchemaError: one is of a major that this release does not read: let it through, and the join is
            kept for a release that does.
        ContractError: one does not fit, or has no upcaster.
    """
    reader = EventReader(model, envelope_of(model))
    inputs = (one for one in event.data.inputs if one.get("type") == reader.event_type)
    return tuple(reader.read(to_json(one)).data for one in inputs)
