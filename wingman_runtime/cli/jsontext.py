"""JSON that a person typed or keeps in a file: read strictly, every refusal with its place.

Strict means RFC 8259 and no more: no NaN or Infinity, no number a double cannot hold, no key twice. Python's
reader lets these pass, and they would come out elsewhere as something nobody wrote.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from wingman_runtime.errors import UsageError

FILE_LIMIT = 16 * 1024 * 1024
"""Bytes of a file: far past any payload limit, and far short of what would fill the memory."""
_DIGITS = 4000  # of one number: Python reads no more than 4,300
_QUOTE = "quote it for the shell, or put it into a file and give @FILE"
_KINDS: dict[type, str] = {dict: "a JSON object", list: "a JSON list"}
_LIKE: dict[type, str] = {dict: '{"title": "hello"}', list: '[{"tool": "note.write", "args": {}}]'}


def read_json(text: str, option: str, kind: type | None = None, *, hint: str = _QUOTE) -> Any:
    """The value of ``text``, or of the file it names with ``@``.

    Args:
        option: whose value it is, for the error.
        kind: dict or list, when nothing else will do.
        hint: what to do about text that is no JSON.

    Raises:
        UsageError: no such file, not UTF-8, no JSON, another kind; ``where`` is the option, or file:line.
    """
    place = option
    if text.startswith("@"):
        place, hint = text[1:], "correct the file"
        text = _file(Path(place), option)
    try:
        value = json.loads(text, parse_constant=_no_number, parse_int=_whole, parse_float=_finite,
                           object_pairs_hook=_once)  # fmt: skip
    except json.JSONDecodeError as problem:
        at = f"{place}:{problem.lineno}" if place != option else place
        column = f" (line {problem.lineno}, column {problem.colno})"
        raise UsageError(f"not valid JSON: {problem.msg}{column}", where=at, hint=hint) from None
    except RecursionError:
        raise UsageError("nested too deeply", where=place, hint="flatten it") from None
    except _RefusedError as problem:
        raise UsageError(str(problem), where=place, hint=problem.hint) from None
    if kind is not None and not isinstance(value, kind):
        message = f"{_name_of(value)} stands where {_KINDS[kind]} is expected"
        raise UsageError(message, where=place, hint=f"write it like {_LIKE[kind]}")
    return value


class _RefusedError(ValueError):
    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def _file(path: Path, option: str) -> str:
    hint = f"{option} @FILE takes a JSON file of at most {FILE_LIMIT // 2**20} MiB"
    try:
        with path.open("rb") as file:
            data = file.read(FILE_LIMIT + 1)
    except OSError as problem:
        raise UsageError(
            f"{option} cannot read the file: {problem.strerror or problem}", where=str(path), hint=hint
        ) from None
    if len(data) > FILE_LIMIT:
        raise UsageError(f"{option}: the file is too large", where=str(path), hint=hint)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise UsageError(
            f"byte 0x{data[problem.start]:02x} is not UTF-8", where=f"{path}:{line}", hint="save it as UTF-8"
        ) from None


def _no_number(word: str) -> NoReturn:
    raise _RefusedError(f"{word} is not JSON", "send null, or a finite number")


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise _RefusedError(f"a number of {len(digits)} digits", "send it as text, in quotes")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise _RefusedError(f"the number {digits[:40]} is out of range", "send it as text, in quotes")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _RefusedError(f"the key {key!r} is written twice", "remove one of the two")
        found[key] = value
    return found


def _name_of(value: Any) -> str:
    names: dict[type, str] = {dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    return "null" if value is None else names.get(type(value), "a number")
