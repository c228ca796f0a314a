"""The one door: idempotency, limits, and a full server that still lets work in flight drain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import orjson
import pytest

from tests.redisio.harness import House, bury, done, emission, park, retry
from wingman_runtime.errors import AdmissionClosedError, ConflictError, ContractError, UsageError
from wingman_runtime.redisio import admission, inbox, log


async def submit(house: House, key: str, digest: str) -> str:
    return await admission.admit(house.store, house.request(), rules=house.rules, idempotency=(key, digest))


async def test_the_same_key_and_body_is_the_same_request(house: House) -> None:
    """Submitting again under the same key answers the first id and admits nothing."""
    first = await submit(house, "key", "body")
    assert await submit(house, "key", "body") == first
    assert await submit(house, "other", "body") != first
    assert len(await house.fetch("dispatcher")) == 2


async def test_the_same_key_with_another_body_is_a_conflict(house: House) -> None:
    """The same key with another body is refused and names the request that has it."""
    first = await submit(house, "key", "body")
    with pytest.raises(ConflictError) as caught:
        await submit(house, "key", "another")
    assert caught.value.where == first
    assert len(await house.fetch("dispatcher")) == 1


async def test_a_key_is_remembered_for_its_time(house: House) -> None:
    """After its time a key is free again."""
    house.rules = replace(house.rules, idempotency_ttl_ms=30)
    first = await submit(house, "key", "body")
    await asyncio.sleep(0.05)
    assert await submit(house, "key", "another") != first


async def test_submitting_the_same_event_again_is_safe(house: House) -> None:
    """A submit whose reply was lost is repeated with the same event: one request, also ten at once."""
    event = house.request()
    answers = await asyncio.gather(
        *(admission.admit(house.store, event, rules=house.rules) for _ in range(10))
    )
    assert set(answers) == {event.subject}
    assert len(await house.fetch("dispatcher")) == 1
    assert await house.kinds(event.subject) == ["event"]


async def test_a_request_is_logged_whole(house: House) -> None:
    """The log has the admitted event as the client sent it, and who sent it."""
    request_id = await house.admit()
    [record] = await house.records(request_id)
    body = orjson.loads(record.body)
    assert (body["agent"], body["worker"], body["event"]["subject"]) == ("client", "/test", request_id)
    found = await house.state(request_id)
    assert (found.status, found.tenant, found.actor, found.intent) == ("open", "demo", "alice", "note")
    assert found.deadline_ms - found.created_ms == house.rules.deadline_ms


async def test_an_unknown_flow_is_refused(house: House) -> None:
    """Nothing is admitted into a flow that no worker has activated."""
    event = house.request().model_copy(update={"flow": "nowhere"})
    with pytest.raises(UsageError, match="nowhere"):
        await admission.admit(house.store, event, rules=house.rules)


@pytest.mark.parametrize("subject", ["req_p0_x", "req_p1_" + "0" * 32, "x:log"])
async def test_an_id_that_names_no_place_here_is_refused(house: House, subject: str) -> None:
    """A request id must be one, and of the partition it is sent to."""
    event = house.request().model_copy(update={"subject": subject})
    with pytest.raises(ContractError):
        await admission.admit(house.store, event, rules=house.rules)
    assert not any(subject in key for key in await house.keys())


async def test_admission_closes_when_an_inbox_lags(house: House) -> None:
    """At the limit of waiting events, parked ones included, new requests are refused with when to retry."""
    house.rules = replace(house.rules, inbox_lag=2, retry_after=3.0)
    await house.admit()
    entry = await house.take("dispatcher")
    await house.hold("agent:dispatcher")
    await house.commit(park(entry))
    await house.admit()
    with pytest.raises(AdmissionClosedError, match="2 in dispatcher") as caught:
        await house.admit()
    assert caught.value.retry_after == 3.0


async def test_admission_closes_when_the_recorder_lags(house: House) -> None:
    """With too many records not yet stored new requests are refused; once they are trimmed they pass."""
    house.rules = replace(house.rules, recorder_lag=3)
    await house.admit()
    await house.admit()
    with pytest.raises(AdmissionClosedError, match="audit store"):
        await house.admit()
    source = log.RedisLog(house.store)
    records = await source.read(0, "0-0", 100, 0)
    assert [record.n for record in records] == [1, 2, 3]
    await source.trim(0, records[1].entry_id)
    assert [record.n for record in await source.read(0, "0-0", 100, 0)] == [3]
    assert await source.head(0) == 3
    await house.call("XTRIM", house.store.keys(0).log, "MAXLEN", 0)
    await house.admit()
    # The harness counts the log from its beginning.
    await house.call("DEL", house.store.keys(0).log)


@asynccontextmanager
async def full(house: House) -> AsyncIterator[None]:
    """The server, with its memory limit just passed and nothing evicted."""
    used = int((await house.store.commands.info("memory"))["used_memory"])
    await house.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
    await house.call("CONFIG", "SET", "maxmemory", used - 1024)
    try:
        yield
    finally:
        await house.call("CONFIG", "SET", "maxmemory", 0)


async def test_a_full_server_drains(house: House) -> None:
    """Past maxmemory admission refuses; what is in flight goes on to its end, timers and pauses included."""
    ids = [await house.admit() for _ in range(3)]
    async with full(house):
        with pytest.raises(AdmissionClosedError, match="memory"):
            await house.admit()
        await house.forward()
        first, second, third = await house.fetch("a")
        await house.commit(done(first, "Finished"), bury(second), retry(third, 0))
        await house.fire()
        [third] = await house.fetch("a")
        await house.hold("agent:a")
        await house.commit(park(third))
        await house.resume("agent:a")
        [third] = await house.fetch("a")
        await inbox.release(house.store, 0, "a", "w1", [third.entry_id])
        [third] = await house.fetch("a")
        assert await house.cancel(third.request_id) == "posted"
        await house.commit(done(third))
        for entry in await house.fetch("rollback"):
            await house.commit(done(entry, emission(entry, "Compensated", outcome="failed")))
        for entry in await house.fetch("audit"):
            await house.commit(done(entry, "Stamped"))
        assert {(await house.state(request_id)).status for request_id in ids} == {"ended"}
    await house.admit()


async def test_admission_closes_before_memory_is_full(house: House) -> None:
    """Past its share of maxmemory admission refuses, while the server itself would still take writes."""
    house.rules = replace(house.rules, memory_check_ms=0)
    used = int((await house.store.commands.info("memory"))["used_memory"])
    await house.call("CONFIG", "SET", "maxmemory", int(used / 0.9))
    try:
        with pytest.raises(AdmissionClosedError, match="memory"):
            await house.admit()
    finally:
        await house.call("CONFIG", "SET", "maxmemory", 0)
    await house.admit()


async def test_nothing_of_an_ended_request_stays(house: House) -> None:
    """Once its time has passed after the end, no key of the request is left, and its name is off every
    list.
    """
    empty = set(await house.keys())
    house.rules = replace(house.rules, state_ttl_ms=40, idempotency_ttl_ms=40)
    await submit(house, "key", "body")
    await house.forward()
    entry = await house.take("a")
    await house.commit(retry(entry, 0))
    await house.fire()
    await house.step("a", "Broke")
    await house.step("rollback", emission(entry, "Compensated", outcome="failed"))
    await house.step("audit", "Stamped")
    ended_at = (await house.fire()).delivered
    assert ended_at == 0
    await asyncio.sleep(0.08)
    await house.fire()
    keys = house.store.keys(0)
    assert set(await house.keys()) - empty <= {keys.outcomes, keys.log}
    # A zombie that comes later is told so and leaves nothing behind either.
    assert (await house.commit(done(entry, "Next")))[0].kind == "fenced"
    assert set(await house.keys()) - empty <= {keys.outcomes, keys.log}
