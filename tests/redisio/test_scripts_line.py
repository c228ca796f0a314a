"""Ordering keys: a key's next request begins in the step that ends the one before it, and never earlier."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.redisio.harness import House, an_approval, bury, done, emission, forwarded, open_house, retry
from tests.worker.projects import until
from wingman_runtime.errors import AdmissionClosedError
from wingman_runtime.redisio import admission, inbox, line, state
from wingman_runtime.redisio.admission import Start
from wingman_runtime.redisio.commit import ApprovalChange
from wingman_runtime.redisio.inbox import Entry
from wingman_runtime.redisio.store import text


async def ordered(
    house: House, key: str = "k", *, partition: int = 0, tenant: str = "demo", **rest: object
) -> str:
    event = house.request(partition, tenant=tenant)
    return await admission.admit(house.store, event, rules=house.rules, order=key, **rest)  # type: ignore[arg-type]


async def place(house: House, request_id: str) -> tuple[int, str, int]:
    found = await line.place(house.store, request_id)
    assert found is not None
    return found.number, found.waits_for, found.behind


async def finish(house: House, *, event: str = "Finished") -> str:
    """The one request that has begun goes to its end; returns its id."""
    entry = await house.take("dispatcher")
    await house.commit(forwarded(entry))
    await house.step("a", event)
    if event == "Broke":
        await house.step("rollback", emission(entry, "Compensated", outcome="failed"))
    await house.step("audit", "Stamped")
    return entry.request_id


async def waiting(house: House) -> int:
    return int(await house.call("XLEN", house.store.keys(0).inbox("dispatcher")))


async def test_the_next_begins_when_the_one_before_has_ended(house: House) -> None:
    """Three of a key are admitted at once and begin one by one, in the order of their admission."""
    ids = [await ordered(house) for _ in range(3)]
    assert [await place(house, one) for one in ids] == [(0, "", 2), (1, ids[0], 1), (2, ids[1], 0)]
    assert await state.waits_at(house.store, ids[1]) == ()
    for number, request_id in enumerate(ids):
        assert await waiting(house) == 1
        assert await finish(house) == request_id
        assert await line.place(house.store, request_id) is None
        assert len(await house.call("KEYS", "*:line:*")) == int(number < 2)
    first, second = [
        [orjson.loads(record.body) for record in await house.records(request_id) if record.kind == "wait"]
        for request_id in ids[:2]
    ]
    assert first == []
    assert [(one.get("waits_for"), one.get("begins_after")) for one in second] == [
        (ids[0], None),
        (None, ids[0]),
    ]


async def test_other_keys_and_tenants_do_not_wait(house: House) -> None:
    """A line is of one key of one tenant; a request without a key is in none."""
    await ordered(house, "k")
    await ordered(house, "other")
    await ordered(house, "k", tenant="acme")
    assert await line.place(house.store, await house.admit()) is None
    assert await waiting(house) == 4


@pytest.mark.parametrize("event", ["Finished", "Refused", "Broke"])
async def test_any_outcome_lets_the_next_one_begin(house: House, event: str) -> None:
    """Completed, denied and failed after a rollback are all an end."""
    first, second = await ordered(house), await ordered(house)
    assert await finish(house, event=event) == first
    assert await finish(house) == second


async def test_a_dead_letter_is_an_end_only_once_it_is_settled(house: House) -> None:
    """The next one begins when the rollback is stamped, not when the step is buried."""
    first, second = await ordered(house), await ordered(house)
    await house.forward()
    await house.commit(bury(await house.take("a")))
    assert await waiting(house) == 0
    entry = await house.take("rollback")
    await house.commit(done(entry, emission(entry, "Compensated", outcome="failed")))
    assert await waiting(house) == 0
    await house.close(first, "failed")
    assert await finish(house) == second


@pytest.mark.parametrize("letter", ["cancel", "expire"])
async def test_one_that_waits_is_taken_out_of_the_line(house: House, letter: str) -> None:
    """Cancelled or expired before its turn it ends at once, without having begun; the others keep theirs."""
    first, second, third = [await ordered(house) for _ in range(3)]
    assert await getattr(house, letter)(second) == "posted"
    entry = await house.take("rollback")
    outcome = "cancelled" if letter == "cancel" else "expired"
    await house.commit(done(entry, emission(entry, "Compensated", outcome=outcome)))
    await house.close(second, outcome)
    assert "cut" in await house.kinds(second)
    assert await place(house, third) == (1, first, 0)
    assert await finish(house) == first
    assert await finish(house) == third
    assert await waiting(house) == 0


async def test_one_cancelled_while_it_waited_has_its_turn_to_close(house: House) -> None:
    """The one before ends while a cancellation is under way: nobody begins until that is closed."""
    first, second, third = [await ordered(house) for _ in range(3)]
    await house.cancel(second)
    assert await finish(house) == first
    assert await place(house, third) == (1, second, 0)
    assert await waiting(house) == 0
    entry = await house.take("rollback")
    await house.commit(done(entry, emission(entry, "Compensated", outcome="cancelled")))
    await house.close(second, "cancelled")
    assert await finish(house) == third


async def test_one_that_waits_for_a_person_holds_those_behind_it(house: House) -> None:
    """An open approval is no end; the deadline of those who wait runs on."""
    first = await ordered(house)
    await house.forward()
    entry = await house.take("a")
    await house.commit(done(entry, "Noted", approval=ApprovalChange(an_approval(first)), starve=None))
    house.rules = replace(house.rules, deadline_ms=1)
    second = await ordered(house)

    async def overdue() -> bool:
        return second in (await house.fire()).requests

    await until(overdue)
    assert await waiting(house) == 0
    assert await place(house, second) == (1, first, 0)
    for request_id in (second, first):
        await house.cancel(request_id)
        entry = await house.take("rollback")
        await house.commit(done(entry, emission(entry, "Compensated", outcome="cancelled")))
        await house.close(request_id, "cancelled")


async def test_a_line_has_a_longest_length(house: House) -> None:
    """Past the limit the door is closed for that key alone, with the limit and when to ask again."""
    house.rules = replace(house.rules, line=2, retry_after=4.0)
    for _ in range(3):
        await ordered(house)
    with pytest.raises(AdmissionClosedError, match=r"2 requests wait .* 'k', the limit is 2") as caught:
        await ordered(house)
    assert caught.value.retry_after == 4.0
    await ordered(house, "other")
    await house.call("DEL", house.store.keys(0).inbox("dispatcher"))
    await house.store.ensure_groups(["dispatcher"])


async def test_submitting_again_takes_no_second_place(house: House) -> None:
    """A submit whose reply was lost, and one under the same idempotency key, stand in line once."""
    await ordered(house)
    event = house.request()
    for _ in range(3):
        await admission.admit(house.store, event, rules=house.rules, order="k", idempotency=("i", "d"))
    again = house.request()
    found = await admission.admit(house.store, again, rules=house.rules, order="k", idempotency=("i", "d"))
    assert found == event.subject
    assert (await place(house, event.subject))[0] == 1
    assert len(await house.call("LRANGE", house.store.keys(0).line(line.name_of("demo", "k")), 0, -1)) == 2


async def test_one_for_later_keeps_its_place(house: House) -> None:
    """When its turn comes before its time it waits for that, and those behind it for its end."""
    first = await ordered(house)
    later = await ordered(house, start=Start(delay_ms=60))
    third = await ordered(house)
    assert await finish(house) == first
    assert await waiting(house) == 0
    assert int(await house.call("ZCARD", house.store.keys(0).timers)) == 1

    async def due() -> bool:
        return bool((await house.fire()).delivered)

    await until(due)
    assert await finish(house) == later
    assert await finish(house) == third


async def test_a_place_is_told_in_words() -> None:
    """The list and `request show` say it the same way."""
    told = [str(line.Place("k", number, "req_x", 0)) for number in (1, 2, 3, 4, 11, 22)]
    assert [one.split(", ")[1].split(" ")[0] for one in told] == ["1st", "2nd", "3rd", "4th", "11th", "22nd"]
    assert str(line.Place("k", 0, "", 2)) == "is under way, 2 behind it in line"


class Fleet:
    """Workers that come, take, forget what they hold, and act on what is no longer theirs."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.chance = random.Random(seed)
        self.hands: list[tuple[str, Entry]] = []
        self.ids: dict[tuple[int, str], list[str]] = {}

    async def submit(self) -> None:
        partition, key = self.chance.randrange(2), self.chance.choice("xyz")
        request_id = await ordered(self.house, key, partition=partition)
        self.ids.setdefault((partition, key), []).append(request_id)

    async def take(self, agent: str) -> None:
        partition, worker = self.chance.randrange(2), self.chance.choice(("w1", "w2"))
        for entry in await self.house.fetch(
            agent, worker, partition=partition, count=self.chance.randint(1, 4)
        ):
            self.hands.append((worker, entry))

    async def die(self) -> None:
        """A worker is killed: another takes what it held. The dead one may still believe it holds it."""
        if not self.hands:
            return
        entry = self.chance.choice(self.hands)[1]
        taken = await inbox.reclaim(self.house.store, entry.partition, entry.agent, "w3", idle_ms=0, count=9)
        self.hands += [("w3", one) for one in taken]

    async def answer(self) -> None:
        if not self.hands:
            return
        worker, entry = self.hands.pop(self.chance.randrange(len(self.hands)))
        ends = {"rollback": "Compensated", "audit": "Stamped"}
        event = ends.get(entry.agent) or self.chance.choice(("Finished", "Finished", "Refused", "Broke"))
        fields: dict[str, Any] = {"outcome": "failed"} if event == "Compensated" else {}
        result = done(entry, emission(entry, event, **fields))
        if entry.agent == "dispatcher":
            result = forwarded(entry)
        elif self.chance.random() < 0.1:
            result = retry(entry, 0)
        [verdict] = await self.house.commit(result, worker=worker)
        if verdict.kind not in ("committed", "already_committed", "fenced", "refused_emit"):
            raise AssertionError(verdict)

    async def cancel(self) -> None:
        if self.ids:
            await self.house.cancel(self.chance.choice(self.chance.choice(list(self.ids.values()))))

    async def step(self) -> None:
        agents = ("dispatcher", "a", "rollback", "audit")
        await self.chance.choice(
            (
                self.submit,
                self.answer,
                self.answer,
                self.answer,
                self.die,
                lambda: self.take(self.chance.choice(agents)),
            )
        )()
        if self.chance.random() < 0.04:
            await self.cancel()
        for partition in (0, 1):
            await self.house.fire(partition)

    async def settle(self) -> None:
        """No more submits: everything ends."""
        async with asyncio.timeout(30):
            while await self.open():
                for agent in ("dispatcher", "a", "rollback", "audit"):
                    for partition in (0, 1):
                        await self.house.fire(partition)
                        for entry in await inbox.reclaim(
                            self.house.store, partition, agent, "w4", idle_ms=0, count=100, own=True
                        ):
                            self.hands.append(("w4", entry))
                        for entry in await self.house.fetch(agent, "w4", partition=partition):
                            self.hands.append(("w4", entry))
                        while self.hands:
                            await self.answer()

    async def open(self) -> int:
        keys = [self.house.store.keys(number).open for number in (0, 1)]
        return sum([int(await self.house.call("ZCARD", key)) for key in keys])


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_starts_come_after_ends(backend_url: str, seed: int) -> None:
    """Two partitions, workers that die and come back, cancellations: by the logs, each request of a key
    begins after the end of all that were admitted before it, in order, and each one ends.
    """
    async with open_house(backend_url, partitions=2) as house:
        fleet = Fleet(house, seed)
        for _ in range(250):
            await fleet.step()
        await fleet.settle()
        began: dict[str, int] = {}
        ended: dict[str, int] = {}
        for partition in (0, 1):
            for n, kind, request_id, body in await house.log(partition):
                record = orjson.loads(body)
                event = record.get("event") or {}
                if kind == "routed":
                    began.setdefault(request_id, n)
                if event.get("type") == "Stamped" or record.get("anomaly") == "starved":
                    ended[request_id] = n
        assert sum(map(len, fleet.ids.values())) > 20
        waited = 0
        for ids in fleet.ids.values():
            last = 0
            for request_id in ids:
                assert (await house.state(request_id)).ended
                if request_id in began:
                    waited += last > 0
                    assert last < began[request_id] < ended[request_id]
                    last = ended[request_id]
        assert waited > 5
        assert not [one for one in await house.anomalies() if one["anomaly"] == "ended_in_line"]
        assert [text(key) for key in await house.call("KEYS", "*:line:*")] == []
