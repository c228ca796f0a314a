"""Canonical JSON and digests: sorted keys, UTF-8, no NaN; the bytes every digest and signature is over."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import orjson

from wingman_runtime.errors import ContractError

_INT64 = 2**63


def refuse_unrepresentable(value: Any, path: str = "$") -> None:
    """Refuse what JSON cannot carry faithfully (NaN, infinity, integers past 64 bits, non-text keys).

    Both JSON encoders write NaN as ``null`` without a word; a governed payload must not change in transit.

    Raises:
        ContractError: with the path of the first offending value in ``where``.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ContractError(
                f"{value!r} has no JSON form", where=path, hint="send null or a finite number"
            )
    elif isinstance(value, int) and not isinstance(value, bool):
        if not -_INT64 <= value < _INT64:
            raise ContractError("integer past 64 bits", where=path, hint="send it as a string of digits")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ContractError(f"key {key!r} is not text", where=path, hint="use text keys")
            refuse_unrepresentable(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            refuse_unrepresentable(item, f"{path}[{index}]")


def canonical(value: Any) -> bytes:
    """Canonical JSON bytes of plain data (dict, list, str, int, float, bool, None)."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(value: Any) -> str:
    """``sha256:`` and 64 hex digits over the canonical bytes."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()
