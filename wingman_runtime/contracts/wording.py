"""What does not fit a model, in words for whoever wrote it: what is expected, what is there, an example.

A field's ``examples`` are what a reader is shown; a model whose files people write gives each field one.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Inside = tuple[int | str, ...]
KEY: Final = "[key]"
"""The last part of a path that means the key itself, not what stands under it."""

_LONGEST = 40  # letters of a value that are repeated in a message
_EXPECTED: Final = {
    one: words
    for words, kinds in {
        "text": ("string_type", "string_sub_type"),
        "a whole number": ("int_type", "int_parsing", "int_parsing_size", "int_from_float"),
        "a number": ("float_type", "float_parsing"),
        "a number that is not infinite": ("finite_number",),
        "true or false": ("bool_type", "bool_parsing"),
        "a list": ("tuple_type", "list_type", "set_type", "frozen_set_type"),
        "a mapping": ("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"),
        "a number of seconds": ("time_delta_type", "time_delta_parsing"),
        "a path": ("path_type",),
    }.items()
    for one in kinds
}
_WORDS: Final = {"missing": "is missing", "extra_forbidden": "is not known here"}
_BOUNDS: Final = {
    "greater_than_equal": ("ge", "must be at least {:g}"),
    "greater_than": ("gt", "must be more than {:g}"),
    "less_than_equal": ("le", "may be at most {:g}"),
    "less_than": ("lt", "must be less than {:g}"),
}
_LENGTHS: Final = {
    "string_too_short": ("min_length", "needs at least {} characters"),
    "string_too_long": ("max_length", "may have at most {} characters"),
    "too_short": ("min_length", "needs at least {} items"),
    "too_long": ("max_length", "may have at most {} items"),
}


def plain(item: Mapping[str, Any], *, name: Callable[[Any], str] | None = None) -> str:
    """One of pydantic's ``errors()`` as a phrase without its place.

    Args:
        item: with ``input``, or without where nothing of it may be told.
        name: how the value that is there is named, `value` or `kind`; None: not at all.
    """
    what, ctx, given = str(item["type"]), item.get("ctx", {}), item.get("input")
    told = name is not None and "input" in item
    named = name(given) if name is not None and told else ""
    if what in _BOUNDS:
        key, words = _BOUNDS[what]
        return words.format(ctx[key]) + (f", not {given}" if told and name is value else "")
    if what in _LENGTHS:
        key, words = _LENGTHS[what]
        return "may not be empty" if ctx[key] == 1 and "least" in words else words.format(ctx[key])
    if what == "string_pattern_mismatch":
        return f"{named} is not of the right form" if given else "may not be empty"
    if what in _WORDS:
        return _WORDS[what]
    expected = str(ctx["expected"]) if what in ("literal_error", "enum") else _EXPECTED.get(what)
    if expected is None:
        return str(item["msg"]).removeprefix("Value error, ")  # pydantic's prefix for a validator's own words
    if not told:
        return f"{expected} is expected"
    return f"{expected} is expected" + ("; nothing is there" if given is None else f", not {named}")


def kind(given: Any) -> str:
    """What sort of value it is, and nothing of what it holds."""
    if given is None:
        return "nothing"
    if isinstance(given, bool):
        return "a truth value"
    if isinstance(given, int | float):
        return "a number"
    if isinstance(given, str | bytes):
        return "text"
    if isinstance(given, Mapping):
        return "a mapping"
    return "a list" if isinstance(given, list | tuple | set | frozenset) else type(given).__name__


def value(given: Any) -> str:
    """The value as its file has it, if it is short; of a list or a mapping only that it is one."""
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, int | float):
        return f"the number {given}"
    if isinstance(given, str) and len(given) <= _LONGEST:
        return repr(given)
    return kind(given)


def example(model: type[BaseModel], inside: Inside) -> str:
    """How a right value looks in YAML, ``version: 1.0.0``; empty when its field gives no example.

    For an item of a list that has none of its own it is the list's.
    """
    shown = _field(model, inside)
    while (shown is None or not shown.examples) and isinstance(inside[-1], int):
        inside = inside[:-1]
        shown = _field(model, inside)
    if shown is None or not shown.examples:
        return ""
    text = yaml(shown.examples[0])
    last = inside[-1]
    return text if isinstance(last, int) or last == KEY else f"{last}: {text}"


def known_keys(model: type[BaseModel], inside: Inside) -> tuple[str, ...]:
    """The keys that may stand where the last part of ``inside`` stands."""
    owner: Any = model
    for part in inside[:-1]:
        owner = _under(owner, part)
    fields = found.model_fields if (found := _model(owner)) is not None else {}
    return tuple(field.alias or name for name, field in fields.items())


def yaml(data: Any) -> str:
    """Plain data in one line of YAML."""
    if isinstance(data, bool):
        return str(data).lower()
    if isinstance(data, list | tuple):
        return f"[{', '.join(map(yaml, data))}]"
    if isinstance(data, Mapping):
        return f"{{{', '.join(f'{key}: {yaml(item)}' for key, item in data.items())}}}"
    return str(data)


def _field(model: type[BaseModel], inside: Inside) -> FieldInfo | None:
    hint: Any = model
    # The path of a key's own error is the key and then `KEY`.
    for part in inside[:-2] if inside[-1:] == (KEY,) else inside:
        hint = _under(hint, part)
    if inside[-1:] == (KEY,):
        hint = (typing.get_args(_bare(hint)) or (None,))[0]
    return hint if isinstance(hint, FieldInfo) else _noted(hint)


def _under(hint: Any, part: int | str) -> Any:
    """What a type says of one of its parts: a FieldInfo, a type, or None."""
    owner = _model(hint)
    if owner is not None:
        fields = owner.model_fields
        return next((one for name, one in fields.items() if part in (one.alias, name)), None)
    bare = _bare(hint)
    arguments = typing.get_args(bare)
    if not arguments:
        return None
    is_mapping = isinstance(origin := typing.get_origin(bare), type) and issubclass(origin, Mapping)
    return arguments[1] if is_mapping else arguments[0]


def _model(hint: Any) -> type[BaseModel] | None:
    bare = _bare(hint)
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None


def _bare(hint: Any) -> Any:
    """A type without its notes, and without ``| None``."""
    if isinstance(hint, FieldInfo):
        return _bare(hint.annotation)
    if typing.get_origin(hint) is Annotated:
        return _bare(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _bare(next(one for one in typing.get_args(hint) if one is not type(None)))
    return hint


def _noted(hint: Any) -> FieldInfo | None:
    notes = typing.get_args(hint)[1:] if typing.get_origin(hint) is Annotated else ()
    return next((note for note in notes if isinstance(note, FieldInfo)), None)
