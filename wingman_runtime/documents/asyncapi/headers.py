"""The envelope's attributes as AsyncAPI headers: CloudEvents 1.0 and the runtime's extensions."""

from __future__ import annotations

from typing import Any, Final

from wingman_runtime.contracts.event import Event, EventModel

_SAID: Final = {
    "specversion": "version of CloudEvents",
    "id": "names this event; with the source unique",
    "source": "who made it, as a URI reference",
    "type": "event type: the name of its model",
    "subject": "the request it belongs to",
    "time": "when it was made, RFC 3339",
    "datacontenttype": "media type of the data",
    "dataschema": "type and exact version of the data's schema",
    "partition": "where the request lives",
    "correlationid": "the same for all events of one cascade",
    "causationid": "the event that led to this one",
    "depth": "hops from the start of the request",
    "actor": "on whose behalf",
    "tenant": "whose data",
    "flow": "flow, version and digest the request is pinned to",
    "attempt": "which attempt of the agent made it",
    "policydigest": "the policies it was judged by",
    "traceparent": "W3C trace context",
}


def headers_schema() -> dict[str, Any]:
    """Every attribute but the data, as the envelope's model declares it; all are always written."""
    properties: dict[str, Any] = Event[EventModel].model_json_schema(mode="serialization")["properties"]
    told: dict[str, Any] = {}
    for name, schema in properties.items():
        if name == "data":
            continue
        known = {key: value for key, value in schema.items() if key not in {"title", "default"}}
        told[name] = {**known, "description": _SAID[name]} if name in _SAID else known
    return {
        "type": "object",
        "description": "Context attributes of CloudEvents 1.0 and extensions of this runtime.",
        "properties": told,
        "required": sorted(told),
    }
