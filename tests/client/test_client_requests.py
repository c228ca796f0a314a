"""The client on the embedded server: admission, waiting, reconnecting, errors with their place."""

from __future__ import annotations

import asyncio
import math
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.best_of import quickest_of
from tests.worker.projects import COMPLETE, END, Agent, Site, Spec, load, site, until, write
from wingman_runtime import Client, SyncClient
from wingman_runtime.errors import (
    BackendRefusedError,
    BackendUnreachableError,
    ConflictError,
    ContractError,
    NotFoundError,
    StillPendingError,
    UsageError,
    WingmanError,
)
from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded

SPEC = Spec({"work": Agent(COMPLETE, emits=["ExecutionComplete"])}, {"UserRequestReceived": "work", **END})


@pytest.fixture
async def idle(tmp_path: Path, valkey_url: str) -> AsyncIterator[Site]:
    """A project without a worker: what is admitted stays."""
    async with site(load(write(tmp_path / "p", SPEC), valkey_url), workers=0) as place:
        yield place


@pytest.fixture
async def busy(tmp_path: Path, valkey_url: str) -> AsyncIterator[Site]:
    """A project at work."""
    async with site(load(write(tmp_path / "p", SPEC), valkey_url)) as place:
        yield place


async def test_ten_thousand_in_flight_need_a_handful_of_connections(tmp_path: Path, valkey_url: str) -> None:
    """All submitted, all waited for at once, all ended; the client never holds more than its pools."""
    project = load(write(tmp_path / "p", SPEC), valkey_url, name="many")
    async with site(project, workers=0) as place:
        settings = project.settings.model_copy(update={"name": "counted"})
        async with Client(settings, actor="alice", tenant="demo") as client:
            requests = await asyncio.gather(*(client.submit("t", flow="work") for _ in range(10_000)))
            waiting = [asyncio.create_task(request.result(100)) for request in requests]
            await asyncio.sleep(0.5)
            listed = await place.store.call("CLIENT", "LIST")
            text = listed.decode() if isinstance(listed, bytes) else str(listed)
            assert 1 <= text.count("wingman-counted") <= 24
            # Ended from outside: what is measured here is the client, not a worker.
            for first in range(0, 10_000, 500):
                keys = [place.store.keys(0).request(one.id) for one in requests[first : first + 500]]
                ended = ("status", "ended", "outcome", "completed")
                await asyncio.gather(*(place.store.call("HSET", key, *ended) for key in keys))
            ends = await asyncio.gather(*waiting)
            assert len(ends) == 10_000
            assert {end.outcome for end in ends} == {"completed"}


async def test_the_end_wakes_the_waiter_at_once(busy: Site) -> None:
    """Not a sweep but the stream of outcomes: a trivial request takes a fraction of a second."""
    await (await busy.submit()).result(5)

    async def one() -> None:
        await (await busy.submit()).result(5)

    assert await quickest_of(one, 0.5) < 0.5


async def test_an_idempotency_key_is_one_request(idle: Site) -> None:
    """Same key and body: the same id, across clients too; another body or actor is a conflict."""
    first = await idle.submit(idempotency_key="k", params={"a": 1, "b": 2})
    async with Client(idle.project.settings) as other:
        again = await other.submit(
            "t", {"b": 2, "a": 1}, actor="alice", tenant="demo", flow="work", idempotency_key="k"
        )
    assert again.id == first.id
    with pytest.raises(ConflictError, match="another body"):
        await idle.submit(idempotency_key="k", params={"a": 2})
    with pytest.raises(ConflictError):
        await idle.submit(idempotency_key="k", params={"a": 1, "b": 2}, actor="bob")
    assert (await idle.submit(idempotency_key="k", params={"a": 2}, tenant="other")).id != first.id
    assert len(await idle.client.requests()) == 2


