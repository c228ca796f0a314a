"""What passed its deadline gets a letter: an open approval times out, a request expires.

Every worker sweeps; the letters have deterministic ids, so many sweeps post one.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any

import structlog

from wingman_runtime.contracts.event import Event, EventModel, dataschema_of, envelope_of
from wingman_runtime.contracts.events import ApprovalTimedOut, RequestExpired, RequestFailed
from wingman_runtime.contracts.ids import derive
from wingman_runtime.errors import AdmissionClosedError, BackendError
from wingman_runtime.redisio import approvals, letters, state
from wingman_runtime.redisio.store import Store
from wingman_runtime.redisio.timers import Fired

_LOG = structlog.get_logger(__name__)


async def post_overdue(store: Store, partition: int, fired: Fired) -> None:
    """Post the letters for what one sweep named."""
    for approval_id in fired.approvals:
        await _one(_approval(store, partition, approval_id), approval_id)
    for request_id in fired.requests:
        await _one(_request(store, request_id), request_id)


async def _one(work: Coroutine[Any, Any, None], what: str) -> None:
    """One that cannot be posted must not keep the others behind it from their end."""
    try:
        await work
    except (BackendError, AdmissionClosedError):
        raise
    except Exception:
        _LOG.exception("no letter for what is overdue", what=what[:100])


async def _approval(store: Store, partition: int, approval_id: str) -> None:
    approval = await approvals.read(store, partition, approval_id)
    if approval is None:
        return
    data = ApprovalTimedOut(approval_id=approval_id)
    letter = await _letter(store, approval.request_id, data, derive("evt", approval_id, "timed_out"))
    if letter is not None:
        await letters.post(store, letter, sender="timer", approval_id=approval_id)


async def _request(store: Store, request_id: str) -> None:
    data = RequestExpired(reason="the request's deadline passed before it ended")
    letter = await _letter(store, request_id, data, derive("evt", request_id, "expired"))
    if letter is not None:
        await letters.post(store, letter, sender="timer")


async def post_lost(store: Store, request_ids: Iterable[str]) -> None:
    """Fail the requests of which an entry is gone: nothing else would ever end them before their deadline."""
    for request_id in request_ids:
        data = RequestFailed(
            agent="timer", cause="lost_entry", reasons=("an event on its way was deleted from an inbox",)
        )
        letter = await _letter(store, request_id, data, derive("evt", request_id, "lost"))
        if letter is not None:
            await letters.post(store, letter, sender="timer")


async def _letter(store: Store, request_id: str, data: EventModel, identity: str) -> Event[Any] | None:
    request = await state.read(store, request_id)
    if request is None or request.ended:
        return None
    return envelope_of(type(data))(
        id=identity,
        source="/timers",
        type=type(data).__name__,
        subject=request_id,
        time=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        dataschema=dataschema_of(type(data)),
        partition=int(request_id.split("_")[1][1:]),
        correlationid=request_id,
        causationid=request_id,
        actor=request.actor,
        tenant=request.tenant,
        flow=request.flow,
        data=data,
    )
