"""A lane: one agent's inbox of one partition, in one worker.

1. Fetch at most what there are free slots for; never fetch what a rule would only park.
2. Work on each entry in a task of its own, so a slow one holds up nobody.
3. File what has *finished*, whatever was fetched with it, in one commit per batch.
4. Keep hold of long work (renew), take over what others left (reclaim), find what a lost reply hid (mine).
   What was in hand at the end of worker after worker is taken over alone, for it may be what ended them.
5. On the way out: finish within the grace, then give the rest back uncounted.

The server being away is nothing an entry should suffer for: the lane waits, asks again, and keeps its claims.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from wingman_runtime.contracts.control import ControlMode, ControlRecord
from wingman_runtime.errors import (
    AdmissionClosedError,
    BackendError,
    BackendRefusedError,
    BackendUnreachableError,
)
from wingman_runtime.redisio import inbox
from wingman_runtime.redisio.commit import StepResult, Verdict, commit
from wingman_runtime.redisio.ending import cancelled
from wingman_runtime.redisio.inbox import Entry
from wingman_runtime.redisio.store import Store
from wingman_runtime.worker.desk import Desk, Finished
from wingman_runtime.worker.eager import Eager
from wingman_runtime.worker.lawbook import Lawbook

_LOG = structlog.get_logger(__name__)
_TRIES = 8
_LATER = (BackendUnreachableError, BackendRefusedError, AdmissionClosedError)
_NAP, _LONGEST_NAP, _HUNG = 0.1, 2.0, 2.0


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """Sizes and times; seconds unless said otherwise."""

    slots: int = 64
    batch: int = 100
    batch_bytes: int = 4 * 2**20
    block_ms: int = 1000
    claim_idle: float = 60.0


@dataclass(slots=True)
class InHand:
    """An entry this lane has claimed, from fetch to verdict."""

    entry: Entry
    since: float
    renewed: float
    task: asyncio.Task[None] | None = None
    tries: int = 0


@dataclass(slots=True)
class Progress:
    """What liveness is judged by: that work in hand comes to an end, not that a socket is open."""

    committed: int = 0
    last_commit: float = 0.0
    deaf_since: float = 0.0  # when a read of the inbox failed and none has come through since; 0: none
    verdicts: dict[str, int] = field(default_factory=dict)


class Lane:
    """See the module.

    Args:
        seen_epoch: told the control epoch that each commit answers, so that a change is noticed at once.
        eager: answers what follows from an answer at once.
        alone: of the worker: whoever holds it has the one suspect.
    """

    def __init__(
        self,
        store: Store,
        partition: int,
        agent: str,
        worker: str,
        desk: Desk,
        *,
        limits: LaneLimits,
        lawbook: Lawbook,
        control: Callable[[], ControlRecord],
        seen_epoch: Callable[[int], None],
        eager: Eager,
        alone: asyncio.Lock,
    ) -> None:
        self.agent = agent
        self.partition = partition
        self.progress = Progress()
        self.abandoned = False
        self._store = store
        self._worker = worker
        self._desk = desk
        self._limits = limits
        self._lawbook = lawbook
        self._control = control
        self._seen_epoch = seen_epoch
        self._eager = eager
        self._alone = alone
        self._in_hand: dict[str, InHand] = {}
        self._finished: deque[Finished] = deque()
        self._ready = asyncio.Event()
        self._freed = asyncio.Event()
        self._stopping = False

    @property
    def in_hand(self) -> int:
        return len(self._in_hand)

    def oldest(self) -> float:
        """Seconds the oldest entry has been in hand; 0 when there is none."""
        now = asyncio.get_running_loop().time()
        return max((now - held.since for held in self._in_hand.values()), default=0.0)

    async def run(self, stop: asyncio.Event, grace: float) -> None:
        """Work until ``stop`` is set, then finish or give back within ``grace`` seconds."""
        filing = asyncio.create_task(self._filing(), name=f"filing {self.agent}")
        loops = [
            asyncio.create_task(self._fetching(), name=f"fetching {self.agent}"),
            asyncio.create_task(self._keeping(), name=f"keeping {self.agent}"),
            asyncio.create_task(self._suspecting(), name=f"suspecting {self.agent}"),
        ]
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([filing, *loops, stopped], return_when=asyncio.FIRST_COMPLETED)
            self._stopping = True
            await cancelled(loops)
            if filing not in done:
                await self._drain(grace)
        finally:
            await cancelled([stopped, filing, *loops])
            await self._give_back()
        for task in done - {stopped}:
            task.result()

    def held(self) -> bool:
        """Whether a rule stops this agent as a whole, so that fetching would only be parking."""
        rule = self._control().covering(agent=self.agent)
        return rule is not None and rule.mode is not ControlMode.HALT_COMPENSATE

    async def _fetching(self) -> None:
        nap = _NAP
        while not self._stopping:
            if self.held() or self._lawbook.judge is None:
                await asyncio.sleep(0.05)
                continue
            free = self._limits.slots - len(self._in_hand)
            if free <= 0:
                self._freed.clear()
                await self._freed.wait()
                continue
            try:
                entries = await inbox.fetch(
                    self._store,
                    self.partition,
                    self.agent,
                    self._worker,
                    count=min(free, self._limits.batch),
                    block_ms=self._limits.block_ms,
                )
            except Exception as error:
                self.progress.deaf_since = self.progress.deaf_since or asyncio.get_running_loop().time()
                # A reply may have been lost with entries in it: they are pending to us and nobody knows.
                await self._recovered(error)
                # What answers and still refuses the read (rights, no free connection) must not spin.
                await asyncio.sleep(nap)
                nap = min(nap * 2, _LONGEST_NAP)
                continue
            nap, self.progress.deaf_since = _NAP, 0.0
            for entry in entries:
                self._take(entry)

    async def _recovered(self, error: Exception) -> None:
        """Wait until the server answers again, see that the group exists, and pick up what is ours."""
        _LOG.warning("read failed", agent=self.agent, error=str(error))

        async def look() -> list[Entry]:
            await self._store.ensure_groups([self.agent])
            return await inbox.mine(
                self._store, self.partition, self.agent, self._worker, count=self._limits.slots
            )

        try:
            found = await self._patiently(look)
        except Exception:
            _LOG.exception("cannot look for what a lost reply held", agent=self.agent)
            return
        for entry in found:
            if entry.entry_id not in self._in_hand:
                self._take(entry)

    def _take(self, entry: Entry) -> None:
        now = asyncio.get_running_loop().time()
        held = InHand(entry, now, now)
        self._in_hand[entry.entry_id] = held
        held.task = asyncio.create_task(self._working(held, lambda: self._answer(entry)))

    async def _answer(self, entry: Entry) -> Finished | None:
        finished = await self._desk.work(entry)
        return None if finished is None else await self._eager.extend(finished)

    async def _working(self, held: InHand, call: Callable[[], Coroutine[Any, Any, Finished | None]]) -> None:
        try:
            finished = await self._patiently(call)
        except Exception:
            # A fault of ours, not of the entry: let it go, counted, rather than hold it for ever unseen.
            _LOG.exception("desk failed", agent=self.agent, entry=held.entry.entry_id)
            finished = None
        except BaseException:
            # An agent may cancel the task it runs in: what nobody works on must not be renewed.
            if self._in_hand.get(held.entry.entry_id) is held:
                self._drop(held.entry.entry_id)
            raise
        if finished is None:
            self._drop(held.entry.entry_id)
        else:
            self._finished.append(finished)
            self._ready.set()

    async def _patiently(
        self,
        call: Callable[[], Coroutine[Any, Any, Any]],
        errors: tuple[type[Exception], ...] = (BackendError, AdmissionClosedError),
    ) -> Any:
        """Repeat what could not reach the server; an entry does not lose an attempt to it."""
        try:
            return await call()
        except errors as error:
            _LOG.warning("server away", agent=self.agent, error=str(error))
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(errors),
            wait=wait_random_exponential(multiplier=0.1, max=2.0),
            reraise=True,
        ):
            with attempt:
                return await call()
        raise AssertionError("unreachable")

    async def _filing(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._finished:
                await self._file(self._batch())

    def _batch(self) -> list[Finished]:
        batch: list[Finished] = []
        size = steps = 0
        while self._finished:
            size += self._finished[0].result.size
            steps += self._finished[0].result.steps
            if batch and (size > self._limits.batch_bytes or steps > self._limits.batch):
                break
            batch.append(self._finished.popleft())
        return batch

    async def _file(self, batch: list[Finished]) -> None:
        results: list[StepResult] = [finished.result for finished in batch]
        try:
            filed = await self._patiently(
                lambda: commit(self._store, self.partition, self.agent, self._worker, results), _LATER
            )
        except Exception as error:
            # The server answers, and not to this: find the one that cannot be committed.
            if len(batch) > 1 or results[0].eager:
                for finished in batch:
                    await self._file([replace(finished, result=replace(finished.result, eager=()))])
                return
            entry = results[0].entry
            _LOG.exception("cannot be committed", agent=self.agent, entry=entry.entry_id)
            self._filed(batch[0], Verdict("uncommittable", str(error)[:500]))
            return
        self._seen_epoch(filed.epoch)
        self.progress.committed += filed.steps
        for finished, verdict in zip(batch, filed.verdicts, strict=True):
            self._filed(finished, verdict)

    def _filed(self, finished: Finished, verdict: Verdict) -> None:
        entry_id = finished.result.entry.entry_id
        if verdict.kind != "uncommittable":
            self._desk.filed(finished)
        self.progress.verdicts[verdict.kind] = self.progress.verdicts.get(verdict.kind, 0) + 1
        held = self._in_hand.get(entry_id)
        if verdict.kind in ("committed", "already_committed") or held is None:
            self.progress.last_commit = asyncio.get_running_loop().time()
            self._drop(entry_id)
            return
        held.tries += 1
        if held.tries > _TRIES:
            # Whoever reclaims it counts the delivery, so this cannot go round for ever.
            _LOG.error("gave up on a verdict", agent=self.agent, entry=entry_id, verdict=verdict.kind)
            self._drop(entry_id)
            return
        held.task = asyncio.create_task(self._working(held, lambda: self._desk.again(finished, verdict)))

    def _drop(self, entry_id: str) -> None:
        self._in_hand.pop(entry_id, None)
        self._freed.set()

    async def _keeping(self) -> None:
        """Renew, reclaim, and look for what a lost reply hid."""
        while not self._stopping:
            await asyncio.sleep(self._pause)
            try:
                await self._renew()
                await self._reclaim()
            except Exception as error:
                _LOG.warning("claims not kept", agent=self.agent, error=str(error))

    async def _renew(self) -> None:
        now = asyncio.get_running_loop().time()
        due = [held for held in self._in_hand.values() if now - held.renewed >= self._limits.claim_idle / 3]
        if not due:
            return
        entries = [held.entry.entry_id for held in due]
        lost = set(await inbox.renew(self._store, self.partition, self.agent, self._worker, entries))
        for held in due:
            held.renewed = now
            if held.entry.entry_id in lost:
                _LOG.warning("claim lost", agent=self.agent, entry=held.entry.entry_id)
                if held.task is not None:
                    held.task.cancel()
                self._drop(held.entry.entry_id)
        for held in list(self._in_hand.values()):
            hung = now - held.since > self._desk.longest + self._limits.claim_idle
            if hung and held.task is not None and not held.task.done():
                # It cannot be cancelled: its entry goes on without it, counted, at last to the dead letters.
                _LOG.error("let go of a hung agent", agent=self.agent, entry=held.entry.entry_id)
                self._drop(held.entry.entry_id)

    async def _suspecting(self) -> None:
        """Take over what may have ended its workers, one entry at a time in the whole worker."""
        while not self._stopping:
            await asyncio.sleep(self._pause)
            try:
                async with self._alone:
                    while not self._stopping and (taken := await self._reclaim(suspects=True)):
                        while taken in self._in_hand:
                            self._freed.clear()
                            await self._freed.wait()
            except Exception as error:
                _LOG.warning("suspects not taken over", agent=self.agent, error=str(error))

    @property
    def _pause(self) -> float:
        """Seconds between two looks at what was left behind; often enough for the idle time."""
        return min(max(self._limits.claim_idle / 4, 0.1), 5.0)

    async def _reclaim(self, *, suspects: bool = False) -> str:
        """Returns the last entry taken over, or nothing."""
        free = min(self._limits.slots - len(self._in_hand), self._limits.batch)
        if free <= 0 or self.held() or self._lawbook.judge is None:
            return ""
        taken = ""
        entries = await inbox.reclaim(
            self._store,
            self.partition,
            self.agent,
            self._worker,
            idle_ms=int(self._limits.claim_idle * 1000),
            count=1 if suspects else free,
            # What is ours and idle is in nobody's hand: a reply was lost, or the desk let it go.
            own=True,
            attempts=self._desk.attempts,
            suspects=suspects,
        )
        for entry in entries:
            if entry.entry_id not in self._in_hand:
                _LOG.info("reclaimed", agent=self.agent, entry=entry.entry_id, deliveries=entry.deliveries)
                self._take(entry)
                taken = entry.entry_id
        return taken

    async def _drain(self, grace: float) -> None:
        deadline = asyncio.get_running_loop().time() + grace
        while self._in_hand and asyncio.get_running_loop().time() < deadline:
            self._freed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await self._freed.wait()

    async def _give_back(self) -> None:
        """Release what is left, the replies that nobody read included, and leave the group."""
        tasks = {held.task: held for held in self._in_hand.values() if held.task is not None}
        hung = {tasks[task].entry.entry_id for task in await cancelled(list(tasks), within=_HUNG)}
        if hung:  # still being worked on: others take them over once they have been idle for long enough
            _LOG.error("an agent does not end", agent=self.agent, entries=sorted(hung))
        if self.abandoned:
            return
        try:
            # The server may still answer a read we gave up, after the first look: then leaving is refused.
            for _ in range(_TRIES):
                left = await inbox.mine(
                    self._store, self.partition, self.agent, self._worker, count=self._limits.slots * 2
                )
                entries = [entry.entry_id for entry in left if entry.entry_id not in hung]
                if entries:
                    await inbox.release(self._store, self.partition, self.agent, self._worker, entries)
                if hung or await inbox.leave(self._store, self.partition, self.agent, self._worker):
                    break
        except Exception as error:
            # Its idle time will give the rest to another worker; that costs a delivery, never an entry.
            _LOG.warning("not given back", agent=self.agent, error=str(error))
        self._in_hand.clear()
