"""Schemas as an AsyncAPI document holds them: under ``components``, in the wrapper of their draft.

A reference inside a payload is looked up from the document's root, so ``#/$defs/Plan`` would dangle. A schema
that is not wrapped is read as AsyncAPI's own dialect, which knows no discriminator of an object's shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

Schema = dict[str, Any]

DRAFT: Final = "application/schema+json;version=draft-2020-12"
_LOCAL: Final = "#/$defs/"
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]")


def wrapped(schema: Schema) -> dict[str, Any]:
    """A schema with the name of its draft."""
    return {"schemaFormat": DRAFT, "schema": schema}


class SchemaBook:
    """The schemas of a document, by name; what several events define alike stands there once.

    Args:
        events: event type to the schema of its data, with ``$defs``.
    """

    def __init__(self, events: Mapping[str, Schema]) -> None:
        self._events = {name: _at_the_root(schema) for name, schema in events.items()}
        self._shared = _shared(self._events)

    def components(self) -> dict[str, Any]:
        """``components/schemas``, sorted by name."""
        found: dict[str, Any] = {}
        for event, (schema, defs, own) in self._events.items():
            found[event] = wrapped(self._moved(event, own, schema))
            for name, one in defs.items():
                if name != own:
                    found[self._name(event, own, name)] = wrapped(self._moved(event, own, one))
        return {name: found[name] for name in sorted(found)}

    def ref(self, event: str) -> dict[str, str]:
        """A reference to the data of an event, wrapper included."""
        return {"$ref": f"#/components/schemas/{event}"}

    def _name(self, event: str, own: str, name: str) -> str:
        if name == own:
            return event
        plain = _NO_NAME.sub("_", name)
        return plain if name in self._shared and plain == name else f"{event}.{plain}"

    def _moved(self, event: str, own: str, node: Any) -> Any:
        """The schema with its references turned to where the definitions are now."""
        if isinstance(node, list):
            return [self._moved(event, own, item) for item in node]
        if not isinstance(node, dict):
            return node
        moved: Schema = {}
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                name = own if value == "#" else value.removeprefix(_LOCAL)
                known = value == "#" or value.startswith(_LOCAL)
                place = event if value == "#" else self._name(event, own, name)
                moved[key] = f"#/components/schemas/{place}/schema" if known else value
            elif key == "discriminator" and isinstance(value, dict) and "mapping" in value:
                moved[key] = {**value, "mapping": self._mapping(event, own, value["mapping"])}
            elif key not in {"$defs", "$schema"}:
                moved[key] = self._moved(event, own, value)
        return moved

    def _mapping(self, event: str, own: str, mapping: Mapping[str, str]) -> dict[str, str]:
        return {
            word: f"#/components/schemas/{self._name(event, own, place.removeprefix(_LOCAL))}/schema"
            for word, place in mapping.items()
        }


def _at_the_root(schema: Schema) -> tuple[Schema, dict[str, Schema], str]:
    """An event's schema, its definitions, and the name among them that is the event itself ("" for none).

    A model that contains itself is generated as a definition and a reference to it.
    """
    defs: dict[str, Schema] = schema.get("$defs", {})
    ref = schema.get("$ref", "")
    own = ref.removeprefix(_LOCAL) if isinstance(ref, str) and ref.startswith(_LOCAL) else ""
    return (defs[own] if own else schema), defs, own


def _shared(events: Mapping[str, tuple[Schema, dict[str, Schema], str]]) -> frozenset[str]:
    """Names that mean the same in all events that define them, with all they lead to."""
    texts: dict[str, set[str]] = {}
    leads: dict[str, set[str]] = {}
    for _, defs, own in events.values():
        for name, schema in defs.items():
            texts.setdefault(name, set()).add(json.dumps(schema, sort_keys=True))
            leads.setdefault(name, set()).update(_refs(schema))
        if own:  # here the name is the event's: elsewhere it may be another
            texts.setdefault(own, set()).add("")
    alike = {name for name, found in texts.items() if len(found) == 1 and name not in events}
    while True:
        mixed = {name for name in alike if not leads.get(name, set()) <= alike}
        if not mixed:
            return frozenset(alike)
        alike -= mixed


def _refs(node: Any) -> Iterable[str]:
    if isinstance(node, list):
        for item in node:
            yield from _refs(item)
    elif isinstance(node, dict):
        ref = node.get("$ref")
        if isinstance(ref, str) and ref.startswith(_LOCAL):
            yield ref.removeprefix(_LOCAL)
        for value in node.values():
            yield from _refs(value)
