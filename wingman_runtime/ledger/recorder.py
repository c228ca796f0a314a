"""The recorder: drains the log into the store. Duties, in order:

1. after a start or a failure, begin at the start of the log, so that a restored or emptied server shows;
2. read the next entries of each partition, and let more gather when few have come;
3. sort them out: in sequence, a gap, a number seen before, a new incarnation (`sequence`);
4. append them; only what is on disk counts;
5. trim the log through what is stored, never further;
6. when the store or the server fails: say so, wait, try again; nothing is trimmed and nothing is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field

import structlog

from wingman_runtime.errors import BackendRefusedError, IntegrityError, WingmanError
from wingman_runtime.ledger.record import ANOMALY, GAP, NEW_INCARNATION, Draft, body_data
from wingman_runtime.ledger.sequence import Position, new_incarnation, same, sort_out
from wingman_runtime.ledger.source import LogEntry, LogSource
from wingman_runtime.ledger.store import AuditStore

START = "0-0"
_HEAD_EVERY = 1.0  # seconds between looks at the head of a quiet or busy partition
_BACKOFF_BASE = 0.1

log = structlog.get_logger("wingman.ledger")


@dataclass(slots=True)
class PartitionHealth:
    """What is known of one partition. ``lag`` is in entries, as of the last look at the log's head."""

    stored_n: int = 0
    head: int = 0
    incarnation: int = 1
    last_error: str = ""
    progress_at: float = 0.0  # monotonic seconds of the last round that came through

    @property
    def lag(self) -> int:
        return max(0, self.head - self.stored_n)


@dataclass(frozen=True, slots=True)
class RecorderHealth:
    """Healthy means: every partition's last round came through. ``idle`` is seconds since the slowest did."""

    ok: bool
    lag: int
    idle: float
    last_error: str
    partitions: dict[int, PartitionHealth] = field(default_factory=dict)


