"""The AsyncAPI document says who sends what where, and its schemas admit what is really sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import jsonschema_rs
import pytest
from pydantic import SecretStr

from tests.documents.documents_project import REFERENCE
from wingman_runtime.contracts.event import EventModel
from wingman_runtime.documents.asyncapi.document import asyncapi_of
from wingman_runtime.documents.asyncapi.schemas import SchemaBook
from wingman_runtime.documents.text import yaml_text
from wingman_runtime.project.load import LoadedProject, Project
from wingman_runtime.settings import Redis, Settings
from wingman_runtime.yamlfile import parse_yaml

ORDER: dict[str, Any] = {
    "order": UUID(int=1),
    "placed_at": datetime(2026, 1, 1, tzinfo=UTC),
    "total": Decimal("12.50"),
    "lines": ({"article": "AB-1", "number": 2, "size": "large"},),
    "payment": {"kind": "card", "last_four": "1234"},
    "category": {"name": "all", "below": ({"name": "some"},)},
    "bounds": {"left": 1, "right": 2},
    "labels": {"a": (1, "b"), "c": None},
}


@pytest.fixture(scope="module")
def document(rich: LoadedProject) -> dict[str, Any]:
    return asyncapi_of(rich)


def _refs(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _refs(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from _refs(value)


def _at(document: Any, ref: str) -> Any:
    for part in ref.removeprefix("#/").split("/"):
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


def _validator(document: dict[str, Any], event: str) -> jsonschema_rs.Validator:
    root = {"$ref": f"#/components/schemas/{event}/schema", "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(root, validate_formats=True)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """From the document's root; nothing is left under ``$defs``."""
    found = list(_refs(document))
    for ref in found:
        assert _at(document, ref) is not None
    assert len(found) > 100
    assert "$defs" not in json.dumps(document)


def test_a_message_admits_what_is_sent(rich: LoadedProject, document: dict[str, Any]) -> None:
    """Nested, recursive, of a union: what the model dumps fits the schema, and what it refuses does not."""
    model: type[EventModel] = rich.catalog.model("OrderPlaced")
    inner = model.model_validate(ORDER)
    told = json.loads(model.model_validate({**ORDER, "replaces": inner}).model_dump_json())
    validator = _validator(document, "OrderPlaced")
    assert validator.is_valid(told)
    for path, wrong in (
        (("replaces", "lines", 0, "colour"), "green"),
        (("category", "below", 0, "name"), 5),
        (("payment", "kind"), "cheque"),
        (("placed_at",), "yesterday"),
    ):
        broken = json.loads(json.dumps(told))
        place = broken
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = wrong
        assert not validator.is_valid(broken), path


def test_names_used_twice_stay_apart(document: dict[str, Any]) -> None:
    """What is the same everywhere stands there once; two of one name get the event's before it."""
    schemas = document["components"]["schemas"]
    assert "shelf" in schemas["StockReserved.Line"]["schema"]["properties"]
    assert "article" in schemas["OrderPlaced.Line"]["schema"]["properties"]
    assert "Line" not in schemas
    payment = schemas["OrderPlaced"]["schema"]["properties"]["payment"]
    assert {one["$ref"] for one in payment["oneOf"]} == {
        "#/components/schemas/Card/schema",
        "#/components/schemas/Invoice/schema",
    }


def test_a_definition_is_shared_with_all_it_leads_to_or_not_at_all() -> None:
    """Alike in words is not alike in meaning: what its references mean must be the same, too."""

    def event(kind: str) -> dict[str, Any]:
        return {
            "$defs": {"Outer": {"$ref": "#/$defs/Inner"}, "Inner": {"type": kind}, "Same": {"type": "null"}},
            "properties": {"a": {"$ref": "#/$defs/Outer"}, "b": {"$ref": "#/$defs/Same"}},
        }

    found = SchemaBook({"One": event("string"), "Two": event("integer")}).components()
    assert sorted(found) == ["One", "One.Inner", "One.Outer", "Same", "Two", "Two.Inner", "Two.Outer"]
    assert found["Two.Outer"]["schema"] == {"$ref": "#/components/schemas/Two.Inner/schema"}


