"""The one door: every request, whatever triggered it, is admitted here or refused with a reason."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from wingman_runtime.contracts.event import Event
from wingman_runtime.contracts.events import UserRequestReceived
from wingman_runtime.contracts.ids import partition_of
from wingman_runtime.errors import AdmissionClosedError, ConflictError, ContractError, UsageError
from wingman_runtime.redisio import line
from wingman_runtime.redisio.dead import Act
from wingman_runtime.redisio.store import Store, text
from wingman_runtime.redisio.tenants import Tenant
from wingman_runtime.settings import Settings
from wingman_runtime.settings_admission import TenantLimits

SCHEDULES_IN = 0
"""The partition that holds the schedules and what they hand in: one script moves both."""


REPLAY_REFUSED = frozenset({"missing", "replayed", "discarded", "settling", "forgotten", "stands", "stray"})


class DueElsewhereError(ConflictError):
    """The due time was no longer the schedule's next one: nothing was admitted, and nothing is to be done."""


class ReplayRefusedError(ConflictError):
    """A dead letter was not replayed: ``why`` is one word, ``about`` the request it is about, or empty."""

    def __init__(self, why: str, about: str) -> None:
        super().__init__(why, where=about or None)
        self.why = why
        self.about = about


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """Limits and times that admission applies; times in milliseconds.

    ``tenants``: the limits of a tenant, and where they stand in the settings.
    ``line``: requests that may wait behind the one under way of their ordering key. ``memory_share``: of
    the server's maxmemory; looked at every ``memory_check_ms`` by each store.
    """

    inbox_lag: int = 100_000
    recorder_lag: int = 50_000
    line: int = 1000
    tenants: Callable[[str], tuple[str, TenantLimits]] = lambda name: (name, TenantLimits())
    retry_after: float = 1.0
    deadline_ms: int = 604_800_000
    state_ttl_ms: int = 604_800_000
    idempotency_ttl_ms: int = 86_400_000
    memory_share: float = 0.8
    memory_check_ms: int = 500


@dataclass(frozen=True, slots=True)
class Trigger:
    """What handed a request in, when it was no person's submit.

    Attributes:
        name: as policies see it, such as ``schedule:nightly``.
        schedule: the schedule's name; a rule on it closes the door.
        nominal_ms: the due time it stands for.
        record: more for the log: who fired it, why.
        moves: fired by the clock: the request is admitted, and the schedule moves on to ``following_ms``, in
            one step, and only if ``nominal_ms`` is still its next due time.
    """

    name: str
    schedule: str
    nominal_ms: int
    record: Mapping[str, str]
    moves: bool = False
    following_ms: int | None = None

    def header(self) -> dict[str, object]:
        firing: dict[str, object] = {"name": self.schedule}
        if self.moves:
            following = "" if self.following_ms is None else str(self.following_ms)
            firing |= {"was": str(self.nominal_ms), "following": following}
        return {"firing": firing, "trigger": self.name, "nominal": str(self.nominal_ms)}


@dataclass(frozen=True, slots=True)
class Replay:
    """A dead letter whose request is handed in once more, and the log record of that."""

    act: Act
    record: bytes


@dataclass(frozen=True, slots=True)
class Start:
    """When a request is to begin, by the server's clock: at a moment, or so long after its admission."""

    at_ms: int = 0
    delay_ms: int = 0


def rules_of(settings: Settings) -> AdmissionRules:
    """What a project's settings say about admission."""
    times = settings.times
    return AdmissionRules(
        inbox_lag=settings.admission.inbox_lag,
        recorder_lag=settings.admission.recorder_lag,
        line=settings.admission.line,
        tenants=settings.admission.of_tenant,
        retry_after=settings.admission.retry_after,
        deadline_ms=int(times.request * 1000),
        state_ttl_ms=int(times.state_ttl * 1000),
        idempotency_ttl_ms=int(times.idempotency_ttl * 1000),
    )


