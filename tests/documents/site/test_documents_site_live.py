"""The live view without a browser: what is given out and refused, what is counted and compared."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.made_graph import made_graph
from tests.documents.site.site_served import ask, nothing, served
from wingman_runtime.bootstrap import run_worker
from wingman_runtime.client import Client
from wingman_runtime.client.traffic import Sighting, Traffic, Watch, Window
from wingman_runtime.contracts.log import LogEntry
from wingman_runtime.documents.graph import graph_of
from wingman_runtime.documents.site.overlay import Overlay
from wingman_runtime.documents.site.server import LIVE, SiteServer, asked_rightly
from wingman_runtime.errors import BackendError, UsageError
from wingman_runtime.project.init import init_project
from wingman_runtime.project.load import Project

Sites = Callable[[int], Path]


def test_it_gives_out_the_site_and_nothing_else(sites: Sites, tmp_path: Path) -> None:
    """The built files and the live figures; no path leads out of the folder, and nothing can be sent."""
    with served(sites(12)) as server:
        status, body, headers = ask(server, "/")
        assert (status, b'name="wingman-live" content="/live.json"' in body) == (200, True)
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert ask(server, "/data/graph.js?x=1")[0] == 200
        assert json.loads(ask(server, LIVE)[1]) == nothing()
        assert ask(server, "/assets/app.css", "HEAD")[:2] == (200, b"")
        outside = (
            "/../../pyproject.toml",
            "/data/../../12/index.html",
            "/%2e%2e/x",
            "//etc/passwd",
            "/data/",
        )
        assert {ask(server, path)[0] for path in outside} == {404}
        assert ask(server, "http://[", Host="localhost")[0] == 404
        assert {ask(server, "/", method)[0] for method in ("POST", "PUT", "DELETE", "OPTIONS")} == {501}


def test_a_name_that_points_here_is_not_enough(sites: Sites) -> None:
    """Asked for by somebody else's name (DNS rebinding), or by another site's page, it refuses."""
    with served(sites(12), names=("docs.internal",)) as server:
        for host in ("127.0.0.1:1", "localhost", "[::1]:80", "LOCALHOST:9", "docs.internal:80"):
            assert ask(server, LIVE, Host=host)[0] == 200, host
        for host in (
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "",
            "[::1",
            "locälhost",
        ):
            assert ask(server, LIVE, Host=host.encode("latin-1").decode("latin-1"))[0] == 421, host
        assert ask(server, "/data/graph.js", Sec_Fetch_Site="cross-site")[0] == 403
        assert ask(server, "/data/graph.js", Sec_Fetch_Site="same-origin")[0] == 200
    assert not asked_rightly("docs.internal")


def test_other_machines_only_when_asked(sites: Sites) -> None:
    """An address that others reach needs a word of its own; a port that is taken is said plainly."""
    for host in ("0.0.0.0", "::", "192.0.2.7", "example.org"):
        with pytest.raises(UsageError, match="other machines"):
            SiteServer(sites(12), nothing, host=host)
    with served(sites(12)) as server, pytest.raises(BackendError, match="cannot listen"):
        SiteServer(sites(12), nothing, port=server.port)


async def until(there: Callable[[], bool]) -> None:
    """Wait for a condition, for as long as a slow machine may need."""
    async with asyncio.timeout(30):
        while not there():  # noqa: ASYNC110 - a snapshot has no event to wait for
            await asyncio.sleep(0.02)


def entry(kind: str, at_ms: int = 0, **body: Any) -> LogEntry:
    return LogEntry("1-1", 1, at_ms, kind, "req", json.dumps(body).encode())


def event(name: str, event_id: str, cause: str = "", source: str = "/agents/a") -> dict[str, Any]:
    schema = f"urn:wingman:event:{name}:1.2.0"
    return {
        "type": name,
        "id": event_id,
        "causationid": cause,
        "flow": "f",
        "dataschema": schema,
        "source": source,
    }


def test_records_say_who_sent_and_who_took() -> None:
    """A record's cause tells who took what; what is older than the window counts no more."""
    window = Window(10)
    window.take(entry("event", 1_000, agent="client", event=event("Asked", "e1", source="/client")))
    window.take(entry("event", 5_000, agent="judge", event=event("Answered", "e2", "e1")))
    window.take(entry("routed", 5_000, agent="door", event_id="e1", event_type="Asked"))
    window.take(entry("effect_intent", 6_000, agent="hand", effect={"tool": "file.write"}))
    window.take(
        entry("event", 6_000, agent="hand", event=event("RequestFailed", "e3", "e2", source="/runtime"))
    )
    window.take(entry("control", 6_000, note="no event at all"))
    assert window.counts == {
        Sighting("client", "emits", "Asked", "f", "1.2.0"): 1,
        Sighting("judge", "emits", "Answered", "f", "1.2.0"): 1,
        Sighting("judge", "consumes", "Asked", "f"): 1,
        Sighting("door", "forwards", "Asked", "f"): 1,
        Sighting("door", "consumes", "Asked", "f"): 1,
        Sighting("hand", "calls", "file.write"): 1,
        Sighting("runtime", "emits", "RequestFailed", "f", "1.2.0"): 1,
    }
    window.forget(15_500)
    assert window.records == 2
    assert {one.kind for one in window.counts} == {"calls", "emits"}


