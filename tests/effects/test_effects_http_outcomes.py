"""What became of a call, what is repeated, what is recorded: counted at a real server."""

from __future__ import annotations

import gzip
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.effects.effects_fakes import Bench, Crash
from tests.effects.http_server import Server, answer, drip, echo, hang_up, silence
from wingman_runtime.contracts.compensation import plan_compensation
from wingman_runtime.contracts.work import EffectStatus, PlanReport
from wingman_runtime.effects.perform import Performer
from wingman_runtime.effects.registry import ToolRegistry
from wingman_runtime.effects.web import Web
from wingman_runtime.effects.workspace import Workspace
from wingman_runtime.errors import ContractError
from wingman_runtime.settings import Http, HttpHost, Settings

REQUEST = "req_p0_" + "0" * 32
SECRET = "Bearer swordfish"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server


class Desk(Bench):
    """A bench whose tools reach the server of the test."""

    def __init__(
        self, root: Path, server: Server, *, times: dict[str, float] | None = None, **entry: Any
    ) -> None:
        host = HttpHost(host=f"127.0.0.1:{server.port}", private=True, **entry)
        self.http = Http.model_validate({"allow": [host], **(times or {})})
        self.server = server
        super().__init__(ToolRegistry.load([], settings=Settings(http=self.http)), root / "workspace")

    def restart(self, worker: str, *, sleep: Any = None) -> None:
        self.worker = worker
        self.performer = Performer(
            self.registry, self.store, Workspace(self.root), sleep=sleep or self.store.sleep,
            http=Web(self.http, environ={"DESK_AUTH": SECRET}),
        )  # fmt: skip

    def step(self, method: str = "POST", path: str = "/t", **more: Any) -> tuple[str, dict[str, Any]]:
        undo = {"method": "DELETE", "url": self.server.url(path + "/{{ response.id }}")}
        return "http.call", {"method": method, "url": self.server.url(path), "undo": undo, **more}

    async def one(self, method: str = "POST", **more: Any) -> PlanReport:
        return await self.run(self.plan(self.step(method, **more)))


async def test_a_call_that_is_answered_is_done(tmp_path: Path, server: Server) -> None:
    """Status, a few headers and the body are recorded; the undo is filled in; the key is the effect's."""
    server.on("/t", answer(201, {"id": 7}, ETag="e1", Set_Cookie="private=1"))
    report = await Desk(tmp_path, server).one(json={"b": 1, "a": [None, "ä"]})
    effect = report.effects[0]
    assert report.status == "done"
    assert effect.result == {
        "status": 201,
        "url": server.url("/t"),
        "headers": {"content-type": "application/json", "etag": "e1"},
        "body": {"id": 7},
    }
    assert effect.resource == f"http:POST 127.0.0.1:{server.port}/t"
    assert effect.undo is not None
    assert effect.undo.args == {"call": {"method": "DELETE", "url": server.url("/t/7"), "json": None}}
    assert json.loads(server.seen[0].body) == {"a": [None, "ä"], "b": 1}
    assert server.keys() == [f'"{effect.effect_id}"']


@pytest.mark.parametrize(
    ("method", "entry", "script", "status", "calls"),
    [
        ("POST", {}, answer(422, {"error": "no"}), EffectStatus.FAILED, 1),
        ("POST", {"idempotency": True}, answer(409), EffectStatus.FAILED, 1),
        ("POST", {}, answer(429, Retry_After="1"), EffectStatus.FAILED, 3),
        ("POST", {}, answer(500), EffectStatus.UNCERTAIN, 1),
        ("POST", {}, answer(503, Retry_After="1"), EffectStatus.UNCERTAIN, 1),
        ("POST", {}, hang_up(), EffectStatus.UNCERTAIN, 1),
        ("PATCH", {}, hang_up(), EffectStatus.UNCERTAIN, 1),
        ("POST", {}, silence(), EffectStatus.UNCERTAIN, 1),
        ("POST", {}, answer(302, Location="/elsewhere"), EffectStatus.UNCERTAIN, 1),
        ("POST", {}, answer(307, Location="http://127.0.0.1:1/"), EffectStatus.FAILED, 1),
        ("POST", {"idempotency": True}, hang_up(), EffectStatus.UNCERTAIN, 3),
        ("POST", {"idempotency": True}, answer(503, Retry_After="2"), EffectStatus.UNCERTAIN, 3),
        ("PUT", {}, hang_up(), EffectStatus.UNCERTAIN, 3),
        ("DELETE", {}, answer(502), EffectStatus.UNCERTAIN, 3),
    ],
)
async def test_what_an_answer_means(
    tmp_path: Path, server: Server, method: str, entry: Any, script: Any, status: Any, calls: int
) -> None:
    """4xx is nothing done; 5xx, a break and silence are unknown; only what may be repeated is sent again."""
    server.on("/t", script)
    report = await Desk(tmp_path, server, times={"read": 0.2, "total": 1.0}, **entry).one(method)
    assert [effect.status for effect in report.effects] == [status]
    assert len(server.seen) == calls
    assert len(set(server.keys())) == 1, "one effect, one key, however often it is sent"


