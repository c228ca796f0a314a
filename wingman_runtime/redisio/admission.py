"""The one door: every request, whatever triggered it, is admitted here or refused with a reason."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import orjson

from wingman_runtime.contracts.event import Event
from wingman_runtime.contracts.events import UserRequestReceived
from wingman_runtime.contracts.ids import partition_of
from wingman_runtime.errors import AdmissionClosedError, ConflictError, ContractError, UsageError
from wingman_runtime.redisio.store import Store, text


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """Limits and times that admission applies; times in milliseconds.

    ``memory_share``: of the server's maxmemory; looked at every ``memory_check_ms`` by each store.
    """

    inbox_lag: int = 100_000
    recorder_lag: int = 50_000
    retry_after: float = 1.0
    deadline_ms: int = 604_800_000
    state_ttl_ms: int = 604_800_000
    idempotency_ttl_ms: int = 86_400_000
    memory_share: float = 0.8
    memory_check_ms: int = 500


def new_request_id(partition: int) -> str:
    """``req_p<partition>_`` and a UUIDv7 in hex (RFC 9562 §5.7), so that ids sort by time."""
    value = bytearray(int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10))
    value[6] = 0x70 | (value[6] & 0x0F)
    value[8] = 0x80 | (value[8] & 0x3F)
    return f"req_p{partition}_{value.hex()}"


async def admit(
    store: Store,
    event: Event[UserRequestReceived],
    *,
    rules: AdmissionRules,
    idempotency: tuple[str, str] | None = None,
) -> str:
    """Admit a request; returns its id, or the id of the one already admitted under the same key.

    Args:
        event: the request as an event; ``subject`` is the new request id.
        idempotency: (hash of tenant and key, digest of the body), or None.

    Raises:
        AdmissionClosedError: halted, out of memory, or too far behind; retry later.
        ConflictError: the key was used with another body.
        ContractError: the subject is no request id of the event's partition.
        UsageError: no such flow.
        BackendError: nothing is known; submitting the same event again is safe.
    """
    if partition_of(event.subject) != event.partition:
        raise ContractError("the request id names another partition than its event", where="partition")
    if await store.memory_used(rules.memory_check_ms / 1000) >= rules.memory_share:
        raise AdmissionClosedError(
            f"the server's memory is used past {rules.memory_share:.0%} of maxmemory",
            retry_after=rules.retry_after,
        )
    header = {
        "r": event.subject,
        "ev": event.id,
        "ty": event.type,
        "tenant": event.tenant,
        "actor": event.actor,
        "intent": event.data.request.intent,
        "flow": event.flow,
        "deadline": rules.deadline_ms,
        "ttl": rules.state_ttl_ms,
        "idem_ttl": rules.idempotency_ttl_ms,
        "inbox_lag": rules.inbox_lag,
        "recorder_lag": rules.recorder_lag,
    }
    if idempotency is not None:
        header["idem"], header["digest"] = idempotency
    prefix = orjson.dumps({"agent": "client", "worker": event.source})[:-1] + b',"event":'
    reply = await store.run("admit", event.partition, orjson.dumps(header), event.to_bytes(), prefix)
    verdict, detail = text(reply[0]), text(reply[1])
    if verdict in ("admitted", "duplicate"):
        return detail
    if verdict == "conflict":
        raise ConflictError(
            "this idempotency key was used with another body",
            where=detail,
            hint="send the first body again, or use a new key",
        )
    if verdict == "no_flow":
        raise UsageError(
            f"no flow named {event.flow!r} is active",
            hint="start a worker of the project that has it, or see `wingman flow check`",
        )
    reasons = {
        "halted": f"admission is halted: {detail}",
        "recorder_lag": f"{detail} log records are not in the audit store yet",
        "inbox_lag": f"{detail} events are waiting",
    }
    raise AdmissionClosedError(reasons[verdict], retry_after=rules.retry_after)
