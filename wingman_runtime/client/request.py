"""A handle on one request: its result, its events, its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from wingman_runtime.contracts.event import envelope_of
from wingman_runtime.contracts.events import AuditStamped
from wingman_runtime.contracts.log import LogEntry
from wingman_runtime.contracts.reading import EventReader
from wingman_runtime.contracts.work import Approval, Outcome, Response
from wingman_runtime.errors import (
    BackendUnreachableError,
    NotFoundError,
    StillPendingError,
    WingmanError,
)
from wingman_runtime.redisio import line, state
from wingman_runtime.redisio.line import Place
from wingman_runtime.redisio.outcomes import Ending
from wingman_runtime.redisio.state import RequestState

if TYPE_CHECKING:
    from wingman_runtime.client.client import Client

_FIRST_NAP, _LONGEST_NAP = 0.02, 0.5
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestEvent:
    """One record of a request's trail. ``type`` and ``data`` are empty for records that are no event."""

    n: int
    at_ms: int
    kind: str
    type: str
    agent: str
    data: dict[str, Any]
    record: dict[str, Any]


class Request:
    """A submitted request. Get one from `Client.submit` or `Client.request`."""

    def __init__(self, client: Client, request_id: str) -> None:
        self._client = client
        self.id = request_id

    def __repr__(self) -> str:
        return f"Request({self.id})"

    async def state(self) -> RequestState:
        """What the server knows of it now.

        Raises:
            NotFoundError: never admitted, or past the time its state is kept.
        """
        found = await state.read(self._client.store, self.id)
        if found is None:
            raise self._missing()
        return found

    async def place(self) -> Place | None:
        """Where it stands among those of its ordering key; None: it has ended, or has no such key."""
        return await line.place(self._client.store, self.id)

    def _missing(self) -> NotFoundError:
        return NotFoundError(
            "no such request on this server",
            where=self.id,
            hint="ended requests are kept for times.state_ttl; look with `wingman audit query --request`",
        )

    async def result(self, timeout: float | None = None) -> Response:  # noqa: ASYNC109 - as asyncio.wait_for
        """The assembled response, once the request has ended. Asking again gives the same.

        Args:
            timeout: seconds to wait; None waits for as long as the request may live.

        Raises:
            StillPendingError: not ended within ``timeout``; the request goes on.
            BackendUnreachableError: not ended as far as one can see: the server is away.
            NotFoundError: as `state`.
        """
        try:
            ending = await self._client.waiter.ended(self.id, timeout)
        except TimeoutError:
            raise await self.pending(timeout) from None
        if ending is None:
            raise self._missing()
        return response_of(ending)

    async def events(self) -> AsyncIterator[RequestEvent]:
        """Every record of its trail in order, from the first; ends when the request has ended."""
        seen, nap = 0, _FIRST_NAP
        while True:
            ended = (await self._patiently(self.state)).ended
            after = seen
            records = await self._patiently(lambda: state.records(self._client.store, self.id, after))  # noqa: B023
            for record in records:
                seen += 1
                yield request_event(record)
            if ended:
                return
            nap = _FIRST_NAP if records else min(nap * 2, _LONGEST_NAP)
            await asyncio.sleep(nap)

    async def latest(self) -> RequestEvent | None:
        """The last record of its trail so far."""
        found = await state.records(self._client.store, self.id, -1)
        return request_event(found[-1]) if found else None

    async def approvals(self) -> list[Approval]:
        """Its open approvals: what it waits for people with."""
        return await self._client.approvals(request_id=self.id)

    async def cancel(self, *, reason: str, by: str | None = None) -> None:
        """See `Client.cancel`."""
        await self._client.cancel(self.id, reason=reason, by=by)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until the server answers; for as long as the caller likes to wait."""
        nap = _FIRST_NAP
        while True:
            try:
                return await ask()
            except BackendUnreachableError:
                nap = min(nap * 2, _LONGEST_NAP)
                await asyncio.sleep(nap)

    async def pending(self, waited: float | None) -> WingmanError:
        """What to raise when it has not ended after ``waited`` seconds: says what it waits for."""
        try:
            waiting, place = await asyncio.gather(self.approvals(), self.place())
        except BackendUnreachableError as error:
            return BackendUnreachableError(
                f"not ended after {waited or 0:g} s as far as can be seen: {error.message}",
                where=self.id,
                hint=f"it was admitted and is kept: once the server is back, wingman request watch {self.id}",
            )
        hint = f"ask again: wingman request watch {self.id}; or look with `wingman status`"
        if place is not None and place.waits_for:
            hint = f"it {place}: see wingman request show {place.waits_for}"
        if waiting:
            hint = f"it waits for an approval: wingman approval show {waiting[0].approval_id}"
        return StillPendingError(f"not ended after {waited or 0:g} s", where=self.id, hint=hint)


def request_event(entry: LogEntry) -> RequestEvent:
    """A log record, opened."""
    record: dict[str, Any] = orjson.loads(entry.body)
    event = record.get("event") or {}
    return RequestEvent(
        n=entry.n,
        at_ms=entry.at_ms,
        kind=entry.kind,
        type=event.get("type", ""),
        agent=record.get("agent", ""),
        data=event.get("data", {}),
        record=record,
    )


@cache
def _stamped() -> EventReader:
    return EventReader(AuditStamped, envelope_of(AuditStamped))


def response_of(found: RequestState | Ending) -> Response:
    """The response of an ended request; one that could not be stamped says so."""
    if found.final:
        response: Response = _stamped().read(found.final).data.response
        return response
    closing = orjson.loads(found.closing) if found.closing else {}
    reasons = tuple(str(reason) for reason in closing.get("data", {}).get("reasons", ()))
    return Response(
        request_id=found.request_id,
        outcome=Outcome(found.outcome),
        reasons=(*reasons, "ended without an audit stamp: the closing agent failed, see its dead letters"),
    )
