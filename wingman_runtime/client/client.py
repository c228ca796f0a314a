"""The client.

1. Admits requests: validated here, admitted by one script there; safe to repeat.
2. Waits for any number of results on one connection per partition (`waiter`).
3. Posts letters: votes, cancellations. Sets and clears rules. It decides nothing and touches no state.

Identity: until there is a gateway, whoever holds the server's credential names the actor, and is trusted to.
"""

from __future__ import annotations

import asyncio
import getpass
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from wingman_runtime.client.envelope import letter_of, plain_of, work_of
from wingman_runtime.client.request import Request, request_event
from wingman_runtime.client.standing import Standing, ensure_there, read_standing
from wingman_runtime.client.status import Status, read_status
from wingman_runtime.client.vote import VoteResult, vote_result
from wingman_runtime.client.waiter import Waiter, same_partition
from wingman_runtime.contracts.canonical import canonical, digest
from wingman_runtime.contracts.control import ControlMode, ControlRule, ControlTarget
from wingman_runtime.contracts.event import Event
from wingman_runtime.contracts.events import ApprovalVoteCast, RequestCancelled, UserRequestReceived
from wingman_runtime.contracts.ids import derive
from wingman_runtime.contracts.work import Approval, StepRequest, Vote
from wingman_runtime.errors import (
    AdmissionClosedError,
    BackendUnreachableError,
    ConflictError,
    ContractError,
    NotFoundError,
    UsageError,
)
from wingman_runtime.project.find import find_root
from wingman_runtime.redisio import admission, approvals, control, counts, letters, state
from wingman_runtime.redisio.opening import connect
from wingman_runtime.redisio.store import Store
from wingman_runtime.settings import Redis, Settings

_RETRY_FOR = 15.0
_FIRST_WAIT = 0.1
_VOTE_WAIT = 10.0


