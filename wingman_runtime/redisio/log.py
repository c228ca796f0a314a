"""The log stream as the recorder reads it. Implements `wingman_runtime.ledger.source.LogSource`."""

from __future__ import annotations

from typing import Any

from wingman_runtime.contracts.log import LogEntry
from wingman_runtime.redisio.faults import backend_errors
from wingman_runtime.redisio.inbox import stream_rows
from wingman_runtime.redisio.store import Store, mapped, text


class RedisLog:
    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def partitions(self) -> int:
        return self._store.partitions

    async def read(self, partition: int, after: str, count: int, block_ms: int) -> list[LogEntry]:
        command: list[Any] = ["XREAD", "COUNT", count]
        if block_ms > 0:
            command += ["BLOCK", block_ms]
        async with backend_errors():
            reply = await self._store.readers.execute_command(  # type: ignore[no-untyped-call]
                *command, "STREAMS", self._store.keys(partition).log, after
            )
        return [_log_entry(entry_id, fields) for entry_id, fields in stream_rows(reply)]

    async def trim(self, partition: int, through: str) -> None:
        # MINID keeps the id it names, so name the one after.
        milliseconds, _, sequence = through.partition("-")
        following = f"{milliseconds}-{int(sequence) + 1}"
        await self._store.call("XTRIM", self._store.keys(partition).log, "MINID", following)

    async def head(self, partition: int) -> int:
        return int(await self._store.call("GET", self._store.keys(partition).logseq) or 0)


def whole(body: bytes, event: bytes) -> bytes:
    """A record out of its two parts: all of it, or what comes before an event, and the event."""
    return body + event + b"}" if event else body


def _log_entry(entry_id: Any, fields: Any) -> LogEntry:
    fields = mapped(fields)
    try:
        return LogEntry(
            entry_id=text(entry_id),
            n=int(fields[b"n"]),
            at_ms=int(fields[b"at"]),
            kind=text(fields[b"k"]),
            request_id=text(fields[b"req"]),
            body=whole(fields[b"b"], fields.get(b"e", b"")),
        )
    except (KeyError, ValueError):
        # Put there from outside. The recorder tells such an entry by its number and puts it on the record.
        return LogEntry(text(entry_id), -1, 0, "?", "", repr(fields).encode())
