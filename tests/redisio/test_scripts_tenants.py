"""Limits of one tenant: its open requests, and how fast it hands in; by the server's clock, in the script."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.redisio.harness import House, open_house
from wingman_runtime.errors import AdmissionClosedError
from wingman_runtime.redisio import admission, workers
from wingman_runtime.redisio.tenants import Tenant
from wingman_runtime.settings_admission import Admission, TenantLimits


def limited(house: House, **tenants: TenantLimits) -> None:
    settings = Admission(tenants=tenants)
    house.rules = replace(house.rules, tenants=settings.of_tenant, retry_after=3.0)


async def finish(house: House) -> None:
    await house.forward()
    await house.step("a", "Finished")
    await house.step("audit", "Stamped")


async def test_a_tenant_has_so_many_open_requests(house: House) -> None:
    """At its limit it is refused, with the limit and where it stands; an end makes room; others are free."""
    limited(house, acme=TenantLimits(open=2))
    await house.admit(tenant="acme")
    await finish(house)
    for _ in range(2):
        await house.admit(tenant="acme")
    told = r"2 requests of tenant 'acme' are open, the limit is 2 \(admission.tenants.acme.open\)"
    with pytest.raises(AdmissionClosedError, match=told) as caught:
        await house.admit(tenant="acme")
    assert caught.value.retry_after == 3.0
    await house.admit(tenant="other")
    await house.forward()
    entry, *_ = await house.fetch("a")
    await house.cancel(entry.request_id)
    assert await house.call("HGETALL", house.store.keys(0).tenants) in (
        {b"acme": b"2", b"other": b"1"},
        [b"acme", b"2", b"other", b"1"],
    )


async def test_nobody_is_counted_who_has_nothing_open(house: House) -> None:
    """The count of a tenant goes with its last open request."""
    await house.admit(tenant="acme")
    assert await house.call("EXISTS", house.store.keys(0).tenants) == 1
    await finish(house)
    assert await house.call("EXISTS", house.store.keys(0).tenants) == 0


async def test_a_bucket_is_emptied_and_fills_again(house: House) -> None:
    """So many at once pass, then one for each token; the refusal says to the millisecond when that is."""
    limited(house, default=TenantLimits(rate=4, burst=3))
    before = await workers.now_ms(house.store)
    for _ in range(3):
        await house.admit()
    with pytest.raises(AdmissionClosedError) as caught:
        await house.admit()
    elapsed = (await workers.now_ms(house.store) - before) / 1000
    wait = caught.value.retry_after
    assert 0.25 - elapsed <= wait <= 0.25
    assert (
        "tenant 'demo' hands in too fast: the limit is 4 requests a second, 3 at once" in caught.value.message
    )
    assert "admission.tenants.default.rate" in caught.value.message
    assert caught.value.hint == f"retry after {wait:g} s"
    await asyncio.sleep(wait + 0.002)
    await house.admit()
    await house.admit(tenant="other")


async def test_what_is_refused_or_repeated_takes_no_token(house: House) -> None:
    """A repeat under its idempotency key, a refusal, and a closed door leave the bucket as it is."""
    limited(house, default=TenantLimits(rate=0.01, burst=2))
    event = house.request()
    for _ in range(5):
        await admission.admit(house.store, event, rules=house.rules, idempotency=("k", "d"))
    house.rules = replace(house.rules, inbox_lag=1)
    for _ in range(3):
        with pytest.raises(AdmissionClosedError, match="waiting"):
            await house.admit()
    house.rules = replace(house.rules, inbox_lag=100)
    await house.admit()
    with pytest.raises(AdmissionClosedError, match="too fast"):
        await house.admit()
    key = f"{house.store.keys(0).anchor}:rate:*"
    [bucket] = await house.call("KEYS", key)
    assert 0 < int(await house.call("PTTL", bucket)) <= 200_000
    await house.call("DEL", bucket)


async def test_a_clock_set_back_closes_no_door_for_long(house: House) -> None:
    """A bucket from the future is an empty one, no more."""
    limited(house, default=TenantLimits(rate=10, burst=1))
    await house.admit()
    [bucket] = await house.call("KEYS", f"{house.store.keys(0).anchor}:rate:*")
    await house.call("SET", bucket, await workers.now_ms(house.store) + 3_600_000, "PX", 60_000)
    with pytest.raises(AdmissionClosedError) as caught:
        await house.admit()
    assert caught.value.retry_after <= 0.1


async def test_partitions_share_a_limit(backend_url: str) -> None:
    """Each grants its part, rounded up; the refusal names the whole and how many share it."""
    async with open_house(backend_url, partitions=2) as house:
        limited(house, default=TenantLimits(open=3))
        for partition in (0, 0, 1, 1):
            await house.admit(partition)
        with pytest.raises(AdmissionClosedError, match=r"the limit is 3 .*shared by 2 partitions"):
            await house.admit(1)


def test_shares() -> None:
    """A share of nothing is nothing; a bucket holds a second's worth unless it says otherwise."""
    assert TenantLimits().of(4) == TenantLimits()
    assert TenantLimits(rate=2.5).of(1) == TenantLimits(rate=2.5, burst=3)
    assert TenantLimits(open=5, rate=8, burst=2).of(4) == TenantLimits(open=2, rate=2, burst=1)
    assert str(TenantLimits(open=5, rate=8)) == "open 5, rate 8"
    assert Tenant("t", "default", TenantLimits(), 1).header() == {}
