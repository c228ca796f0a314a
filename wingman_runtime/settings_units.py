"""What settings are made of: durations and sizes with their units, and a group that refuses unknown names."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "kb": 10**3, "mb": 10**6, "gb": 10**9}


def _seconds(value: Any) -> Any:
    match = (
        re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)\s*", value) if isinstance(value, str) else None
    )
    return float(match[1]) * _UNITS[match[2]] if match else value


def _bytes(value: Any) -> Any:
    match = (
        re.fullmatch(r"\s*(\d+)\s*([KMG]i?B|B)\s*", value, re.IGNORECASE) if isinstance(value, str) else None
    )
    return int(match[1]) * _SIZES[match[2].lower()] if match else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, allow_inf_nan=False)]
"""Seconds; text may carry a unit: ``200ms``, ``30s``, ``5m``, ``24h``, ``7d``."""
Bytes = Annotated[int, BeforeValidator(_bytes), Field(ge=0)]
"""Bytes; text may carry a unit: ``256KiB``, ``4MiB``."""


class Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)