async def test_what_may_be_repeated_succeeds_in_the_end(tmp_path: Path, server: Server) -> None:
    """A host that honours the key: a break and a 503 are passed over, and the pause it asks for is kept."""
    server.on("/t", hang_up(), answer(503, Retry_After="5"), answer(201, {"id": 1}))
    bench = Desk(tmp_path, server, idempotency=True)
    before = bench.store.now_ms
    report = await bench.one()
    assert report.status == "done"
    assert len(server.seen) == 3
    assert bench.store.now_ms - before >= 5000


async def test_a_pause_longer_than_the_tool_has_is_not_waited_for(tmp_path: Path, server: Server) -> None:
    """Retry-After past the tool's time: it fails at once."""
    server.on("/t", answer(429, Retry_After="3600"))
    bench = Desk(tmp_path, server)
    report = await bench.one()
    assert (report.status, len(server.seen), bench.store.now_ms) == ("failed", 1, 1000)


async def test_no_connection_is_nothing_done(tmp_path: Path, server: Server) -> None:
    """Nobody listens: the POST was never sent, so it is tried again and then failed, not uncertain."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server.port = taken.getsockname()[1]
        report = await Desk(tmp_path, server).one()
    assert [effect.status for effect in report.effects] == [EffectStatus.FAILED]
    assert "ConnectError" in report.error


async def test_after_a_crash_only_the_repeatable_is_sent_again(tmp_path: Path, server: Server) -> None:
    """The worker dies after its call: with a listed key it is sent again, else the effect is uncertain."""
    for idempotency, status, calls in ((True, "done", 2), (False, "uncertain", 1)):
        server.seen.clear()
        server.on("/t", answer(201, {"id": 1}))
        bench = Desk(tmp_path / str(idempotency), server, idempotency=idempotency)
        plan = bench.plan(bench.step())
        bench.store.crash_before_record = 1
        with pytest.raises(Crash):
            await bench.run(plan)
        bench.restart("w2")
        assert (await bench.run(plan)).status == status
        assert len(server.seen) == calls
        assert len(set(server.keys())) == 1


async def test_a_plan_that_fails_undoes_its_calls(tmp_path: Path, server: Server) -> None:
    """The recorded call is made, once, newest first; what is gone already counts as undone."""
    server.on("/t", answer(201, {"id": 1}), answer(201, {"id": 2}), answer(404))
    server.on("/t/1", answer(204))
    server.on("/t/2", answer(410))
    bench = Desk(tmp_path, server)
    report = await bench.run(bench.plan(bench.step(), bench.step(), bench.step()))
    assert report.status == "failed"
    undoing = plan_compensation(await bench.store.of_request(REQUEST), REQUEST, "evt_2")
    assert (await bench.run(undoing)).status == "done"
    assert [(one.method, one.target) for one in server.seen[3:]] == [("DELETE", "/t/2"), ("DELETE", "/t/1")]
    assert len(set(server.keys())) == 5


@pytest.mark.parametrize("body", [{}, {"id": "../admin"}, {"id": "a/b"}, {"id": ""}, {"id": [1]}, b"<html>"])
async def test_an_answer_that_cannot_be_undone_says_so(tmp_path: Path, server: Server, body: Any) -> None:
    """No such field, or one that would lead elsewhere: it was done, the plan fails, nothing is guessed."""
    server.on("/t", answer(201, body))
    report = await Desk(tmp_path, server).one()
    effect = report.effects[0]
    assert (report.status, effect.status, effect.undo) == ("failed", EffectStatus.DONE, None)
    assert "cannot be undone by http.undo" in effect.error
    assert "unfilled" not in effect.error


@pytest.mark.parametrize(
    ("method", "path", "entry", "words"),
    [
        ("DELETE", "/other/1", {}, "not below /t"),
        ("DELETE", "/tt", {}, "not below /t"),
        ("POST", "/t/close", {}, "idempotency: true"),
        ("POST", "/refunds", {"idempotency": True}, "not below /t"),
        ("POST", "/refunds", {"idempotency": True, "undo": ("/refunds*",)}, ""),
        ("PUT", "/t", {}, ""),
    ],
)
async def test_an_undoing_reaches_no_further_than_allowed(
    tmp_path: Path, server: Server, method: str, path: str, entry: Any, words: str
) -> None:
    """Before anything is sent: the undo must be repeatable, and at the call's path, below it, or listed."""
    server.on("/t", answer(201, {"id": 1}))
    report = await Desk(tmp_path, server, **entry).one(undo={"method": method, "url": server.url(path)})
    assert report.status == ("failed" if words else "done")
    assert words in report.error
    assert len(server.seen) == (0 if words else 1)


async def test_an_undoing_stays_with_its_host(tmp_path: Path, server: Server) -> None:
    """Another origin, or a host made up from the answer, is refused."""
    undo = {"method": "DELETE", "url": "https://example.com/t/1"}
    report = await Desk(tmp_path, server).one(undo=undo)
    assert "very host" in report.error
    bench = Desk(tmp_path, server)
    with pytest.raises(ContractError, match="host"):
        bench.plan(bench.step(undo={"method": "DELETE", "url": "http://{{ response.host }}/t"}))
    assert server.seen == []


