"""With a quorum, what too few replicas have is not done: not admitted, not committed, not begun, not seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.redisio.harness import House, done
from tests.redisio.replicas import Pair, replicated
from tests.redisio.test_scripts_effects import effect, hands
from wingman_runtime.contracts.control import ControlMode
from wingman_runtime.contracts.work import EffectStatus
from wingman_runtime.errors import UnconfirmedError
from wingman_runtime.redisio import control, outcomes
from wingman_runtime.redisio.batcher import Quorum
from wingman_runtime.redisio.connection import open_backend
from wingman_runtime.redisio.store import Store

# Long while the replica hears: a busy machine is no failure. Short once it cannot: nothing is waited for.
PATIENT, BRIEF = Quorum.of(1, 20.0), Quorum.of(1, 0.2)


@pytest.fixture(params=["valkey", "redis7"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    binary = request.getfixturevalue("redis7_binary") if request.param == "redis7" else None
    async with replicated(tmp_path, binary) as made:
        yield made


@asynccontextmanager
async def opened(pair: Pair, quorum: Quorum | None = PATIENT) -> AsyncIterator[House]:
    """A house on the primary, over connections that nobody has used before."""
    async with await open_backend(pair.primary.url) as backend:
        yield House(Store(backend.commands, backend.readers, quorum=quorum))


async def cut(pair: Pair, house: House) -> None:
    """From now on the replica hears nothing, and this house does not wait long for it."""
    await pair.cut()
    house.store.quorum = house.store.scripts.batcher._quorum = BRIEF


async def join(pair: Pair, house: House) -> None:
    await pair.join()
    house.store.quorum = house.store.scripts.batcher._quorum = PATIENT


async def test_a_step_is_sent_again_until_a_replica_has_it(pair: Pair) -> None:
    """Unconfirmed while the link is cut, by who wrote it and by who only asks again; recorded once."""
    async with opened(pair) as house:
        await house.activate()
        request_id, entry = await house.started()
        await cut(pair, house)
        with pytest.raises(UnconfirmedError, match="0 of 1 replicas"):
            await house.commit(done(entry, "Finished"))
        async with opened(pair, BRIEF) as other:
            # It writes nothing, and is not taken for confirmed because of that.
            with pytest.raises(UnconfirmedError):
                await other.commit(done(entry, "Finished"))
        await join(pair, house)
        async with opened(pair) as other:
            [verdict] = await other.commit(done(entry, "Finished"))
        assert verdict.kind == "already_committed"
        await house.close(request_id, "completed")


async def test_an_admission_is_told_as_unconfirmed(pair: Pair) -> None:
    """The client is told to send the same again; then it is the same request."""
    async with opened(pair) as house:
        await house.activate()
        await cut(pair, house)
        with pytest.raises(UnconfirmedError, match="idempotency key"):
            await house.admit()
        await join(pair, house)
        assert len(await house.call("ZRANGE", house.store.keys(0).open, 0, -1)) == 1


async def test_an_intent_without_a_quorum_begins_nothing(pair: Pair) -> None:
    """The tool must not run on an intent that a failover forgets; asked again it is the same intent."""
    async with opened(pair) as house:
        await house.activate()
        ledger = await hands(house)
        planned = effect(ledger.entry)
        await cut(pair, house)
        with pytest.raises(UnconfirmedError):
            await ledger.intend(planned)
        await join(pair, house)
        answer = await ledger.intend(planned)
        assert (answer.kind, answer.effect and answer.effect.attempt) == ("go", 1)
        [found] = await ledger.ledger.of_request(ledger.entry.request_id)
        assert found.status is EffectStatus.INTENT


async def test_an_end_that_could_be_lost_is_not_shown(pair: Pair) -> None:
    """Whoever waits for a result hears of it once a replica has it."""
    async with opened(pair) as house, opened(pair, None) as lax:
        await house.activate()
        request_id, entry = await house.started()
        await house.commit(done(entry, "Finished"))
        await cut(pair, house)
        await lax.step("audit", "Stamped")
        assert (await outcomes.endings(lax.store, [request_id]))[request_id] is not None
        with pytest.raises(UnconfirmedError):
            await outcomes.endings(house.store, [request_id])
        await join(pair, house)
        assert (await outcomes.endings(house.store, [request_id]))[request_id] is not None


async def test_a_halt_is_acknowledged_once_it_would_survive(pair: Pair) -> None:
    """Until then it is in force on the primary, and not acknowledged; reading the record waits for nobody."""
    async with opened(pair) as house:
        await house.activate()
        await cut(pair, house)
        with pytest.raises(UnconfirmedError):
            await house.hold("all", ControlMode.HALT)
        assert (await control.read(house.store, 0)).rules
        await join(pair, house)
        assert await house.hold("all", ControlMode.HALT)


async def test_without_a_quorum_nobody_waits_for_a_replica(pair: Pair) -> None:
    """The default: what the primary has written is done."""
    async with opened(pair, None) as house:
        await house.activate()
        await pair.cut()
        request_id, entry = await house.started()
        [verdict] = await house.commit(done(entry, "Finished"))
        assert verdict.kind == "committed"
        await house.close(request_id, "completed")