async def test_a_hundred_at_once_with_one_key_are_one(idle: Site) -> None:
    """The race is decided in the script."""
    many = await asyncio.gather(*(idle.submit(idempotency_key="same") for _ in range(100)))
    assert len({request.id for request in many}) == 1


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"a": {"b": [1.0, math.nan]}}, "params.a.b[1]"),
        ({"a": math.inf}, "params.a"),
        ({"a": {1: "x"}}, "params.a"),
        ({"a": object()}, "params"),
        ({"a": "\ud800"}, "params"),
        ({"a": "x" * 300_000}, "params"),
    ],
    ids=["nan", "inf", "key", "object", "surrogate", "size"],
)
async def test_what_json_cannot_carry_is_refused_with_its_path(
    idle: Site, params: dict[str, Any], path: str
) -> None:
    """Before anything is sent."""
    with pytest.raises(ContractError) as caught:
        await idle.submit(params=params)
    assert (caught.value.where or "").startswith(path)
    assert await idle.client.requests() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"intent": ""},
        {"intent": "x" * 101},
        {"steps": [{"tool": "t"}] * 51},
        {"steps": [{"tool": "t", "more": 1}]},
        {"steps": [{"tool": "t", "args": {"a": math.nan}}]},
        {"actor": "a" * 201},
        {"tenant": "t" * 101},
        {"planner": "p" * 101},
    ],
    ids=["empty", "long", "steps", "extra", "nan", "actor", "tenant", "planner"],
)
async def test_what_does_not_fit_the_contract_is_a_contract_error(idle: Site, wrong: dict[str, Any]) -> None:
    """Never the error of a library; ``where`` says which part."""
    with pytest.raises(ContractError) as caught:
        await idle.submit(**wrong)
    assert caught.value.where
    assert await idle.client.requests() == []


async def test_an_unknown_flow_is_said(idle: Site) -> None:
    """With a hint where flows come from."""
    with pytest.raises(UsageError, match="no flow named 'nowhere'"):
        await idle.submit(flow="nowhere")


async def test_not_ended_yet_is_said_with_a_hint(idle: Site) -> None:
    """The request goes on, and nothing of the waiting is left behind."""
    request = await idle.submit()
    with pytest.raises(StillPendingError) as caught:
        await request.result(0.2)
    assert caught.value.hint
    assert caught.value.where == request.id
    assert idle.client.waiter._waiting == {}


async def test_an_unknown_request_is_not_found(idle: Site) -> None:
    """At once, asked for state, result or events alike; a text that is no id is a contract error."""
    request = idle.client.request("req_p0_" + "0" * 32)
    with pytest.raises(NotFoundError):
        await request.state()
    with pytest.raises(NotFoundError):
        await request.result(5)
    with pytest.raises(NotFoundError):
        await anext(request.events())
    with pytest.raises(NotFoundError):
        await request.cancel(reason="no")
    for text in ("req_p7_" + "0" * 32, "nonsense", ""):
        with pytest.raises(ContractError):
            idle.client.request(text)


