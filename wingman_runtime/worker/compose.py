"""From an agent's answer to a commit: envelopes with deterministic ids, log prefixes, joins. Pure.

The clock that stamps CloudEvents ``time`` is handed in; ids never depend on it, so a second attempt at the
same step names the same events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import orjson

from wingman_runtime.contracts.event import Event, EventModel, dataschema_of, envelope_of
from wingman_runtime.contracts.events import AttemptFailed, BranchesJoined, DeadLettered, RequestFailed
from wingman_runtime.contracts.ids import derive, event_id
from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.contracts.outcome import Done, Emit, Forward, Refuse, Wait
from wingman_runtime.contracts.work import Approval
from wingman_runtime.contracts.writing import written
from wingman_runtime.errors import AgentCodeError, ContractError
from wingman_runtime.flow.route import JoinRoute, Route
from wingman_runtime.redisio.commit import ApprovalChange, Emission, JoinEnvelope, StepResult
from wingman_runtime.redisio.inbox import Entry
from wingman_runtime.worker.tables import FlowTable

_BY = ("agent", "worker", "code", "policy", "attempt")
_INPUTS = b'"inputs":['


@dataclass(slots=True)
class Step:
    """One entry in hand, with all that its records must name. The desk fills it in as it comes to know it."""

    entry: Entry
    event: Event[Any] | None  # None: it is not, or could not be, decoded
    manifest: Manifest
    code: str
    worker: str
    time: str
    flow: FlowTable | None = None
    policy: str = ""
    decisions: tuple[dict[str, Any], ...] = ()

    @property
    def agent(self) -> str:
        return self.manifest.name

    @property
    def spared(self) -> bool:
        """Whether a worker may die of this delivery without its agent being given up on."""
        return self.manifest.retry.attempts > self.entry.deliveries

    @property
    def depth(self) -> int:
        """Of the events the step sends: how many came before them, one causing the other."""
        return self.event.depth + 1 if self.event else 0


def answer(step: Step, outcome: Emit | Refuse | Wait | Done | Forward) -> StepResult:
    """The commit of an agent's answer. The caller has checked that the agent may give it."""
    match outcome:
        case Forward():
            return _result(step, (_forwarded(step),))
        case Done(note=note):
            body = orjson.dumps({**_by(step), **_what(step), "note": note})
            return _result(step, (), records=(("done", body),))
        case Emit(events=events, approval=approval):
            return _result(step, _emissions(step, events), approval)
        case Refuse(event=event, approval=approval):
            return _result(step, _emissions(step, (event,), refusal=True), approval)
        case Wait(event=event, approval=approval):
            # The branch stays open, as a wait: nothing can starve.
            return _result(step, _emissions(step, (event,)), approval, starves=False)


def failure(step: Step, cause: str, *reasons: str) -> StepResult:
    """The step broke a rule: `RequestFailed`, in any flow."""
    return replace(_result(step, (_failed(step, cause, reasons),)), policy="")


def retry(step: Step, error: str, delay: float) -> StepResult:
    """Another attempt in ``delay`` seconds, kept by a durable timer."""
    attempt = step.entry.deliveries
    data = AttemptFailed(
        agent=step.agent, event_id=step.entry.event_id, error=error, attempt=attempt, retry_in=delay
    )
    body = _event(step, data, derive("evt", step.entry.event_id, step.agent, "AttemptFailed", attempt))
    record = _prefix(step) + body + b"}"
    return StepResult(
        step.entry, "retry", records=(("retry", record),), delay_ms=int(delay * 1000), size=len(record)
    )


def bury(step: Step, error: str) -> StepResult:
    """The agent gives up on this entry: its dead letters keep it, the request ends by the flow's failure."""
    entry = step.entry
    data = DeadLettered(
        agent=step.agent,
        event_id=entry.event_id[:64],
        event_type=entry.event_type[:100],
        error=error,
        attempts=entry.deliveries,
    )
    emission = _system(step, data, "DeadLettered")
    why = orjson.dumps({**_by(step), "error": error, "attempts": entry.deliveries})
    return replace(
        _result(step, (emission,)),
        disposition="bury",
        policy="",
        why=why,
        receipt="buried",
        size=len(emission.body) + len(why),
    )


