"""The client.

1. Admits requests: validated here, admitted by one script there; safe to repeat.
2. Waits for any number of results on one connection per partition (`waiter`).
3. Posts letters: votes, cancellations. Sets and clears rules (`interrupt`).

It decides nothing and touches no state.

Identity: until there is a gateway, whoever holds the server's credential names the actor, and is trusted to.
"""

from __future__ import annotations

import asyncio
import getpass
import random
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr

from wingman_runtime.client.dead import DeadLetters
from wingman_runtime.client.door import Door
from wingman_runtime.client.effects import Effects
from wingman_runtime.client.envelope import letter_of, ordered_by, plain_of, refuse_no_text, work_of
from wingman_runtime.client.interrupt import Interrupts
from wingman_runtime.client.later import start_of, told_start
from wingman_runtime.client.request import Request, request_event
from wingman_runtime.client.schedules import Schedules
from wingman_runtime.client.status import Status, read_status
from wingman_runtime.client.vote import VoteResult, vote_result
from wingman_runtime.client.waiter import Waiter, same_partition
from wingman_runtime.contracts.canonical import canonical, digest
from wingman_runtime.contracts.events import ApprovalVoteCast, UserRequestReceived
from wingman_runtime.contracts.ids import derive
from wingman_runtime.contracts.work import Approval, StepRequest, Vote
from wingman_runtime.errors import (
    ConflictError,
    ContractError,
    NotFoundError,
    UsageError,
)
from wingman_runtime.project.find import find_root
from wingman_runtime.redisio import admission, approvals, letters, state
from wingman_runtime.redisio.opening import connect
from wingman_runtime.redisio.store import Store
from wingman_runtime.settings import Redis, Settings

_VOTE_WAIT = 10.0


