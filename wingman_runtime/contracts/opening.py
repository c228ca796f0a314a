"""The data of an event, out of the parameters of a request: how a life begins."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic_core import to_json

from wingman_runtime.contracts.event import DataT, Event, EventModel, dataschema_of, envelope_of
from wingman_runtime.contracts.events import UserRequestReceived
from wingman_runtime.contracts.reading import URN, EventReader
from wingman_runtime.errors import ContractError, NewerSchemaError

VERSION_PARAM = "schema_version"
"""The parameter that says which version the others are written in; left out: the reader's own."""


def opened(event: Event[UserRequestReceived], model: type[DataT]) -> DataT:
    """What a request's parameters say, as ``model``; of older versions through its upcasters.

    Raises:
        ContractError: they do not fit; ``where`` is the parameter.
        NewerSchemaError: a newer client wrote them, in a major version that this release cannot read; the
            request waits for a worker that can.
    """
    params = dict(event.data.request.params)
    version = params.pop(VERSION_PARAM, None)
    schema = dataschema_of(model) if version is None else f"{URN}{model.__name__}:{version}"
    whole: dict[str, Any] = {**event.model_dump(mode="json", exclude={"data"}), "data": params}
    try:
        read: DataT = (
            _reader(model).read(to_json({**whole, "type": model.__name__, "dataschema": schema})).data
        )
    except NewerSchemaError as newer:
        # The letter around it is of any release: whoever takes it up next may be the one that reads this.
        raise NewerSchemaError(newer.message, version=newer.version, needs="0.0.0") from newer
    except ContractError as error:
        where = VERSION_PARAM if error.where == "dataschema" else (error.where or "").removeprefix("data.")
        raise ContractError(error.message, where=where or "params") from None
    return read


@cache
def _reader(model: type[EventModel]) -> EventReader:
    return EventReader(model, envelope_of(model))
