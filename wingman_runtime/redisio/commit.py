"""The heart: one script records the finished steps of an agent, or refuses them, each with a verdict.

Source: the transactional outbox and the idempotent consumer (Hohpe & Woolf, Enterprise Integration
Patterns), brought down to one atomic script because input, output and state live in one slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import orjson

from wingman_runtime.contracts.work import Approval
from wingman_runtime.redisio.effects import EffectEnd
from wingman_runtime.redisio.inbox import Entry
from wingman_runtime.redisio.store import Store, text

VerdictKind = Literal[
    "committed",  # recorded now
    "already_committed",  # recorded before; detail is the receipt
    "fenced",  # the entry is another's by now; go no further
    "gone",  # the request's state has passed its time
    "unlogged",  # nobody delivered this event: it was put there from outside
    "stale_control",  # held by a rule; detail is the rule
    "stale_policy",  # judged under another bundle; detail is the active digest
    "conflict",  # the approval changed since it was read
    "refused_emit",  # the flow has no such route from this agent; detail is the event type
    "over_budget",  # depth or number of events; detail says which
    "uncommittable",  # no verdict of the script: the worker could not even ask; detail is the error
]


class Verdict(NamedTuple):
    kind: VerdictKind
    detail: str


@dataclass(frozen=True, slots=True)
class JoinEnvelope:
    """The joined event, but for its inputs: ``head`` + inputs + ``tail`` is its JSON."""

    event_id: str
    head: bytes
    tail: bytes


@dataclass(frozen=True, slots=True)
class Emission:
    """One event to send on. Its log record is ``prefix`` + body + ``}``, or of a ``routed`` one the prefix;
    where it goes, the flow says.

    ``parts`` are the fields of an agent's event with its data as a reader has it, for who reads it next in
    this very process.
    """

    event_id: str
    event_type: str
    body: bytes
    prefix: bytes
    depth: int
    outcome: str = ""
    system: bool = False
    kind: Literal["event", "routed"] = "event"
    join: JoinEnvelope | None = None
    parts: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ApprovalChange:
    """An approval to write if its version is still the one that was read."""

    approval: Approval

    def header(self, add: Any) -> dict[str, Any]:
        approval = self.approval
        return {
            "id": approval.approval_id,
            "v": approval.version,
            "st": approval.status.value,
            "digest": approval.plan_digest,
            "ttl": int(approval.expires_in * 1000),
            "b": add(approval.model_dump_json().encode()),
        }


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of one entry.

    ``done`` sends the emissions on; ``retry`` delivers the entry again after ``delay_ms``; ``bury`` moves it
    to the agent's dead letters with ``why`` and sends the emissions; ``park`` keeps it uncounted while held.

    ``eager`` are the answers of further agents, each to the one event that the step before it sends, ready to
    be recorded in the same commit. The script checks each like any other; from the first it refuses on,
    events are delivered as usual. An eager step's entry is not in any inbox: its ``entry_id`` is empty.
    ``ends`` are recorded in the effects ledger whatever the verdict on the step is.
    ``foreseen`` is the outcome an eager step was answered under; another one refuses it.
    ``awaits``, of what is parked without a rule that holds it: the event's version and, after a space, the
    least version of its model that reads it.
    """

    entry: Entry
    disposition: Literal["done", "retry", "bury", "park"]
    emissions: tuple[Emission, ...] = ()
    records: tuple[tuple[str, bytes], ...] = ()
    approval: ApprovalChange | None = None
    policy: str = ""
    receipt: str = "-"
    delay_ms: int = 0
    why: bytes = b""
    starve: Emission | None = None
    size: int = field(default=0)
    eager: tuple[StepResult, ...] = ()
    foreseen: str = ""
    ends: tuple[EffectEnd, ...] = ()
    awaits: str = ""

    @property
    def steps(self) -> int:
        return 1 + len(self.eager)


class Filed(NamedTuple):
    """What a commit answers: the control epoch, a verdict per result in order, and the number of steps that
    were recorded, eager ones included."""

    epoch: int
    verdicts: list[Verdict]
    steps: int


async def commit(
    store: Store, partition: int, agent: str, worker: str, results: Sequence[StepResult]
) -> Filed:
    """Commit finished results of one agent and partition in one atomic script.

    Repeating a commit whose reply was lost is safe: what was recorded answers ``already_committed``.

    Raises:
        BackendError: nothing is known of the batch; commit it again.
    """
    bodies: list[bytes] = []

    def add(body: bytes) -> int:
        bodies.append(body)
        return len(bodies)

    header = {"agent": agent, "worker": worker, "msgs": [_message(result, add) for result in results]}
    epoch, rows, steps = await store.run("commit", partition, orjson.dumps(header), *bodies)
    verdicts = [Verdict(text(kind), text(detail)) for kind, detail in rows]  # type: ignore[arg-type]
    return Filed(int(epoch), verdicts, int(steps))


def _message(result: StepResult, add: Any) -> dict[str, Any]:
    entry = result.entry
    message: dict[str, Any] = {
        "e": entry.entry_id,
        "ev": entry.event_id,
        "r": entry.request_id,
        "ty": entry.event_type,
        "ph": entry.phase,
        "d": result.disposition,
        "p": result.policy,
        # Empty or with "@" in front it would read as a step that is still under way.
        "rc": result.receipt.lstrip("@") or "-",
        "delay": result.delay_ms,
        "em": [_emission(emission, add) for emission in result.emissions],
        "lg": [[kind, add(body)] for kind, body in result.records],
    }
    if result.approval is not None:
        message["ap"] = result.approval.header(add)
    if result.disposition == "bury":
        message["why"] = add(result.why)
    if result.starve is not None:
        message["sv"] = _emission(result.starve, add)
    if result.ends:
        message["fx"] = [{**end.header, "b": add(end.body), "lg": add(end.record)} for end in result.ends]
    if result.awaits:
        message["aw"] = result.awaits
    if result.foreseen:
        message["dec"] = result.foreseen
    if result.eager:
        message["eager"] = [{**_message(step, add), "agent": step.entry.agent} for step in result.eager]
    return message


def _emission(emission: Emission, add: Any) -> dict[str, Any]:
    out: dict[str, Any] = {
        "id": emission.event_id,
        "ty": emission.event_type,
        "b": add(emission.body),
        "pre": add(emission.prefix),
        "dp": emission.depth,
        "k": emission.kind,
    }
    if emission.outcome:
        out["outcome"] = emission.outcome
    if emission.system:
        out["sys"] = True
    if emission.join is not None:
        out["join_id"] = emission.join.event_id
        out["jh"] = add(emission.join.head)
        out["jt"] = add(emission.join.tail)
    return out
