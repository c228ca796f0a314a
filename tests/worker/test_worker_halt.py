"""Halting in full: what is acknowledged, what may still act, and that a resume finishes everything."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.worker.projects import REFERENCE, Site, load, site, until
from wingman_runtime.contracts.work import EffectStatus
from wingman_runtime.errors import AdmissionClosedError, ConflictError
from wingman_runtime.redisio.effects import RedisEffects
from wingman_runtime.redisio.log import whole

MANY = 1000

TOOL = '''
import sqlite3, time
from pathlib import Path
from wingman_runtime.sdk import ToolContext, ToolError, tool

SINK = {sink!r}

def called(key, kind):
    with sqlite3.connect(SINK, timeout=30, isolation_level=None) as base:
        base.execute("PRAGMA synchronous=OFF")
        base.execute("INSERT INTO calls VALUES (?, ?, ?)", (time.time_ns(), key, kind))

@tool("sink.put", risk="low", timeout=20, compensation="sink.take", resource="sink:{{name}}")
async def put(name: str, context: ToolContext) -> str:
    """Write a call down."""
    import asyncio
    called(context.key, "put")
    while Path({gate!r}).exists() and name.startswith("slow"):
        await asyncio.sleep(0.01)
    if "broken" in name:
        raise ToolError("broken on purpose")
    return name

@tool("sink.take", risk="low", timeout=20, idempotent=True, irreversible=True, undo_only=True,
    resource="sink:{{name}}")
async def take(name: str, context: ToolContext) -> str:
    """Write the undoing of a call down."""
    called(context.key, "take")
    return name
'''
SCOPE = """
  sinks:
    purpose: a sink
    planner: steps
    intents: [sink.put]
    tenants: [demo]
    tools:
      sink.put: ["sink:*"]