class Client(Interrupts):
    """An asynchronous client; use it as ``async with Client() as client``.

    Args:
        project: the project's folder, or its settings; None: the nearest project, as the CLI finds it.
        url: a server of one's own; without a project this alone is enough.
        actor: who asks, when a call does not say; default: setting ``actor``, else the login name.
        tenant: for whom, when a call does not say; default: setting ``tenant``.

    Raises:
        BackendError: on entering, when the server cannot be used.
    """

    def __init__(
        self,
        project: Path | str | Settings | None = None,
        *,
        url: str | None = None,
        actor: str | None = None,
        tenant: str | None = None,
    ) -> None:
        self.settings = _settings(project, url)
        self.actor = actor or self.settings.actor or getpass.getuser()
        self.tenant = tenant or self.settings.tenant
        self._stack = AsyncExitStack()
        self._store: Store | None = None
        self._door: Door | None = None
        self._waiter: Waiter | None = None

    async def __aenter__(self) -> Self:
        connected = await self._stack.enter_async_context(
            connect(self.settings, readers=self.settings.partitions + 4)
        )
        self._store = connected.store
        self._door = Door(connected.store, self.settings, connected.backend.where)
        self._waiter = Waiter(connected.store)
        self._stack.push_async_callback(self._waiter.close)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        self._store = self._waiter = self._door = None

    @property
    def store(self) -> Store:
        if self._store is None:
            raise UsageError("the client is not open", hint="use it as `async with Client() as client:`")
        return self._store

    @property
    def door(self) -> Door:
        if self._door is None:
            raise UsageError("the client is not open", hint="use it as `async with Client() as client:`")
        return self._door

    @property
    def waiter(self) -> Waiter:
        if self._waiter is None:
            raise UsageError("the client is not open", hint="use it as `async with Client() as client:`")
        return self._waiter

    async def submit(
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
    ) -> Request:
        """Submit a request; returns once it is admitted, which survives a power cut.

        Args:
            intent: what is wanted, e.g. ``note.write``.
            params: its parameters; plain JSON data.
            steps: explicit tool calls instead of a plan template.
            planner: the planner to use; empty: the intent's own.
            idempotency_key: the same key with the same body is the same request for
                ``times.idempotency_ttl``; across clients, too. With an ordering key it counts among the
                requests of that one.
            ordering_key: the request begins once every earlier one of this tenant and key has ended, however
                it ended; until then it waits in line, is open, and can be cancelled.
            at: begin then, by the server's clock; until then it is open, and can be cancelled.
            delay: begin so much later, in seconds.
            patience: while admission is closed ask again, when it says so, for so many seconds.

        Raises:
            ContractError: the request does not fit; ``where`` is the path.
            AdmissionClosedError: too much to do, or halted; try again after ``retry_after`` seconds.
            ConflictError: the idempotency key was used with another body.
            BackendError: the server cannot be reached; with a key, submitting again is safe.
        """
        start = start_of(at, delay)
        if len(steps) > self.settings.limits.steps:
            raise ContractError(
                f"the request has {len(steps)} steps, the limit is {self.settings.limits.steps}",
                where="steps",
                hint="make it several requests, or raise limits.steps",
            )
        work = work_of(intent, params or {}, steps, planner)
        tenant = tenant or self.tenant
        who = actor or self.actor
        ordered = ordered_by(ordering_key)
        # A key's requests meet in one partition, so that one script can decide; those of a line come first.
        refuse_no_text(idempotency_key or "", "idempotency_key")
        meeting = ordering_key or idempotency_key
        partition = (
            self.store.partition_for(tenant, meeting) if meeting else random.randrange(self.store.partitions)  # noqa: S311 - spread, not secrecy
        )
        body = plain_of(work)
        size = len(canonical(body))
        if size > self.settings.limits.payload_bytes:
            raise ContractError(
                f"the request is {size:,} bytes, the limit is {self.settings.limits.payload_bytes:,}",
                where="params",
                hint="send a reference instead, or raise limits.payload_bytes",
            )
        request_id = admission.new_request_id(partition)
        event = letter_of(
            UserRequestReceived(request=work),
            derive("evt", request_id),
            request_id,
            actor=who,
            tenant=tenant,
            flow=flow,
        )
        key = None
        if idempotency_key:
            key = (
                derive("key", tenant, idempotency_key, *ordered),
                digest({"actor": who, "flow": flow, "request": body, **told_start(start)}),
            )
        admitted = await self.door.hand_in(
            event, idempotency=key, start=start, order=ordering_key, patience=patience
        )
        return Request(self, admitted)

    @property
    def effects(self) -> Effects:
        """What requests did in the world; settle what nobody knows the end of."""
        return Effects(self)

    @property
    def dead_letters(self) -> DeadLetters:
        """What agents gave up on: look at it, replay it, discard it."""
        return DeadLetters(self)

    @property
    def schedules(self) -> Schedules:
        """What the clock hands in: look at it, fire it by hand."""
        return Schedules(self)

    def request(self, request_id: str) -> Request:
        """A handle on a request submitted earlier, by anybody.

        Raises:
            ContractError: the text is not an id of this namespace.
        """
        same_partition(self.store, request_id)
        return Request(self, request_id)

    async def requests(self, *, open_only: bool = False, limit: int = 50) -> list[state.RequestState]:
        """Requests whose state is still kept, newest first."""
        ids = await state.listed(self.store, open_only=open_only, limit=limit)
        found = await asyncio.gather(*(state.read(self.store, request_id) for request_id in ids))
        return [request for request in found if request is not None]

    async def request_ids(self, *, limit: int = 50) -> list[str]:
        """Only the ids of `requests`, newest first."""
        return await state.listed(self.store, limit=limit)

    async def approvals(self, *, request_id: str = "", limit: int = 100) -> list[Approval]:
        """Open approvals, the next to expire first; of one request, or of all."""
        ids = await approvals.open_ids(self.store, limit=limit if not request_id else 1000)
        found = await asyncio.gather(*(approvals.read(self.store, number, name) for number, name in ids))
        waiting = [one for one in found if one is not None and request_id in ("", one.request_id)]
        return sorted(waiting, key=lambda one: one.expires_at_ms)[:limit]

    async def approval(self, approval_id: str) -> Approval:
        """One approval, open or decided.

        Raises:
            NotFoundError: no such approval, or past its time.
        """
        found = await approvals.find(self.store, approval_id)
        if found is None:
            raise NotFoundError("no such approval", where=approval_id, hint="see `wingman approval list`")
        return found

    async def vote(
        self,
        approval_id: str,
        verdict: str,
        *,
        voter: str | None = None,
        reason: str = "",
        plan_digest: str | None = None,
        wait: float = _VOTE_WAIT,
    ) -> VoteResult:
        """Vote ``approve`` or ``deny``; the handshake judges whether it counts.

        Args:
            plan_digest: of the plan that was looked at; default: the approval's. A vote binds to it.
            wait: seconds to wait for the handshake's answer.

        Raises:
            NotFoundError: no such approval.
            ConflictError: it is decided or expired, or the plan is another one.
            UsageError: the verdict is neither word.
        """
        found = await self.approval(approval_id)
        who = voter or self.actor
        if verdict not in ("approve", "deny"):
            raise UsageError(f"{verdict!r} is no verdict", hint="vote approve or deny")
        cast = ApprovalVoteCast(
            approval_id=approval_id,
            vote=Vote(
                voter=who,
                verdict="approve" if verdict == "approve" else "deny",
                reason=reason,
                plan_digest=plan_digest or found.plan_digest,
            ),
        )
        request = await self.request(found.request_id).state()
        event = letter_of(
            cast,
            derive("evt", approval_id, who, uuid.uuid4().hex),
            found.request_id,
            actor=request.actor,
            tenant=found.tenant,
            flow=request.flow,
        )
        posted = await letters.post(
            self.store,
            event,
            sender="client",
            approval_id=approval_id,
            plan_digest=cast.vote.plan_digest,
            vote=True,
        )
        if posted.kind != "posted":
            raise ConflictError(
                f"the vote cannot count: {posted.kind.replace('_', ' ')} ({posted.detail})", where=approval_id
            )
        return await vote_result(self.store, found, event.id, wait)

    async def status(self) -> Status:
        """A snapshot of queues, workers, rules and memory."""
        return await read_status(self.store)

    async def trail(self, request_id: str) -> list[Any]:
        """Every record of a request so far, in order; see `Request.events` to follow it."""
        return [request_event(entry) for entry in await state.records(self.store, request_id)]


def _settings(project: Path | str | Settings | None, url: str | None) -> Settings:
    if isinstance(project, Settings):
        found = project
    elif url is not None and project is None:
        found = Settings()
    else:
        return Settings.load(find_root(Path(project) if project is not None else None), redis_url=url)
    if url is None:
        return found
    return found.model_copy(update={"redis": Redis(url=SecretStr(url))})
