"""The quick half of the inclusion check: whether one look at two canonical schemas shows that they fit.

Most versions differ in a field or two and are the same in the rest; for that no search is needed. It says yes
only where each part of the reader's schema is there in the writer's, or weaker. Otherwise nothing is known,
and `accepts` is to be asked.
"""

from __future__ import annotations

from typing import Any

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


def plainly(reader: Any, writer: Any) -> bool:
    """Whether it is plain that ``reader`` admits all that ``writer`` admits; False says nothing."""
    if reader is True or writer is False or reader == {}:
        return True
    if not isinstance(reader, dict) or not isinstance(writer, dict):
        return False
    if "anyOf" in writer:
        return set(writer) <= {"anyOf", "default"} and all(plainly(reader, one) for one in writer["anyOf"])
    if "anyOf" in reader:
        return set(reader) <= {"anyOf", "default"} and any(plainly(one, writer) for one in reader["anyOf"])
    if "const" in writer or "enum" in writer:
        return _values(reader, writer)
    kind = reader.get("type")
    if kind != writer.get("type") and (kind, writer.get("type")) != ("number", "integer"):
        return False
    if kind == "object":
        return reader.keys() <= _OBJECT and writer.keys() <= _OBJECT and _object(reader, writer)
    if kind == "array":
        return reader.keys() <= _ARRAY and writer.keys() <= _ARRAY and _array(reader, writer)
    return reader.keys() <= _SCALAR and _same(reader, writer, reader.keys() - {"type", "default"})


def _same(reader: Any, writer: Any, keys: Any) -> bool:
    """Whether the writer makes the same demands, each a number or a text; it may make more."""
    return all(key in writer and reader[key] == writer[key] for key in keys)


def _values(reader: Any, writer: Any) -> bool:
    values = writer["enum"] if "enum" in writer else [writer["const"]]
    if "const" in reader or "enum" in reader:
        held = reader["enum"] if "enum" in reader else [reader["const"]]
        plain = reader.keys() <= {"const", "enum", "default"}
        return plain and {text_of(one) for one in values} <= {text_of(one) for one in held}
    return reader.keys() <= {"type", "default"} and reader.get("type") == "string" and _texts(values)


def _texts(values: list[Any]) -> bool:
    return all(isinstance(one, str) for one in values)


def _object(reader: Any, writer: Any) -> bool:
    if not set(reader.get("required", ())) <= set(writer.get("required", ())):
        return False
    read, written = reader.get("properties", {}), writer.get("properties", {})
    rest = writer.get("additionalProperties", True)
    if any(name not in written and not plainly(inner, rest) for name, inner in read.items()):
        return False
    if any(name in read and not plainly(read[name], inner) for name, inner in written.items()):
        return False
    if "propertyNames" in reader and text_of(reader["propertyNames"]) != text_of(writer.get("propertyNames")):
        return False
    others = reader.get("additionalProperties", True)
    if others is True or others == {}:
        return True
    return plainly(others, rest) and all(
        plainly(others, inner) for name, inner in written.items() if name not in read
    )


def _array(reader: Any, writer: Any) -> bool:
    if not _same(reader, writer, reader.keys() & {"minItems", "maxItems", "uniqueItems"}):
        return False
    first, begun = reader.get("prefixItems", []), writer.get("prefixItems", [])
    if len(first) != len(begun):
        return False
    if not all(plainly(one, other) for one, other in zip(first, begun, strict=True)):
        return False
    return plainly(reader.get("items", True), writer.get("items", True))
