"""Chains of steps for the scripts' tests: the same story told step by step, and as eager steps of one commit.

Ids are derived, so the same request tells the same story twice; only times and entry ids differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson
from hypothesis import strategies as st

from tests.redisio.harness import AGENTS, House, done
from wingman_runtime.redisio import commit
from wingman_runtime.redisio.commit import Emission, Filed, StepResult
from wingman_runtime.redisio.inbox import Entry
from wingman_runtime.redisio.store import text

Answer = Callable[[Entry], StepResult]
"""What an agent says to an entry."""
Move = tuple[str, Answer]

REQUEST = "req_p0_" + "7" * 32
_TIMES = {"admitted", "at", "deadline", "ended", "due", "created", "expires_at"}
NEXT = {
    "UserRequestReceived": ("a",), "Next": ("b", "b", "b", "c"), "Forked": ("b", "c", "e"), "Planned": ("e",),
    "Broke": ("rollback",), "RequestFailed": ("rollback",), "Finished": ("audit",), "Refused": ("audit",),
    "Compensated": ("audit",), "Part": ("d",),
}  # fmt: skip
"""Who may get an event; now and then the wrong one, for `b` alone sends `Next` to `c`."""
PHASES = {"rollback": 1, "audit": 2}

_SET_AT = re.compile(r'"at_ms":\d+')
_ENTRY = re.compile(r"\d+-\d+")


def says(*events: str | Emission, **rest: Any) -> Answer:
    """An agent that emits ``events``."""
    return lambda entry: done(entry, *events, **rest)


def early(entry: Entry, answer: Answer) -> StepResult:
    """The answer to a delivery that is not on record yet."""
    return answer(replace(entry, entry_id="", deliveries=1))


def following(last: StepResult, agent: str, answer: Answer, *, phase: int | None = None) -> StepResult:
    """An eager step of ``agent`` to the first event of ``last``."""
    sent, entry = last.emissions[0], last.entry
    body = entry.body if sent.kind == "routed" else sent.body
    came = replace(entry, agent=agent, event_id=sent.event_id, event_type=sent.event_type, body=body)
    return early(came if phase is None else replace(came, phase=phase), answer)


def chain(head: StepResult, *moves: Move) -> StepResult:
    """``head`` with eager steps, each to the first event of the one before."""
    steps = [head]
    for agent, answer in moves:
        steps.append(following(steps[-1], agent, answer))
    return replace(head, eager=tuple(steps[1:]))


STAMP: Move = ("audit", says("Stamped"))


def chained(data: st.DataObject, result: StepResult, said: Answer) -> StepResult:
    """``result`` with a chain of early answers now and then, as ``said`` has it."""
    last, eager = result, list[StepResult]()
    for _ in range(data.draw(st.integers(0, 3))):
        if last.disposition != "done" or not last.emissions:
            break
        agent = data.draw(st.sampled_from(NEXT.get(last.emissions[0].event_type, AGENTS)))
        if agent == "b" and last.entry.agent == "b" and data.draw(st.integers(0, 5)):
            agent = "c"
        last = following(last, agent, said, phase=PHASES.get(agent, last.entry.phase))
        if last.disposition not in ("done", "retry"):
            break
        foreseen = data.draw(st.sampled_from(("", "", "completed", "failed"))) if agent == "audit" else ""
        eager.append(replace(last, foreseen=foreseen))
    return replace(result, eager=tuple(eager))


async def came_along(house: House, result: StepResult) -> tuple[list[StepResult], bool]:
    """The eager steps of ``result`` that are recorded, and whether the next one is to be tried again."""
    recorded: list[StepResult] = []
    for step in result.eager:
        entry = step.entry
        name = f"{entry.event_id}>{entry.agent}"
        at = text(await house.call("HGET", house.store.keys(0).steps(entry.request_id), name) or b"@")
        if at.startswith("@"):
            return recorded, at == "@timer" and step.disposition == "retry"
        assert at == step.receipt
        recorded.append(step)
    return recorded, False


async def file(house: House, *results: StepResult, worker: str = "w1") -> Filed:
    first = results[0].entry
    return await commit.commit(house.store, first.partition, first.agent, worker, results)


async def anew(house: House, **options: Any) -> None:
    """The same house, as if nothing had happened yet."""
    await house.call("FLUSHALL")
    await house.activate(**options)


async def told(house: House, moves: Sequence[Move], partition: int = 0) -> list[Entry]:
    """Each move through the inbox of its agent; returns what each answered to."""
    entries = []
    for agent, answer in moves:
        entry = await house.take(agent, partition=partition)
        [verdict] = await house.commit(answer(entry))
        assert verdict.kind == "committed", (agent, verdict)
        entries.append(entry)
    return entries


async def at_once(house: House, moves: Sequence[Move], entries: Sequence[Entry], partition: int = 0) -> Filed:
    """The first move through the inbox, the others as eager steps to what ``entries`` says came to them."""
    agent, answer = moves[0]
    head = answer(await house.take(agent, partition=partition))
    eager = tuple(early(entry, then) for entry, (_, then) in zip(entries[1:], moves[1:], strict=True))
    return await file(house, replace(head, eager=eager))


async def facts(house: House, partition: int = 0) -> dict[str, Any]:
    """All that is on the server but times, entry ids and claims; the log record by record."""
    out: dict[str, Any] = {}
    for key, found in (await house.snapshot()).items():
        name = key.removeprefix(house.store.keys(partition).anchor)
        kind = text(await house.call("TYPE", key))
        if kind == "list":
            out[name] = [text(row) if place % 3 else _untimed(text(row)) for place, row in enumerate(found)]
        elif kind == "stream":
            out[name] = [_fields(fields) for _, fields in found]
        elif kind == "hash":
            out[name] = _fields(found)
            if out[name].get("final"):  # stamped at once, nobody needs the event that decided
                out[name] = {key: kept for key, kept in out[name].items() if not key.startswith("cl_")}
        elif kind == "zset":
            out[name] = sorted(
                text(row[0]) if isinstance(row, list) else text(row) for row in found[:: _step(found)]
            )
        else:
            out[name] = found
    # An inbox that something went through is there and empty.
    for agent in AGENTS:
        out.setdefault(f":in:{agent}", [])
    return out


def _step(rows: Any) -> int:
    """A sorted set comes as pairs, or flat: members and scores in turn."""
    return 1 if rows and isinstance(rows[0], list | tuple) else 2


def _fields(found: Any) -> dict[str, str]:
    flat = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
    pairs = {text(name): bytes(value) for name, value in flat}
    return {name: _timeless(value) for name, value in pairs.items() if name not in _TIMES}


def _timeless(value: bytes) -> str:
    if value.startswith(b"@"):
        return _ENTRY.sub("ENTRY", value.decode())
    if value.startswith(b'{"') and b'"fd":' in value:  # what a timer keeps: a number may be a text in it
        return str(sorted((name, str(kept)) for name, kept in orjson.loads(value).items()))
    return _SET_AT.sub("", value.decode())


def _untimed(row: str) -> str:
    return re.sub(r"^(\d+) \d+ ", r"\1 ", row)
