"""Governed schemas: canonical forms, what is compatible with what, versions, and the registry of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wingman_runtime.schemas.inclusion.check import accepts as accepts

_HOMES = {"accepts": "wingman_runtime.schemas.inclusion.check"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
