"""What a schema's neighbours have looked at already, for ``unevaluatedProperties`` and ``unevaluatedItems``.

Only what does not hang on the instance is followed: where a branch that may or may not hold has a say, the
answer is what may at most have been looked at, and that it is not exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wingman_runtime.schemas.inclusion.document import Document, Place

EVERYTHING = -1


@dataclass(slots=True)
class Spread:
    """What is looked at, at most; ``exact`` where it is looked at in every instance.

    Attributes:
        names: property names. patterns: of property names. all_properties: every property.
        items: how many items from the first on; `EVERYTHING` for all.
    """

    names: set[str]
    patterns: set[str]
    all_properties: bool = False
    items: int = 0
    exact_properties: bool = True
    exact_items: bool = True

    def widen(self, other: Spread, *, certain: bool) -> None:
        """Adds what a neighbour looks at; not ``certain`` where the neighbour need not hold."""
        if other.names or other.patterns or other.all_properties:
            self.exact_properties &= certain
        if other.items:
            self.exact_items &= certain
        self.exact_properties &= other.exact_properties
        self.exact_items &= other.exact_items
        self.names |= other.names
        self.patterns |= other.patterns
        self.all_properties |= other.all_properties
        self.items = EVERYTHING if EVERYTHING in (self.items, other.items) else max(self.items, other.items)


def spread_of(
    document: Document, place: Place, spend: Callable[[int], None], trail: tuple[int, ...] = ()
) -> Spread:
    """What ``place`` looks at in an instance that it admits, its own ``unevaluated…`` left out at the top."""
    spend(1)
    found = Spread(set(), set())
    schema = place.schema
    if not isinstance(schema, dict):
        return found
    if id(schema) in trail or len(trail) > 50:
        found.exact_properties = found.exact_items = False
        found.all_properties, found.items = True, EVERYTHING
        return found
    found.names.update(schema.get("properties", ()))
    found.patterns.update(schema.get("patternProperties", ()))
    found.items = len(schema.get("prefixItems", ()))
    if "additionalProperties" in schema or (trail and "unevaluatedProperties" in schema):
        found.all_properties = True
    if "items" in schema or (trail and "unevaluatedItems" in schema):
        found.items = EVERYTHING
    if "contains" in schema:
        found.exact_items, found.items = False, EVERYTHING
    for inner, certain in _neighbours(document, place):
        if inner is None:
            found.exact_properties = found.exact_items = False
            found.all_properties, found.items = True, EVERYTHING
        else:
            found.widen(spread_of(document, inner, spend, (*trail, id(schema))), certain=certain)
    return found


def _neighbours(document: Document, place: Place) -> Iterator[tuple[Place | None, bool]]:
    """The schemas put to the same instance, and whether each holds whenever ``place`` does."""
    schema = place.schema
    if "$ref" in schema:
        yield document.find(place, schema["$ref"]), True
    if "$dynamicRef" in schema:
        plain = document.dynamic_is_plain(schema["$dynamicRef"])
        yield document.find(place, schema["$dynamicRef"]) if plain else None, True
    for inner in schema.get("allOf", ()):
        yield document.enter(place, inner), True
    for word in ("anyOf", "oneOf"):
        for inner in schema.get(word, ()):
            yield document.enter(place, inner), False
    for word in ("if", "then", "else"):
        if word in schema and "if" in schema:
            yield document.enter(place, schema[word]), False
    for word in ("dependentSchemas", "dependencies"):
        for inner in schema.get(word, {}).values():
            if isinstance(inner, dict | bool):
                yield document.enter(place, inner), False
