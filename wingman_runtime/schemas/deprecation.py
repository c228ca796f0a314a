"""Fields that are to go: ``Field(deprecated="until 2027-01-31: use total")`` on the event's model."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel

_UNTIL = re.compile(r"\s*until (\d{4}-\d{2}-\d{2})\b[:,;]?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Deprecation:
    """``until`` is the last day on which the field must be there; None: nobody said."""

    until: date | None
    text: str


def deprecated_fields(model: type[BaseModel]) -> dict[str, Deprecation]:
    """Deprecated fields by path (JSON Pointer, names as on the wire), those of models inside it too."""
    return dict(_walk(model, "", (model,)))


def _walk(
    model: type[BaseModel], path: str, within: tuple[type[BaseModel], ...]
) -> Iterator[tuple[str, Deprecation]]:
    for name, field in model.model_fields.items():
        wire = field.serialization_alias or field.alias or name
        here = f"{path}/{wire.replace('~', '~0').replace('/', '~1')}"
        if field.deprecated:
            yield here, _notice(field.deprecation_message or "")
        for inner, items in _models(field.annotation, ""):
            if inner not in within:
                yield from _walk(inner, here + items, (*within, inner))


def _notice(text: str) -> Deprecation:
    found = _UNTIL.match(text)
    try:
        until = date.fromisoformat(found[1]) if found else None
    except ValueError:  # the 31st of February
        until = None
    return Deprecation(until, text[found.end() :] if found and until else text)


def _models(annotation: Any, items: str) -> Iterator[tuple[type[BaseModel], str]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, items
        return
    origin = typing.get_origin(annotation)
    inside = isinstance(origin, type) and issubclass(origin, Iterable)
    for argument in typing.get_args(annotation):
        yield from _models(argument, f"{items}/*" if inside else items)
