"""What an author says of a schema beside its type: `WithJsonSchema`, ``json_schema_extra``, a method.

Nothing holds such a claim against what is really written and read, so the type counts. Words (examples,
titles) stay; what a function claims stays where it adds to the type, or where nothing else can say it; the
rest goes.

Source: pydantic 2.14, ``pydantic._internal._core_metadata.CoreMetadata``, whose keys these are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import SkipJsonSchema, WithJsonSchema

from wingman_runtime.schemas.fingerprint import shipped
from wingman_runtime.schemas.forms import KEYWORDS

_FUNCTIONS = ("pydantic_js_functions", "pydantic_js_annotation_functions")


def words(extra: Any) -> dict[str, Any]:
    """What of ``json_schema_extra`` is only for people; of a function, what it puts into an empty schema."""
    if callable(extra):
        told: dict[str, Any] = {}
        try:
            extra(told)
        except Exception:  # it wants to change what it does not find
            return {}
        extra = told
    return (
        {key: value for key, value in extra.items() if key not in KEYWORDS} if isinstance(extra, dict) else {}
    )


def without_claims(metadata: Mapping[str, Any], *, functions: bool) -> dict[str, Any]:
    """The metadata of a core schema with words only; with the author's functions where ``functions``."""
    kept = dict(metadata)
    for key in ("pydantic_js_updates", "pydantic_js_extra"):
        if kept.get(key):
            kept[key] = words(kept[key])
    if not functions:
        for key in _FUNCTIONS:
            if key in kept:
                kept[key] = [one for one in kept[key] if not _claim(one)]
    return kept


def claimed(metadata: Mapping[str, Any]) -> bool:
    """Whether a function of the author's says what the schema is."""
    return any(_claim(one) for key in _FUNCTIONS for one in metadata.get(key, ()))


def adds(claim: Mapping[str, Any], truth: Mapping[str, Any]) -> bool:
    """Whether the claim takes nothing back of what the type says."""
    return all(claim.get(key) == value for key, value in truth.items() if key in KEYWORDS)


def _claim(function: Any) -> bool:
    by = getattr(function, "__self__", None)
    return isinstance(by, WithJsonSchema | SkipJsonSchema) or not shipped(function)
