"""The scripts on fakeredis, as unit tests of other rooms use them: admit, commit, post and timers.

fakeredis cannot read the ``#!lua`` line, so `Store` leaves it out. It knows no INFO, no memory limit and no
cluster slots: what depends on those is tested on real servers only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import fakeredis
import pytest

from tests.redisio.chains import STAMP, chain, file, says
from tests.redisio.harness import House, bury, done, emission, park, retry
from wingman_runtime.errors import ConflictError
from wingman_runtime.redisio import admission, inbox, scripts
from wingman_runtime.redisio.store import Store


@pytest.fixture
async def house() -> AsyncIterator[House]:
    client = fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer())
    opened = House(Store(client, client, shebang=False))
    await opened.activate()
    yield opened
    await opened.check_leaks()
    await client.aclose()


async def test_a_request_from_admission_to_stamp(house: House) -> None:
    """Admitted, forwarded, finished, stamped: one outcome, every record there."""
    request_id, entry = await house.started()
    await house.commit(done(entry, "Finished"))
    await house.close(request_id, "completed")
    assert await house.kinds(request_id) == ["event", "routed", "event", "event"]


async def test_verdicts(house: House) -> None:
    """Refused, committed, repeated."""
    _, entry = await house.started()
    assert (await house.commit(done(entry, "Undeclared")))[0].kind == "refused_emit"
    assert (await house.commit(done(entry, "Next")))[0].kind == "committed"
    assert (await house.commit(done(entry, "Next")))[0].kind == "already_committed"
    assert (await house.commit(done(entry, "Next"), worker="w2"))[0].kind == "already_committed"


async def test_a_join(house: House) -> None:
    """Three branches come together."""
    request_id, entry = await house.started()
    await house.commit(done(entry, "Forked"))
    for agent in ("b", "c", "e"):
        await house.step(agent, "Part")
    await house.step("d", "Finished")
    await house.close(request_id, "completed")


async def test_a_failure_settles(house: House) -> None:
    """Burial, rollback, stamp."""
    request_id, entry = await house.started()
    await house.commit(bury(entry))
    await house.step("rollback", emission(entry, "Compensated", outcome="failed"))
    await house.close(request_id, "failed")


async def test_pause_and_retry(house: House) -> None:
    """Parked work comes back uncounted, retried work counted."""
    _, entry = await house.started()
    await house.hold("all")
    assert (await house.commit(done(entry, "Next")))[0].kind == "stale_control"
    await house.commit(park(entry))
    await house.resume("all")
    entry = await house.take("a")
    await house.commit(retry(entry, 0))
    await house.fire()
    assert (await house.take("a")).deliveries == 2


async def test_claims(house: House) -> None:
    """Renewal, reclaim, release and leave."""
    _, entry = await house.started()
    assert await inbox.renew(house.store, 0, "a", "w1", [entry.entry_id]) == []
    await asyncio.sleep(0.005)  # fakeredis wants more than the idle time, not as much
    [taken] = await inbox.reclaim(house.store, 0, "a", "w2", idle_ms=0, count=5)
    assert taken.deliveries == 2
    assert (await house.commit(done(entry, "Next")))[0].kind == "fenced"
    assert await inbox.release(house.store, 0, "a", "w2", [entry.entry_id]) == 1
    assert await inbox.leave(house.store, 0, "a", "w2")
    assert (await house.take("a")).deliveries == 2


async def test_letters_and_approvals(house: House) -> None:
    """A wait, a vote, a cancellation."""
    request_id, approval = await house.ask()
    assert await house.vote(request_id, approval) == "posted"
    assert await house.vote(request_id, approval) == "duplicate"
    assert await house.cancel(request_id) == "posted"
    await house.step("a", "Finished")
    await house.step("rollback", emission(await peek(house, request_id), "Compensated", outcome="cancelled"))
    await house.close(request_id, "cancelled")


async def peek(house: House, request_id: str) -> inbox.Entry:
    """An entry to derive an id from; the emission's own does not matter here."""
    state = await house.state(request_id)
    return inbox.Entry(0, "rollback", "0-0", "evt_x", request_id, "X", "story", "", state.tenant, 1, 1, b"")


async def test_an_idempotency_key(house: House) -> None:
    """Same body, same request; another body, a conflict."""
    first = await admission.admit(house.store, house.request(), rules=house.rules, idempotency=("k", "d"))
    again = await admission.admit(house.store, house.request(), rules=house.rules, idempotency=("k", "d"))
    assert first == again
    with pytest.raises(ConflictError):
        await admission.admit(house.store, house.request(), rules=house.rules, idempotency=("k", "x"))


async def test_the_shebang_is_the_only_difference() -> None:
    """The script that fakeredis runs is the one that servers run, but for its first line."""
    for name in scripts.NAMES:
        real, fake = scripts.source(name), scripts.source(name, shebang=False)
        assert real.text.split("\n", 1)[1] == fake.text


async def test_eager_steps(house: House) -> None:
    """A chain in one commit: recorded up to the step that a rule holds, which is delivered."""
    request_id, entry = await house.started()
    await house.hold("agent:c")
    filed = await file(house, chain(done(entry, "Next"), ("b", says("Next")), ("c", says("Finished"))))
    assert filed.steps == 2
    await house.resume("agent:c")
    await file(house, chain(done(await house.take("c"), "Finished"), STAMP))
    await house.ended(request_id, "completed")