"""


def project(root: Path) -> Path:
    """The reference project with a tool that writes each call down, in a file of its own, as it is made."""
    import shutil

    for part in ("policies", "config", "tools"):
        shutil.copytree(REFERENCE / part, root / part)
    with sqlite3.connect(root / "sink.db") as base:
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("CREATE TABLE calls (at INTEGER, key TEXT, kind TEXT)")
    names = {"sink": str(root / "sink.db"), "gate": str(root / "gate")}
    (root / "tools" / "sinks.py").write_text(TOOL.format(**names))
    with (root / "config" / "scopes.yaml").open("a") as out:
        out.write(SCOPE)
    (root / "gate").touch()
    return root


def calls(root: Path, kind: str = "put") -> list[tuple[int, str]]:
    """(unix ns, effect id) of what reached the sink."""
    with sqlite3.connect(root / "sink.db", timeout=30) as base:
        return list(base.execute("SELECT at, key FROM calls WHERE kind = ? ORDER BY at", (kind,)))


async def put(place: Site, *names: str) -> Any:
    steps = [{"tool": "sink.put", "args": {"name": name}} for name in names]
    return await place.submit("sink.put", flow="request", steps=steps)


async def intents(place: Site, partition: int = 0) -> list[tuple[int, str]]:
    """(log position, effect id) of every intent on record."""
    found = []
    for _, flat in await place.store.call("XRANGE", place.store.keys(partition).log, "-", "+"):
        row = dict(zip(flat[::2], flat[1::2], strict=True)) if isinstance(flat, list) else flat
        if row[b"k"] == b"effect_intent":
            body = orjson.loads(whole(row[b"b"], row[b"e"]))
            found.append((int(row[b"n"]), body["effect"]["effect_id"]))
    return found


async def reached(root: Path, count: int) -> None:
    async def enough() -> bool:
        return len(calls(root)) >= count

    await until(enough)


async def flying(place: Site, count: int) -> None:
    async def enough() -> bool:
        return len(await place.client.in_flight()) >= count

    await until(enough)


async def test_a_halt_with_a_thousand_requests_in_flight(tmp_path: Path, valkey_url: str) -> None:
    """Acknowledged within a second; after its place in the log there is no intent, and at the sink no call
    but those it listed; the resume finishes all of them, each done once.
    """
    root = project(tmp_path / "p")
    # A reclaim by a worker that thinks the other one slow would be another test.
    async with site(load(root, valkey_url, times__claim_idle=20.0), workers=2) as place:
        many = await asyncio.gather(
            *(put(place, f"{'slow' if n % 10 == 0 else 'quick'}-{n}") for n in range(MANY))
        )
        await flying(place, 20)
        began = time.monotonic()
        held = await place.client.halt("all", reason="a test", by="ops")
        took = time.monotonic() - began
        acknowledged = time.time_ns()
        listed = {one.effect_id for one in held.in_flight}
        assert took < 1.0, f"{took:.3f} s"
        assert len(listed) >= 20
        assert (await place.client.status()).open_requests > MANY / 2
        (root / "gate").unlink()
        drained = await place.client.drained(held)
        assert drained.drained
        with pytest.raises(AdmissionClosedError, match="a test"):
            await put(place, "refused")

        async def parked() -> bool:
            counts = (await place.client.status()).agents
            return sum(agent.pending for agent in counts) == 0

        await until(parked)
        # Nobody has anything in hand: with no entry of one's own there is no intent.
        assert [one for n, one in await intents(place) if n > held.positions[0]] == []
        late = {key for at, key in calls(root) if at > acknowledged}
        assert late <= listed
        await place.client.resume("all", reason="a test", by="ops")
        ends = await asyncio.gather(*(one.result(30) for one in many))
        assert {end.outcome for end in ends} == {"completed"}
        made = [key for _, key in calls(root)]
        assert len(made) == len(set(made)) == MANY
        assert await place.client.in_flight() == ()
        [record] = [body for body in await place.log("control") if body["action"] == "halt"]
        assert {one["effect_id"] for one in record["in_flight"]} == listed
        assert (record["by"], record["reason"], record["in_flight_count"]) == ("ops", "a test", len(listed))
    print(f"halt acknowledged in {took * 1000:.0f} ms, {len(listed)} effects in flight")


@pytest.mark.parametrize(
    "target", ["all", "agent:executor", "event:ExecutionApproved", "flow:request", "tenant:demo", "request"]
)
async def test_a_halt_lists_what_it_covers_and_drains(tmp_path: Path, valkey_url: str, target: str) -> None:
    """For each kind of target: the effect in flight is listed with tool, request and worker; draining gives
    up in time and says what is left, or comes back when the effect has ended.
    """
    root = project(tmp_path / "p")
    async with site(load(root, valkey_url)) as place:
        request = await put(place, "slow-1", "quick-1")
        await flying(place, 1)
        target = f"request:{request.id}" if target == "request" else target
        held = await place.client.halt(target, reason="a test", drain=True, timeout=0.2)
        [one] = held.in_flight
        assert (one.tool, one.request_id, one.agent, one.kind) == (
            "sink.put", request.id, "executor", "apply",
        )  # fmt: skip
        [worker] = (await place.client.status()).workers
        assert one.worker == worker.name
        assert one.since_ms <= held.at_ms < one.deadline_ms
        assert (held.drained, held.left) == (False, (one,))
        (root / "gate").unlink()
        again = await place.client.drained(held)
        assert (again.drained, again.left) == (True, ())
        # Its second step was not begun.
        assert len(calls(root)) == 1
        [rule] = await place.client.rules()
        assert (rule.reason, str(rule.target)) == ("a test", target)
        await place.client.resume(target, reason="a test")
        assert (await request.result(20)).outcome == "completed"
        assert len(calls(root)) == 2


async def test_a_halt_of_something_else_lists_nothing(tmp_path: Path, valkey_url: str) -> None:
    """An effect that the target does not cover is not listed, and goes on."""
    root = project(tmp_path / "p")
    async with site(load(root, valkey_url)) as place:
        request = await put(place, "slow-1")
        await flying(place, 1)
        for target in ("agent:rollback", "tenant:other", "event:CompensationPlanned"):
            held = await place.client.halt(target, reason="a test", drain=True, timeout=5)
            assert (held.in_flight, held.drained) == ((), True)
        (root / "gate").unlink()
        assert (await request.result(20)).outcome == "completed"


async def test_a_request_cancelled_under_a_halt_is_undone_if_compensations_may_run(
    tmp_path: Path, valkey_url: str
) -> None:
    """What was in flight is waited for, then all of it is undone, newest first, while everything else is
    held; the outcome is stamped after the resume.
    """
    root = project(tmp_path / "p")
    async with site(load(root, valkey_url)) as place:
        request = await put(place, "quick-1", "slow-2", "quick-3")
        waiting = await put(place, "slow-4")
        await reached(root, 3)
        held = await place.client.halt("all", reason="a test", compensate=True)
        assert held.rule.mode == "halt_compensate"
        await request.cancel(reason="a mistake", by="alice")
        await request.cancel(reason="a mistake", by="alice")
        assert calls(root, "take") == []
        (root / "gate").unlink()

        async def decided() -> bool:
            return bool((await request.state()).decided == "cancelled")

        await until(decided)
        effects = [e for e in await RedisEffects(place.store).of_request(request.id) if e.kind == "apply"]
        assert [effect.status for effect in effects] == [EffectStatus.COMPENSATED] * 2
        undone = [e for e in await RedisEffects(place.store).of_request(request.id) if e.kind != "apply"]
        assert [effect.undoes for effect in undone] == [effect.effect_id for effect in reversed(effects)]
        assert not (await request.state()).ended
        assert len(calls(root)) == 3
        await place.client.resume("all", reason="a test")
        assert (await request.result(20)).outcome == "cancelled"
        assert (await waiting.result(20)).outcome == "completed"
        assert len(calls(root)) == 3
        with pytest.raises(ConflictError, match="cancelled"):
            await request.cancel(reason="again", by="alice")


async def test_a_whole_halt_holds_compensations_too(tmp_path: Path, valkey_url: str) -> None:
    """Cancelled under a halt, nothing is undone before the resume; changing the halt lets it be undone."""
    root = project(tmp_path / "p")
    async with site(load(root, valkey_url)) as place:
        request = await put(place, "quick-1", "slow-2")
        await reached(root, 2)
        await place.client.halt("tenant:demo", reason="a test")
        await request.cancel(reason="a mistake", by="alice")
        (root / "gate").unlink()

        async def drained() -> bool:
            status = await place.client.status()
            return not status.in_flight and all(agent.pending == 0 for agent in status.agents)

        await until(drained)
        assert calls(root, "take") == []
        assert (await request.state()).decided == ""
        await place.client.halt("tenant:demo", reason="undo it", compensate=True)

        async def undone() -> bool:
            return len(calls(root, "take")) == 2

        await until(undone)
        await place.client.resume("tenant:demo", reason="a test")
        assert (await request.result(20)).outcome == "cancelled"
