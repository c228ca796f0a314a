"""One schema document: its dialect, and where its references lead. Nothing is ever fetched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"
DRAFT_07 = "http://json-schema.org/draft-07/schema"

_ONE = frozenset(
    (
        "additionalProperties",
        "additionalItems",
        "unevaluatedProperties",
        "unevaluatedItems",
        "propertyNames",
        "items",
        "contains",
        "if",
        "then",
        "else",
        "not",
        "contentSchema",
    )
)
_LIST = frozenset(("allOf", "anyOf", "oneOf", "prefixItems", "items"))
_MAP = frozenset(
    ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")
)


class Place(NamedTuple):
    """A schema within a document: the resource (innermost ``$id``) it belongs to, and its base address."""

    schema: Any
    resource: Any
    base: str


class Document:
    """A schema with everything in it that can be referred to.

    Args:
        schema: the whole document.
        number: tells the documents of one comparison apart.
    """

    def __init__(self, schema: Any, number: int) -> None:
        self.schema = schema
        self.number = number
        named = schema.get("$schema", DRAFT_2020) if isinstance(schema, dict) else DRAFT_2020
        self.dialect = str(named).rstrip("#")
        self.old = self.dialect == DRAFT_07
        self._addresses: dict[str, Place] | None = None
        self._dynamic: dict[str, int] = {}

    @property
    def known_dialect(self) -> bool:
        return self.dialect in (DRAFT_2020, DRAFT_07)

    def root(self) -> Place:
        return self.enter(Place(self.schema, self.schema, ""), self.schema)

    def enter(self, outer: Place, schema: Any) -> Place:
        """The place of a schema right inside another."""
        if isinstance(schema, dict) and "$id" in schema and isinstance(schema["$id"], str):
            address = schema["$id"]
            if not (self.old and (address.startswith("#") or "$ref" in schema)):
                base = urldefrag(urljoin(outer.base, address))[0]
                return Place(schema, schema, base)
        return Place(schema, outer.resource, outer.base)

    def find(self, place: Place, reference: str) -> Place | None:
        """Where a ``$ref`` leads; None where that is outside the document, or no schema."""
        if reference.startswith("#"):
            address, fragment = "", reference[1:]
        else:
            address, fragment = urldefrag(reference)
        if address and urljoin(place.base, address) != place.base:
            target = self._index().get(urljoin(place.base, address))
            if target is None:
                return None
        else:
            target = Place(place.resource, place.resource, place.base)
        if not fragment:
            return target
        if fragment.startswith("/"):
            return self._walk(target, fragment)
        return self._index().get(f"{target.base}#{fragment}")

    def dynamic_is_plain(self, reference: str) -> bool:
        """Whether a ``$dynamicRef`` can lead to one place only, whatever the path that led to it."""
        self._index()
        fragment = urldefrag(reference)[1]
        return fragment.startswith("/") or not fragment or self._dynamic.get(fragment, 0) <= 1

    def _walk(self, place: Place, pointer: str) -> Place | None:
        tokens = [unquote(token).replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]
        while tokens:
            word = tokens.pop(0)
            schema = place.schema
            if not isinstance(schema, dict) or word not in schema:
                return None
            inner = schema[word]
            if isinstance(inner, dict) and word in _MAP:
                if not tokens or tokens[0] not in inner:
                    return None
                inner = inner[tokens.pop(0)]
            elif isinstance(inner, list) and word in _LIST:
                if not tokens or not tokens[0].isascii() or not tokens[0].isdigit():
                    return None
                index = int(tokens.pop(0)[:9])
                if index >= len(inner):
                    return None
                inner = inner[index]
            elif word not in _ONE:
                return None
            place = self.enter(place, inner)
        return place if isinstance(place.schema, dict | bool) else None

    def _index(self) -> dict[str, Place]:
        if self._addresses is None:
            self._addresses = {}
            todo = [self.root()]
            while todo:
                place = todo.pop()
                schema = place.schema
                if not isinstance(schema, dict):
                    continue
                if place.resource is schema:
                    self._addresses.setdefault(place.base, place)
                for word in ("$anchor", "$dynamicAnchor"):
                    if not self.old and isinstance(schema.get(word), str):
                        self._addresses[f"{place.base}#{schema[word]}"] = place
                if not self.old and isinstance(schema.get("$dynamicAnchor"), str):
                    name = schema["$dynamicAnchor"]
                    self._dynamic[name] = self._dynamic.get(name, 0) + 1
                if self.old and str(schema.get("$id", "")).startswith("#"):
                    self._addresses[f"{place.base}{schema['$id']}"] = place
                todo.extend(self.enter(place, inner) for inner in parts(schema))
        return self._addresses


def parts(schema: dict[str, Any]) -> Iterator[Any]:
    """The schemas right inside a schema."""
    for word, inner in schema.items():
        if isinstance(inner, dict) and word in _MAP:
            yield from inner.values()
        elif isinstance(inner, list) and word in _LIST:
            yield from inner
        elif word in _ONE:
            yield inner