def test_an_inbox_carries_what_flows_lead_to_it(rich: LoadedProject, document: dict[str, Any]) -> None:
    """Many types a stream; each message of an inbox is sent there by somebody and received by its agent."""
    channels, operations = document["channels"], document["operations"]
    inbox = channels["meet_inbox"]
    assert inbox["address"] == f"{rich.settings.namespace}:{{partition}}:in:meet"
    assert inbox["x-redis"] == {"type": "stream", "consumerGroup": "workers"}
    assert list(channels["rollback_inbox"]["messages"]) == [
        "DeadLettered", "ExecutionFailed", "RequestCancelled", "RequestExpired", "RequestFailed",
    ]  # fmt: skip
    for name, channel in channels.items():
        if not name.endswith("_inbox"):
            continue
        agent = name.removesuffix("_inbox")
        wanted = {f"#/channels/{name}/messages/{event}" for event in channel["messages"]}
        assert {one["$ref"] for one in operations[f"{agent}_receive"]["messages"]} == wanted
        sent = [
            one["$ref"]
            for operation in operations.values()
            if operation["action"] == "send" and operation["channel"]["$ref"] == f"#/channels/{name}"
            for one in operation["messages"]
        ]
        assert set(sent) == wanted


def test_retries_dead_letters_owners_and_policies(document: dict[str, Any]) -> None:
    """The receiving operation says what happens on failure, who answers for it, and what judges it."""
    front = document["operations"]["front_receive"]
    assert front["x-retry"] == {
        "channel": {"$ref": "#/channels/front_inbox"},
        "maxAttempts": 7,
        "strategy": {
            "type": "exponential",
            "initialDelay": "PT0.5S",
            "multiplier": 2,
            "maxDelay": "PT20S",
            "jitter": "equal",
        },
        "terminalErrors": [],
        "retriedErrors": [],
    }
    assert front["x-dead-letter"]["channel"] == {"$ref": "#/channels/front_dead_letters"}
    assert front["x-owner"] == "the shop"
    judged = document["operations"]["executor_receive"]["x-policies"]
    assert [one["file"] for one in judged] == ["00-always.cedar", "50-execute.cedar"]
    assert "execute-protected" in judged[1]["policies"]
    message = document["components"]["messages"]["StockReserved"]
    assert message["x-contract"]["consumers"] == ["meet"]
    assert message["x-dataschema"] == "urn:wingman:event:StockReserved:1.2.0"
    assert message["tags"] == [{"name": "stock"}]


def test_an_envelope_is_what_the_headers_say(document: dict[str, Any]) -> None:
    """The attributes of a real envelope fit the headers; a missing one does not."""
    from wingman_runtime.testing import run

    headers = document["components"]["messageTraits"]["cloudevent"]["headers"]
    validator = jsonschema_rs.Draft202012Validator(headers)
    trail = run(REFERENCE, "note.write", {"title": "a", "body": "b"}, actor="alice").trail
    envelopes = [record.record["event"] for record in trail if record.kind == "event"]
    for envelope in envelopes:
        attributes = {name: value for name, value in envelope.items() if name != "data"}
        assert validator.is_valid(attributes)
        assert set(attributes) == set(headers["properties"])
        del attributes["tenant"]
        assert not validator.is_valid(attributes)
    assert len(envelopes) > 5


@pytest.mark.parametrize(
    ("url", "host", "protocol", "more"),
    [
        (None, "localhost", "redis", {}),
        ("redis://alice:hush@db.example:6380/2", "db.example:6380", "redis", {"pathname": "/2"}),
        ("rediss://:hush@[2001:db8::1]:6379", "[2001:db8::1]:6379", "rediss", {}),
        ("unix:///run/hush/redis.sock", "localhost", "redis", {}),
        (
            "redis+sentinel://alice:hush@a.example:26379,b.example:26379/main",
            "a.example:26379,b.example:26379",
            "redis",
            {"x-sentinel-service": "main"},
        ),
    ],
)
def test_the_server_is_named_without_its_secrets(
    url: str | None, host: str, protocol: str, more: dict[str, str]
) -> None:
    """Host, protocol and database; no user, no password, no path of this machine."""
    from wingman_runtime.documents.asyncapi.servers import server_of

    told = server_of(Settings(redis=Redis(url=SecretStr(url) if url else None)))
    assert told | {"host": host, "protocol": protocol} | more == told
    assert "hush" not in json.dumps(told)
    assert "alice" not in json.dumps(told)


def test_json_and_yaml_say_the_same_and_always_the_same(
    document: dict[str, Any], rich: LoadedProject
) -> None:
    """Made twice it is the same text; read back from YAML it is the same data."""
    again = asyncapi_of(Project.find(rich.root).load())
    assert json.dumps(again) == json.dumps(document)
    assert parse_yaml(yaml_text(document).encode(), "asyncapi.yaml").data == document
