"""Dead letters: what an agent has given up on, found, shown, and taken out again. See ``lua/replays.lua``."""

from __future__ import annotations

import asyncio
import heapq
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import orjson

from wingman_runtime.contracts.ids import partition_of
from wingman_runtime.errors import ContractError
from wingman_runtime.redisio.counts import everybody
from wingman_runtime.redisio.store import Store, mapped, text

_ID = re.compile(r"^dlt_p(\d{1,5})_([a-z][a-z0-9_]{0,47})_(\d{1,15}-\d{1,10})$")
_CHUNK = 50
Fate = Literal["replayed", "discarded"]


@dataclass(frozen=True)
class DeadLetter:
    """One letter, with where it comes from.

    Attributes:
        letter_id: names partition, agent and entry, so that it can be found again.
        at_ms: when the agent gave up, by the server's clock.
        attempts: deliveries, the last one included.
        code: digest of the agent's code.
        policy: digest of the bundle it was judged under, or that was in force when it could not be judged.
        stray: it belongs to no step of any request: nobody may replay it.
        body: the event as it lay in the inbox, whatever that is.
    """

    letter_id: str
    partition: int
    agent: str
    entry_id: str
    at_ms: int
    event_id: str
    event_type: str
    request_id: str
    flow: str
    flow_digest: str
    tenant: str
    phase: int
    error: str
    attempts: int
    worker: str
    code: str
    policy: str
    stray: bool
    body: bytes

    @cached_property
    def event(self) -> dict[str, Any] | None:
        """The event, opened; None when it is no JSON object."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        return value if isinstance(value, dict) else None

    @property
    def actor(self) -> str:
        """Who asked for the request, as the event says."""
        return str((self.event or {}).get("actor", ""))[:200]


@dataclass(frozen=True, slots=True)
class Laid:
    """What became of a letter that is no longer in its stream; ``into`` is the request that replays it."""

    what: Fate
    by: str
    reason: str
    at_ms: int
    request_id: str
    into: str


@dataclass(frozen=True, slots=True)
class Which:
    """Which letters; empty fields do not narrow. ``since_ms`` is inclusive, ``until_ms`` exclusive.

    ``error`` is found anywhere in the error, in either case.
    """

    agent: str = ""
    event_type: str = ""
    tenant: str = ""
    request_id: str = ""
    error: str = ""
    since_ms: int | None = None
    until_ms: int | None = None

    def fits(self, letter: DeadLetter) -> bool:
        return (
            self.event_type in ("", letter.event_type)
            and self.tenant in ("", letter.tenant)
            and self.request_id in ("", letter.request_id)
            and self.error.lower() in letter.error.lower()
        )


@dataclass(frozen=True, slots=True)
class Act:
    """Who takes a letter out, and why; ``ttl_ms`` is how long that is remembered here."""

    letter: str
    request_id: str
    by: str
    reason: str
    ttl_ms: int
    again: bool = False
    force: bool = False

    def header(self) -> dict[str, object]:
        _, agent, entry = parts(self.letter)
        return {
            "agent": agent,
            "entry": entry,
            "old": self.request_id,
            "by": self.by,
            "reason": self.reason,
            "ttl": self.ttl_ms,
            "again": self.again,
            "force": self.force,
        }


def parts(letter_id: str) -> tuple[int, str, str]:
    """(partition, agent, entry) that an id names.

    Raises:
        ContractError: the text is no letter's id.
    """
    match = _ID.match(letter_id)
    if match is None:
        raise ContractError(
            f"{letter_id[:80]!r} is no dead letter's id",
            hint="one looks like dlt_p0_executor_1767225600000-0",
        )
    return int(match[1]), match[2], match[3]


async def each(store: Store, which: Which) -> AsyncIterator[DeadLetter]:
    """Every letter that fits, newest first; a few are in memory at a time."""
    names = [which.agent] if which.agent else await everybody(store)
    numbers = range(store.partitions)
    if which.request_id:
        numbers = range(number := partition_of(which.request_id), number + 1)
    streams = [_newest_first(store, number, name, which) for number in numbers for name in names]
    heads: list[tuple[int, str, DeadLetter, AsyncIterator[DeadLetter]]] = []
    # Side by side: one stream after the other would wait for the server once for each agent.
    firsts = await asyncio.gather(*(anext(stream, None) for stream in streams))
    for first, stream in zip(firsts, streams, strict=True):
        if first is not None:
            heapq.heappush(heads, (-first.at_ms, first.letter_id, first, stream))
    while heads:
        _, _, letter, stream = heapq.heappop(heads)
        yield letter
        following = await anext(stream, None)
        if following is not None:
            heapq.heappush(heads, (-following.at_ms, following.letter_id, following, stream))


async def get(store: Store, letter_id: str) -> DeadLetter | None:
    """One letter; None when it is not, or no longer, in its stream."""
    partition, agent, entry = parts(letter_id)
    if partition >= store.partitions:
        return None
    rows = await store.call("XRANGE", store.keys(partition).dead(agent), entry, entry)
    return _letter(partition, agent, *rows[0]) if rows else None


async def laid(store: Store, letter_id: str) -> Laid | None:
    """What became of a letter that was taken out; None when it was not, or too long ago."""
    partition, agent, entry = parts(letter_id)
    if partition >= store.partitions:
        return None
    found = mapped(await store.call("HGETALL", store.keys(partition).laid(f"{agent}:{entry}")))
    if not found:
        return None
    plain = {text(name): text(value) for name, value in found.items()}
    return Laid(
        "replayed" if plain["what"] == "replayed" else "discarded",
        plain["by"],
        plain["reason"],
        int(float(plain["at"])),
        plain["r"],
        plain["into"],
    )


async def discard(store: Store, act: Act, record: bytes) -> tuple[str, str]:
    """Take a letter away, and log ``record``. Answers ``done``, or what it was before: ``missing``,
    ``discarded``, or ``replayed`` with the request."""
    partition, _, _ = parts(act.letter)
    verdict, detail = await store.run("discard", partition, orjson.dumps(act.header()), record)
    return text(verdict), text(detail)


async def pile(store: Store, agent: str, high: bool, record: bytes) -> bool:
    """Note that an agent's letters are too many, or no longer; True, and ``record`` logged, if it is news."""
    return bool(await store.run("pile", 0, "tell", agent, int(high), record))


