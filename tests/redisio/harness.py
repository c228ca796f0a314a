"""A small house to drive the scripts in: a store, a flow table, and verbs that tell the story of a request.

The flow: the dispatcher forwards to ``a``, which may go on to ``b``, fork to ``b``, ``c`` and ``e`` (joined
at ``d``), finish, or break. What breaks settles at ``rollback``; every outcome is closed by ``audit``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from wingman_runtime.contracts.control import ControlMode, ControlRule, ControlTarget
from wingman_runtime.contracts.event import Event, EventModel, envelope_of
from wingman_runtime.contracts.events import UserRequestReceived
from wingman_runtime.contracts.ids import derive, event_id
from wingman_runtime.contracts.log import LogEntry
from wingman_runtime.contracts.system_events import RequestCancelled, RequestExpired
from wingman_runtime.contracts.work import (
    Approval,
    ApprovalStatus,
    Plan,
    Step,
    WorkRequest,
)
from wingman_runtime.redisio import (
    admission,
    approvals,
    commit,
    control,
    flows,
    inbox,
    letters,
    state,
    timers,
    workers,
)
from wingman_runtime.redisio.admission import AdmissionRules
from wingman_runtime.redisio.commit import ApprovalChange, Emission, JoinEnvelope, StepResult, Verdict
from wingman_runtime.redisio.connection import open_backend
from wingman_runtime.redisio.inbox import Entry
from wingman_runtime.redisio.log import whole
from wingman_runtime.redisio.state import RequestState
from wingman_runtime.redisio.store import Store, text

AGENTS = ("dispatcher", "a", "b", "c", "d", "e", "rollback", "audit")
SYSTEM = ("RequestFailed", "RequestCancelled", "RequestExpired", "DeadLettered")
TTL_MS = 60_000


class VoteCast(EventModel):
    """A letter that the flow sends from a client to ``a``."""

    verdict: str = "approve"


class TimedOut(EventModel):
    """A letter that the flow sends from a timer to ``a``."""


def route(*to: str, **rest: Any) -> str:
    """One row of a flow table."""
    row = {"to": list(to), "settle": "", "outcome": "", "outcome_field": "", "join": None, "end": False}
    return orjson.dumps(row | rest).decode()


def table(
    *, need: int = 3, depth: int = 8, events: int = 40, failure: bool = True, final: bool = True
) -> dict[str, str]:
    """The flow. ``need`` of the three branches make the join fire; without ``failure`` nobody settles."""
    join = {"name": "parts", "need": need, "of": ["b", "c", "e"], "to": ["d"]}
    broke = route(settle="rollback")
    rows = {
        "dispatcher>UserRequestReceived": route("a"),
        "a>Forked": route("b", "c", "e"),
        "a>Next": route("b"),
        "a>Noted": route(),
        "a>Judged": route(outcome_field="outcome"),
        "b>Next": route("c"),
        "c>Next": route("b"),
        "b>Noted": route(),
        "client>VoteCast": route("a"),
        "timer>TimedOut": route("a"),
        "client>Decided": route(outcome_field="outcome"),
        "rollback>Compensated": route(outcome_field="outcome"),
        "rollback>Planned": route("e"),
        "e>Compensated": route(outcome_field="outcome"),
        "audit>Stamped": route(end=True),
        "b>Stamped": route(end=True),  # no checked flow would let it
        "@flow": "story",
        "@finally": "audit" if final else "",
        "@agents": ",".join(AGENTS),
        "@depth": str(depth),
        "@events": str(events),
    }
    for agent in ("a", "b", "c", "d", "e"):
        rows[f"{agent}>Finished"] = route(outcome="completed")
        rows[f"{agent}>Refused"] = route(outcome="denied")
        rows[f"{agent}>Broke"] = broke
    for agent in ("b", "c", "e"):
        rows[f"{agent}>Part"] = route(join=join)
    failed = {"RequestCancelled": "cancelled", "RequestExpired": "expired"}
    for name in SYSTEM:
        rows[f"*>{name}"] = broke if failure else route(outcome=failed.get(name, "failed"))
    return rows


def envelope(request_id: str, data: EventModel, identity: str, *, tenant: str = "demo") -> Event[Any]:
    return envelope_of(type(data))(
        id=identity,
        source="/test",
        type=type(data).__name__,
        subject=request_id,
        time="2026-01-01T00:00:00Z",
        dataschema="urn:test",
        partition=int(request_id.split("_")[1][1:]),
        correlationid=request_id,
        actor="alice",
        tenant=tenant,
        flow="story",
        data=data,
    )


def emission(entry: Entry, event_type: str, position: int = 0, **rest: Any) -> Emission:
    """An event that the agent of ``entry`` sends on; its body tells whose it is."""
    identity = event_id(entry.event_id, entry.agent, position, event_type)
    fields: dict[str, Any] = {
        "body": orjson.dumps({"id": identity, "type": event_type, "by": entry.agent}),
        "prefix": b'{"agent":"%s","event":' % entry.agent.encode(),
        "depth": 1,
    }
    if event_type == "Part":
        joined = derive("evt", entry.request_id, "join", "parts")
        fields["join"] = JoinEnvelope(joined, b'{"id":"%s","inputs":[' % joined.encode(), b"]}")
    if event_type in SYSTEM:
        fields["system"] = True
    return Emission(identity, event_type, **(fields | rest))


def done(entry: Entry, *events: str | Emission, **rest: Any) -> StepResult:
    """The result of a step that emits ``events``; if it is the last open branch, it starves as
    RequestFailed.
    """
    sent = tuple(
        emission(entry, event, position) if isinstance(event, str) else event
        for position, event in enumerate(events)
    )
    fields: dict[str, Any] = {
        "receipt": ",".join(each.event_id for each in sent) or "-",
        "starve": emission(entry, "RequestFailed", 99),
    }
    return StepResult(entry, "done", emissions=sent, **(fields | rest))


def forwarded(entry: Entry) -> StepResult:
    """The dispatcher's answer: the event itself, sent on."""
    sent = Emission(entry.event_id, entry.event_type, entry.body, b'{"agent":"dispatcher"}', 0, kind="routed")
    return StepResult(entry, "done", emissions=(sent,), receipt=entry.event_id)


