"""One document of a schema, always the same one: what upcasters and readers are tested on from the first day.

A sample is made from the schema alone, fuller first (every field, one item in each list), then leaner (empty
lists, null where it may be), then with other dates. The work is bounded, whatever the schema asks for.
Whoever has real documents stores these with `wingman schema release --sample`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wingman_runtime.schemas.inclusion.language import Wanted, texts
from wingman_runtime.schemas.inclusion.matcher import Matcher
from wingman_runtime.schemas.record import Schema

_DEPTH_LIMIT = 24
_LENGTH_LIMIT = 10_000
_WORK_LIMIT = 20_000
"""Parts of the schema looked at for one document, retries included."""
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
    "uuid4": "00000000-0000-4000-8000-000000000001",
    "ipvanyaddress": "192.0.2.1",
    "ipv4network": "192.0.2.0/24",
    "ipv6network": "2001:db8::/32",
    "ipv4interface": "192.0.2.1/24",
    "ipv6interface": "2001:db8::1/32",
    "json-string": "{}",
}
_OTHERWISE: tuple[Mapping[str, str], ...] = (
    {"date-time": "2026-01-31T12:00:00", "time": "12:00:00"},  # for those that take no time zone
    {"date": "2199-01-31", "date-time": "2199-01-31T12:00:00Z"},  # for those that lie in the future
)
_GUESSES = (
    "text", "a", "A", "1", "0", "a1", "A1", "a-1", "ab", "abc", "ABC", "A-1", "AB-1", "1.0", "1.0.0", "EUR",
    "DE", "en", "2026-01-31", "+491234567", "ada@example.org", "https://example.org/", "sha256:" + "0" * 64,
    "0" * 64, "order-1", "ORD-0001", "key:value", "a.b", "a/b", "#000000", "true", "_",
)  # fmt: skip


def sample_of(schema: Schema, reads: Callable[[Any], bool] | None = None) -> tuple[Any, ...]:
    """A document that ``schema`` admits.

    Args:
        reads: what else it must pass; the class has rules that no schema shows.

    Returns:
        The document in a tuple of one, or an empty tuple when none was found: what a validator of the class
        asks for, a schema that admits nothing.
    """
    admits = admitted_by(schema)
    for formats in (_FORMATS, *({**_FORMATS, **other} for other in _OTHERWISE)):
        for full in (True, False):
            try:
                made = _Maker(schema, full=full, formats=formats).make(schema, 0)
            except (LookupError, RecursionError, _SpentError):
                continue
            if admits(made) and (reads is None or reads(made)):
                return (made,)
    return ()


def admitted_by(schema: Schema) -> Callable[[Any], bool]:
    """Whether a document is one of the schema's; of a schema the validator cannot take, every one is.

    Formats are the class's affair: it takes times without a zone, which RFC 3339 does not.
    """
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(schema).is_valid
    except (jsonschema_rs.ValidationError, ValueError):
        return lambda _: True


class _SpentError(Exception):
    """The schema asks for more work than a sample is worth."""


class _Maker:
    """Makes one document; raises LookupError where it cannot.

    Args:
        full: take the first alternative that is not null, and an item for each list.
        formats: a text for each format.
    """

    def __init__(self, root: Schema, *, full: bool, formats: Mapping[str, str]) -> None:
        self.root = root
        self.full = full
        self.formats = formats
        self.matcher = Matcher()
        self.within: list[str] = []
        self.left = _WORK_LIMIT

    def spend(self, work: int) -> None:
        self.left -= work
        if self.left < 0:
            raise _SpentError

    def make(self, schema: Schema | bool, depth: int) -> Any:
        self.spend(1)
        if schema is True:
            return "text" if self.full else None
        if schema is False or depth > _DEPTH_LIMIT:
            raise LookupError("nothing is admitted")
        before = len(self.within)
        try:
            return self.made(self.resolved(schema), depth)
        finally:
            del self.within[before:]

    def made(self, schema: Schema, depth: int) -> Any:
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
        if reference in self.within:  # not again inside itself: whoever can do without does
            raise LookupError(reference)
        self.within.append(reference)
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
            return self.text(schema)
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

    def text(self, schema: Schema) -> str:
        least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
        if least > _LENGTH_LIMIT:
            raise LookupError("too long")
        pattern = schema.get("pattern")
        for one in self.texts(schema, least, most):
            self.spend(1)
            fits = len(one) >= least and (most is None or len(one) <= most)
            if fits and (pattern is None or self.matcher.matches(pattern, one) is not False):
                return one
        raise LookupError("no text")

    def texts(self, schema: Schema, least: int, most: int | None) -> Iterator[str]:
        if schema.get("format") in self.formats:
            yield self.formats[schema["format"]]
            return
        if "pattern" in schema:
            yield from texts([Wanted(schema["pattern"], True)], [], least, most, self.spend)[0]
        for guess in _GUESSES:
            yield guess
            yield guess[:most]
            yield guess + guess[-1] * (least - len(guess))
        yield ""


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


def _another(value: Any, number: int) -> Any:
    """Some other value of the same kind, for lists whose items differ."""
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        raise LookupError("no second item")
    return f"{value}{number}" if isinstance(value, str) else value + number
