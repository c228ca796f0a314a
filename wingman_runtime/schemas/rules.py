"""The rules a change of a schema is found by: their ids, which waivers refer to, and what to do about each.

An id, once released, keeps its meaning.
"""

from __future__ import annotations

from typing import Final

from wingman_runtime.schemas.finding import Direction

UPCASTER: Final = "or raise the major and bring old documents to the new form by an upcaster"
CONSUMERS: Final = (
    "or release consumers that read both first, then raise the major and write both forms until nobody reads"
    " the old one"
)

_BACKWARD: Final = {
    "field-added": f"give it a default, {UPCASTER}",
    "field-required": f"keep its default, {UPCASTER}",
    "wire-renamed": "read the old name too, by validation_alias=AliasChoices(new, old), " + UPCASTER,
    "type-changed": f"add a field of the new type and keep this one, {UPCASTER}",
    "nullable-removed": f"go on reading null, {UPCASTER}",
    "enum-narrowed": f"keep the old members, {UPCASTER}",
    "enum-changed": f"keep the old members, {UPCASTER}",
    "const-changed": f"keep the old value, {UPCASTER}",
    "bound-tightened": f"keep the old bound for reading, {UPCASTER}",
    "unique-added": f"keep it a list, {UPCASTER}",
    "union-member-removed": f"go on reading it, {UPCASTER}",
}
_FORWARD: Final = {
    "field-removed": f"go on writing it, {CONSUMERS}",
    "field-optional": f"go on writing it always, {CONSUMERS}",
    "wire-renamed": f"go on writing the old name (serialization_alias), {CONSUMERS}",
    "type-changed": f"add a field of the new type and go on writing this one, {CONSUMERS}",
    "nullable-added": f"write a value always, {CONSUMERS}",
    "enum-widened": f"make it an OpenEnum in a version of its own first, {CONSUMERS}",
    "enum-changed": f"make it an OpenEnum in a version of its own first, {CONSUMERS}",
    "const-changed": f"keep the old value, {CONSUMERS}",
    "bound-loosened": f"keep writing within the old bound, {CONSUMERS}",
    "unique-removed": f"keep writing no item twice, {CONSUMERS}",
    "union-member-added": f"give the new member an event of its own, {CONSUMERS}",
    "computed-field-removed": f"go on writing it, {CONSUMERS}",
}
_OTHERWISE: Final = {
    Direction.BACKWARD: f"go on reading what was written before, {UPCASTER}",
    Direction.FORWARD: f"go on writing what was written before, {CONSUMERS}",
}

NAMES: Final = (
    "field-added",
    "field-removed",
    "field-required",
    "field-optional",
    "wire-renamed",
    "computed-field-added",
    "computed-field-removed",
    "default-changed",
    "type-changed",
    "nullable-added",
    "nullable-removed",
    "enum-widened",
    "enum-narrowed",
    "enum-changed",
    "const-changed",
    "bound-tightened",
    "bound-loosened",
    "unique-added",
    "unique-removed",
    "pattern-changed",
    "format-added",
    "format-dropped",
    "format-changed",
    "constraint-changed",
    "union-member-added",
    "union-member-removed",
    "union-kind-changed",
    "tuple-arity",
    "map-keys-changed",
    "extent-changed",
    "event-renamed",
    "reserved-name-reused",
    "validator-changed",
    "words-changed",
    "incompatible",
    "unproven",
)
"""All of them; each is ``schema/`` and the name."""


def rule_id(name: str) -> str:
    return f"schema/{name}"


def remedy(name: str, direction: Direction) -> str:
    """What to do, in the imperative."""
    found = (_BACKWARD if direction is Direction.BACKWARD else _FORWARD).get(name)
    return found or _OTHERWISE.get(direction, "")
