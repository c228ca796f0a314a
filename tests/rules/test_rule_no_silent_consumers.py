"""Rule: no silent consumers. Who reads or takes away what is the workers' is noticed; the work goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.rules.arena import Arena, Grounds, open_arena

GROUP = "workers"


async def test_a_second_group_on_an_inbox_is_on_the_record(valkey_url: str, tmp_path: Path) -> None:
    """Whoever reads along through a group of their own is named in the log, once."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        await arena.raw.xgroup_create(arena.keys.inbox("executor"), "spies", "0")
        found = await arena.expect("anomaly", "undeclared_group")
        assert found.body["name"] == "spies"
        assert (await arena.ended(await arena.submit())).outcome == "completed"
        assert len(await arena.told("anomaly", "undeclared_group")) == 1


async def _without(arena: Arena, agent: str) -> None:
    """Stop fetching for one agent without a rule: what a thief needs to be first."""
    for lane in arena.worker.lanes:
        if lane.agent == agent:
            lane.held = lambda: True  # type: ignore[method-assign]


async def _with(arena: Arena, agent: str) -> None:
    for lane in arena.worker.lanes:
        if lane.agent == agent:
            del lane.held


async def _stolen(arena: Arena, agent: str = "executor", thief: str = "thief") -> tuple[str, str]:
    """A request, and its entry, which a stranger has taken out of the workers' group."""
    await _without(arena, agent)
    await asyncio.sleep(0.25)  # a blocking read that began before may last as long
    request = await arena.submit()
    entry, _ = await arena.waiting(agent, request)
    taken = await arena.raw.xreadgroup(GROUP, thief, {arena.keys.inbox(agent): ">"}, count=10)
    if not taken:
        await arena.raw.xclaim(arena.keys.inbox(agent), GROUP, thief, 0, [entry])
    await _with(arena, agent)
    return request.id, entry


async def test_a_thief_in_the_workers_group_is_named_and_robbed(valkey_url: str, tmp_path: Path) -> None:
    """A consumer that nobody started, which takes an event and never acknowledges it, keeps nobody waiting,
    even if it stays awake so that its claims never grow old.
    """
    async with open_arena(valkey_url, Grounds(tmp_path / "p"), times__claim_idle=60) as arena:
        request_id, _ = await _stolen(arena)
        found = await arena.expect("anomaly", "undeclared_consumer")
        assert found.body["name"] == "thief"
        assert (await arena.ended(arena.client.request(request_id))).outcome == "completed"
        assert len(await arena.told("effect_intent")) == 1


async def test_a_silent_acknowledgement_loses_nothing(valkey_url: str, tmp_path: Path) -> None:
    """An entry acknowledged from outside, its work undone, is found, on the record, and delivered again."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p"), times__claim_idle=60, watch=0.5) as arena:
        request_id, entry = await _stolen(arena)
        await arena.raw.xack(arena.keys.inbox("executor"), GROUP, entry)
        found = await arena.expect("anomaly", "dropped_entry")
        assert found.body["entry"] == entry
        assert (await arena.ended(arena.client.request(request_id))).outcome == "completed"
        assert len(await arena.told("effect_intent")) == 1


async def test_skipping_the_group_ahead_loses_nothing(valkey_url: str, tmp_path: Path) -> None:
    """XGROUP SETID past what waits is found in the same way."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        request_id, entry = await _stolen(arena)
        await arena.raw.xack(arena.keys.inbox("executor"), GROUP, entry)
        await arena.raw.xgroup_setid(arena.keys.inbox("executor"), GROUP, "$")
        assert (await arena.ended(arena.client.request(request_id))).outcome == "completed"


async def test_a_deleted_entry_fails_the_request(valkey_url: str, tmp_path: Path) -> None:
    """An event deleted on its way hangs nobody: its request fails at once, with the reason on the record."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        request_id, entry = await _stolen(arena)
        await arena.raw.xdel(arena.keys.inbox("executor"), entry)
        await arena.raw.xack(arena.keys.inbox("executor"), GROUP, entry)
        response = await arena.ended(arena.client.request(request_id))
        assert response.outcome == "failed"
        assert "deleted from an inbox" in " ".join(response.reasons)
        await arena.expect("anomaly", "lost_step")
        assert arena.effects() == []


async def test_a_deleted_group_loses_nothing(valkey_url: str, tmp_path: Path) -> None:
    """XGROUP DESTROY forgets who works on what; the workers make the group anew and the work is done."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        await arena.raw.xgroup_destroy(arena.keys.inbox("executor"), GROUP)
        assert (await arena.ended(await arena.submit())).outcome == "completed"


async def test_an_emptied_inbox_fails_what_waited_there(valkey_url: str, tmp_path: Path) -> None:
    """DEL of a whole inbox, undelivered events included: each request ends, none completes."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        await arena.client.pause("agent:executor", reason="fill it")
        requests = [await arena.submit(title=f"n{n}", body="x") for n in range(3)]
        for request in requests:
            await arena.waiting("executor", request)
        await arena.raw.delete(arena.keys.inbox("executor"), arena.keys.parked("executor"))
        await arena.client.resume("agent:executor", reason="go")
        assert {(await arena.ended(one)).outcome for one in requests} == {"failed"}