class Recorder:
    """One recorder for all partitions of one log.

    What comes to a quiet log is stored at once. What follows is let gather for ``linger_ms``, unless there is
    a whole read of it: a hundred rows cost little more to store than one, and the server is asked less often.

    Args:
        source: the log.
        store: where to; the recorder does not close it.
        batch: entries a read.
        block_ms: how long a read waits for the first entry; also how long `run` may take to notice ``stop``.
        linger_ms: how long entries may gather after some were stored; ``stop`` ends the wait.
        backoff: the longest wait in seconds between tries while something fails.
    """

    def __init__(
        self,
        source: LogSource,
        store: AuditStore,
        *,
        batch: int = 500,
        block_ms: int = 1000,
        linger_ms: int = 50,
        backoff: float = 2.0,
    ) -> None:
        self._source = source
        self._store = store
        self._batch = batch
        self._block_ms = block_ms
        self._linger = linger_ms / 1000
        self._backoff = backoff
        self._health = {p: PartitionHealth() for p in range(source.partitions)}
        self._positions: dict[int, Position] = {}
        self._looked_at: dict[int, float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Record until ``stop`` is set, then store what the log held at that moment, and return."""
        async with asyncio.TaskGroup() as group:
            for partition in range(self._source.partitions):
                group.create_task(self._follow(partition, stop), name=f"recorder-p{partition}")

    def health(self) -> RecorderHealth:
        """How recording goes; never waits."""
        parts = self._health
        now = time.monotonic()
        errors = [f"p{p}: {part.last_error}" for p, part in parts.items() if part.last_error]
        return RecorderHealth(
            ok=not errors and all(part.progress_at for part in parts.values()),
            lag=sum(part.lag for part in parts.values()),
            idle=max((now - part.progress_at for part in parts.values() if part.progress_at), default=0.0),
            last_error="; ".join(errors),
            partitions=dict(parts),
        )

    async def _follow(self, partition: int, stop: asyncio.Event) -> None:
        state = self._health[partition]
        after, failures = START, 0
        target: int | None = None  # the head when `stop` came: drained up to here, then done
        while True:
            try:
                if stop.is_set() and target is None:
                    target = await self._source.head(partition)
                block = 0 if stop.is_set() else self._block_ms
                entries = await self._source.read(partition, after, self._batch, block)
                after = await self._round(partition, after, entries)
                if state.last_error:
                    log.info("recording_again", partition=partition, stored_n=state.stored_n)
                state.last_error, failures = "", 0
                state.progress_at = time.monotonic()
                if target is not None and (not entries or state.stored_n >= target):
                    return
                if 0 < len(entries) < self._batch:
                    await _unless(stop, self._linger)
            except Exception as error:
                # Whatever it is, a recorder that ends is worse than one that says it fails and tries again.
                if not isinstance(error, WingmanError | OSError):
                    log.exception("recording_failed_unexpectedly", partition=partition)
                failures += 1
                after = START
                self._failed(partition, error, failures)
                if stop.is_set():
                    return
                await self._pause(stop, failures)

    async def _round(self, partition: int, after: str, entries: list[LogEntry]) -> str:
        """Store and trim one read; returns the id to read after."""
        state = self._health[partition]
        if after == START:
            stored = self._store.head(partition)
            self._positions[partition] = Position(partition, stored.incarnation, stored.next_n)
        position = self._positions[partition]
        now = time.monotonic()
        # Any surprise among the numbers is judged by a head asked for after the read, never by an older one.
        expected = all(entry.n == n for n, entry in enumerate(entries, position.next_n))
        if (
            after == START
            or not expected
            or not entries
            or now - self._looked_at.get(partition, 0.0) >= _HEAD_EVERY
        ):
            state.head = await self._source.head(partition)
            self._looked_at[partition] = now
            if state.head < position.next_n - 1:
                await self._begin_anew(position, state.head)
                return START
        if entries:
            state.head = max(state.head, entries[-1].n) if expected else state.head
            position, drafts = sort_out(position, entries, find=self._store.find, head=state.head)
            after = entries[-1].entry_id
            await self._append(drafts, (partition, after))
            self._positions[partition] = position
            await self._source.trim(partition, after)
        state.stored_n, state.incarnation = position.next_n - 1, position.incarnation
        return after

    async def _begin_anew(self, position: Position, head: int) -> None:
        """The server is behind the store. What it still holds of the common past is not stored again."""
        starts_at, at_ms = head + 1, int(time.time() * 1000)
        after, found = START, False
        while not found:
            entries = await self._source.read(position.partition, after, self._batch, 0)
            if not entries:
                break
            after = entries[-1].entry_id
            for entry in entries:
                if not same(self._store.find(position.partition, entry.n), entry):
                    starts_at, at_ms, found = entry.n, entry.at_ms, True
                    break
        _, draft = new_incarnation(
            position,
            at_ms=at_ms,
            starts_at=starts_at,
            reason="the server's last number is behind the store: it was restored or emptied",
        )
        await self._append([draft])

    async def _append(self, drafts: list[Draft], cursor: tuple[int, str] | None = None) -> None:
        await self._store.append(drafts, cursor=cursor)
        for draft in drafts:
            if draft.kind in (GAP, NEW_INCARNATION, ANOMALY):
                said = body_data(draft.body)
                said.pop("found", None)
                log.error("audit_" + draft.kind, **{f"log_{key}": value for key, value in said.items()})

    def _failed(self, partition: int, error: Exception, failures: int) -> None:
        state = self._health[partition]
        state.last_error = str(error) or type(error).__name__
        # Said at once, then ever more rarely: at the 1st, 2nd, 4th, 8th … failure in a row.
        if failures & (failures - 1) == 0:
            lasting = isinstance(error, (BackendRefusedError, IntegrityError))
            log.error(
                "recording_failed", partition=partition, error=str(error), tries=failures, lasting=lasting
            )

    async def _pause(self, stop: asyncio.Event, failures: int) -> None:
        ceiling = min(self._backoff, _BACKOFF_BASE * 2 ** min(failures, 16))
        await _unless(stop, ceiling * (0.5 + random.random() / 2))  # noqa: S311 - jitter


async def _unless(stop: asyncio.Event, seconds: float) -> None:
    """Wait, unless ``stop`` is set or comes meanwhile."""
    if seconds > 0 and not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
