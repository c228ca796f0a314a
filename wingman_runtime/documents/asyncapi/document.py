"""One AsyncAPI 3.1.0 document for a project: its streams, the events in them, who sends and who gets them.

1. A channel is a Redis stream; one agent's inbox carries all event types that any flow leads to it.
2. A message is an event: its data is the payload, the attributes of its CloudEvents envelope are the headers.
3. An operation is one participant on one channel. Retries and dead letters stand at the receiving operation,
   as the proposal for the specification has them (asyncapi/spec#1234), under ``x-``.

Source: AsyncAPI specification 3.1.0; Redis bindings 0.1.0, which are empty: stream and group are ``x-redis``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wingman_runtime.documents.asyncapi.headers import headers_schema
from wingman_runtime.documents.asyncapi.operations import Streams, operations_of
from wingman_runtime.documents.asyncapi.schemas import SchemaBook
from wingman_runtime.documents.asyncapi.sending import sendings
from wingman_runtime.documents.asyncapi.servers import server_of
from wingman_runtime.documents.graph import Graph, graph_of
from wingman_runtime.schemas.derive import worded_schema

if TYPE_CHECKING:
    from wingman_runtime.documents.graph import Node
    from wingman_runtime.project.load import LoadedProject

SPECIFICATION: Final = "3.1.0"
_TRAIT: Final = "cloudevent"
_ENVELOPE: Final = {
    "specversion": "1.0",
    "mode": "structured",
    "contentType": "application/cloudevents+json",
    "field": "b",
    "data": "data",
}
"""Where attributes and data lie together: one JSON document in this field of the stream's entry."""


def asyncapi_of(project: LoadedProject, *, graph: Graph | None = None, version: str = "") -> dict[str, Any]:
    """The document as plain data; the same files give the same document.

    Args:
        graph: that of the project, if it is there already.
        version: of the document; the project's digest, twelve digits of it, when left out.

    Raises:
        ContractError: an event has no JSON Schema.
        ConfigError: a record of the project cannot be read.
    """
    graph = graph or graph_of(project)
    nodes = {node.id: node for node in graph.nodes}
    sent = sendings(project.flows.values())
    used = sorted({one.event for one in sent})
    book = SchemaBook({name: worded_schema(project.catalog.model(name)) for name in used})
    streams = Streams.of(project, sent)
    return {
        "asyncapi": SPECIFICATION,
        "info": _info(project, graph, version),
        "defaultContentType": "application/json",
        "servers": {"main": server_of(project.settings)},
        "channels": streams.channels(nodes),
        "operations": operations_of(project, nodes, sent),
        "components": {
            "messages": {name: _message(nodes[f"event:{name}"], book) for name in used},
            "schemas": book.components(),
            "messageTraits": {
                _TRAIT: {
                    "headers": headers_schema(),
                    "correlationId": {"$ref": "#/components/correlationIds/cascade"},
                    "contentType": "application/json",
                    "x-envelope": _ENVELOPE,
                }
            },
            "correlationIds": {
                "cascade": {
                    "description": "The same for all events that one request caused.",
                    "location": "$message.header#/correlationid",
                }
            },
        },
    }


def _info(project: LoadedProject, graph: Graph, version: str) -> dict[str, Any]:
    flows = [node for node in graph.nodes if node.kind == "flow"]
    told = "\n".join(f"- {node.label} {node.version} ({node.owner}): {node.purpose}" for node in flows)
    domains = sorted({node.domain for node in graph.nodes})
    return {
        "title": graph.name,
        "version": version or graph.version or "0.0.0",
        "description": f"Events and agents of the project {graph.name}. Its flows:\n\n{told}",
        "tags": [{"name": domain, "description": f"the domain {domain}"} for domain in domains],
        "x-flows": {
            node.label: {"version": node.version, "digest": node.facts["digest"], "owner": node.owner}
            for node in flows
        },
        "x-namespace": project.settings.namespace,
    }


def _message(node: Node, book: SchemaBook) -> dict[str, Any]:
    """An event as a message, with the ten fields of its contract."""
    facts = node.facts
    told: dict[str, Any] = {
        "name": node.label,
        "title": node.label,
        "summary": node.purpose,
        "tags": [{"name": node.domain}],
        "traits": [{"$ref": f"#/components/messageTraits/{_TRAIT}"}],
        "payload": book.ref(node.label),
        "x-dataschema": facts["dataschema"],
        "x-schema-version": node.version,
        "x-owner": node.owner,
        "x-contract": facts["contract"],
        "x-flows": facts["flows"],
    }
    if facts["doc"]:
        told["description"] = facts["doc"]
    return {key: value for key, value in told.items() if value != ""}