async def test_no_server_is_told_and_none_is_started(tmp_path: Path) -> None:
    """A look at a project whose server does not run says so, and leaves it that way."""
    init_project(tmp_path / "still")
    project = Project.find(tmp_path / "still").load()

    watch, stop = Watch(project.settings), asyncio.Event()
    task = asyncio.create_task(watch.run(stop))
    await until(lambda: "not been asked" not in watch.traffic.error)
    stop.set()
    await task
    traffic = watch.traffic
    assert "does not run" in traffic.error
    assert Overlay(graph_of(project).to_json())(traffic) == {"up": False, "error": traffic.error}
    assert not project.settings.data_dir.exists()


@pytest.mark.parametrize("stored", [True, False])
async def test_a_real_request_is_seen_where_it_is_declared(tmp_path: Path, stored: bool) -> None:
    """From the audit store, and from the server alone: each hop of a request, none of it undeclared."""
    init_project(tmp_path / "live")
    project = Project.find(tmp_path / "live").load()
    overlay = Overlay(graph_of(project).to_json())
    hops = {
        ("client:client", "flow:request"), ("flow:request", "event:UserRequestReceived"),
        ("event:UserRequestReceived", "agent:dispatcher"),
        ("event:UserRequestReceived", "agent:scope_filter"),
        ("agent:proposal", "event:ExecutionPlanProposed"), ("event:ExecutionPlanProposed", "agent:handshake"),
        ("agent:executor", "tool:greeting.send"), ("agent:audit", "event:AuditStamped"),
    }  # fmt: skip
    stop, ready = asyncio.Event(), asyncio.Event()
    agents = (
        () if stored else tuple(sorted({agent for flow in project.flows.values() for agent in flow.agents}))
    )
    agents = (*agents, "dispatcher") if agents else ()
    worker = asyncio.create_task(run_worker(project, agents=agents, stop=stop, ready=lambda _: ready.set()))
    watch = Watch(project.settings)

    def used() -> set[tuple[str, str]]:
        return {(edge["from"], edge["to"]) for edge in overlay(watch.traffic).get("edges", ())}

    watching = None
    try:
        await asyncio.wait_for(ready.wait(), 30)
        watching = asyncio.create_task(watch.run(stop))
        async with Client(project.settings, actor="alice") as client:
            response = await (await client.submit("greeting.send", {"to": "bob", "text": "hi"})).result(
                timeout=30
            )
            assert response.outcome == "completed"
        await until(lambda: ("agent:audit", "event:AuditStamped") in used())
        told = overlay(watch.traffic)
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*filter(None, (worker, watching))), 30)
    assert hops - {(edge["from"], edge["to"]) for edge in told["edges"]} == set()
    assert [edge for edge in told["edges"] if not edge["declared"]] == []
    assert told["nodes"]["event:AuditStamped"]["versions"] == {"1.0.0": 1}
    assert told["nodes"]["agent:executor"]["waiting"] == 0
    assert project.settings.audit_store.is_file() is stored


def test_an_undeclared_edge_is_seen() -> None:
    """An agent that sends what no file lets it send is told, and so is what is on no map at all."""
    graph = made_graph(12)
    traffic = Traffic(
        records=2,
        counts={
            Sighting("audit", "emits", "OrderPlaced", "order_1", "9.0.0"): 5,
            Sighting("ghost", "consumes", "Boo"): 1,
        },
        status=_quiet(),
    )
    told = Overlay(graph)(traffic)
    found = {(edge["from"], edge["kind"], edge["to"]): edge for edge in told["edges"]}
    assert not found["agent:audit", "emits", "event:OrderPlaced"]["declared"]
    assert found["agent:audit", "emits", "event:OrderPlaced"]["rate"] == 1.0
    assert told["nodes"]["event:OrderPlaced"]["versions"] == {"9.0.0": 5}
    assert "agent:ghost, event:Boo" in told["notes"][-1]


def _quiet() -> Any:
    from wingman_runtime.client import Status

    empty: dict[str, Any] = {
        "agents": (), "rules": (), "workers": (), "open_requests": 0, "open_approvals": 0, "in_flight": 0,
        "recorder_lag": 0, "policy": "", "policies": ("",), "epoch": 0, "used_memory": 0, "max_memory": 0,
        "now_ms": 1, "piled": (), "reconciled": (),
    }  # fmt: skip
    return Status(**empty)