def quarantine(step: Step, anomaly: str, error: str) -> StepResult:
    """Bury an entry that belongs to no step of any request: loudly, and without touching one."""
    named = {**_by(step), **_what(step), "request": step.entry.request_id}
    body = orjson.dumps({**named, "anomaly": anomaly, "error": error})
    return StepResult(step.entry, "bury", records=(("anomaly", body),), why=body, size=len(body))


def park(entry: Entry, *, awaits: str = "") -> StepResult:
    """Keep the entry, uncounted, until nothing holds it; or until a release that reads it is there."""
    return StepResult(entry, "park", awaits=awaits)


def _result(
    step: Step,
    emissions: tuple[Emission, ...],
    approval: Approval | None = None,
    *,
    records: tuple[tuple[str, bytes], ...] = (),
    starves: bool = True,
) -> StepResult:
    starve, size, sent = None, 0, []
    for emission in emissions:
        starves = starves and not _moves(_route(step, emission.event_type))
        size += len(emission.body)
        sent.append(emission.event_id)
    if starves:
        starve = _failed(step, "starved", ("the last open branch ended without an outcome",))
    return StepResult(
        step.entry,
        "done",
        emissions=emissions,
        records=records,
        approval=ApprovalChange(approval) if approval else None,
        policy=step.policy,
        receipt=orjson.dumps(sent).decode(),
        starve=starve,
        size=size,
    )


def _route(step: Step, event_type: str) -> Route | None:
    return step.flow.route(step.agent, event_type) if step.flow else None


def _moves(route: Route | None) -> bool:
    return route is not None and bool(route.to or route.settle or route.decides or route.end)


def _emissions(step: Step, events: Sequence[EventModel], *, refusal: bool = False) -> tuple[Emission, ...]:
    agent, cause = step.agent, step.event
    if cause is None:
        raise ContractError("nobody answers what could not be read")
    out = []
    for position, data in enumerate(events):
        name = type(data).__name__
        identity = event_id(step.entry.event_id, agent, position, name)
        route = _route(step, name)
        body, read = _checked(agent, data)
        parts = _parts(step, cause, type(data), identity)
        out.append(
            Emission(
                identity,
                name,
                _sealed(parts, body),
                # The grounds stand once, with the first event of the answer.
                _prefix(step, refusal=refusal, decisions=position == 0),
                step.depth,
                str(getattr(data, route.outcome_field, "")) if route and route.outcome_field else "",
                join=_joined(step, route.join) if route and route.join else None,
                parts={**parts, "data": read},
            )
        )
    return tuple(out)


def _checked(agent: str, data: EventModel) -> tuple[bytes, EventModel]:
    """As `written`. Raises AgentCodeError, naming the agent, for data that its own model refuses."""
    try:
        return written(data)
    except ContractError as error:
        raise AgentCodeError(
            f"what {agent} emits is refused: {error.message}",
            where=error.where,
            hint="build it by its model's own checks: model_construct and model_copy make none",
        ) from None


def _forwarded(step: Step) -> Emission:
    entry = step.entry
    prefix = orjson.dumps({**_by(step), **_what(step)})
    depth = step.event.depth if step.event else 0
    # No body: the commit passes on the one it reads from the entry itself.
    return Emission(entry.event_id, entry.event_type, b"", prefix, depth, kind="routed")


def _failed(step: Step, cause: str, reasons: Sequence[str]) -> Emission:
    data = RequestFailed(agent=step.agent, cause=cause, reasons=tuple(reasons))
    return _system(step, data, "RequestFailed")


