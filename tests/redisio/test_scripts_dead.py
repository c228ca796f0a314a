"""Dead letters in the scripts: buried with their provenance, taken out once, by admission or by discard."""

from __future__ import annotations

import asyncio

import pytest

from tests.redisio.harness import TTL_MS, House, bury, done, emission, quarantine
from wingman_runtime.redisio import admission, counts, dead
from wingman_runtime.redisio.admission import Replay, ReplayRefusedError
from wingman_runtime.redisio.dead import Act, DeadLetter, Which

RECORD = b'{"action":"test"}'


async def buried(house: House) -> tuple[str, DeadLetter]:
    """A request whose ``a`` gave up; its failure is not settled yet."""
    request_id, entry = await house.started()
    await house.commit(bury(entry))
    [letter] = [one async for one in dead.each(house.store, Which(request_id=request_id))]
    return request_id, letter


async def ended(house: House) -> tuple[str, DeadLetter]:
    request_id, letter = await buried(house)
    entry = await house.take("rollback")
    await house.commit(done(entry, emission(entry, "Compensated", outcome="failed")))
    await house.close(request_id, "failed")
    return request_id, letter


def act(letter: DeadLetter, request_id: str, **how: bool) -> Act:
    return Act(letter.letter_id, request_id, "ops", "a test", TTL_MS, **how)


async def replay(house: House, what: Act) -> str:
    event = house.request()
    return await admission.admit(house.store, event, rules=house.rules, replay=Replay(what, RECORD))


async def test_a_letter_is_counted_and_found_by_its_id(house: House) -> None:
    """The oldest one's time is known without its body; the id leads straight to the entry."""
    assert await counts.dead(house.store, ["a", "b"]) == {"a": (0, 0), "b": (0, 0)}
    _, letter = await buried(house)
    _, second = await buried(house)
    assert await counts.dead(house.store, ["a", "b"]) == {"a": (2, letter.at_ms), "b": (0, 0)}
    assert await dead.get(house.store, second.letter_id) == second
    assert (letter.attempts, letter.stray, letter.error) == (1, False, "poison")
    assert await counts.everybody(house.store) == await counts.agent_names(house.store)


async def test_a_replay_and_the_taking_out_are_one_step(house: House) -> None:
    """Of many at once one is admitted; the others get its id; the old request names it, the new the old."""
    request_id, letter = await ended(house)
    answers = await asyncio.gather(
        *(replay(house, act(letter, request_id)) for _ in range(5)), return_exceptions=True
    )
    [admitted] = [one for one in answers if isinstance(one, str)]
    refused = [one for one in answers if isinstance(one, ReplayRefusedError)]
    assert {(one.why, one.about) for one in refused} == {("replayed", admitted)}
    assert len(refused) == 4
    assert await dead.get(house.store, letter.letter_id) is None
    assert (await house.state(admitted)).replays == request_id
    found = await dead.laid(house.store, letter.letter_id)
    assert found is not None
    assert (found.what, found.by, found.into, found.request_id) == ("replayed", "ops", admitted, request_id)
    assert (await house.kinds(request_id))[-1] == "admin"


@pytest.mark.parametrize("why", ["settling", "stray", "missing", "discarded", "stands", "forgotten"])
async def test_what_is_refused_changes_nothing(house: House, why: str) -> None:
    """Whatever the reason: no request, no record, the letter where it was."""
    if why == "settling":
        request_id, letter = await buried(house)
    elif why == "stray":
        request_id, entry = await house.started()
        await house.commit(quarantine(entry))
        [letter] = [one async for one in dead.each(house.store, Which())]
        assert not letter.stray or letter.request_id == request_id
        await house.call("DEL", house.store.keys(0).dead("a"))
        await house.call(
            "XADD", house.store.keys(0).dead("a"), letter.entry_id, "r", request_id, "st", "1", "b", "x"
        )
    else:
        request_id, letter = await ended(house)
    keys = house.store.keys(0)
    if why == "missing":
        await house.call("XDEL", keys.dead("a"), letter.entry_id)
    elif why == "discarded":
        assert await dead.discard(house.store, act(letter, request_id), RECORD) == ("done", "")
    elif why == "stands":
        await house.call(
            "HSET", keys.effects(request_id), "eff", '{"kind":"apply"}', "eff:m", '{"st":"done"}'
        )
        await house.call("PEXPIRE", keys.effects(request_id), TTL_MS)
    elif why == "forgotten":
        await house.call("DEL", keys.request(request_id))
    before = await house.snapshot()
    with pytest.raises(ReplayRefusedError) as caught:
        await replay(house, act(letter, request_id))
    assert caught.value.why == why
    assert await house.snapshot() == before


async def test_again_and_by_force(house: House) -> None:
    """``again`` makes another once the last replay has ended; ``force`` passes what may be left behind."""
    request_id, letter = await ended(house)
    first = await replay(house, act(letter, request_id))
    with pytest.raises(ReplayRefusedError, match="settling"):
        await replay(house, act(letter, request_id, again=True, force=True))
    await house.forward()
    entry = await house.take("a")
    await house.commit(done(entry, "Finished"))
    await house.close(first, "completed")
    await house.call("DEL", house.store.keys(0).request(request_id))
    with pytest.raises(ReplayRefusedError, match="forgotten"):
        await replay(house, act(letter, request_id, again=True))
    assert await replay(house, act(letter, request_id, again=True, force=True)) != first


async def test_a_pile_is_told_once(house: House) -> None:
    """However many say so; and anew after it was cleared."""
    told = [await dead.pile(house.store, "a", True, RECORD) for _ in range(3)]
    assert told == [True, False, False]
    assert list(await dead.piled(house.store)) == ["a"]
    assert [await dead.pile(house.store, "a", high, RECORD) for high in (False, False, True, False)] == [
        True, False, True, True,
    ]  # fmt: skip
    assert await dead.piled(house.store) == {}
