"""The quick half of the inclusion check: whether one look at two schemas shows that they fit.

Most versions differ in a field or two and are the same in the rest; for that no search is needed. It says yes
only where each part of the reader's schema is there in the writer's, or weaker. Otherwise, or where the look
takes long, nothing is known, and the search is to be asked.
"""

from __future__ import annotations

from typing import Any

from wingman_runtime.errors import ContractError
from wingman_runtime.schemas.forms import text_of

_OBJECT = {"type", "properties", "required", "additionalProperties", "propertyNames", "default"}
_ARRAY = {"type", "items", "prefixItems", "minItems", "maxItems", "uniqueItems", "default"}
_SCALAR = {
    "type",
    "default",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
}
_STEPS = 5_000


class _LongLookError(Exception):
    pass


def plainly(reader: Any, writer: Any) -> bool:
    """Whether it is plain that ``reader`` admits all that ``writer`` admits; False says nothing."""
    try:
        return _Look().holds(reader, writer)
    except (_LongLookError, RecursionError, ContractError, TypeError, ValueError):
        return False  # the last three: a value that has no canonical text


class _Look:
    def __init__(self) -> None:
        self.left = _STEPS

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise _LongLookError

    def holds(self, reader: Any, writer: Any) -> bool:
        self.spend(1)
        if reader is True or writer is False or reader == {}:
            return True
        # Beside a reference draft-07 overlooks everything, so that nothing beside it may count.
        if not isinstance(reader, dict) or not isinstance(writer, dict) or "$ref" in writer:
            return False
        for union in ("anyOf", "oneOf"):
            if union in writer:
                alone = writer.keys() <= {union, "default"}
                return alone and all(self.holds(reader, one) for one in writer[union])
        if "oneOf" in reader:
            return reader.keys() <= {"oneOf", "default"} and self.one(reader["oneOf"], writer)
        if "anyOf" in reader:
            alone = reader.keys() <= {"anyOf", "default"}
            return alone and any(self.holds(one, writer) for one in reader["anyOf"])
        if "const" in writer or "enum" in writer:
            return self.values(reader, writer)
        kind = reader.get("type")
        if kind != writer.get("type") and (kind, writer.get("type")) != ("number", "integer"):
            return False
        if kind == "object":
            known = reader.keys() <= _OBJECT and writer.keys() <= _OBJECT
            return known and self.objects(reader, writer)
        if kind == "array":
            known = reader.keys() <= _ARRAY and writer.keys() <= _ARRAY
            return known and self.arrays(reader, writer)
        return reader.keys() <= _SCALAR and _same(reader, writer, reader.keys() - {"type", "default"})

    def one(self, choices: Any, writer: Any) -> bool:
        """Whether one choice admits all, and every other knows itself by another tag, so admits nothing."""
        fits = [one for one in choices if self.holds(one, writer)]
        return len(fits) == 1 and all(one is fits[0] or self.apart(one, writer) for one in choices)

    def apart(self, reader: Any, writer: Any) -> bool:
        if not isinstance(reader, dict) or writer.get("type") != "object":
            return False
        read, written = reader.get("properties", {}), writer.get("properties", {})
        self.spend(len(writer.get("required", ())))
        for name in writer.get("required", ()):
            tags, others = _tags(read.get(name)), _tags(written.get(name))
            if tags and others and tags.isdisjoint(others):
                return True
        return False

    def values(self, reader: Any, writer: Any) -> bool:
        values = writer["enum"] if "enum" in writer else [writer["const"]]
        self.spend(len(values))
        if "const" in reader or "enum" in reader:
            held = reader["enum"] if "enum" in reader else [reader["const"]]
            self.spend(len(held))
            plain = reader.keys() <= {"const", "enum", "default"}
            return plain and {text_of(one) for one in values} <= {text_of(one) for one in held}
        return reader.keys() <= {"type", "default"} and reader.get("type") == "string" and _texts(values)

    def objects(self, reader: Any, writer: Any) -> bool:
        self.spend(len(reader.get("properties", ())) + len(writer.get("properties", ())))
        if not set(reader.get("required", ())) <= set(writer.get("required", ())):
            return False
        read, written = reader.get("properties", {}), writer.get("properties", {})
        rest = writer.get("additionalProperties", True)
        if any(name not in written and not self.holds(inner, rest) for name, inner in read.items()):
            return False
        if any(name in read and not self.holds(read[name], inner) for name, inner in written.items()):
            return False
        names = reader.get("propertyNames", True)
        if names is not True and text_of(names) != text_of(writer.get("propertyNames")):
            return False
        others = reader.get("additionalProperties", True)
        if others is True or others == {}:
            return True
        return self.holds(others, rest) and all(
            self.holds(others, inner) for name, inner in written.items() if name not in read
        )

    def arrays(self, reader: Any, writer: Any) -> bool:
        if not _same(reader, writer, reader.keys() & {"minItems", "maxItems", "uniqueItems"}):
            return False
        first, begun = reader.get("prefixItems", []), writer.get("prefixItems", [])
        if len(first) != len(begun):
            return False
        if not all(self.holds(one, other) for one, other in zip(first, begun, strict=True)):
            return False
        return self.holds(reader.get("items", True), writer.get("items", True))


def _same(reader: Any, writer: Any, keys: Any) -> bool:
    """Whether the writer makes the same demands, each a number or a text; it may make more."""
    return all(key in writer and reader[key] == writer[key] for key in keys)


def _texts(values: list[Any]) -> bool:
    return all(isinstance(one, str) for one in values)


def _tags(schema: Any) -> set[str]:
    """The texts a schema admits, where it admits nothing else; numbers can be written in two ways."""
    if not isinstance(schema, dict):
        return set()
    values = schema["enum"] if "enum" in schema else [schema["const"]] if "const" in schema else []
    return set(values) if values and _texts(values) else set()
