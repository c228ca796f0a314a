"""From a schema to a formula: every keyword of 2020-12 and draft-07 that asserts something, said once here.

What is not followed (dynamic references with several ends, remote ones, ``unevaluated…`` beside branches)
becomes an opaque formula: it is equal to itself and otherwise unknown, so nothing is proven by it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from wingman_runtime.schemas.inclusion import formula as f
from wingman_runtime.schemas.inclusion.document import Document, Place
from wingman_runtime.schemas.inclusion.formula import Arena, Formula
from wingman_runtime.schemas.inclusion.spread import EVERYTHING, spread_of
from wingman_runtime.schemas.inclusion.values import (
    ANY,
    BY_NAME,
    OBJ,
    STR,
    BeyondReachError,
    exact,
)

_NUMBER_FORMATS = frozenset(
    ("int8", "int16", "int32", "int64", "uint", "uint32", "uint64", "float", "double")
)
_WORDS_OF_2020 = frozenset(
    (
        "prefixItems",
        "minContains",
        "maxContains",
        "dependentRequired",
        "dependentSchemas",
        "$dynamicRef",
        "unevaluatedProperties",
        "unevaluatedItems",
    )
)
_WORDS_OF_07 = frozenset(("additionalItems",))


_MOST_WORDS = 8
_ROOTED = frozenset(
    ("$ref", "$dynamicRef", "$id", "$schema", "$anchor", "$dynamicAnchor", "const", "enum", "default")
)
"""What keeps a plain schema from being recognised by its words: where it stands, or 1 for true."""


class Compiler:
    """Makes the formula of a document, following its references once each.

    Args:
        arena: where the formulas are kept.
        spend: called with an amount of work; raises when there was too much.
    """

    def __init__(self, arena: Arena, document: Document, spend: Callable[[int], None]) -> None:
        self.arena = arena
        self.document = document
        self._spend = spend
        self._made: dict[tuple[int, str], Formula | None] = {}
        self._refs: dict[tuple[int, str], Formula] = {}

    def compile(self) -> Formula:
        if not self.document.known_dialect:
            return self.arena.opaque(("dialect", self.document.dialect, self._dump(self.document.schema)))
        return self._of(self.document.root())

    def _of(self, place: Place) -> Formula:
        schema = place.schema
        if schema is True or schema is False:
            return self.arena.true if schema else self.arena.false
        if not isinstance(schema, dict):
            return self._opaque("not a schema", schema)
        name = id(schema), place.base
        if name in self._made:
            made = self._made[name]
            if made is None:
                made = self._refs.setdefault(name, self.arena.ref((self.document.number, name)))
            return made
        self._made[name] = None
        made = self._whole(place, schema)
        if name in self._refs:
            loop = self._refs[name]
            made = self.arena.grounded(made, loop)
            loop.subs = (made,)
        self._made[name] = made
        return made

    def _inner(self, place: Place, schema: Any) -> Formula:
        if not isinstance(schema, dict) or len(schema) > _MOST_WORDS or not _ROOTED.isdisjoint(schema):
            return self._of(self.document.enter(place, schema))
        try:
            name = self.document.old, *schema.items()
            known = self.arena.plain.get(name)
        except TypeError:  # it holds an object or an array
            return self._of(self.document.enter(place, schema))
        if known is None:
            known = self.arena.plain[name] = self._of(self.document.enter(place, schema))
        return known

    def _whole(self, place: Place, schema: dict[str, Any]) -> Formula:
        old = self.document.old
        if schema is not self.document.schema and "$schema" in schema:
            named = str(schema["$schema"]).rstrip("#")
            if named != self.document.dialect:
                return self._opaque("another dialect inside", schema)
        if old and "$ref" in schema:
            return self._reference(place, schema["$ref"])
        parts: list[Formula] = []
        skipped = _WORDS_OF_2020 if old else _WORDS_OF_07
        self._spend(len(schema))
        for word, value in schema.items():
            handler = _HANDLERS.get(word)
            if handler is None or word in skipped:
                continue
            try:
                part = handler(self, place, value)
            except BeyondReachError:
                part = self._opaque("a number out of reach", {word: value})
            except (TypeError, ValueError, KeyError, AttributeError):
                # Only where the dialect's own schema does not look, such as "$defs" in draft-07.
                part = self._opaque("a malformed keyword", {word: value})
            if part is not self.arena.true:
                parts.append(part)
        return parts[0] if len(parts) == 1 else self.arena.both(parts)

    # --- what cannot be followed

    def _dump(self, value: Any) -> str:
        text = json.dumps(value, sort_keys=True, default=str)
        self._spend(len(text) // 500)
        return self.document.dialect + text

    def _opaque(self, why: str, value: Any) -> Formula:
        dump = self._dump(value)
        inside = '"$ref"' in dump or '"$dynamicRef"' in dump or '"$id"' in dump
        return self.arena.opaque((why, dump, self.document.number if inside else -1))

    def _reference(self, place: Place, reference: Any) -> Formula:
        target = self.document.find(place, reference) if isinstance(reference, str) else None
        if target is None:
            return self.arena.opaque(
                ("a reference out of the document", str(reference), self.document.number)
            )
        return self._of(target)

    def _dynamic(self, place: Place, reference: Any) -> Formula:
        if isinstance(reference, str) and self.document.dynamic_is_plain(reference):
            return self._reference(place, reference)
        return self.arena.opaque(("a dynamic reference", str(reference), self.document.number))

    # --- groups of keywords that belong together

    def _many(self, place: Place, value: Any) -> list[Formula]:
        return [self._inner(place, inner) for inner in value]

    def _types(self, value: Any) -> Formula:
        mask = 0
        for name in [value] if isinstance(value, str) else value:
            mask |= BY_NAME[name]
        return self.arena.types(mask)

    def _properties(self, place: Place, value: Any) -> Formula:
        says = self.arena.says
        return self.arena.both(says(f.PROP, name, self._inner(place, inner)) for name, inner in value.items())

    def _patterns(self, place: Place, value: Any) -> Formula:
        says = self.arena.says
        return self.arena.both(says(f.PAT, name, self._inner(place, inner)) for name, inner in value.items())

    def _additional(self, place: Place, value: Any) -> Formula:
        schema = place.schema
        known = frozenset(schema.get("properties", ())), tuple(sorted(schema.get("patternProperties", ())))
        return self.arena.says(f.ADDL, known, self._inner(place, value))

    def _unevaluated_properties(self, place: Place, value: Any) -> Formula:
        spread = spread_of(self.document, place, self._spend)
        inner = self._inner(place, value)
        found = self.arena.true
        if not spread.all_properties:
            known = frozenset(spread.names), tuple(sorted(spread.patterns))
            found = self.arena.says(f.ADDL, known, inner)
        if spread.exact_properties or inner is self.arena.true:
            return found
        return self.arena.both((found, self._opaque("unevaluatedProperties", place.schema)))

    def _unevaluated_items(self, place: Place, value: Any) -> Formula:
        spread = spread_of(self.document, place, self._spend)
        inner = self._inner(place, value)
        found = self.arena.true
        if spread.items != EVERYTHING:
            found = self.arena.says(f.TAIL, spread.items, inner)
        if spread.exact_items or inner is self.arena.true:
            return found
        return self.arena.both((found, self._opaque("unevaluatedItems", place.schema)))

    def _prefix(self, place: Place, value: Any) -> Formula:
        says = self.arena.says
        return self.arena.both(
            says(f.ITEM, index, self._inner(place, inner)) for index, inner in enumerate(value)
        )

    def _items(self, place: Place, value: Any) -> Formula:
        if isinstance(value, list):
            return self._prefix(place, value)
        start = 0 if self.document.old else len(place.schema.get("prefixItems", ()))
        return self.arena.says(f.TAIL, start, self._inner(place, value))

    def _additional_items(self, place: Place, value: Any) -> Formula:
        first = place.schema.get("items")
        if not isinstance(first, list):
            return self.arena.true
        return self.arena.says(f.TAIL, len(first), self._inner(place, value))

    def _contains(self, place: Place, value: Any) -> Formula:
        inner = self._inner(place, value)
        old = self.document.old
        least = 1 if old else _count(place.schema.get("minContains", 1))
        parts = [self.arena.says(f.ATLEAST, least, inner)] if least else []
        if not old and "maxContains" in place.schema:
            parts.append(self.arena.says(f.ATMOST, _count(place.schema["maxContains"]), inner))
        return self.arena.both(parts)

    def _if(self, place: Place, value: Any) -> Formula:
        arena, schema = self.arena, place.schema
        condition = self._inner(place, value)
        parts = []
        if "then" in schema:
            parts.append(arena.either((arena.deny(condition), self._inner(place, schema["then"]))))
        if "else" in schema:
            parts.append(arena.either((condition, self._inner(place, schema["else"]))))
        return arena.both(parts)

    def _when_there(self, name: str, then: Formula) -> Formula:
        """``then`` holds for objects that have the property."""
        arena = self.arena
        there = arena.both((arena.types(OBJ), arena.says(f.REQ, name)))
        return arena.either((arena.deny(there), then))

    def _enum(self, values: Any) -> Formula:
        self._spend(len(values) // 8)
        return self.arena.values(values)

    def _required(self, names: Any) -> Formula:
        return self.arena.both(self.arena.says(f.REQ, name) for name in names)

    def _dependent_required(self, place: Place, value: Any) -> Formula:
        return self.arena.both(self._when_there(name, self._required(names)) for name, names in value.items())

    def _dependent_schemas(self, place: Place, value: Any) -> Formula:
        return self.arena.both(
            self._when_there(name, self._inner(place, inner)) for name, inner in value.items()
        )

    def _dependencies(self, place: Place, value: Any) -> Formula:
        found = self.arena.both(
            self._when_there(
                name, self._required(inner) if isinstance(inner, list) else self._inner(place, inner)
            )
            for name, inner in value.items()
        )
        # 2020-12 dropped the word, and some validators of 2020-12 still go by it.
        return found if self.document.old else self._opaque("dependencies", place.schema)

    def _format(self, name: Any) -> Formula:
        return self.arena.atom(("format", str(name)), ANY if name in _NUMBER_FORMATS else STR)

    def _content(self, word: str, place: Place, value: Any) -> Formula:
        beside = [place.schema.get(name) for name in ("contentEncoding", "contentSchema")]
        said = [value] if word == "contentEncoding" else [value, *beside]
        return self.arena.atom(("content", word, self._dump(said)), STR)


def _count(value: Any) -> int:
    number = exact(value)
    return number if isinstance(number, int) else int(number) + 1


_Handler = Callable[[Compiler, Place, Any], Formula]

_HANDLERS: dict[str, _Handler] = {
    "$ref": Compiler._reference,
    "$dynamicRef": Compiler._dynamic,
    "type": lambda c, _, v: c._types(v),
    "const": lambda c, _, v: c.arena.values([v]),
    "enum": lambda c, _, v: c._enum(v),
    "minimum": lambda c, _, v: c.arena.bound(f.MIN, exact(v), strict=False),
    "maximum": lambda c, _, v: c.arena.bound(f.MAX, exact(v), strict=False),
    "exclusiveMinimum": lambda c, _, v: c.arena.bound(f.MIN, exact(v), strict=True),
    "exclusiveMaximum": lambda c, _, v: c.arena.bound(f.MAX, exact(v), strict=True),
    "multipleOf": lambda c, _, v: c.arena.says(f.MULT, exact(v)),
    "minLength": lambda c, _, v: c.arena.says(f.MINLEN, _count(v)),
    "maxLength": lambda c, _, v: c.arena.says(f.MAXLEN, _count(v)),
    "pattern": lambda c, _, v: c.arena.says(f.PATTERN, v),
    "format": lambda c, _, v: c._format(v),
    "contentEncoding": lambda c, p, v: c._content("contentEncoding", p, v),
    "contentMediaType": lambda c, p, v: c._content("contentMediaType", p, v),
    "properties": Compiler._properties,
    "patternProperties": Compiler._patterns,
    "additionalProperties": Compiler._additional,
    "unevaluatedProperties": Compiler._unevaluated_properties,
    "propertyNames": lambda c, p, v: c.arena.says(f.NAMES, None, c._inner(p, v)),
    "required": lambda c, _, v: c._required(v),
    "minProperties": lambda c, _, v: c.arena.says(f.MINP, _count(v)),
    "maxProperties": lambda c, _, v: c.arena.says(f.MAXP, _count(v)),
    "dependentRequired": Compiler._dependent_required,
    "dependentSchemas": Compiler._dependent_schemas,
    "dependencies": Compiler._dependencies,
    "prefixItems": Compiler._prefix,
    "items": Compiler._items,
    "additionalItems": Compiler._additional_items,
    "unevaluatedItems": Compiler._unevaluated_items,
    "contains": Compiler._contains,
    "minItems": lambda c, _, v: c.arena.says(f.MINI, _count(v)),
    "maxItems": lambda c, _, v: c.arena.says(f.MAXI, _count(v)),
    "uniqueItems": lambda c, _, v: c.arena.says(f.UNIQ, None) if v else c.arena.true,
    "allOf": lambda c, p, v: c.arena.both(c._many(p, v)),
    "anyOf": lambda c, p, v: c.arena.either(c._many(p, v)),
    "oneOf": lambda c, p, v: c.arena.one(c._many(p, v)),
    "not": lambda c, p, v: c.arena.deny(c._inner(p, v)),
    "if": Compiler._if,
}
