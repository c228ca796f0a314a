"""What differs between two canonical schemas of the same side, field by field, in words that people use.

It names what changed and where. Whether anybody is hurt by it is not asked here: the inclusion check says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wingman_runtime.schemas.fields import escaped
from wingman_runtime.schemas.forms import text_of
from wingman_runtime.schemas.record import Schema

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_UNION = ("anyOf", "oneOf")
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One change.

    Attributes:
        rule: what kind of change it is, without the ``schema/`` in front.
        path: JSON Pointer; ``*`` for any item or value of a map.
        old: the schema at that place before; None where there was none.
        new: the schema now; None where there is none.
        said: the change in a few words.
        variant: of a union, the member that came or went.
    """

    rule: str
    path: str
    old: Any
    new: Any
    said: str
    variant: Any = None


def differences(old: Schema, new: Schema) -> list[Difference]:
    """Every difference between two canonical schemas, outer ones first."""
    walk = _Walk(old.get("$defs", {}), new.get("$defs", {}))
    return list(walk.between(old, new, ""))


class _Walk:
    def __init__(self, old_defs: Mapping[str, Any], new_defs: Mapping[str, Any]) -> None:
        self.defs = (old_defs, new_defs)
        self.seen: set[tuple[str, str]] = set()

    def between(self, old: Any, new: Any, path: str) -> Iterator[Difference]:
        names = (_name(old), _name(new))
        if any(names):
            if names in self.seen:
                return
            self.seen.add(names)
            old, new = self._written_out(old, 0), self._written_out(new, 1)
        if old == new and not any(names):
            return
        old, new = _plain(old), _plain(new)
        variants = _variants(old), _variants(new)
        if variants[0] is not None or variants[1] is not None:
            yield from self._unions(old, new, variants, path)
        elif _kind(old) != _kind(new):
            yield Difference("type-changed", path, old, new, f"{named(old)} became {named(new)}")
        else:
            yield from self._values(old, new, path)
            yield from _rules(old, new, path)
            yield from self._objects(old, new, path)
            yield from self._items(old, new, path)
        yield from _defaults(old, new, path)

    def _written_out(self, node: Any, side: int) -> Any:
        name = _name(node)
        if not name:
            return node
        found = self.defs[side].get(name, {})
        if not isinstance(found, dict):
            return found
        return {**found, **{key: value for key, value in node.items() if key != "$ref"}}

    def _unions(
        self, old: Any, new: Any, variants: tuple[list[Any] | None, list[Any] | None], path: str
    ) -> Iterator[Difference]:
        before = variants[0] if variants[0] is not None else [_bare(old)]
        after = variants[1] if variants[1] is not None else [_bare(new)]
        gone, come = _left_over(before, after), _left_over(after, before)
        pairs = [(one, other) for one in gone for other in come if self._same(one, other)]
        for one, other in pairs:
            yield from self.between(one, other, path)
        gone = [one for one in gone if not any(one is pair[0] for pair in pairs)]
        come = [one for one in come if not any(one is pair[1] for pair in pairs)]
        if _NULL in gone:
            yield Difference("nullable-removed", path, old, new, "null is no longer allowed", _NULL)
        if _NULL in come:
            yield Difference("nullable-added", path, old, new, "null is allowed now", _NULL)
        gone, come = [one for one in gone if one != _NULL], [one for one in come if one != _NULL]
        if len(gone) == len(come) == 1 and len(before) - len(after) in {0, 1, -1}:
            yield from self.between(gone[0], come[0], path)
            return
        for one in gone:
            told = f"{named(one)} is no longer one of them"
            yield Difference("union-member-removed", path, old, new, told, one)
        for one in come:
            told = f"{named(one)} is one more of them"
            yield Difference("union-member-added", path, old, new, told, one)
        if not gone and not come and "oneOf" in old and "anyOf" in new:
            yield Difference("union-kind-changed", path, old, new, "one of them became any of them")
        if not gone and not come and "anyOf" in old and "oneOf" in new:
            yield Difference("union-kind-changed", path, old, new, "any of them became exactly one of them")

    def _same(self, one: Any, other: Any) -> bool:
        """Whether two variants are one variant that changed: by tag, or by being the only ones of a kind."""
        one, other = self._written_out(one, 0), self._written_out(other, 1)
        tags = _tags(one), _tags(other)
        shared = [tag for tag in tags[0] if tag in tags[1]]
        if shared:
            return any(tags[0][tag] == tags[1][tag] for tag in shared)
        return _kind(one) == _kind(other) and _kind(one) in {"values", "array", "string", "number", "integer"}

    def _values(self, old: Any, new: Any, path: str) -> Iterator[Difference]:
        before, after = _allowed(old), _allowed(new)
        if before is None or after is None:
            return
        gone = [value for value in before if value not in after]
        come = [value for value in after if value not in before]
        if not gone and not come:
            return
        if len(before) == len(after) == 1:
            told = f"{before[0]!r:.60} became {after[0]!r:.60}"
            yield Difference("const-changed", path, old, new, told)
        elif not gone:
            yield Difference("enum-widened", path, old, new, f"new: {_listed(come)}")
        elif not come:
            yield Difference("enum-narrowed", path, old, new, f"gone: {_listed(gone)}")
        else:
            told = f"gone: {_listed(gone)}; new: {_listed(come)}"
            yield Difference("enum-changed", path, old, new, told)

    def _objects(self, old: Any, new: Any, path: str) -> Iterator[Difference]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed = set(old.get("required", ())), set(new.get("required", ()))
        gone = [name for name in before if name not in after]
        come = [name for name in after if name not in before]
        renamed = _renamed(before, after, gone, come)
        for name in gone:
            place = f"{path}/{escaped(name)}"
            if name in renamed:
                told = f"{name!r} looks renamed to {renamed[name]!r}"
                yield Difference("wire-renamed", place, before[name], None, told)
            else:
                yield Difference("field-removed", place, before[name], None, f"{name!r} was removed")
        for name in come:
            place = f"{path}/{escaped(name)}"
            was = next((one for one, other in renamed.items() if other == name), None)
            if was is not None:
                told = f"{was!r} looks renamed to {name!r}"
                yield Difference("wire-renamed", place, None, after[name], told)
            else:
                need = "required" if name in needed[1] else "optional"
                yield Difference("field-added", place, None, after[name], f"{name!r} was added, {need}")
        for name in before:
            if name not in after:
                continue
            place = f"{path}/{escaped(name)}"
            if name in needed[1] - needed[0]:
                told = f"{name!r} is required now"
                yield Difference("field-required", place, before[name], after[name], told)
            if name in needed[0] - needed[1]:
                told = f"{name!r} may be left out now"
                yield Difference("field-optional", place, before[name], after[name], told)
            yield from self.between(before[name], after[name], place)
        yield from self._open_ends(old, new, path)

    def _open_ends(self, old: Any, new: Any, path: str) -> Iterator[Difference]:
        place = f"{path}/*"
        for key, rule in (("additionalProperties", ""), ("propertyNames", "map-keys-changed")):
            before, after = old.get(key, True), new.get(key, True)
            if before == after:
                continue
            if rule:
                yield Difference(rule, path, before, after, "the keys of the map changed")
            elif isinstance(before, dict) and isinstance(after, dict):
                yield from self.between(before, after, place)
            else:
                told = "further fields: " + " became ".join(_extent(one) for one in (before, after))
                yield Difference("extent-changed", path, old, new, told)
        before, after = old.get("patternProperties", {}), new.get("patternProperties", {})
        for name in before:
            if name in after:
                yield from self.between(before[name], after[name], place)
        if set(before) != set(after):
            yield Difference("map-keys-changed", path, old, new, "the patterns of keys changed")

    def _items(self, old: Any, new: Any, path: str) -> Iterator[Difference]:
        before, after = old.get("prefixItems", []), new.get("prefixItems", [])
        if len(before) != len(after):
            told = f"{len(before)} fixed items became {len(after)}"
            yield Difference("tuple-arity", path, old, new, told)
        for index, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from self.between(one, other, f"{path}/{index}")
        if "items" in old or "items" in new:
            yield from self.between(old.get("items", {}), new.get("items", {}), f"{path}/*")


