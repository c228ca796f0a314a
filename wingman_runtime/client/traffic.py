"""What passes through a project now: who sent what, who took it, how often; read-only, for a live picture.

1. Reads records of the trail: from the audit store where there is one on this machine, else from the log on
   the server, of which the recorder may take some away before they are seen.
2. Counts them over a sliding window; of what is older nothing is kept.
3. Beside them: the counts of the inboxes, what is held, and the versions that workers tell of.

An embedded server is never started for a look.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from wingman_runtime.client.client import Client
from wingman_runtime.client.status import Status
from wingman_runtime.errors import BackendUnreachableError, NotFoundError, WingmanError
from wingman_runtime.ledger.query import Filter, query
from wingman_runtime.ledger.record import body_data
from wingman_runtime.redisio.embedded import attach
from wingman_runtime.redisio.log import RedisLog
from wingman_runtime.redisio.store import Store
from wingman_runtime.redisio.workers import SeenSchema, schemas_of
from wingman_runtime.settings import Settings

WINDOW = 300.0
"""Seconds over which things are counted."""
_MOST = 100_000
"""Sightings kept at most; past that the window gets shorter."""
_BATCH = 5_000
_EVERY = 1.0
_AWAY = 2.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing that was done: ``kind`` is emits, consumes, forwards or calls, ``what`` an event or a tool.

    ``who`` is an agent, or ``client``, ``timer``, ``runtime``; ``flow`` and ``version`` may be empty.
    """

    who: str
    kind: str
    what: str
    flow: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Traffic:
    """A snapshot; ``error`` says why there is none, and then the rest is empty.

    ``counts`` are of the last ``window`` seconds, ``records`` the trail's records they are made of, and
    ``unseen`` those that were gone before they could be read.
    """

    error: str = ""
    window: float = WINDOW
    records: int = 0
    unseen: int = 0
    counts: dict[Sighting, int] = field(default_factory=dict)
    status: Status | None = None
    schemas: tuple[SeenSchema, ...] = ()


class _Entry(Protocol):
    """A record of the store, or of the log: both have these."""

    @property
    def n(self) -> int: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def body(self) -> bytes: ...


class Window:
    """Counts sightings over the last ``seconds``; times are the server's, in milliseconds."""

    def __init__(self, seconds: float = WINDOW) -> None:
        self.seconds = seconds
        self.counts: Counter[Sighting] = Counter()
        self.records = 0
        self._rows: deque[tuple[int, tuple[Sighting, ...]]] = deque()
        self._types: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def take(self, entry: _Entry) -> None:
        """Count what one record of the trail says was done."""
        found = tuple(self._said(entry.kind, body_data(entry.body)))
        if not found:
            return
        self.records += 1
        self.counts.update(found)
        self._rows.append((entry.at_ms, found))
        while len(self._rows) > _MOST:
            self._drop()

    def forget(self, now_ms: int) -> None:
        """Drop what is older than the window."""
        while self._rows and self._rows[0][0] < now_ms - self.seconds * 1000:
            self._drop()

    def _drop(self) -> None:
        _, found = self._rows.popleft()
        self.records -= 1
        self.counts.subtract(found)
        for one in found:
            if not self.counts[one]:
                del self.counts[one]

    def _said(self, kind: str, body: dict[str, Any]) -> Iterator[Sighting]:
        agent = str(body.get("agent") or "")
        event = body.get("event")
        if kind == "event" and isinstance(event, dict):
            name, flow = str(event.get("type", "")), str(event.get("flow", ""))
            version = str(event.get("dataschema", "")).rpartition(":")[2]
            cause = self._types.get(str(event.get("causationid", "")))
            self._remember(str(event.get("id", "")), name, flow)
            if event.get("source") == "/runtime":
                agent = "runtime"
            yield Sighting(agent, "emits", name, flow, version)
            if cause and agent not in {"client", "timer", "runtime"}:
                yield Sighting(agent, "consumes", cause[0], cause[1])
        elif kind == "routed":
            name = str(body.get("event_type", ""))
            flow = self._types.get(str(body.get("event_id", "")), ("", ""))[1]
            yield Sighting(agent, "forwards", name, flow)
            yield Sighting(agent, "consumes", name, flow)
        elif kind == "effect_intent" and isinstance(body.get("effect"), dict):
            yield Sighting(agent, "calls", str(body["effect"].get("tool", "")))

    def _remember(self, event_id: str, name: str, flow: str) -> None:
        self._types[event_id] = (name, flow)
        if len(self._types) > _MOST:
            self._types.popitem(last=False)