class Client:
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
        self._where = ""
        self._waiter: Waiter | None = None
        times = self.settings.times
        self._rules = admission.AdmissionRules(
            inbox_lag=self.settings.admission.inbox_lag,
            recorder_lag=self.settings.admission.recorder_lag,
            retry_after=self.settings.admission.retry_after,
            deadline_ms=int(times.request * 1000),
            state_ttl_ms=int(times.state_ttl * 1000),
            idempotency_ttl_ms=int(times.idempotency_ttl * 1000),
        )

    async def __aenter__(self) -> Self:
        connected = await self._stack.enter_async_context(
            connect(self.settings, readers=self.settings.partitions + 4)
        )
        self._store = connected.store
        self._where = connected.backend.where
        self._waiter = Waiter(connected.store)
        self._stack.push_async_callback(self._waiter.close)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        self._store = self._waiter = None

    @property
    def store(self) -> Store:
        if self._store is None:
            raise UsageError("the client is not open", hint="use it as `async with Client() as client:`")
        return self._store

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
    ) -> Request:
        """Submit a request; returns once it is admitted, which survives a power cut.

        Args:
            intent: what is wanted, e.g. ``note.write``.
            params: its parameters; plain JSON data.
            steps: explicit tool calls instead of a plan template.
            planner: the planner to use; empty: the intent's own.
            idempotency_key: the same key with the same body is the same request for
                ``times.idempotency_ttl``; across clients, too.

        Raises:
            ContractError: the request does not fit; ``where`` is the path.
            AdmissionClosedError: too much to do, or halted; try again after ``retry_after`` seconds.
            ConflictError: the idempotency key was used with another body.
            BackendError: the server cannot be reached; with a key, submitting again is safe.
        """
        if len(steps) > self.settings.limits.steps:
            raise ContractError(
                f"the request has {len(steps)} steps, the limit is {self.settings.limits.steps}",
                where="steps",
                hint="make it several requests, or raise limits.steps",
            )
        work = work_of(intent, params or {}, steps, planner)
        tenant = tenant or self.tenant
        who = actor or self.actor
        partition = (
            self.store.partition_for(tenant, idempotency_key)
            if idempotency_key
            else random.randrange(self.store.partitions)  # noqa: S311 - spread, not secrecy
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
                derive("key", tenant, idempotency_key),
                digest({"actor": who, "flow": flow, "request": body}),
            )
        began = time.monotonic()
        try:
            await self._check_memory()
            admitted = await admission.admit(self.store, event, rules=self._rules, idempotency=key)
        except BackendUnreachableError:
            left = began + _RETRY_FOR - time.monotonic()
            if left <= 0:
                raise
            # The id is ours: if the first answer was lost, the second says so and admits nothing.
            admitted = await self._admit_again(event, key, left)
        return Request(self, admitted)

    async def _admit_again(
        self, event: Event[UserRequestReceived], key: tuple[str, str] | None, seconds: float
    ) -> str:
        """Apart from the first attempt, which would pay for the repeating machine without using it."""
        await asyncio.sleep(random.uniform(0.0, _FIRST_WAIT))  # noqa: S311 - jitter
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(BackendUnreachableError),
            stop=stop_after_delay(seconds),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT, max=2.0),
            reraise=True,
        ):
            with attempt:
                return await admission.admit(self.store, event, rules=self._rules, idempotency=key)
        raise AssertionError("unreachable: the last attempt raises")

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

    async def cancel(self, request_id: str, *, reason: str, by: str | None = None) -> None:
        """Cancel a request: what runs is cut at its next commit, what was applied is rolled back.

        Raises:
            NotFoundError: no such request.
            ConflictError: it has ended, or its end is decided.
        """
        found = await self.request(request_id).state()
        event = letter_of(
            RequestCancelled(by=by or self.actor, reason=reason),
            derive("evt", request_id, "cancelled"),
            request_id,
            actor=by or self.actor,
            tenant=found.tenant,
            flow=found.flow,
        )
        posted = await letters.post(self.store, event, sender="client")
        if posted.kind in ("posted", "duplicate"):
            return
        if posted.kind == "missing":
            raise NotFoundError("no such request", where=request_id)
        raise ConflictError(
            f"it cannot be cancelled any more: {posted.kind} ({posted.detail or 'settling'})",
            where=request_id,
        )

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

    async def pause(self, target: str, *, reason: str, by: str | None = None) -> list[int]:
        """Hold what ``target`` covers; acknowledged when this returns. Returns each partition's epoch.

        Args:
            target: ``all``, ``agent:NAME``, ``flow:NAME``, ``tenant:NAME``, ``event:TYPE``, ``request:ID``.

        Raises:
            UsageError: the text is no target.
            NotFoundError: no such agent or flow is active, no such request.
        """
        parsed = ControlTarget.parse(target)
        await ensure_there(self.store, parsed)
        rule = ControlRule(target=parsed, mode=ControlMode.PAUSE, reason=reason, by=by or self.actor)
        return await control.hold(self.store, rule)

    async def resume(self, target: str, *, reason: str, by: str | None = None) -> int:
        """Let what ``target`` covers go on; returns how many parked entries went back to work."""
        return await control.resume(
            self.store,
            ControlTarget.parse(target),
            reason=reason,
            by=by or self.actor,
            agents=await counts.agent_names(self.store),
        )

    async def rules(self) -> tuple[ControlRule, ...]:
        """Everything that is held."""
        return (await control.read(self.store, 0)).rules

    async def status(self) -> Status:
        """A snapshot of queues, workers, rules and memory."""
        return await read_status(self.store)

    async def standing(self, target: str) -> Standing:
        """Which rules hold ``target`` (as for `pause`), and what of it is open.

        Raises:
            UsageError: the text is no target.
            NotFoundError: no such agent or request.
        """
        return await read_standing(self.store, ControlTarget.parse(target))

    async def trail(self, request_id: str) -> list[Any]:
        """Every record of a request so far, in order; see `Request.events` to follow it."""
        return [request_event(entry) for entry in await state.records(self.store, request_id)]

    async def _check_memory(self) -> None:
        """Past the share of memory that admission may fill, refuse before the server has to."""
        used, limit = await self._memory()
        share = self.settings.admission.memory
        if limit and used > limit * share:
            raise AdmissionClosedError(
                f"the server uses {used:,} bytes of its {limit:,} (maxmemory), "
                f"admission stops at {share:.0%} (admission.memory): let work be done, or raise maxmemory",
                retry_after=self.settings.admission.retry_after,
                where=self._where,
            )

    _memory_seen: tuple[float, int, int] = (0.0, 0, 0)

    async def _memory(self) -> tuple[int, int]:
        now = asyncio.get_running_loop().time()
        if now - self._memory_seen[0] > 1.0:
            # Set before asking: of many submits at once only one asks.
            self._memory_seen = (now, *self._memory_seen[1:])
            self._memory_seen = (now, *await counts.memory(self.store))
        return self._memory_seen[1:]


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