_NULL = {"type": "null"}


def _name(node: Any) -> str:
    return str(node.get("$ref", "")).removeprefix("#/$defs/") if isinstance(node, dict) else ""


def _plain(node: Any) -> Any:
    if node is False:
        return {"enum": []}
    if not isinstance(node, dict):
        return {}
    return node


def _bare(node: Any) -> Any:
    return {key: value for key, value in node.items() if key != "default"}


def _variants(node: Any) -> list[Any] | None:
    if "properties" in node:  # says which of several names must be there; no union
        return None
    for union in _UNION:
        if union in node:
            return list(node[union])
    return None


def _left_over(some: list[Any], others: list[Any]) -> list[Any]:
    return [one for one in some if one not in others]


def _kind(node: Any) -> str:
    if "const" in node or "enum" in node:
        return "values"
    return str(node.get("type", "any"))


def _allowed(node: Any) -> list[Any] | None:
    if "const" in node:
        return [node["const"]]
    return node.get("enum") if isinstance(node.get("enum"), list) else None


def _tags(node: Any) -> dict[str, Any]:
    """Properties that hold one constant: what a variant is known by."""
    properties = node.get("properties", {}) if isinstance(node, dict) else {}
    return {
        name: one["const"] for name, one in properties.items() if isinstance(one, dict) and "const" in one
    }


