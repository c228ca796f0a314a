"""Where the recorder reads from: the log stream of each partition, behind a protocol.

`wingman_runtime.redisio.log` implements it; tests use an in-memory one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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


class LogSource(Protocol):
    """The log of every partition.

    Raises:
        BackendUnreachableError: from any method; the recorder waits and tries again.
    """

    @property
    def partitions(self) -> int: ...

    async def read(self, partition: int, after: str, count: int, block_ms: int) -> list[LogEntry]:
        """Entries after the id ``after`` ("0-0": from the start), oldest first, at most ``count``.

        Waits up to ``block_ms`` milliseconds for the first one; 0 does not wait.
        """
        ...

    async def trim(self, partition: int, through: str) -> None:
        """Remove every entry up to and including the id ``through``."""
        ...

    async def head(self, partition: int) -> int:
        """The last number given out; 0 when there is none."""
        ...
