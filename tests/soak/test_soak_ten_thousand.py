"""Ten thousand requests while workers come and go: nothing lost, nothing doubled, nothing left behind.

``SOAK_REQUESTS=300`` in the environment makes a quick run of it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

from tests.soak.soak_fleet import Fleet
from tests.soak.soak_project import Kind, counted_calls, kind_of, write_project
from wingman_runtime.client import Client
from wingman_runtime.client.status import Status
from wingman_runtime.contracts.work import Response
from wingman_runtime.errors import AdmissionClosedError, ConflictError, NotFoundError
from wingman_runtime.ledger.query import Filter, select
from wingman_runtime.ledger.verify import verify

REQUESTS = int(os.environ.get("SOAK_REQUESTS", "10000"))
IN_FLIGHT = 1000
REPLACE_EVERY = 6.0
WITHIN = 480.0
SETTLED_AFTER = 30.0
GROWTH = 1.10
WARM = 100
FORGOTTEN_AFTER = 8.0  # seconds: the times.state_ttl of the project, and some for the server to see to it


Ended = tuple[str, Kind, Response]


async def one(client: Client, n: int, gate: asyncio.Semaphore) -> Ended:
    """Submit the n-th request, every tenth of them twice, and wait for what comes of it."""
    kind = kind_of(n)
    async with gate:
        while True:
            try:
                requests = [
                    await client.submit(
                        kind.intent,
                        {"name": kind.name.format(n=n)},
                        actor=kind.actor,
                        idempotency_key=f"soak-{n}",
                    )
                    for _ in range(2 if n % 10 == 0 else 1)
                ]
                break
            except AdmissionClosedError as closed:
                await asyncio.sleep(closed.retry_after)
        assert len({request.id for request in requests}) == 1
        return requests[0].id, kind, await requests[0].result(timeout=WITHIN)


async def voting(client: Client) -> None:
    """Bob approves whatever waits for people, until cancelled."""
    while True:
        for approval in await client.approvals(limit=1000):
            # Withdrawn, expired or voted on a moment ago: the next look tells.
            try:
                await client.vote(approval.approval_id, "approve", voter="bob", wait=0.01)
            except (ConflictError, NotFoundError):
                continue
        await asyncio.sleep(0.3)


async def settled(client: Client) -> Status:
    """The status once the recorder has stored everything and the last consumer has acknowledged."""
    async with asyncio.timeout(20):
        while True:
            status = await client.status()
            if not status.recorder_lag and not any(a.waiting + a.pending for a in status.agents):
                return status
            await asyncio.sleep(0.2)


async def warm_up(client: Client, fleet: Fleet, gate: asyncio.Semaphore) -> list[Ended]:
    """A hundred requests and a replaced worker, forgotten again.

    So the start is a server that has learned our scripts and counts every command we use; what is compared
    with it is what requests leave behind.
    """
    async with asyncio.timeout(60):
        while sum(worker.alive for worker in (await client.status()).workers) < 2:
            assert fleet.alive(), fleet.logs()
            await asyncio.sleep(0.1)
        ended, _ = await asyncio.gather(
            asyncio.gather(*(one(client, n, gate) for n in range(-WARM, 0))), fleet.replace()
        )
    await asyncio.sleep(FORGOTTEN_AFTER)
    return list(ended)


async def test_ten_thousand_requests_while_workers_are_replaced(tmp_path: Path) -> None:
    """Each ends once and as it should, effects happen once, nothing stays behind, the chain is whole."""
    root = tmp_path / "soak"
    counted = write_project(root)
    fleet = Fleet(root, REPLACE_EVERY)
    async with Client(root, actor="alice", tenant="demo") as client, fleet.running(2):
        gate = asyncio.Semaphore(IN_FLIGHT)
        votes = asyncio.create_task(voting(client))
        ended = await warm_up(client, fleet, gate)
        before = (await client.status()).used_memory

        began, enough = time.monotonic(), asyncio.Event()
        async with asyncio.timeout(WITHIN), asyncio.TaskGroup() as group:
            group.create_task(fleet.replacing(enough))
            ended += await asyncio.gather(*(one(client, n, gate) for n in range(REQUESTS)))
            took = time.monotonic() - began
            full = (await client.status()).used_memory
            enough.set()
        assert not votes.done(), votes.exception()
        votes.cancel()

        status = await settled(client)
        await asyncio.sleep(began + took + SETTLED_AFTER - time.monotonic())
        after = (await client.status()).used_memory
    outcomes = Counter(response.outcome.value for _, _, response in ended)
    print(
        f"\n{REQUESTS} requests in {took:.1f} s, {REQUESTS / took:.0f}/s: {dict(outcomes)};"
        f" {len(fleet.exits)} workers stopped, the slowest in {max(s for _, s in fleet.exits):.1f} s;"
        f" memory {before:,} before, {full:,} at the last outcome, {after:,} {SETTLED_AFTER:g} s later"
        f" ({after / before - 1:+.1%})"
    )

    ids = [request_id for request_id, _, _ in ended]
    assert len(set(ids)) == REQUESTS + WARM
    wrong = [(i, kind, r.outcome, r.reasons) for i, kind, r in ended if r.outcome.value != kind.outcome]
    assert not wrong, (len(wrong), wrong[:5])
    assert all(response.stamp is not None for _, _, response in ended)

    calls = counted_calls(counted)
    expected = Counter({("put", i): kind.puts for i, kind, _ in ended if kind.puts})
    expected.update({("take", i): kind.takes for i, kind, _ in ended if kind.takes})
    assert calls == expected, list(((calls - expected) + (expected - calls)).items())[:5]

    for agent in status.agents:
        assert (agent.waiting, agent.pending, agent.parked, agent.dead) == (0, 0, 0, 0), agent
    assert (status.open_requests, status.open_approvals, status.recorder_lag) == (0, 0, 0)
    assert {code for code, _ in fleet.exits} == {0}, fleet.logs()

    trail = root / ".wingman" / "audit.db"
    stamped = [record.request_id for record in select(trail, Filter(event_type="AuditStamped"))]
    assert sorted(stamped) == sorted(ids)
    found = verify(trail)
    assert found.ok, found.findings[:5]
    assert not found.warnings, found.warnings[:5]
    assert after <= before * GROWTH, f"memory {before:,} -> {after:,}"
