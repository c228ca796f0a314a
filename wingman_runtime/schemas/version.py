"""Versions, as the rooms that read and write records import them; they belong to the contracts."""

from __future__ import annotations

from wingman_runtime.contracts.version import Bump, Version

__all__ = ["Bump", "Version"]
