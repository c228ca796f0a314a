"""What each clause of the commit is for, with a real server and real workers.

`tests/rules/test_rules_mutations_commit.py` takes the clauses out, one at a time: then these tests fail.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.worker.projects import COMPLETE, END, REFERENCE, Agent, Site, Spec, load, site, until, write
from wingman_runtime.errors import BackendUnreachableError
from wingman_runtime.redisio import scripts
from wingman_runtime.redisio.commit import commit
from wingman_runtime.redisio.embedded import start_embedded
from wingman_runtime.redisio.wire import ask
from wingman_runtime.testing import arun
from wingman_runtime.worker import lane
from wingman_runtime.worker.reconciler import Reconciler

PATIENCE = 10.0
"""Seconds for what must come about; mutations, under which it never does, wait less."""
GATED = Spec(
    {
        "work": Agent(
            f"mark('calls')\nwhile not (ROOT / 'gate').exists():\n    await asyncio.sleep(0.02)\n{COMPLETE}",
            emits=["ExecutionComplete"],
        )
    },
    {"UserRequestReceived": "work", **END},
)
"""A flow whose one agent answers when the test lets it."""


def _gated(folder: Path, url: str) -> Any:
    return load(write(folder / "p", GATED), url, times__claim_idle=30.0)


async def _in_hand(place: Site, count: int) -> None:
    calls = place.project.root / "calls"

    async def called() -> bool:
        return calls.exists() and len(calls.read_text()) >= count

    await until(called)


async def _completed(requests: list[Any]) -> None:
    async def ended() -> bool:
        return all([(await request.state()).ended for request in requests])

    await until(ended, PATIENCE)
    assert {(await request.result(1)).outcome for request in requests} == {"completed"}


async def test_a_pause_acknowledged_while_a_step_is_in_hand_holds_its_answer(
    valkey_url: str, tmp_path: Path
) -> None:
    """The agent answers after it: nothing of that is recorded before the resume, and then all of it is."""
    async with site(_gated(tmp_path, valkey_url)) as place:
        request = await place.submit()
        await _in_hand(place, 1)
        await place.client.pause("agent:work", reason="t")
        (place.project.root / "gate").touch()

        async def filed() -> bool:
            parked = await place.store.call("XLEN", place.store.keys(0).parked("work"))
            return bool(parked) or (await request.state()).ended

        await until(filed, PATIENCE)
        assert "ExecutionComplete" not in [record.type for record in await place.trail(request)]
        assert not (await request.state()).ended
        await place.client.resume("agent:work", reason="t")
        await _completed([request])


async def test_a_commit_whose_answer_was_lost_is_known_when_it_is_repeated(
    valkey_url: str, tmp_path: Path
) -> None:
    """The worker is told that its step is recorded, not that somebody took it: it is no fenced worker."""
    lost: list[str] = []

    async def losing(store: Any, partition: int, agent: str, *rest: Any) -> Any:
        filed = await commit(store, partition, agent, *rest)
        if agent == "work" and not lost:
            lost.append(agent)
            raise BackendUnreachableError("the connection was reset", where="test", hint="none")
        return filed

    project = _gated(tmp_path, valkey_url)
    (project.root / "gate").touch()
    with mock.patch.object(lane, "commit", losing):
        async with site(project, workers=0) as place:
            running = await place.start()
            request = await place.submit()
            await _completed([request])
            [work] = [each for each in running.worker.lanes if each.agent == "work"]

            async def told() -> bool:
                return bool(work.progress.verdicts)

            await until(told, PATIENCE)
            assert work.progress.verdicts == {"already_committed": 1}
            types = [record.type for record in await place.trail(request)]
            assert types.count("ExecutionComplete") == 1


async def test_a_copy_of_what_is_done_is_dropped_and_told(valkey_url: str, tmp_path: Path) -> None:
    """Somebody puts a done step's entry into the inbox again: an anomaly, and no dead letter for a person."""
    async with site(_gated(tmp_path, valkey_url)) as place:
        keys = place.store.keys(0)
        request = await place.submit()
        await _in_hand(place, 1)
        [(_, fields)] = await place.store.call("XRANGE", keys.inbox("work"), "-", "+")
        flat = fields if isinstance(fields, list) else [part for pair in fields.items() for part in pair]
        (place.project.root / "gate").touch()
        await _completed([request])
        await place.store.call("XADD", keys.inbox("work"), "*", *flat)

        async def gone() -> bool:
            return not await place.store.call("XLEN", keys.inbox("work"))

        await until(gone, PATIENCE)
        assert [one["anomaly"] for one in await place.log("anomaly")] == ["copied_entry"]
        assert not await place.store.call("EXISTS", keys.dead("work"))


async def test_what_is_done_is_not_taken_for_lost(valkey_url: str, tmp_path: Path) -> None:
    """A request waits for people: the reconciler finds a receipt of each step behind it, and lets it be."""
    root = tmp_path / "p"
    for part in ("config", "policies", "tools"):
        shutil.copytree(REFERENCE / part, root / part)
    async with site(load(root, valkey_url)) as place:
        page = {"slug": "news", "title": "News", "body": "b", "channel": "public"}
        request = await place.submit("page.publish", "request", params=page)

        async def asked() -> Any:
            ended = (await request.state()).ended
            return ended or await place.client.approvals(request_id=request.id)

        await until(asked)
        await Reconciler(place.store, "test", grace_ms=0).whole()
        assert await place.log("anomaly") == []  # the worker's own may have come first
        [approval] = await place.client.approvals(request_id=request.id)
        await place.client.vote(approval.approval_id, "approve", voter="bob")
        await _completed([request])


@pytest.mark.parametrize("flagged", [True, False], ids=["with the flag", "without"])
async def test_a_full_server_drains_what_is_in_hand(valkey_url: str, tmp_path: Path, flagged: bool) -> None:
    """Past maxmemory; also where the server knows no `allow-oom`, for what acknowledges first may go on."""
    whole = scripts.source

    def source(name: str, *, shebang: bool = True) -> scripts.Source:
        return whole(name, shebang=flagged and shebang)

    with start_embedded(tmp_path / "redis") as server, mock.patch.object(scripts, "source", source):
        async with site(_gated(tmp_path, server.url)) as place:
            requests = [await place.submit() for _ in range(5)]
            await _in_hand(place, len(requests))
            ask(server.socket, "CONFIG", "SET", "maxmemory", "1mb")
            (place.project.root / "gate").touch()
            try:
                await _completed(requests)
            finally:
                ask(server.socket, "CONFIG", "SET", "maxmemory", "0")


async def test_an_effect_in_doubt_whose_approval_has_expired_is_uncertain() -> None:
    """Its worker died, and the approval expired before another could take over: a person may settle it."""
    run = await arun(
        REFERENCE,
        "note.write",
        {"title": "a", "body": "b"},
        actor="alice",
        crash_at="executor:after_effect",
        settings={"times.approval": "1s"},  # less than the deadline of the effect
        timeout=20,
    )
    assert run.outcome == "uncertain"
    assert [effect.status for effect in run.effects] == ["uncertain"]
    assert "no valid approval" in run.effects[0].error