async def test_what_nothing_undoes_is_another_tool(tmp_path: Path, server: Server) -> None:
    """http.send leaves no undo, so a rollback reports it; http.get leaves one that does nothing."""
    server.on("/t", answer(200, {}))
    bench = Desk(tmp_path, server)
    url = server.url("/t")
    await bench.run(bench.plan(("http.send", {"method": "POST", "url": url}), ("http.get", {"url": url})))
    effects = await bench.store.of_request(REQUEST)
    undoing = plan_compensation(effects, REQUEST, "evt_2")
    assert undoing.irreversible == (effects[0].effect_id,)
    assert (await bench.run(undoing)).status == "done"
    assert [one.method for one in server.seen] == ["POST", "GET"]
    assert "idempotency-key" not in server.seen[1].headers


BOMB = gzip.compress(b"\0" * 2**24)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (answer(201, b"x" * 40_000), "larger than 32768 bytes"),
        (answer(201, BOMB, Content_Encoding="gzip"), "larger than 32768 bytes"),
        (answer(201, b"not packed", Content_Encoding="gzip"), "cannot be unpacked"),
        (answer(201, BOMB[:50], Content_Encoding="gzip"), "ends too early"),
        (answer(201, b"x", Content_Encoding="br"), "was not asked for"),
        (answer(201, b"\0" * 20_000), "once written as JSON"),
        (answer(201, b"[1,", Content_Type="application/json"), "body:1:4: says it is JSON and is not"),
        (answer(201, b"[" * 400 + b"]" * 400, Content_Type="application/json"), "nested too deeply"),
        (answer(201, b'{"a": 1e999}', Content_Type="application/json"), "body"),
        (drip(), "not complete in time"),
    ],
)
async def test_a_bad_body_does_not_hide_that_it_was_done(
    tmp_path: Path, server: Server, script: Any, words: str
) -> None:
    """Too large, a bomb, broken, too slow: the call is done, its body is not recorded, and why is."""
    server.on("/t", script)
    bench = Desk(tmp_path, server, times={"total": 0.6})
    undo = {"method": "DELETE", "url": server.url("/t/1")}
    report = await bench.one(undo=undo)
    assert report.status == "done", report.error
    assert words in " ".join(report.effects[0].result["problems"])


async def test_a_packed_body_is_unpacked(tmp_path: Path, server: Server) -> None:
    """gzip is asked for and understood."""
    packed = gzip.compress(b'{"id": 5}')
    server.on("/t", answer(201, packed, Content_Encoding="gzip", Content_Type="application/json"))
    report = await Desk(tmp_path, server).one()
    assert report.effects[0].result["body"] == {"id": 5}
    assert server.seen[0].headers["accept-encoding"] == "gzip"


async def test_a_request_too_large_is_not_sent(tmp_path: Path, server: Server) -> None:
    """The size of what is sent is bounded too."""
    report = await Desk(tmp_path, server, times={"request_bytes": 100}).one(json="x" * 200)
    assert "the limit is 100" in report.error
    assert server.seen == []


async def test_secrets_come_from_the_environment_and_stay_out_of_the_record(
    tmp_path: Path, server: Server
) -> None:
    """The header is sent; what the server sends back of it is blotted out; a missing variable is named."""
    server.on("/t", echo())
    bench = Desk(tmp_path, server, secrets={"Authorization": "DESK_AUTH"})
    report = await bench.one(undo={"method": "DELETE", "url": server.url("/t/1")})
    assert server.seen[0].headers["authorization"] == SECRET
    assert "swordfish" not in repr(report)
    assert report.effects[0].result["body"]["headers"]["authorization"] == "********"
    missing = Desk(tmp_path / "two", server, secrets={"Authorization": "NOT_THERE"})
    assert re.search("NOT_THERE .* is not set", (await missing.one()).error)


async def test_a_redirect_keeps_what_is_the_hosts_with_the_host(tmp_path: Path, server: Server) -> None:
    """307 within the origin repeats the call, body and key; another origin gets neither secret nor header."""
    server.on("/t", answer(307, Location="/t/new"))
    server.on("/t/new", answer(201, {"id": 1}))
    bench = Desk(tmp_path, server, secrets={"Authorization": "DESK_AUTH"})
    assert (await bench.one(json={"a": 1})).status == "done"
    assert [one.body for one in server.seen] == [b'{"a":1}', b'{"a":1}']
    async with Server() as other:
        other.on("/x", echo())
        server.on("/get", answer(302, Location=other.url("/x")))
        hosts = (bench.http.allow[0], HttpHost(host=f"127.0.0.1:{other.port}", private=True))
        web = Web(Http(allow=hosts), environ={"DESK_AUTH": SECRET})
        await web.send("GET", server.url("/get"), key="k", headers={"If-Match": "e1"})
        assert server.seen[-1].headers["authorization"] == SECRET
        assert not {"authorization", "if-match", "idempotency-key"} & set(other.seen[0].headers)
