"""A handle on one request: its result, its events, its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from wingman_runtime.contracts.event import Event
from wingman_runtime.contracts.events import AuditStamped
from wingman_runtime.contracts.log import LogEntry
from wingman_runtime.contracts.work import Outcome, Response
from wingman_runtime.errors import BackendUnreachableError, NotFoundError, StillPendingError
from wingman_runtime.redisio import state
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
            raise NotFoundError(
                "no such request on this server",
                where=self.id,
                hint="ended requests are kept for times.state_ttl; look with `wingman audit query --request`",
            )
        return found

    async def result(self, timeout: float | None = None) -> Response:  # noqa: ASYNC109 - as asyncio.wait_for
        """The assembled response, once the request has ended. Asking again gives the same.

        Args:
            timeout: seconds to wait; None waits for as long as the request may live.

        Raises:
            StillPendingError: not ended within ``timeout``; the request goes on.
            NotFoundError: as `state`.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._client.waiter.ended(self.id)
                return response_of(await self._patiently(self.state))
        except TimeoutError:
            raise StillPendingError(
                f"not ended after {timeout:g} s", where=self.id, hint=await self._why_pending()
            ) from None

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

    async def _why_pending(self) -> str:
        try:
            waiting = await self._client.approvals(request_id=self.id)
        except BackendUnreachableError as error:
            return f"the server is away: {error.message}"
        if waiting:
            return f"it waits for an approval: wingman approval show {waiting[0].approval_id}"
        return "ask again later, or look with `wingman request show` and `wingman status`"


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


def response_of(found: RequestState) -> Response:
    """The response of an ended request; one that could not be stamped says so."""
    if found.final:
        return Event[AuditStamped].model_validate_json(found.final).data.response
    closing = orjson.loads(found.closing) if found.closing else {}
    reasons = tuple(str(reason) for reason in closing.get("data", {}).get("reasons", ()))
    return Response(
        request_id=found.request_id,
        outcome=Outcome(found.outcome),
        reasons=(*reasons, "ended without an audit stamp: the closing agent failed, see its dead letters"),
    )