async def test_an_answer_lost_while_submitting_is_asked_for_again(
    idle: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Admitted, but the answer did not arrive: the next attempt finds the first, and there is one request."""
    run = idle.client.store.run
    lost: list[Any] = []

    async def losing(name: str, partition: int, *args: Any) -> Any:
        reply = await run(name, partition, *args)
        if len(lost) < 2:
            lost.append(reply)
            raise BackendUnreachableError("the answer is lost")
        return reply

    monkeypatch.setattr(idle.client.store, "run", losing)
    request = await idle.submit()
    assert [found.request_id for found in await idle.client.requests()] == [request.id]
    assert [reply[0] for reply in lost] == [b"admitted", b"duplicate"]


async def test_a_server_that_refuses_is_not_waited_for(idle: Site) -> None:
    """Whoever waits is told at once, each of them, and nothing of the waiting is left behind."""
    request = await idle.submit()
    await idle.store.call("ACL", "SETUSER", "default", "-hmget")
    try:
        async with asyncio.timeout(5):
            ends = await asyncio.gather(*(request.result(60) for _ in range(3)), return_exceptions=True)
    finally:
        await idle.store.call("ACL", "SETUSER", "default", "+@all")
    assert {type(end) for end in ends} == {BackendRefusedError}
    assert idle.client.waiter._waiting == {}


async def test_all_who_wait_for_one_request_get_its_end(busy: Site) -> None:
    """Asked before and after the end, once and again: the same response."""
    request = await busy.submit()
    early = await asyncio.gather(*(request.result(10) for _ in range(5)))
    late = await asyncio.gather(*(request.result(10) for _ in range(5)))
    assert {response.outcome for response in (*early, *late)} == {"completed"}
    assert all(response == early[0] for response in (*early, *late))


async def test_events_come_in_order_and_end(busy: Site) -> None:
    """Followed from the submission on: gapless in time, the last is the stamp."""
    request = await busy.submit()
    async with asyncio.timeout(10):
        seen = [event async for event in request.events()]
    assert [event.n for event in seen] == sorted(event.n for event in seen)
    types = [event.type for event in seen if event.kind == "event"]
    assert types == ["UserRequestReceived", "ExecutionComplete", "AuditStamped"]
    assert seen == await busy.client.trail(request.id)


async def test_cancelling_ends_it_once(idle: Site) -> None:
    """Cancelled while it waits; a second time is a conflict."""
    request = await idle.submit()
    await request.cancel(reason="changed my mind", by="alice")
    await idle.start()
    assert (await request.result(10)).outcome == "cancelled"
    with pytest.raises(ConflictError):
        await request.cancel(reason="again")


async def test_connections_killed_while_waiting_are_made_anew(idle: Site) -> None:
    """CLIENT KILL of every connection: the waiter notices nothing but the delay."""
    request = await idle.submit()
    waiting = asyncio.create_task(request.result(20))
    await asyncio.sleep(0.2)
    await idle.store.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await asyncio.sleep(0.1)
    await idle.start()
    assert (await waiting).outcome == "completed"


async def test_a_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """Killed before the waiting begins, started again during it: `result` and `events` come to their end."""
    data = tmp_path / "data"
    server: EmbeddedServer = await asyncio.to_thread(start_embedded, data)
    try:
        async with site(load(write(tmp_path / "p", SPEC), server.url), workers=0) as place:
            request = await place.submit()
            os.kill(server.pid, signal.SIGKILL)
            await asyncio.sleep(0.3)
            waiting = asyncio.create_task(request.result(30))

            async def followed() -> list[str]:
                return [event.type async for event in request.events()]

            following = asyncio.create_task(followed())
            await asyncio.sleep(0.5)
            await asyncio.to_thread(server.stop)
            server = await asyncio.to_thread(start_embedded, data)
            await until(lambda: asyncio.to_thread(lambda: server.running))
            await place.start()
            assert (await waiting).outcome == "completed"
            assert (await following)[-1] == "AuditStamped"
    finally:
        await asyncio.to_thread(server.stop)


async def test_the_same_without_async(busy: Site) -> None:
    """Submit, result, events, status; from a thread, while loops run elsewhere."""

    def use() -> list[str]:
        with SyncClient(busy.project.settings, actor="alice", tenant="demo") as client:
            request = client.submit("t", flow="work", idempotency_key="sync")
            assert client.submit("t", flow="work", idempotency_key="sync").id == request.id
            assert request.result(10).outcome == "completed"
            assert client.status().open_requests == 0
            client.pause("agent:work", reason="t")
            held = client.submit("t", flow="work")
            with pytest.raises(StillPendingError):
                held.result(0.3)
            client.resume("agent:work", reason="t")
            return [event.type for event in request.events()]

    assert (await asyncio.to_thread(use))[-1] == "AuditStamped"


async def test_words_that_no_record_can_carry_are_refused_before_anything_is_done(busy: Site) -> None:
    """A lone surrogate, or no reason at all: an error of ours, no rule is set and no request handed in."""
    client, lone = busy.client, "\ud800"
    for reason, by in (("", "bob"), ("  ", "bob"), (lone, "bob"), ("t", lone)):
        with pytest.raises(WingmanError):
            await client.pause("agent:work", reason=reason, by=by)
        with pytest.raises(WingmanError):
            await client.resume("all", reason=reason, by=by)
        with pytest.raises(WingmanError):
            await client.cancel("req_p0_" + "0" * 32, reason=reason, by=by)
    with pytest.raises(ContractError, match="UTF-8"):
        await busy.client.submit("t", flow="work", actor="alice", tenant="demo", idempotency_key=lone)
    assert not await client.rules()
    assert not await client.requests()


def test_a_client_that_is_not_open_says_so(tmp_path: Path, valkey_url: str) -> None:
    """Neither hangs nor fails in a library."""
    settings = load(write(tmp_path / "p", SPEC), valkey_url).settings
    with pytest.raises(UsageError, match="not open"):
        SyncClient(settings).status()
    client = SyncClient(settings)
    with client:
        client.status()
    with pytest.raises(UsageError, match="not open"):
        client.status()
    with pytest.raises(WingmanError):
        asyncio.run(Client(settings).status())
