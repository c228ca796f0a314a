"""Sentinel failovers, for real: a worker and a client that know only the sentinels go on with the replica."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.chaos.watched import Watched, watched
from tests.worker.projects import COMPLETE, END, Agent, Site, Spec, load, site, write
from wingman_runtime.client import door
from wingman_runtime.errors import BackendRefusedError, UnconfirmedError
from wingman_runtime.redisio import state
from wingman_runtime.redisio.connection import open_backend

pytestmark = pytest.mark.timing(
    "a replica must have kept up when its link is stalled, and no server tells when"
)


@asynccontextmanager
async def _place(tmp_path: Path, servers: Watched, *, quorum: int = 0) -> AsyncIterator[Site]:
    agent = Agent(f"await asyncio.sleep(0.02)\n{COMPLETE}", emits=["ExecutionComplete"])
    root = write(tmp_path / "p", Spec({"work": agent}, {"UserRequestReceived": "work", **END}))
    flags = {
        "redis__sentinel_password": servers.password,
        "redis__commit_quorum": quorum,
        "redis__commit_quorum_timeout": 0.3,
    }
    async with site(load(root, servers.url, **flags)) as place:
        assert (await (await place.submit()).result(10)).outcome == "completed"
        yield place


async def test_a_failover_under_load_is_gone_through(tmp_path: Path) -> None:
    """The primary is killed with requests open; the same worker and client finish them on the replica."""
    async with watched(tmp_path) as servers, _place(tmp_path, servers) as place:
        requests = [await place.submit() for _ in range(20)]
        # What follows is of the failover, not of a link that was behind.
        await servers.caught_up()
        await servers.fail_over()
        requests += [await place.submit() for _ in range(5)]
        assert {(await request.result(40)).outcome for request in requests} == {"completed"}


async def test_with_a_quorum_nothing_acknowledged_is_lost_to_a_stalled_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the replica did not hear of was never acknowledged; sent again afterwards it is done once."""
    monkeypatch.setattr(door, "_RETRY_FOR", 2.0)
    async with watched(tmp_path) as servers, _place(tmp_path, servers, quorum=1) as place:
        await servers.stall()
        with pytest.raises(UnconfirmedError, match="same idempotency key"):
            await place.submit(idempotency_key="k")
        await servers.fail_over()
        # The promoted server has no replica to confirm anything: so nothing is acknowledged.
        with pytest.raises(UnconfirmedError):
            await place.submit(idempotency_key="k")
        servers.replica.ask("CONFIG", "SET", "masterauth", servers.replica.password)
        await servers.revive()
        request = await place.submit(idempotency_key="k")
        assert (await request.result(30)).outcome == "completed"
        assert (await state.listed(place.store, open_only=False, limit=10)).count(request.id) == 1


async def test_without_a_quorum_an_acknowledged_request_may_be_lost(tmp_path: Path) -> None:
    """Not promised, and so said: replication does not wait, and the replica did not hear of it."""
    async with watched(tmp_path) as servers, _place(tmp_path, servers) as place:
        await servers.stall()
        request = await place.submit()
        await servers.fail_over()
        assert (await (await place.submit()).result(40)).outcome == "completed"
        assert await state.read(place.store, request.id) is None


async def test_a_wrong_password_of_the_sentinels_is_told(tmp_path: Path) -> None:
    """Refused, not unreachable: nobody waits for it to get better."""
    async with watched(tmp_path) as servers:
        with pytest.raises(BackendRefusedError, match="password"):
            await open_backend(servers.url, sentinel_password="wrong")
