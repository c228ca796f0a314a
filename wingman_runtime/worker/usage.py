"""What one agent of one worker reads and writes, by version: told with the heartbeat, kept by nobody else.

Counts begin with the worker. What was tried again is counted again: they tell which versions are about, not
how many requests there were.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 32
"""Versions of one event that are told apart; what comes beyond them is counted together, as ``more``."""


class SchemaUsage:
    """Counters of one agent.

    Args:
        reads: event -> version of the model the worker has for it.
    """

    def __init__(self, reads: Mapping[str, str]) -> None:
        self._reads = dict(reads)
        self._seen: dict[str, int] = {}
        self._written: dict[str, int] = {}

    def saw(self, dataschema: str) -> None:
        """An event came in."""
        self._seen[dataschema] = self._seen.get(dataschema, 0) + 1

    def wrote(self, dataschema: str) -> None:
        """An event went out."""
        self._written[dataschema] = self._written.get(dataschema, 0) + 1

    def told(self) -> dict[str, Any]:
        """``{reads: {event: version}, seen: {event: {version: count}}, written: the same}``."""
        return {"reads": self._reads, "seen": _by_event(self._seen), "written": _by_event(self._written)}


def _by_event(counts: Mapping[str, int]) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = {}
    for dataschema, count in counts.items():
        event, _, version = dataschema.removeprefix("urn:wingman:event:").rpartition(":")
        versions = out.setdefault(event, {})
        name = version if version in versions or len(versions) < MOST else "more"
        versions[name] = versions.get(name, 0) + count
    return out
