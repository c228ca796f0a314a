"""What an agent gave up on, from a real worker to a person's hands: replayed, or discarded."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.worker.projects import COMPLETE, END, Agent, Site, Spec, load, site, until, write
from wingman_runtime import SyncClient
from wingman_runtime.client import Request
from wingman_runtime.errors import ConflictError, NotFoundError
from wingman_runtime.redisio.dead import Which

ONCE = "retry: {attempts: 1}\n"
ROUTES = {"UserRequestReceived": "work", **END}
UNTIL_MENDED = f"if not (ROOT / 'mended').exists():\n    raise OSError('gateway away')\n{COMPLETE}"


def _spec(body: str = UNTIL_MENDED, *, extra: str = ONCE) -> Spec:
    return Spec({"work": Agent(body, emits=["ExecutionComplete"], extra=extra)}, ROUTES)


async def _failed(place: Site, intent: str = "t", **more: Any) -> Request:
    request = await place.submit(intent, **more)
    assert (await request.result(10)).outcome == "failed"
    return request


async def test_a_letter_says_where_it_comes_from(tmp_path: Path, valkey_url: str) -> None:
    """Event, request, flow, tenant, person, error, attempts, worker, code and policies: all there."""
    async with site(load(write(tmp_path / "p", _spec()), valkey_url)) as place:
        request = await _failed(place, params={"a": 1})
        [letter] = await place.client.dead_letters.listed()
        assert (letter.agent, letter.event_type, letter.request_id) == (
            "work",
            "UserRequestReceived",
            request.id,
        )
        assert (letter.flow, letter.tenant, letter.actor) == ("work", "demo", "alice")
        assert (letter.attempts, letter.stray, letter.error) == (1, False, "OSError: gateway away")
        [table] = [flow.digest for flow in place.project.flows.values() if flow.name == "work"]
        assert letter.flow_digest == table
        assert letter.code == place.project.agents["work"].code_digest
        assert letter.policy == place.project.bundle.digest
        assert letter.worker
        assert letter.event is not None
        assert letter.event["data"]["request"]["params"] == {"a": 1}
        assert await place.client.dead_letters.get(letter.letter_id) == letter
        state = await request.state()
        assert state.created_ms <= letter.at_ms <= state.ended_ms


async def test_a_replay_is_a_new_request_linked_to_the_old(tmp_path: Path, valkey_url: str) -> None:
    """Same intent, parameters, person and tenant, an id of its own; who replays it is on both trails."""
    root = write(tmp_path / "p", _spec())
    async with site(load(root, valkey_url)) as place:
        old = await _failed(place, "note", params={"a": [1]})
        [letter] = await place.client.dead_letters.listed()
        (root / "mended").touch()
        done = await place.client.dead_letters.replay(letter.letter_id, reason="mended", by="ops")
        assert done.new
        assert done.request.id != old.id
        assert (await done.request.result(10)).outcome == "completed"
        state = await done.request.state()
        assert (state.replays, state.intent, state.actor, state.tenant) == (old.id, "note", "alice", "demo")
        first, *_ = await place.trail(done.request)
        assert first.data["request"]["params"] == {"a": [1]}
        assert first.record["event"]["causationid"] == old.id
        assert (first.record["by"], first.record["letter"]) == ("ops", letter.letter_id)
        *_, last = await place.trail(old)
        assert last.kind == "admin"
        assert last.record["action"] == "dead_letter_replayed"
        assert (last.record["replay"], last.record["reason"]) == (done.request.id, "mended")
        assert last.record["error"] == "OSError: gateway away"
        assert await place.client.dead_letters.listed() == []
        assert (await old.result(1)).outcome == "failed"


async def test_replaying_twice_answers_with_the_first_replay(tmp_path: Path, valkey_url: str) -> None:
    """The same letter is the same replay, at once or later; only ``again`` makes another."""
    root = write(tmp_path / "p", _spec())
    async with site(load(root, valkey_url)) as place:
        await _failed(place)
        [letter] = await place.client.dead_letters.listed()
        (root / "mended").touch()
        letters = place.client.dead_letters
        both = await asyncio.gather(*(letters.replay(letter.letter_id, reason="mended") for _ in range(4)))
        assert len({done.request.id for done in both}) == 1
        assert sum(done.new for done in both) == 1
        assert (await both[0].request.result(10)).outcome == "completed"
        more = await letters.replay(letter.letter_id, reason="more", again=True)
        assert more.new
        assert more.request.id != both[0].request.id
        assert (await more.request.result(10)).outcome == "completed"
        latest = await letters.replay(letter.letter_id, reason="mended")
        assert (latest.new, latest.request.id) == (False, more.request.id)
        with pytest.raises(NotFoundError, match="replayed by"):
            await letters.get(letter.letter_id)


async def test_what_is_discarded_stays_on_the_record(tmp_path: Path, valkey_url: str) -> None:
    """It leaves the stream; the log says who, why and what; then it is neither shown nor replayed."""
    async with site(load(write(tmp_path / "p", _spec()), valkey_url)) as place:
        request = await _failed(place)
        [letter] = await place.client.dead_letters.listed()
        letters = place.client.dead_letters
        await letters.discard(letter.letter_id, reason="of no use", by="ops")
        assert await letters.listed() == []
        [record] = [one for one in await place.log("admin") if one.get("action") == "dead_letter_discarded"]
        assert (record["by"], record["reason"], record["request"]) == ("ops", "of no use", request.id)
        assert (record["agent"], record["event_id"]) == ("work", letter.event_id)
        for call in (letters.replay, letters.discard):
            with pytest.raises(NotFoundError, match="discarded by ops: of no use"):
                await call(letter.letter_id, reason="x")


async def test_two_letters_of_one_request_are_one_replay(tmp_path: Path, valkey_url: str) -> None:
    """Both branches failed: whichever is replayed first, the request runs once more, not twice."""
    body = UNTIL_MENDED.replace("'mended'", "'one'")
    spec = Spec(
        {
            "one": Agent(body, emits=["ExecutionComplete"], extra=ONCE),
            "two": Agent(
                "if not (ROOT / 'one').exists():\n    raise OSError('x')\nreturn Done('ok')", extra=ONCE
            ),
        },
        {"UserRequestReceived": "[one, two]", **END},
    )
    root = write(tmp_path / "p", spec)
    async with site(load(root, valkey_url), workers=0) as place:
        request = await place.submit()
        for name in ("dispatcher", "one", "two", "audit"):
            await place.start(name)
        assert (await request.result(10)).outcome == "failed"
        found = await until(lambda: _as_many(place, 2))
        (root / "one").touch()
        letters = place.client.dead_letters
        first = await letters.replay(found[0].letter_id, reason="mended")
        assert (await first.request.result(10)).outcome == "completed"
        second = await letters.replay(found[1].letter_id, reason="mended")
        assert (second.request.id, second.new) == (first.request.id, False)
        assert await letters.listed() == []


async def _as_many(place: Site, count: int) -> list[Any]:
    found = await place.client.dead_letters.listed()
    return found if len(found) == count else []


async def test_what_belongs_to_no_request_is_only_discarded(tmp_path: Path, valkey_url: str) -> None:
    """Garbage put into an inbox can be looked at; a replay says why it cannot be; discarding works."""
    async with site(load(write(tmp_path / "p", _spec()), valkey_url)) as place:
        stream = place.store.keys(0).inbox("work")
        await place.store.call("XADD", stream, "*", b"ty", b"UserRequestReceived", b"b", b"\xff\x00garbage")
        [letter] = await until(lambda: _as_many(place, 1))
        assert letter.stray
        assert (letter.body, letter.event) == (b"\xff\x00garbage", None)
        letters = place.client.dead_letters
        with pytest.raises(ConflictError, match="belongs to no step"):
            await letters.replay(letter.letter_id, reason="x")
        await letters.discard(letter.letter_id, reason="noise")
        [record] = [one for one in await place.log("admin") if one.get("action") == "dead_letter_discarded"]
        assert record["size"] == 9
        assert record["begins"]


async def test_letters_are_found_by_what_they_are(tmp_path: Path, valkey_url: str) -> None:
    """By agent, type, tenant, request, error and time; newest first, so many at the most."""
    body = "raise OSError('away ' + event.data.request.intent)"
    async with site(load(write(tmp_path / "p", _spec(body)), valkey_url)) as place:
        requests = [await _failed(place, f"n{number}") for number in range(4)]
        letters = place.client.dead_letters
        found = await letters.listed()
        assert [one.request_id for one in found] == [request.id for request in requests[::-1]]
        assert await letters.listed(limit=2) == found[:2]
        assert await letters.listed(Which(error="AWAY N2")) == [found[1]]
        assert await letters.listed(Which(request_id=requests[0].id)) == [found[3]]
        assert await letters.listed(Which(agent="audit")) == []
        assert await letters.listed(Which(event_type="Other")) == []
        assert await letters.listed(Which(tenant="nobody")) == []
        middle = found[1].at_ms
        assert await letters.listed(Which(since_ms=middle)) == found[:2]
        assert await letters.listed(Which(until_ms=middle)) == found[2:]


async def test_letters_that_pile_up_are_told_once(tmp_path: Path, valkey_url: str) -> None:
    """Two workers, one event per crossing, none for each letter; cleared below half, then told anew."""
    body = f"if event.data.request.intent == 'bad':\n    raise OSError('x')\n{COMPLETE}"
    settings = load(write(tmp_path / "p", _spec(body)), valkey_url, limits__dead_letters=4)
    async with site(settings, workers=2) as place:
        letters = place.client.dead_letters

        async def told(name: str) -> list[dict[str, Any]]:
            return [one["event"]["data"] for one in await place.log("event") if one["event"]["type"] == name]

        async def piled(times: int) -> bool:
            return len(await told("DeadLettersPiledUp")) == times

        for _ in range(5):
            await _failed(place, "bad")
        await until(lambda: piled(1))
        status = await place.client.status()
        assert status.piled == ("work",)
        [work] = [one for one in status.agents if one.name == "work"]
        assert work.dead == 5
        oldest = status.oldest_dead(work)
        assert oldest is not None
        assert 0 <= oldest < 60
        [data] = await told("DeadLettersPiledUp")
        assert (data["agent"], data["depth_limit"]) == ("work", 4)
        for letter in (await letters.listed())[:3]:
            await letters.discard(letter.letter_id, reason="x")
        assert (await place.client.status()).piled == ("work",)
        for letter in (await letters.listed())[:1]:
            await letters.discard(letter.letter_id, reason="x")

        async def cleared() -> bool:
            return (await place.client.status()).piled == ()

        await until(cleared)
        assert [one["depth"] for one in await told("DeadLettersCleared")] == [1]
        for _ in range(3):
            await _failed(place, "bad")
        await until(lambda: piled(2))


async def test_one_old_letter_is_told_too(tmp_path: Path, valkey_url: str) -> None:
    """A single letter past the age that the settings allow is an event."""
    project = load(
        write(tmp_path / "p", _spec("raise OSError('x')")), valkey_url, limits__dead_letter_age=0.5
    )
    async with site(project) as place:
        await _failed(place)

        async def told() -> list[Any]:
            records = await place.log("event")
            return [one for one in records if one["event"]["type"] == "DeadLettersPiledUp"]

        [record] = await until(told)
        assert record["event"]["data"]["depth"] == 1
        assert record["event"]["subject"] == "work"  # of a CloudEvent it is never empty
        assert record["event"]["data"]["oldest_s"] >= 0.5


async def test_a_replay_stands_in_line_behind_its_ordering_key(tmp_path: Path, valkey_url: str) -> None:
    """Requests of the key that came meanwhile go first: the replay is the last of them."""
    root = write(tmp_path / "p", _spec())
    async with site(load(root, valkey_url)) as place:
        await _failed(place, ordering_key="account 7")
        [letter] = await place.client.dead_letters.listed()
        (root / "mended").touch()
        await place.client.pause("agent:work", reason="a test")
        meanwhile = await place.submit(ordering_key="account 7")
        done = await place.client.dead_letters.replay(letter.letter_id, reason="mended")
        await place.client.resume("agent:work", reason="a test")
        assert (await done.request.result(10)).outcome == "completed"
        ends = [(await one.state()).ended_ms for one in (meanwhile, done.request)]
        assert 0 < ends[0] <= ends[1]
        begun = [one for one in await place.trail(done.request) if one.agent == "work"]
        assert begun[0].at_ms >= ends[0]


async def test_the_same_without_async(tmp_path: Path, valkey_url: str) -> None:
    """Found, shown, replayed and discarded by a script that knows no event loop."""
    root = write(tmp_path / "p", _spec())
    async with site(load(root, valkey_url)) as place:
        await _failed(place)
        await _failed(place)
        (root / "mended").touch()

        def use() -> str:
            with SyncClient(place.project.settings, actor="ops", tenant="demo") as client:
                newest, oldest = client.dead_letters.listed()
                assert client.dead_letters.get(newest.letter_id) == newest
                client.dead_letters.discard(newest.letter_id, reason="a test")
                replay = client.dead_letters.replay(oldest.letter_id, reason="mended")
                assert client.dead_letters.listed() == []
                return replay.result(10).outcome

        assert await asyncio.to_thread(use) == "completed"