def retry(entry: Entry, delay_ms: int) -> StepResult:
    return StepResult(
        entry, "retry", delay_ms=delay_ms, records=(("retry", b'{"agent":"%s"}' % entry.agent.encode()),)
    )


def bury(entry: Entry) -> StepResult:
    return StepResult(
        entry,
        "bury",
        emissions=(emission(entry, "DeadLettered"),),
        why=b'{"error":"poison"}',
        receipt="buried",
    )


def quarantine(entry: Entry) -> StepResult:
    """The burial of an entry that belongs to no step."""
    return StepResult(entry, "bury", records=(("anomaly", b'{"anomaly":"stray"}'),), why=b'{"error":"stray"}')


def park(entry: Entry) -> StepResult:
    return StepResult(entry, "park")


def a_plan(request_id: str, tool: str = "note.write") -> Plan:
    step = Step(index=0, tool=tool, args={"text": "x"}, resource="notes/x")
    return Plan(plan_id="plan_1", request_id=request_id, intent="note", steps=(step,))


def an_approval(request_id: str, **rest: Any) -> Approval:
    plan = a_plan(request_id)
    fields: dict[str, Any] = {
        "approval_id": derive("apr", request_id),
        "request_id": request_id,
        "tenant": "demo",
        "requester": "alice",
        "plan": plan,
        "plan_digest": plan.digest(),
        "expires_in": 60.0,
    }
    return Approval(**(fields | rest))


