"""The official CloudEvents SDK reads our envelopes as valid events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from tests.documents.documents_project import REFERENCE
from wingman_runtime.contracts.event import Event
from wingman_runtime.testing import run

CASES = {
    "completed": ("note.write", {"title": "a", "body": "b"}, "alice"),
    "denied": ("note.write", {"title": "a", "body": "b"}, "mallory"),
}


@pytest.fixture(scope="module")
def envelopes() -> list[dict[str, Any]]:
    """Every event of real requests that end in different ways, as their bytes say."""
    found = []
    for kind, params, actor in CASES.values():
        trail = run(REFERENCE, kind, params, actor=actor).trail
        found += [record.record["event"] for record in trail if record.kind == "event"]
    return found


def test_every_envelope_is_a_cloud_event(envelopes: list[dict[str, Any]]) -> None:
    """Structured mode: attributes, extensions and data come back as they were."""
    for envelope in envelopes:
        event = JSONFormat().read(CloudEvent, json.dumps(envelope).encode())
        assert (event.get_id(), event.get_type(), event.get_source(), event.get_subject()) == (
            envelope["id"],
            envelope["type"],
            envelope["source"],
            envelope["subject"],
        )
        assert event.get_specversion() == "1.0"
        assert event.get_dataschema() == envelope["dataschema"]
        moment = event.get_time()
        assert moment is not None
        assert moment.tzinfo is not None
        assert event.get_data() == envelope["data"]
        for name in Event.model_fields.keys() - {"data", "time"}:
            assert event.get_attributes()[name] == envelope[name]
    assert len({envelope["type"] for envelope in envelopes}) > 6
