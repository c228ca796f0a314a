"""One document of a schema, always the same one: what upcasters and readers are tested on from the first day.

A sample is made from the schema alone, fuller first (every field, one item in each list), then leaner (empty
lists, null where it may be). Whoever has real documents stores these with `wingman schema release --sample`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from wingman_runtime.schemas.record import Schema

_DEPTH_LIMIT = 24
_LENGTH_LIMIT = 10_000
_FORMATS: Mapping[str, str] = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "ada@example.org",
    "hostname": "example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.org/",
    "url": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "json-pointer": "/a",
    "binary": "a",
    "base64url": "YQ==",
    "byte": "YQ==",
}
_GUESSES = (
    "text", "a", "A", "1", "0", "a1", "A1", "a-1", "ab", "abc", "ABC", "A-1", "AB-1", "1.0", "1.0.0", "EUR",
    "DE", "en", "2026-01-31", "+491234567", "ada@example.org", "https://example.org/", "sha256:" + "0" * 64,
    "0" * 64, "order-1", "ORD-0001", "key:value", "a.b", "a/b", "#000000", "true", "_",
)  # fmt: skip


def sample_of(schema: Schema) -> tuple[Any, ...]:
    """A document that ``schema`` admits.

    Returns:
        The document in a tuple of one, or an empty tuple when none was found: a pattern nobody guesses, a
        schema that admits nothing.
    """
    from jsonschema_rs import validator_for

    checker = validator_for(schema, validate_formats=True)
    for full in (True, False):
        try:
            made = _Maker(schema, full=full).make(schema, 0)
        except (LookupError, RecursionError):
            continue
        if checker.is_valid(made):
            return (made,)
    return ()


class _Maker:
    """Makes one document; raises LookupError where it cannot.

    Args:
        full: take the first alternative that is not null, and an item for each list.
    """

    def __init__(self, root: Schema, *, full: bool) -> None:
        self.root = root
        self.full = full

    def make(self, schema: Schema | bool, depth: int) -> Any:
        if schema is True or depth > _DEPTH_LIMIT:
            if schema is True:
                return "text" if self.full else None
            raise LookupError("too deep")
        if schema is False:
            raise LookupError("nothing is admitted")
        schema = self.resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self.first_of(schema, word, depth)
        kinds = schema.get("type")
        names = [kinds] if isinstance(kinds, str) else list(kinds or ())
        if not names:
            names = ["object"] if "properties" in schema else ["string"]
        if not self.full and "null" in names:
            return None
        name = next((one for one in names if one != "null"), "null")
        return self.of_type(name, schema, depth)

    def resolved(self, schema: Schema) -> Schema:
        """References followed, and the parts of ``allOf`` laid over one another."""
        for _ in range(_DEPTH_LIMIT):
            if "$ref" not in schema and "allOf" not in schema:
                return schema
            rest = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
            parts = [self.target(schema["$ref"])] if "$ref" in schema else []
            parts += [part for part in schema.get("allOf", ()) if isinstance(part, dict)]
            merged: Schema = {}
            for part in (*parts, rest):
                for key, value in part.items():
                    if key == "properties":
                        merged[key] = {**merged.get(key, {}), **value}
                    elif key == "required":
                        merged[key] = [*merged.get(key, ()), *value]
                    else:
                        merged[key] = value
            schema = merged
        raise LookupError("references in a circle")

    def target(self, reference: str) -> Schema:
        found: Any = self.root
        for part in reference.removeprefix("#").split("/")[1:]:
            found = found[part.replace("~1", "/").replace("~0", "~")]
        if not isinstance(found, dict):
            raise LookupError(reference)
        return found

    def first_of(self, schema: Schema, word: str, depth: int) -> Any:
        options = list(schema[word])
        rest = {key: value for key, value in schema.items() if key != word}
        nulls = [one for one in options if isinstance(one, dict) and one.get("type") == "null"]
        others = [one for one in options if one not in nulls]
        for option in [*others, *nulls] if self.full else [*nulls, *others]:
            if option is False:
                continue
            try:
                return self.make({"allOf": [option, rest]} if isinstance(option, dict) else rest, depth + 1)
            except LookupError:
                continue
        raise LookupError(word)

    def of_type(self, name: str, schema: Schema, depth: int) -> Any:
        if name == "null":
            return None
        if name == "boolean":
            return True
        if name in ("integer", "number"):
            return _number(schema, whole=name == "integer")
        if name == "string":
            return _text(schema)
        if name == "array":
            return self.array(schema, depth)
        return self.object(schema, depth)

    def array(self, schema: Schema, depth: int) -> list[Any]:
        made = [self.make(one, depth + 1) for one in schema.get("prefixItems", ())]
        items, least = schema.get("items", True), int(schema.get("minItems", 0))
        wanted = max(least, 1) if self.full and items is not False and schema.get("maxItems", 1) else least
        if wanted > _LENGTH_LIMIT:
            raise LookupError("too many items")
        while len(made) < wanted and items is not False:
            try:
                made.append(self.make(items, depth + 1))
            except LookupError:
                if len(made) >= least:
                    break
                raise
            if schema.get("uniqueItems") and made[-1] in made[:-1]:
                made[-1] = _another(made[-1], len(made))
        return made

    def object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties, required = schema.get("properties", {}), set(schema.get("required", ()))
        made: dict[str, Any] = {}
        for name, inner in properties.items():
            if name in required or self.full:
                try:
                    made[name] = self.make(inner, depth + 1)
                except LookupError:
                    if name in required:
                        raise
        extra = schema.get("additionalProperties", True)
        for name in sorted(required - made.keys()):
            made[name] = self.make(extra, depth + 1)
        least = max(int(schema.get("minProperties", 0)), 1 if self.full and not properties else 0)
        names = schema.get("propertyNames")
        for index in range(
            least - len(made) if isinstance(extra, dict) or schema.get("minProperties") else 0
        ):
            key = self.make(names, depth + 1) if isinstance(names, dict) else "key"
            made[str(key) if not index else f"{key}{index}"] = self.make(extra, depth + 1)
        return made


def _number(schema: Schema, *, whole: bool) -> int | float:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    step = schema.get("multipleOf")
    candidates: list[int | float] = [1, 0]
    for bound in (low, above, high, below):
        if bound is not None:
            near = int(bound)
            candidates += [near, near + 1, near - 1] if whole else [bound, near + 1, near - 1]
    if not whole and above is not None and below is not None:
        candidates.append((above + below) / 2)
    if step is not None:
        rounded = [step * round(one / step) for one in candidates]
        candidates = [*rounded, *(one + step for one in rounded), *(one - step for one in rounded)]
    for one in candidates:
        fits = (low is None or one >= low) and (high is None or one <= high)
        if fits and (above is None or one > above) and (below is None or one < below):
            return one
    raise LookupError("no number")


def _text(schema: Schema) -> str:
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
    if least > _LENGTH_LIMIT:
        raise LookupError("too long")
    for one in _texts(schema, least, most):
        if len(one) >= least and (most is None or len(one) <= most) and _matches(schema.get("pattern"), one):
            return one
    raise LookupError("no text")


def _texts(schema: Schema, least: int, most: int | None) -> Iterator[str]:
    if schema.get("format") in _FORMATS:
        yield _FORMATS[schema["format"]]
        return
    for guess in _GUESSES:
        yield guess
        yield guess[:most]
        yield guess + guess[-1] * (least - len(guess))
    yield ""


def _matches(pattern: str | None, text: str) -> bool:
    if pattern is None:
        return True
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def _another(value: Any, number: int) -> Any:
    """Some other value of the same kind, for lists whose items differ."""
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        raise LookupError("no second item")
    return f"{value}{number}" if isinstance(value, str) else value + number
