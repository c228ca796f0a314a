"""The clients of a run: they submit, vote, cancel and wait, and write down each before and after.

The client log (JSONL, each line on disk before the next thing happens):

    {"do": "submit", "phase": "send" | "ack" | "error", "key", "kind", "id"}
    {"do": "vote",   "phase": "send" | "ack" | "error", "approval", "voter", "verdict"}
    {"do": "cancel", "phase": …, "id"}
    {"do": "hold" | "resume", "phase": …, "target", "mode", "reason"}
    {"do": "end",    "phase": "end", "id", "outcome", "stamped"}      for each request, twice
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from tests.chaos.journal import Journal
from tests.chaos.waiting import until
from wingman_runtime.client import Client
from wingman_runtime.contracts.control import ControlMode, ControlRule, ControlTarget
from wingman_runtime.contracts.work import Response
from wingman_runtime.errors import (
    AdmissionClosedError,
    BackendError,
    ConflictError,
    NotFoundError,
    StillPendingError,
    WingmanError,
)
from wingman_runtime.redisio import control

if TYPE_CHECKING:
    from tests.chaos.house import House

T = TypeVar("T")
_AWAY = (BackendError, AdmissionClosedError, ConnectionError)
_NAP = 0.3


@dataclass(frozen=True, slots=True)
class Kind:
    """What is asked. ``name`` says what the sink makes of it, ``votes`` what people do (docs: `project`)."""

    name: str
    verb: str
    prefix: str = "open"
    actor: str = "alice"
    outcome: str = "completed"
    votes: tuple[tuple[str, str], ...] = ()
    cancelled: bool = False
    weight: float = 1.0


KINDS = (
    Kind("put", "put", weight=6),
    Kind("slow", "put", "slow"),
    Kind("set", "set", weight=5),
    Kind("both", "both", weight=5),
    Kind("fail", "fail", outcome="failed", weight=2),
    Kind("stuck", "stuck", "stuck", outcome="rollback_incomplete", weight=0.5),
    Kind("once", "once", outcome="rollback_incomplete", weight=0.5),
    Kind("vanish", "vanish", outcome="uncertain", weight=0.5),
    Kind("yes", "ask", votes=(("alice", "approve"), ("bob", "approve")), weight=2),
    Kind("no", "ask", outcome="denied", votes=(("bob", "deny"),), weight=0.5),
    Kind("unheard", "ask", outcome="expired", weight=0.5),
    Kind("cancel", "ask", outcome="cancelled", cancelled=True, weight=0.5),
    Kind("stranger", "put", actor="mallory", outcome="denied", weight=0.5),
    Kind("blocked", "put", "protected", outcome="blocked", weight=0.5),
    Kind("unknown", "fly", outcome="rejected", weight=0.5),
)
"""A mix in which every outcome occurs."""


@dataclass(slots=True)
class Load:
    """Everything clients do in one run, through one `Client` straight at the server.

    Attributes:
        in_flight: requests not ended at a time.
        duplicated: share of requests that are submitted twice at once, with the same key.
    """

    house: House
    in_flight: int = 40
    duplicated: float = 0.1
    journal: Journal = field(init=False)
    client: Client = field(init=False)
    open: dict[str, Kind] = field(default_factory=dict)
    ended: dict[str, Response] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _waiting: set[asyncio.Task[None]] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Load]:
        """Clients and voters work inside the block."""
        self.journal = Journal(self.house.dir / "client.jsonl")
        self.house.load = self
        async with self.house.client() as self.client:
            voters = asyncio.create_task(self._voting())
            try:
                yield self
            finally:
                for task in (voters, *self._waiting):
                    task.cancel()
                await asyncio.gather(voters, *self._waiting, return_exceptions=True)
                self.journal.close()
                self.house.load = None

    async def submitting(self, stop: asyncio.Event) -> None:
        """Submit what comes by chance, so many in flight, until told to stop."""
        weights, chance = [kind.weight for kind in KINDS], self.house.chance("requests")
        gate = asyncio.Semaphore(self.in_flight)
        while not stop.is_set():
            await gate.acquire()
            [kind] = chance.choices(KINDS, weights)
            twice = chance.random() < self.duplicated
            self._spawn(self._one(kind, stop, gate, copies=2 if twice else 1))

    async def submit(self, kind: Kind, *, copies: int = 1, key: str = "") -> str:
        """Submit one, over and over until it is acknowledged; returns its id. A fault may call this.

        With copies the same key goes out several times at once.
        """
        key = key or f"{kind.name}-{next(self._numbers)}"
        acknowledged = await asyncio.gather(*(self._submit(kind, key) for _ in range(copies)))
        self.open.setdefault(acknowledged[0], kind)
        return acknowledged[0]

    async def submitted(self, kind: Kind, *, copies: int = 1, key: str = "") -> str:
        """As `submit`, and somebody waits for its end."""
        request_id = await self.submit(kind, copies=copies, key=key)
        self._spawn(self._await_end(request_id))
        return request_id

    async def hold(self, target: str, mode: ControlMode, reason: str) -> None:
        """Stop something; acknowledged when this returns. Asks again while the server is away."""
        rule = ControlRule(target=ControlTarget.parse(target), mode=mode, reason=reason, by="carol")
        facts = {"do": "hold", "target": target, "mode": mode.value, "reason": reason}
        await self._until_answered(facts, lambda: control.hold(self.client.store, rule))

    async def resume(self, target: str, reason: str) -> None:
        """Let it go on, as often as it takes."""
        facts = {"do": "resume", "target": target, "mode": "", "reason": reason}
        await self._until_answered(facts, lambda: self.client.resume(target, reason=reason, by="carol"))

    async def drained(self, within: float) -> list[str]:
        """Wait until everything submitted has ended; returns what has not."""
        with contextlib.suppress(TimeoutError):
            await until(lambda: not self.open and not self._waiting, within)
        return sorted(self.open)

    async def look_again(self) -> None:
        """Ask once more for every end: it must be what it was."""
        gate = asyncio.Semaphore(64)

        async def one(request_id: str) -> None:
            async with gate:
                await self._ended(request_id, await self.client.request(request_id).result(timeout=10))

        await asyncio.gather(*(one(request_id) for request_id in list(self.ended)))

    async def _one(self, kind: Kind, stop: asyncio.Event, gate: asyncio.Semaphore, copies: int) -> None:
        try:
            request_id = await self.submit(kind, copies=copies)
            if kind.cancelled:
                self._spawn(self._cancel(request_id))
            await self._await_end(request_id)
        finally:
            gate.release()

    async def _submit(self, kind: Kind, key: str) -> str:
        while True:
            await self.journal.note(do="submit", phase="send", key=key, kind=kind.name)
            try:
                request = await self.client.submit(
                    f"sink.{kind.verb}",
                    {"name": f"{kind.prefix}/{key}"},
                    actor=kind.actor,
                    idempotency_key=key,
                )
            except _AWAY as error:
                await self.journal.note(do="submit", phase="error", key=key, error=_said(error))
                await asyncio.sleep(getattr(error, "retry_after", _NAP))
                continue
            await self.journal.note(do="submit", phase="ack", key=key, kind=kind.name, id=request.id)
            return request.id

    async def _await_end(self, request_id: str) -> None:
        while True:
            try:
                response = await self.client.request(request_id).result(timeout=30)
            except (StillPendingError, *_AWAY):
                await asyncio.sleep(_NAP)
                continue
            await self._ended(request_id, response)
            self.ended[request_id] = response
            self.open.pop(request_id, None)
            return

    async def _ended(self, request_id: str, response: Response) -> None:
        await self.journal.note(
            do="end",
            phase="end",
            id=request_id,
            outcome=response.outcome.value,
            stamped=response.stamp is not None,
            effects={e.effect_id: e.status.value for e in (*response.effects, *response.compensations)},
        )

    async def _cancel(self, request_id: str) -> None:
        await asyncio.sleep(self.house.rng.uniform(0.0, 2.0))
        with contextlib.suppress(ConflictError, NotFoundError):
            await self._until_answered(
                {"do": "cancel", "id": request_id},
                lambda: self.client.cancel(request_id, reason="no longer wanted", by="alice"),
            )

    async def _voting(self) -> None:
        """Each votes once on what its kind says is voted on; the handshake judges."""
        voted: set[str] = set()
        while True:
            await asyncio.sleep(_NAP)
            with contextlib.suppress(*_AWAY):
                for approval in await self.client.approvals(limit=500):
                    kind = self.open.get(approval.request_id)
                    if kind is None or approval.approval_id in voted:
                        continue
                    voted.add(approval.approval_id)
                    if kind.votes:
                        self._spawn(self._votes(approval.approval_id, kind))

    async def _votes(self, approval_id: str, kind: Kind) -> None:
        for voter, verdict in kind.votes:
            facts = {"do": "vote", "approval": approval_id, "voter": voter, "verdict": verdict}
            with contextlib.suppress(ConflictError, NotFoundError):
                await self._until_answered(
                    facts,
                    lambda voter=voter, verdict=verdict: self.client.vote(  # type: ignore[misc]
                        approval_id, verdict, voter=voter, wait=0.01
                    ),
                )

    async def _until_answered(self, facts: dict[str, Any], ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            await self.journal.note(**facts, phase="send")
            try:
                answer = await ask()
            except _AWAY as error:
                await self.journal.note(**facts, phase="error", error=_said(error))
                await asyncio.sleep(getattr(error, "retry_after", _NAP))
                continue
            except WingmanError as error:
                await self.journal.note(**facts, phase="refused", error=_said(error))
                raise
            await self.journal.note(**facts, phase="ack")
            return answer

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