def _extent(value: Any) -> str:
    if isinstance(value, dict):
        return named(value)
    return "refused" if value is False else "any"


def _listed(values: list[Any]) -> str:
    told = ", ".join(f"{value!r:.40}" for value in values[:8])
    return told + (f" and {len(values) - 8} more" if len(values) > 8 else "")


def named(node: Any) -> str:
    """A schema in a word or two."""
    if not isinstance(node, dict):
        return "anything" if node is True else "nothing"
    allowed = _allowed(node)
    if allowed is not None:
        return f"one of {_listed(allowed)}" if len(allowed) != 1 else f"{allowed[0]!r:.60}"
    for union in _UNION:
        if union in node:
            return " or ".join(named(one) for one in node[union][:6])
    kind = str(node.get("type", "anything"))
    if kind == "array" and isinstance(node.get("items"), dict):
        return f"array of {named(node['items'])}"
    tag = next((f" {name}={value!r}" for name, value in _tags(node).items()), "")
    return f"{kind} ({node['format']})" if "format" in node else kind + tag


def _renamed(before: Any, after: Any, gone: list[str], come: list[str]) -> dict[str, str]:
    """Old name to new: only where exactly one that went looks like exactly one that came."""
    found: dict[str, str] = {}
    for name in gone:
        twins = [other for other in come if _bare(_plain(after[other])) == _bare(_plain(before[name]))]
        rivals = [other for other in gone if _bare(_plain(before[other])) == _bare(_plain(before[name]))]
        if len(twins) == len(rivals) == 1:
            found[name] = twins[0]
    return found


def _rules(old: Any, new: Any, path: str) -> Iterator[Difference]:
    for names, rising in ((_LOWER, True), (_UPPER, False)):
        for key in names:
            before, after = old.get(key), new.get(key)
            if before == after or (key in {"minItems", "maxItems"} and _arity(old) != _arity(new)):
                continue
            tighter = before is None or (after is not None and (after > before) == rising)
            rule = "bound-tightened" if tighter else "bound-loosened"
            yield Difference(rule, path, old, new, f"{key}: {_or_none(before)} became {_or_none(after)}")
    before, after = old.get("multipleOf"), new.get("multipleOf")
    if before != after:
        rule = "bound-loosened" if after is None else "bound-tightened"
        yield Difference(rule, path, old, new, f"multipleOf: {_or_none(before)} became {_or_none(after)}")
    if old.get("uniqueItems", False) != new.get("uniqueItems", False):
        rule, told = ("unique-added", "no") if new.get("uniqueItems") else ("unique-removed", "any")
        yield Difference(rule, path, old, new, f"{told} item may be there twice")
    if old.get("pattern") != new.get("pattern"):
        told = f"pattern {_or_none(old.get('pattern'))} became {_or_none(new.get('pattern'))}"
        yield Difference("pattern-changed", path, old, new, told)
    before, after = old.get("format"), new.get("format")
    if before != after:
        rule = "format-added" if before is None else "format-dropped" if after is None else "format-changed"
        yield Difference(rule, path, old, new, f"format {_or_none(before)} became {_or_none(after)}")
    apart = _UNION if "properties" in old and "properties" in new else ()
    for key in (
        *apart,
        "allOf",
        "not",
        "if",
        "then",
        "else",
        "contains",
        "contentMediaType",
        "contentEncoding",
    ):
        if old.get(key) != new.get(key):
            yield Difference("constraint-changed", path, old, new, f"what {key} demands changed")


def _arity(node: Any) -> int:
    return len(node.get("prefixItems", ()))


def _or_none(value: Any) -> str:
    return "none" if value is None else f"{value!r:.80}"


def _defaults(old: Any, new: Any, path: str) -> Iterator[Difference]:
    before, after = old.get("default", _ABSENT), new.get("default", _ABSENT)
    if before is _ABSENT or after is _ABSENT or text_of(before) == text_of(after):
        return
    told = f"the default {before!r:.60} became {after!r:.60}"
    yield Difference("default-changed", path, old, new, told)