def new_request_id(partition: int) -> str:
    """``req_p<partition>_`` and a UUIDv7 in hex (RFC 9562 §5.7), so that ids sort by time."""
    value = bytearray(int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10))
    value[6] = 0x70 | (value[6] & 0x0F)
    value[8] = 0x80 | (value[8] & 0x3F)
    return f"req_p{partition}_{value.hex()}"


def due_request_id(schedule: str, due_ms: int, salt: str) -> str:
    """The one id of a schedule's request for one due time; like `new_request_id` it sorts by time.

    ``salt`` is the server's own, so that two installations do not share ids, and with them the keys by which
    other systems recognise a repeated call.
    """
    cause = f"{salt}\0{schedule}\0{due_ms}".encode()
    value = bytearray(due_ms.to_bytes(6, "big") + hashlib.sha256(cause).digest()[:10])
    value[6] = 0x70 | (value[6] & 0x0F)
    value[8] = 0x80 | (value[8] & 0x3F)
    return f"req_p{SCHEDULES_IN}_{value.hex()}"


async def admit(
    store: Store,
    event: Event[UserRequestReceived],
    *,
    rules: AdmissionRules,
    idempotency: tuple[str, str] | None = None,
    trigger: Trigger | None = None,
    start: Start | None = None,
    order: str = "",
    replay: Replay | None = None,
) -> str:
    """Admit a request; returns its id, or the id of the one already admitted under the same key.

    Args:
        event: the request as an event; ``subject`` is the new request id.
        idempotency: (hash of tenant and key, digest of the body), or None.
        trigger: what handed it in; None: a client.
        start: when it is to begin; None: at once. Until then it is open, and can be cancelled.
        order: its ordering key: it begins once all requests of this tenant and key admitted before ended.
        replay: the dead letter it replays, which is taken out in the same step.

    Raises:
        ReplayRefusedError: the letter may not be replayed now, or was before.
        DueElsewhereError: another worker has fired this due time, or the schedule has changed.
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
    tenant = Tenant(event.tenant, *rules.tenants(event.tenant), store.partitions)
    header: dict[str, object] = {
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
        "tenant_limits": tenant.header(),
    }
    if idempotency is not None:
        header["idem"], header["digest"] = idempotency
    if start is not None:
        header |= {"start": start.at_ms, "delay": start.delay_ms}
    who: dict[str, object] = {"agent": "client", "worker": event.source}
    if order:
        header |= {"line": line.name_of(event.tenant, order), "order": order, "line_limit": rules.line}
        who["ordering_key"] = order
    if trigger is not None:
        header |= trigger.header()
        who = {
            "agent": "schedule",
            **trigger.record,
            "trigger": trigger.name,
            "nominal_ms": trigger.nominal_ms,
        }
    record = b""
    if replay is not None:
        header["replay"], record = replay.act.header(), replay.record
        who |= {"replays": replay.act.request_id, "letter": replay.act.letter, "by": replay.act.by}
    prefix = orjson.dumps(who)[:-1] + b',"event":'
    reply = await store.run("admit", event.partition, orjson.dumps(header), event.to_bytes(), prefix, record)
    verdict, detail = text(reply[0]), text(reply[1])
    if verdict in ("admitted", "duplicate"):
        return detail
    if verdict in REPLAY_REFUSED:
        raise ReplayRefusedError(verdict, detail)
    if verdict == "moved":
        raise DueElsewhereError(f"{trigger and trigger.schedule} is due at {detail or 'no time'}")
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
    raise _closed(verdict, detail, rules, tenant, order)


def _closed(
    verdict: str, detail: str, rules: AdmissionRules, tenant: Tenant, order: str
) -> AdmissionClosedError:
    if verdict.startswith("tenant_"):
        return tenant.closed(verdict, detail, rules.retry_after)
    reasons = {
        "halted": f"admission is halted: {detail}",
        "recorder_lag": f"{detail} log records are not in the audit store yet",
        "inbox_lag": f"{detail} events are waiting",
        "line_full": (
            f"{detail} requests wait in line for the ordering key {order!r}, "
            f"the limit is {rules.line} (admission.line)"
        ),
    }
    return AdmissionClosedError(reasons[verdict], retry_after=rules.retry_after)