async def piled(store: Store) -> dict[str, int]:
    """Agents whose letters are too many, and since when, in server milliseconds."""
    found = mapped(await store.call("HGETALL", store.keys(0).piled))
    return {text(name): int(float(since)) for name, since in found.items()}


async def _newest_first(store: Store, partition: int, agent: str, which: Which) -> AsyncIterator[DeadLetter]:
    stream = store.keys(partition).dead(agent)
    latest = "+" if which.until_ms is None else str(which.until_ms - 1)
    earliest = "-" if which.since_ms is None else str(which.since_ms)
    while True:
        rows = await store.call("XREVRANGE", stream, latest, earliest, "COUNT", _CHUNK)
        for entry_id, fields in rows:
            letter = _letter(partition, agent, entry_id, fields)
            if which.fits(letter):
                yield letter
        if len(rows) < _CHUNK:
            return
        latest = "(" + text(rows[-1][0])


def _letter(partition: int, agent: str, entry_id: Any, fields: Any) -> DeadLetter:
    named = {text(name): value for name, value in mapped(fields).items()}
    entry = text(entry_id)
    why = _why(named.get("why", b""))
    request_id = text(named.get("r"))[:100]
    return DeadLetter(
        letter_id=f"dlt_p{partition}_{agent}_{entry}",
        partition=partition,
        agent=agent,
        entry_id=entry,
        at_ms=int(entry.partition("-")[0]),
        event_id=text(named.get("id"))[:100],
        event_type=text(named.get("ty"))[:100],
        request_id=request_id,
        flow=text(named.get("f"))[:200],
        flow_digest=text(named.get("fd"))[:100],
        tenant=text(named.get("t"))[:100],
        phase=_whole(text(named.get("ph"))),
        error=str(why.get("error", "")),
        attempts=_whole(text(named.get("n"))),
        worker=str(why.get("worker", "")),
        code=str(why.get("code", "")),
        policy=str(why.get("policy") or text(named.get("pol"))),
        stray=text(named.get("st")) == "1" or not _is_request(request_id),
        body=named.get("b", b""),
    )


def _why(raw: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _whole(said: str) -> int:
    return int(said) if said.isdecimal() and len(said) <= 9 else 0


def _is_request(said: str) -> bool:
    try:
        partition_of(said)
    except ContractError:
        return False
    return True