class Watch:
    """Keeps ``traffic`` up to date while `run` runs; may be read from any thread."""

    def __init__(self, settings: Settings, *, window: float = WINDOW) -> None:
        self._settings = settings
        self._seconds = window
        self.traffic = Traffic("the server has not been asked yet")

    async def run(self, stop: asyncio.Event) -> None:
        """Look about once a second until ``stop`` is set; a server that is away is asked again."""
        while not stop.is_set():
            pause = _AWAY
            try:
                await self._running()
                async with Client(self._settings) as client:
                    await self._look(client, stop)
            except WingmanError as error:
                self.traffic = Traffic(error.message.splitlines()[0])
            except OSError as error:
                self.traffic = Traffic(f"the server cannot be reached: {error.strerror or error}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def _running(self) -> None:
        folder = self._settings.data_dir
        if self._settings.redis.url is None:
            server, _ = await asyncio.to_thread(attach, folder) if folder.is_dir() else (None, False)
            if server is None:
                raise BackendUnreachableError(
                    "the project's server does not run; `wingman dev` or `wingman worker` starts it"
                )

    async def _look(self, client: Client, stop: asyncio.Event) -> None:
        window = Window(self._seconds)
        source = _Stored(self._settings, window) if self._settings.audit_store.is_file() else None
        following = None if source else _Followed(client.store, window)
        async with contextlib.AsyncExitStack() as stack:
            if following is not None:
                await stack.enter_async_context(following)
            while not stop.is_set():
                status = await client.status()
                if source is not None:
                    await asyncio.to_thread(source.read, status.now_ms)
                window.forget(status.now_ms)
                self.traffic = Traffic(
                    window=self._seconds,
                    records=window.records,
                    unseen=following.unseen if following else 0,
                    counts=dict(window.counts),
                    status=status,
                    schemas=tuple(schemas_of(status.workers)),
                )
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _EVERY)
                if following is not None:
                    following.check()


class _Stored:
    """Records out of the audit store, from the beginning of the window on."""

    def __init__(self, settings: Settings, window: Window) -> None:
        self._path = settings.audit_store
        self._window = window
        self._cursor: str | None = None

    def read(self, now_ms: int) -> None:
        """Everything new, up to a bound; the next look goes on from there."""
        with contextlib.suppress(NotFoundError):
            if self._cursor is None:
                since = Filter(since_ms=int(now_ms - self._window.seconds * 1000))
                self._take(query(self._path, since, newest=True, limit=_BATCH).records[::-1])
                self._cursor = self._cursor or "0"
                return
            deadline = time.monotonic() + _EVERY
            while time.monotonic() < deadline:
                page = query(self._path, newest=False, limit=_BATCH, cursor=self._cursor)
                self._take(page.records)
                if not page.next:
                    return

    def _take(self, records: Iterable[Any]) -> None:
        for record in records:
            self._window.take(record)
            self._cursor = str(record.seq)


class _Followed:
    """Records out of the log, as they come: for a machine that has no audit store."""

    def __init__(self, store: Store, window: Window) -> None:
        self._store = store
        self._window = window
        self._tasks: list[asyncio.Task[None]] = []
        self.unseen = 0

    async def __aenter__(self) -> _Followed:
        self._tasks = [
            asyncio.create_task(self._follow(number), name=f"log of partition {number}")
            for number in range(self._store.partitions)
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def check(self) -> None:
        """Raises what ended a reader."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def _follow(self, partition: int) -> None:
        log = RedisLog(self._store)
        after, last = "0-0", 0
        while True:
            for entry in await log.read(partition, after, _BATCH, 1000):
                after = entry.entry_id
                if entry.n > 0:
                    self.unseen += max(0, entry.n - last - 1) if last else 0
                    last = entry.n
                self._window.take(entry)
