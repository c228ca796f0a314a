"""Reading the project's YAML: YAML 1.2, every value remembered with its line, every error with file:line.

YAML 1.2 means that ``no`` and ``on`` are text. Whatever a reader could misread is refused: a key written
twice, merge keys, tags, keys that are not text, more than one document.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLStreamError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from wingman_runtime.contracts.wording import KEY, example, known_keys, plain, value, yaml
from wingman_runtime.errors import ConfigError

ModelT = TypeVar("ModelT", bound=BaseModel)
PathInside: TypeAlias = tuple[str | int, ...]

SIZE_LIMIT = 4 * 1024 * 1024  # bytes of one file
_NODE_LIMIT = 100_000  # values of one file after aliases are expanded: a page of aliases can ask for billions
_DEPTH_LIMIT = 64
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Located:
    """Plain data (dict, list, str, int, float, bool, None) and the line each part of it stands on.

    ``lines`` maps a path such as ``("routes", "RequestValidated", 0)`` to a line counted from 1: the line of
    the key for a mapping, of the item for a list.
    """

    path: str
    data: Any
    lines: Mapping[PathInside, int]

    def line(self, *inside: str | int) -> int:
        """Line of the deepest part of ``inside`` that the file has; parts it lacks are passed over."""
        known: PathInside = ()
        for part in inside:
            if (*known, part) in self.lines:
                known = (*known, part)
        return self.lines.get(known, 1)

    def where(self, *inside: str | int) -> str:
        """``file:line`` of `line`, for the ``where`` of an error."""
        return f"{self.path}:{self.line(*inside)}"

    def at(self, *inside: str | int) -> Located:
        """The part under ``inside`` as a document of its own, in the same file.

        Raises:
            KeyError, IndexError: the file has no such part.
        """
        data = self.data
        for part in inside:
            data = data[part]
        cut = len(inside)
        lines = {known[cut:]: line for known, line in self.lines.items() if known[:cut] == inside}
        return Located(self.path, data, MappingProxyType(lines))


def shown(path: str | os.PathLike[str]) -> str:
    """The path as messages show it: relative to the working directory when it lies inside it."""
    given = Path(path)
    if given.is_absolute():
        try:
            return str(given.relative_to(Path.cwd()))
        except (ValueError, OSError):
            return str(given)
    return str(given)


def load_yaml(path: str | os.PathLike[str], *, error: type[ConfigError] = ConfigError) -> Located:
    """Read one YAML document.

    Args:
        error: the class to raise, so that a flow's file gives a FlowError, a manifest's a ManifestError.

    Raises:
        ConfigError: (or ``error``) missing or unreadable file, bytes that are not UTF-8, syntax, an empty
            document, a key written twice; ``where`` is file:line.
    """
    name = shown(path)
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError:
        raise error("no such file", where=name, hint="check the path") from None
    except OSError as problem:
        raise error(f"cannot be read: {problem.strerror}", where=name) from None
    return parse_yaml(raw, name, error=error)


def parse_yaml(raw: bytes, name: str, *, error: type[ConfigError] = ConfigError) -> Located:
    """`load_yaml` for bytes already at hand; ``name`` is what messages call the file."""
    if len(raw) > SIZE_LIMIT:
        raise error(f"{len(raw)} bytes are more than {SIZE_LIMIT}", where=f"{name}:1", hint="split the file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise error(
            f"byte 0x{raw[problem.start]:02x} is not UTF-8", where=f"{name}:{line}", hint="save it as UTF-8"
        ) from None
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as problem:
        raise _syntax(problem, text, name, error) from None
    except (YAMLError, YAMLStreamError) as problem:
        position = getattr(problem, "position", 0)
        raise error(
            f"not valid YAML: {getattr(problem, 'reason', problem)}",
            where=f"{name}:{text.count(chr(10), 0, position) + 1}",
            hint="remove the control character",
        ) from None
    except RecursionError:
        raise error("nested too deeply", where=f"{name}:1", hint="flatten it") from None
    if root is None:
        raise error("the file is empty", where=f"{name}:1", hint="write its content, or remove the file")
    builder = _Builder(name, error)
    lines: dict[PathInside, int] = {(): _line(root)}
    data = builder.build(root, (), lines)
    return Located(name, data, MappingProxyType(lines))


def validate(model: type[ModelT], located: Located, *, error: type[ConfigError] = ConfigError) -> ModelT:
    """The document as ``model``.

    Raises:
        ConfigError: (or ``error``) naming every problem, each with the line of its key; a missing key has the
            line of the mapping that lacks it. ``where`` is that of the first.
    """
    try:
        return model.model_validate(located.data)
    except ValidationError as problem:
        found = [
            (located.where(*item["loc"]), _named(item["loc"], plain(item, name=value)), item)
            for item in problem.errors(include_url=False)
        ]
    # In the order of the file: a reader mends it from the top.
    found.sort(key=lambda one: int(one[0].rpartition(":")[2]))
    where, message, first = found[0]
    if len(found) > 1:
        others = "".join(f"\n  also {at}: {text}" for at, text, _ in found[1:])
        message = f"{message} (1 of {len(found)} problems){others}"
    hint = _misspelt(first, [item for _, _, item in found]) or _hint(model, first)
    raise error(message, where=where, hint=hint)


def suggestion(name: str, known: Any) -> str:
    """A did-you-mean for a name nobody knows, or an empty text."""
    close = get_close_matches(name, [str(one) for one in known], n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


class _Builder:
    """Nodes to plain data. One instance per document: it counts what it has built."""

    def __init__(self, name: str, error: type[ConfigError]) -> None:
        self.name = name
        self.error = error
        self.built = 0
        self.scalars = YAML(typ="safe", pure=True).constructor

    def build(self, node: Node, inside: PathInside, lines: dict[PathInside, int]) -> Any:
        self.built += 1
        if self.built > _NODE_LIMIT or len(inside) > _DEPTH_LIMIT:
            raise self.refused(node, "too large or nested too deeply", "split the file; avoid aliases")
        if isinstance(node, MappingNode):
            self.plain(node, "map")
            return self.mapping(node, inside, lines)
        if isinstance(node, SequenceNode):
            self.plain(node, "seq")
            items = []
            for index, item in enumerate(node.value):
                lines[(*inside, index)] = _line(item)
                items.append(self.build(item, (*inside, index), lines))
            return items
        return self.scalar(node)

    def mapping(self, node: MappingNode, inside: PathInside, lines: dict[PathInside, int]) -> dict[str, Any]:
        built: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self.key(key_node)
            line = _line(key_node)
            if key in first:
                raise self.refused(
                    key_node,
                    f"the key {key!r} is written twice: {self.name}:{first[key]} and {self.name}:{line}",
                    "remove one of the two",
                )
            first[key] = line
            lines[(*inside, key)] = line
            built[key] = self.build(value_node, (*inside, key), lines)
        return built

    def key(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            raise self.refused(node, "a key must be text", "use a plain name as the key")
        if str(node.tag) == _TAG + "merge":
            raise self.refused(node, "merge keys (<<) are not YAML 1.2", "write the lines out")
        value = self.scalar(node)
        if not isinstance(value, str):
            raise self.refused(node, f"the key {node.value} is not text", f'quote it: "{node.value}"')
        return value

    def scalar(self, node: Node) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        if kind in {"str", "timestamp", "value"}:
            return str(node.value)  # the 1.2 core schema has no dates: one is kept as it was written
        if kind in {"int", "float", "bool", "null"}:
            try:
                return self.scalars.construct_object(node)
            except (ValueError, OverflowError, YAMLError):
                raise self.refused(node, f"{node.value!r} is no {kind}", "correct or quote it") from None
        raise self.refused(node, f"the tag {node.tag!s} is not allowed", "use plain values")

    def plain(self, node: Node, kind: str) -> None:
        if str(node.tag) != _TAG + kind:
            raise self.refused(node, f"the tag {node.tag!s} is not allowed", "use plain values")

    def refused(self, node: Node, message: str, hint: str) -> ConfigError:
        return self.error(message, where=f"{self.name}:{_line(node)}", hint=hint)


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _syntax(problem: MarkedYAMLError, text: str, name: str, error: type[ConfigError]) -> ConfigError:
    mark = problem.problem_mark or problem.context_mark
    number = mark.line + 1 if mark is not None else 1
    # The scanner may stop past the last line; a person looks at a line that exists.
    number = max(1, min(number, text.count("\n") + 1))
    parts = [str(part).strip() for part in (problem.context, problem.problem) if part]
    rows = text.splitlines()
    row = rows[number - 1] if number <= len(rows) else ""
    tabbed = "\t" in row[: len(row) - len(row.lstrip())]
    hint = "indent with spaces, not tabs" if tabbed else "correct the YAML on or just above this line"
    return error("not valid YAML: " + ", ".join(parts), where=f"{name}:{number}", hint=hint)


def _named(inside: tuple[int | str, ...], message: str) -> str:
    text = ""
    for part in inside if inside[-1:] != (KEY,) else inside[:-1]:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return f"{text}: {message}" if text else message


def _misspelt(first: Any, found: Sequence[Any]) -> str:
    """A missing key beside an unknown one that is nearly it: one mistake, not two."""
    if first["type"] not in ("missing", "extra_forbidden"):
        return ""
    kind = "extra_forbidden" if first["type"] == "missing" else "missing"
    place, name = first["loc"][:-1], str(first["loc"][-1])
    others = [str(item["loc"][-1]) for item in found if item["type"] == kind and item["loc"][:-1] == place]
    close = get_close_matches(name, others, n=1, cutoff=0.6)
    if not close:
        return ""
    wrong, right = (close[0], name) if kind == "extra_forbidden" else (name, close[0])
    return f"write {right!r} instead of {wrong!r}"


def _hint(model: type[BaseModel], item: Mapping[str, Any]) -> str | None:
    inside, given = item["loc"], item["input"]
    if not inside:
        return None
    name, shown_as = inside[-1], example(model, inside)
    if item["type"] == "missing":
        return f"add the key {name!r}" + (f", as in `{shown_as}`" if shown_as else "")
    if item["type"] == "extra_forbidden":
        known = known_keys(model, inside)
        return suggestion(str(name), known) or f"known keys: {', '.join(known)}"
    if item["type"] == "tuple_type" and isinstance(given, str) and given and isinstance(name, str):
        return f"write a list: `{name}: [{given}]`"
    if shown_as:
        return f"write it like `{shown_as}`"
    if item["type"] == "string_type" and isinstance(given, int | float):
        return f'put it in quotes: "{yaml(given)}"'
    return None