def _system(step: Step, data: EventModel, name: str) -> Emission:
    identity = derive("evt", step.entry.event_id, step.agent, name)
    route = _route(step, name)
    joined = _joined(step, route.join) if route and route.join else None
    body = _event(step, data, identity)
    return Emission(identity, name, body, _prefix(step), step.depth, system=True, join=joined)


def _joined(step: Step, join: JoinRoute) -> JoinEnvelope:
    identity = derive("evt", step.entry.request_id, "join", join.name)
    whole = _event(step, BranchesJoined(join=join.name, inputs=()), identity)
    # ``data`` is the envelope's last field and ``inputs`` the last of the data's.
    head, tail = whole.rsplit(_INPUTS, 1)
    return JoinEnvelope(identity, head + _INPUTS, tail)


def _event(step: Step, data: EventModel, identity: str) -> bytes:
    """An event of the runtime's own as it travels."""
    if step.event is None:
        return _bare(step, data, identity)
    kind = type(data)
    body = kind.__pydantic_serializer__.to_json(data, by_alias=True)
    return _sealed(_parts(step, step.event, kind, identity), body)


def _sealed(parts: Mapping[str, Any], body: bytes) -> bytes:
    return orjson.dumps({**parts, "data": orjson.Fragment(body)})


def _parts(step: Step, cause: Event[Any], kind: type[EventModel], identity: str) -> dict[str, Any]:
    """The fields of `Event` in their order, without the last, which is ``data``."""
    entry = step.entry
    return {
        "specversion": "1.0",
        "id": identity,
        "source": f"/agents/{step.agent}",
        "type": kind.__name__,
        # Of an event that was decoded: nothing here has to be checked again.
        "subject": cause.subject,
        "time": step.time,
        "datacontenttype": "application/json",
        "dataschema": dataschema_of(kind),
        "partition": entry.partition,
        "correlationid": cause.correlationid,
        "causationid": cause.id,
        "depth": cause.depth + 1,
        "actor": cause.actor,
        "tenant": cause.tenant,
        "flow": cause.flow,
        "attempt": max(1, entry.deliveries),
        "policydigest": step.policy,
        "traceparent": cause.traceparent,
    }


def _bare(step: Step, data: EventModel, identity: str) -> bytes:
    """The same for an entry nobody could read: whatever stands in it is checked here."""
    entry = step.entry
    event = envelope_of(type(data))(
        id=identity,
        source=f"/agents/{step.agent}",
        type=type(data).__name__,
        subject=entry.request_id,
        time=step.time,
        dataschema=dataschema_of(type(data)),
        partition=entry.partition,
        correlationid=entry.request_id,
        causationid=entry.event_id[:64],
        actor="",
        tenant=entry.tenant,
        flow=entry.flow,
        attempt=max(1, entry.deliveries),
        policydigest=step.policy,
        data=data,
    )
    return event.to_bytes()


def _by(step: Step) -> dict[str, Any]:
    by = (step.agent, step.worker, step.code, step.policy, step.entry.deliveries)
    return dict(zip(_BY, by, strict=True))


def _what(step: Step) -> dict[str, Any]:
    # Cut: what was put there from outside may be of any length.
    return {"event_id": step.entry.event_id[:100], "event_type": step.entry.event_type[:100]}


def _prefix(step: Step, *, refusal: bool = False, decisions: bool = True) -> bytes:
    """The log record of an event up to the event itself; the script adds it and closes the object."""
    head = _by_whom(step.agent, step.worker, step.code, step.policy, step.entry.deliveries)
    grounds = b',"decisions":' + orjson.dumps(step.decisions) if decisions else b""
    return head + grounds + (b',"refusal":true,"event":' if refusal else b',"event":')


@lru_cache(maxsize=1024)
def _by_whom(*which: str | int) -> bytes:
    """What all records of a step begin with, unclosed: the same for each first try of an agent."""
    return orjson.dumps(dict(zip(_BY, which, strict=True)))[:-1]