class House:
    """See the module. Verbs act on partition 0 unless the request or entry says otherwise."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.rules = AdmissionRules(state_ttl_ms=TTL_MS, idempotency_ttl_ms=TTL_MS)

    async def activate(self, **options: Any) -> None:
        rows = table(**options)
        await flows.activate(
            self.store, "story", derive("flow", *sorted(rows), *rows.values()), rows, by="test"
        )
        await self.store.ensure_groups(list(AGENTS))

    def request(self, partition: int = 0, *, identity: str = "", **rest: Any) -> Event[UserRequestReceived]:
        identity = identity or admission.new_request_id(partition)
        data = UserRequestReceived(request=WorkRequest(intent="note", params={"text": "x"}))
        return envelope(identity, data, derive("evt", identity), **rest)

    async def admit(self, partition: int = 0, **rest: Any) -> str:
        return await admission.admit(self.store, self.request(partition, **rest), rules=self.rules)

    async def started(self, partition: int = 0) -> tuple[str, Entry]:
        """A request, and its entry in the hands of worker ``w1`` at agent ``a``."""
        request_id = await self.admit(partition)
        await self.forward(partition=partition)
        return request_id, await self.take("a", partition=partition)

    async def forward(self, *, partition: int = 0, worker: str = "w1") -> None:
        entries = await self.fetch("dispatcher", worker, partition=partition)
        for verdict in await self.commit(*(forwarded(entry) for entry in entries), worker=worker):
            assert verdict.kind == "committed"

    async def fetch(
        self, agent: str, worker: str = "w1", *, count: int = 100, partition: int = 0
    ) -> list[Entry]:
        return await inbox.fetch(self.store, partition, agent, worker, count=count, block_ms=0)

    async def take(self, agent: str, worker: str = "w1", *, partition: int = 0) -> Entry:
        """The one entry that waits for ``agent``."""
        entries = await self.fetch(agent, worker, partition=partition)
        assert len(entries) == 1, f"{agent}: {entries}"
        return entries[0]

    async def commit(self, *results: StepResult, worker: str = "w1") -> list[Verdict]:
        first = results[0].entry
        _, verdicts, _ = await commit.commit(self.store, first.partition, first.agent, worker, results)
        return verdicts

    async def step(
        self, agent: str, *events: str | Emission, worker: str = "w1", partition: int = 0, **rest: Any
    ) -> Entry:
        """Take the one entry of ``agent`` and commit its answer."""
        entry = await self.take(agent, worker, partition=partition)
        [verdict] = await self.commit(done(entry, *events, **rest), worker=worker)
        assert verdict.kind == "committed", verdict
        return entry

    async def close(self, request_id: str, outcome: str) -> RequestState:
        """Audit stamps; the request has ended, as ``outcome``, with nothing left open."""
        await self.step("audit", "Stamped", partition=int(request_id.split("_")[1][1:]))
        return await self.ended(request_id, outcome)

    async def ended(self, request_id: str, outcome: str) -> RequestState:
        found = await self.state(request_id)
        assert (found.status, found.outcome, found.open_branches) == ("ended", outcome, 0)
        return found

    async def state(self, request_id: str) -> RequestState:
        found = await state.read(self.store, request_id)
        assert found is not None
        return found

    async def records(self, request_id: str) -> list[LogEntry]:
        return await state.records(self.store, request_id)

    async def kinds(self, request_id: str) -> list[str]:
        return [record.kind for record in await self.records(request_id)]

    async def log(self, partition: int = 0) -> list[tuple[int, str, str, bytes]]:
        """(n, kind, request, body) of the whole log."""
        rows = await self.store.call("XRANGE", self.store.keys(partition).log, "-", "+")
        out = []
        for _, flat in rows:
            fields = _pairs(flat)
            record = whole(fields["b"], fields["e"])
            out.append((int(fields["n"]), text(fields["k"]), text(fields["req"]), record))
        return out

    async def anomalies(self, partition: int = 0) -> list[dict[str, Any]]:
        return [orjson.loads(body) for _, kind, _, body in await self.log(partition) if kind == "anomaly"]

    async def fire(self, partition: int = 0) -> timers.Fired:
        return await timers.fire(self.store, partition)

    async def call(self, *command: Any) -> Any:
        return await self.store.call(*command)

    async def hold(self, target: str, mode: ControlMode = ControlMode.PAUSE) -> list[int]:
        rule = ControlRule(target=ControlTarget.parse(target), mode=mode, reason="a test", by="ops")
        return list((await control.hold(self.store, rule)).epochs)

    async def resume(self, target: str) -> int:
        parsed = ControlTarget.parse(target)
        return await control.resume(self.store, parsed, reason="a test", by="ops", agents=list(AGENTS))

    async def ask(self, **rest: Any) -> tuple[str, Approval]:
        """A request whose ``a`` waits for people; returns it and the open approval as stored."""
        request_id, entry = await self.started()
        change = ApprovalChange(an_approval(request_id, **rest))
        [verdict] = await self.commit(done(entry, "Noted", approval=change, starve=None))
        assert verdict.kind == "committed"
        return request_id, await self.approval(change.approval.approval_id)

    async def approval(self, approval_id: str) -> Approval:
        found = await approvals.read(self.store, 0, approval_id)
        assert found is not None
        return found

    async def post(
        self, request_id: str, data: EventModel, *, by: str = "client", name: str = "", **rest: Any
    ) -> str:
        letter = envelope(request_id, data, derive("evt", request_id, type(data).__name__, name))
        return (await letters.post(self.store, letter, sender=by, **rest)).kind  # type: ignore[arg-type]

    async def cancel(self, request_id: str) -> str:
        return await self.post(request_id, RequestCancelled(by="alice", reason="changed my mind"))

    async def expire(self, request_id: str) -> str:
        return await self.post(request_id, RequestExpired(reason="too late"), by="timer")

    async def vote(self, request_id: str, approval: Approval, name: str = "1", **rest: Any) -> str:
        return await self.post(
            request_id, VoteCast(), name=name, approval_id=approval.approval_id, vote=True, **rest
        )

    async def snapshot(self) -> dict[str, Any]:
        """Every key and all that is in it but the claims: what "nothing was written" is held against."""
        out: dict[str, Any] = {}
        for key in await self.keys():
            kind = text(await self.call("TYPE", key))
            read: Mapping[str, tuple[Any, ...]] = {
                "stream": ("XRANGE", key, "-", "+"),
                "hash": ("HGETALL", key),
                "set": ("SORT", key, "ALPHA"),
                "zset": ("ZRANGE", key, 0, -1, "WITHSCORES"),
                "list": ("LRANGE", key, 0, -1),
                "string": ("GET", key),
            }
            out[key] = await self.call(*read[kind])
        return out

    async def pending(self, agent: str, partition: int = 0) -> int:
        """How many entries of the agent's inbox somebody has claimed."""
        return sum(reader.pending for reader in await workers.readers(self.store, partition, agent))

    async def keys(self) -> list[str]:
        found = await self.call("KEYS", "*")
        return sorted(text(key) for key in found)

    async def check_leaks(self) -> None:
        """Fail on a key that nobody will ever take away: neither the catalogue's own, nor open work's, nor
        ageing.
        """
        for number in range(self.store.partitions):
            keys = self.store.keys(number)
            opened = {text(item) for item in await self.call("ZRANGE", keys.open, 0, -1)}
            for key in await self.keys():
                if not key.startswith(f"{keys.anchor}:") or _permanent(key.removeprefix(f"{keys.anchor}:")):
                    continue
                if any(request_id in key for request_id in opened):
                    continue
                if ":apr:" in key and text(await self.call("HGET", key, "req")) in opened:
                    continue
                if ":line:" in key and {*map(text, await self.call("LRANGE", key, 0, -1))} <= opened:
                    continue
                assert int(await self.call("PTTL", key)) > 0, f"{key} stays for ever"
            numbers = [n for n, *_ in await self.log(number)]
            assert numbers == list(range(1, len(numbers) + 1)), "the log has a gap"


def _permanent(name: str) -> bool:
    whole = (
        "log logseq outcomes control rules flows open ended workers reconciler tenants approvals buried "
        "inflight piled timers timer"
    )
    return name in whole.split() or name.startswith(("flow:", "in:", "parked:", "dead:"))


def _pairs(flat: Any) -> dict[str, bytes]:
    pairs = flat.items() if isinstance(flat, Mapping) else zip(flat[::2], flat[1::2], strict=True)
    return {text(name): value for name, value in pairs}


def status_of(approval: Approval, status: ApprovalStatus) -> ApprovalChange:
    return ApprovalChange(approval.model_copy(update={"status": status}))


@asynccontextmanager
async def open_house(url: str, *, partitions: int = 1, **options: Any) -> AsyncIterator[House]:
    """A house on an empty server; leaving it looks for leaked keys and gaps in the log."""
    async with await open_backend(url) as backend:
        house = House(Store(backend.commands, backend.readers, partitions=partitions))
        await house.activate(**options)
        yield house
        await house.check_leaks()
