"""An event in its envelope, for a test that calls an agent's function itself."""

from __future__ import annotations

from typing import Any

from wingman_runtime.contracts.event import DataT, Event, dataschema_of, envelope_of
from wingman_runtime.contracts.ids import derive

_REQUEST = "req_p0_00000000000000000000000000000000"


def event_of(data: DataT, **said: Any) -> Event[DataT]:
    """The event that carries ``data``; an envelope that a request of ``alice`` in ``demo`` would have.

    Args:
        **said: fields of the envelope that are to be otherwise: ``actor="bob"``.
    """
    kind = type(data)
    fields: dict[str, Any] = {
        "id": derive("evt", kind.__name__),
        "source": "test",
        "type": kind.__name__,
        "subject": _REQUEST,
        "time": "2026-01-02T03:04:05Z",
        "dataschema": dataschema_of(kind),
        "partition": 0,
        "correlationid": _REQUEST,
        "actor": "alice",
        "tenant": "demo",
        "flow": "request",
    }
    return envelope_of(kind)(**{**fields, **said, "data": data})
