"""The same client without async: one event loop in a thread, for scripts, notebooks and web frameworks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from wingman_runtime.client.client import Client
from wingman_runtime.client.interrupt import DRAIN
from wingman_runtime.client.request import Request, RequestEvent
from wingman_runtime.client.status import Status
from wingman_runtime.client.vote import VoteResult
from wingman_runtime.contracts.control import ControlRule, Held
from wingman_runtime.contracts.work import Approval, Response, StepRequest
from wingman_runtime.errors import UsageError
from wingman_runtime.redisio.dead import DeadLetter, Which
from wingman_runtime.redisio.state import RequestState
from wingman_runtime.settings import Settings

T = TypeVar("T")


class SyncClient:
    """See `wingman_runtime.client.Client`; the same arguments, the same errors. Safe to share by threads."""

    def __init__(
        self,
        project: Path | str | Settings | None = None,
        *,
        url: str | None = None,
        actor: str | None = None,
        tenant: str | None = None,
    ) -> None:
        self._client = Client(project, url=url, actor=actor, tenant=tenant)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wingman-client", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._run(self._client.__aenter__())
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._run(self._client.__aexit__(kind, error, trace))
        finally:
            self._close()

    def submit(
        self,
        intent: str,
        params: Mapping[str, Any] | None = None,
        *,
        steps: Sequence[StepRequest | Mapping[str, Any]] = (),
        planner: str = "",
        actor: str | None = None,
        tenant: str | None = None,
        flow: str = "request",
        idempotency_key: str | None = None,
        ordering_key: str = "",
        at: datetime | None = None,
        delay: timedelta | float | None = None,
        patience: float = 0.0,
    ) -> SyncRequest:
        """See `Client.submit`."""
        submitted = self._run(
            self._client.submit(
                intent,
                params,
                steps=steps,
                planner=planner,
                actor=actor,
                tenant=tenant,
                flow=flow,
                idempotency_key=idempotency_key,
                ordering_key=ordering_key,
                at=at,
                delay=delay,
                patience=patience,
            )
        )
        return SyncRequest(self, submitted)

    def request(self, request_id: str) -> SyncRequest:
        """See `Client.request`."""
        return SyncRequest(self, self._client.request(request_id))

    def requests(self, *, open_only: bool = False, limit: int = 50) -> list[RequestState]:
        """See `Client.requests`."""
        return self._run(self._client.requests(open_only=open_only, limit=limit))

    def cancel(self, request_id: str, *, reason: str, by: str | None = None) -> None:
        """See `Client.cancel`."""
        self._run(self._client.cancel(request_id, reason=reason, by=by))

    def approvals(self, *, request_id: str = "", limit: int = 100) -> list[Approval]:
        """See `Client.approvals`."""
        return self._run(self._client.approvals(request_id=request_id, limit=limit))

    def approval(self, approval_id: str) -> Approval:
        """See `Client.approval`."""
        return self._run(self._client.approval(approval_id))

    def trail(self, request_id: str) -> list[RequestEvent]:
        """See `Client.trail`."""
        return self._run(self._client.trail(request_id))

    def vote(
        self, approval_id: str, verdict: str, *, voter: str | None = None, reason: str = ""
    ) -> VoteResult:
        """See `Client.vote`."""
        return self._run(self._client.vote(approval_id, verdict, voter=voter, reason=reason))

    def pause(self, target: str, *, reason: str, by: str | None = None) -> Held:
        """See `Client.pause`."""
        return self._run(self._client.pause(target, reason=reason, by=by))

    def halt(
        self,
        target: str,
        *,
        reason: str,
        by: str | None = None,
        compensate: bool = False,
        drain: bool = False,
        timeout: float = DRAIN,
    ) -> Held:
        """See `Client.halt`."""
        return self._run(
            self._client.halt(
                target, reason=reason, by=by, compensate=compensate, drain=drain, timeout=timeout
            )
        )

    def resume(self, target: str, *, reason: str, by: str | None = None) -> int:
        """See `Client.resume`."""
        return self._run(self._client.resume(target, reason=reason, by=by))

    @property
    def dead_letters(self) -> SyncDeadLetters:
        """See `Client.dead_letters`."""
        return SyncDeadLetters(self)

    def rules(self) -> tuple[ControlRule, ...]:
        """See `Client.rules`."""
        return self._run(self._client.rules())

    def status(self) -> Status:
        """See `Client.status`."""
        return self._run(self._client.status())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if not self._thread.is_alive():
            work.close()
            raise UsageError("the client is not open", hint="use it as `with SyncClient() as client:`")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class SyncDeadLetters:
    """See `wingman_runtime.client.dead.DeadLetters`; the same arguments, the same errors."""

    def __init__(self, client: SyncClient) -> None:
        self._client = client
        self._letters = client._client.dead_letters

    def listed(self, which: Which | None = None, *, limit: int = 50) -> list[DeadLetter]:
        """See `DeadLetters.listed`."""
        return self._client._run(self._letters.listed(which, limit=limit))

    def get(self, letter_id: str) -> DeadLetter:
        """See `DeadLetters.get`."""
        return self._client._run(self._letters.get(letter_id))

    def replay(
        self, letter_id: str, *, reason: str, by: str | None = None, again: bool = False, force: bool = False
    ) -> SyncRequest:
        """See `DeadLetters.replay`; returns the request that replays it."""
        replayed = self._client._run(
            self._letters.replay(letter_id, reason=reason, by=by, again=again, force=force)
        )
        return SyncRequest(self._client, replayed.request)

    def discard(self, letter_id: str, *, reason: str, by: str | None = None) -> DeadLetter:
        """See `DeadLetters.discard`."""
        return self._client._run(self._letters.discard(letter_id, reason=reason, by=by))


class SyncRequest:
    """A submitted request, waited for by blocking."""

    def __init__(self, client: SyncClient, request: Request) -> None:
        self._client = client
        self._request = request
        self.id = request.id

    def state(self) -> RequestState:
        """See `Request.state`."""
        return self._client._run(self._request.state())

    def result(self, timeout: float | None = None) -> Response:
        """See `Request.result`."""
        return self._client._run(self._request.result(timeout))

    def events(self) -> Iterator[RequestEvent]:
        """See `Request.events`."""
        events = self._request.events()

        async def following() -> RequestEvent | None:
            return await anext(events, None)

        while (event := self._client._run(following())) is not None:
            yield event

    def cancel(self, *, reason: str, by: str | None = None) -> None:
        """See `Request.cancel`."""
        self._client._run(self._request.cancel(reason=reason, by=by))
