"""Where the recorder reads from: the log stream of each partition, behind a protocol.

`wingman_runtime.redisio.log` implements it; tests use an in-memory one.
"""

from __future__ import annotations

from typing import Protocol

from wingman_runtime.contracts.log import LogEntry

__all__ = ["LogEntry", "LogSource"]


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
