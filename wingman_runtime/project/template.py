"""Placeholders of plan templates and scopes: ``{{ params.title }}`` looks a value up and can do nothing else.

A value that is one placeholder and nothing else keeps the type of what it stands for; inside other text a
placeholder takes text, numbers and booleans. What was filled in is never read for placeholders again, so a
request cannot smuggle one in.

``{{ response.id }}`` is for a tool to fill in once it has its answer (`http.call`). It stays as it is; a step
that has one takes no parameter with ``{{`` in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from wingman_runtime.contracts.work import WorkRequest
from wingman_runtime.errors import ConfigError, ContractError
from wingman_runtime.yamlfile import Located, PathInside

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_NAME = re.compile(r"^(?:intent|params(?:\.[A-Za-z0-9_-]+)+)$")
_LATER = re.compile(r"^response(?:\.[A-Za-z0-9_-]+)+$")
_HINT = "write {{ params.NAME }} or {{ intent }}; braces in pairs mean nothing else here"


@dataclass(frozen=True, slots=True)
class Placeholder:
    """``path`` is what it looks up: ``("params", "title")``."""

    path: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.path)


class Later(str):
    """A placeholder that stays: a tool fills it in."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Text:
    """Text with placeholders, split once when the file is loaded."""

    parts: tuple[str | Placeholder, ...]

    def fill(self, request: WorkRequest, *, refuse: str = "") -> Any:
        """The text with its placeholders filled in; a lone placeholder gives the value itself.

        Args:
            refuse: characters that a value filled into text may not hold.

        Raises:
            ContractError: the request has no such parameter, or its value cannot stand in text; ``where`` is
                the parameter.
        """
        if len(self.parts) == 1 and isinstance(self.parts[0], Placeholder) and not refuse:
            return _look_up(self.parts[0], request)
        return "".join(
            part if isinstance(part, str) else _as_text(part, _look_up(part, request), refuse)
            for part in self.parts
        )


def parse_text(text: str, *, later: bool = False) -> Text:
    """Split text at its placeholders. Raises ContractError for braces that are no placeholder.

    Args:
        later: leave placeholders of a response where they are.
    """
    parts: list[str | Placeholder] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        if later and _LATER.match(match.group(1)):
            parts.extend((text[end : match.start()], Later(match.group(0))))
            end = match.end()
            continue
        if not _NAME.match(match.group(1)):
            raise ContractError(f"{match.group(0)} names nothing a request has", hint=_HINT)
        parts.extend((text[end : match.start()], Placeholder(tuple(match.group(1).split(".")))))
        end = match.end()
    parts.append(text[end:])
    if any(type(part) is str and ("{{" in part or "}}" in part) for part in parts):
        raise ContractError(f"{text!r} has braces that are no placeholder", hint=_HINT)
    return Text(tuple(part for part in parts if part != "") or ("",))


def parse_value(located: Located, *inside: str | int) -> Any:
    """Plain data of a file with every text in it parsed; `fill` turns it back into plain data.

    Raises:
        ConfigError: a text has braces that are no placeholder; ``where`` is its line.
    """
    data = located.at(*inside).data
    return _parse(data, located, inside)


def fill(value: Any, request: WorkRequest, path: str = "") -> Any:
    """A parsed value with its placeholders filled in. Raises ContractError; ``where`` names the parameter."""
    if isinstance(value, Text):
        try:
            return value.fill(request)
        except ContractError as error:
            at = f"{error.where} (for {path})" if path else error.where
            raise ContractError(error.message, where=at, hint=error.hint) from None
    if isinstance(value, Mapping):
        return {key: fill(item, request, f"{path}.{key}" if path else key) for key, item in value.items()}
    if isinstance(value, tuple):
        return [fill(item, request, f"{path}[{index}]") for index, item in enumerate(value)]
    return value


def fills_later(value: Any) -> bool:
    """Does a parsed value hold placeholders of a response?"""
    if isinstance(value, Text):
        return any(isinstance(part, Later) for part in value.parts)
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else ()
    return any(map(fills_later, inner))


def placeholders(value: Any) -> Iterator[tuple[str, ...]]:
    """What a parsed value looks up, in order: ``("params", "title")``."""
    if isinstance(value, Text):
        yield from (part.path for part in value.parts if isinstance(part, Placeholder))
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else ()
    for item in inner:
        yield from placeholders(item)


def refuse_braces(value: Any, path: str) -> None:
    """Refuse text that a tool could take for a placeholder. Raises ContractError at its path."""
    if isinstance(value, str) and "{{" in value:
        raise ContractError("may hold no {{ in this plan", where=path)
    if isinstance(value, Mapping):
        for key, item in value.items():
            refuse_braces(item, f"{path}.{key}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            refuse_braces(item, f"{path}[{index}]")


def _parse(data: Any, located: Located, inside: PathInside) -> Any:
    if isinstance(data, str):
        try:
            return parse_text(data, later=True)
        except ContractError as error:
            raise ConfigError(error.message, where=located.where(*inside), hint=error.hint) from None
    if isinstance(data, dict):
        return {key: _parse(item, located, (*inside, key)) for key, item in data.items()}
    if isinstance(data, list):
        return tuple(_parse(item, located, (*inside, index)) for index, item in enumerate(data))
    return data


def _look_up(placeholder: Placeholder, request: WorkRequest) -> Any:
    if placeholder.path == ("intent",):
        return request.intent
    value: Any = request.params
    for depth, part in enumerate(placeholder.path[1:], start=2):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            missing = ".".join(placeholder.path[:depth])
            raise ContractError("the request lacks this parameter", where=missing, hint=f"send {missing}")
    return value


def _as_text(placeholder: Placeholder, value: Any, refuse: str) -> str:
    if isinstance(value, bool | int | float):
        return orjson.dumps(value).decode()
    if not isinstance(value, str):
        raise ContractError(f"{type(value).__name__} cannot stand inside text", where=str(placeholder))
    held = sorted(set(refuse) & set(value))
    if held:
        raise ContractError(f"may not hold {' '.join(held)}", where=str(placeholder))
    return value
