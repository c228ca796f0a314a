"""One record of the log, as it travels from the server to the audit store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of a partition's log stream.

    ``n`` is the number the commit script gave out: gapless per partition, from 1. ``at_ms`` is the server's
    clock in milliseconds. ``body`` is JSON, kept byte for byte.
    """

    entry_id: str
    n: int
    at_ms: int
    kind: str
    request_id: str
    body: bytes
