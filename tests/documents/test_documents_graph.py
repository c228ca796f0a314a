"""The project as a graph says what its flows, manifests, policies and tools say, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.documents.documents_project import REFERENCE
from wingman_runtime.contracts.event import EventCatalog
from wingman_runtime.documents import versions
from wingman_runtime.documents.graph import Edge, Graph, graph_of
from wingman_runtime.errors import ConfigError
from wingman_runtime.flow.entries import contract_entries
from wingman_runtime.flow.facts import RUNTIME_EVENTS
from wingman_runtime.flow.route import Route
from wingman_runtime.project.load import LoadedProject, Project

# What no agent makes and nobody consumes: written by the runtime for the record.
FOR_THE_RECORD = {"AttemptFailed", "DeadLettersPiledUp", "DeadLettersCleared"}


def _edge(graph: Graph, source: str, target: str, kind: str) -> list[Edge]:
    return [edge for edge in graph.edges if (edge.source, edge.target, edge.kind) == (source, target, kind)]


@pytest.mark.parametrize("which", ["reference", "rich"])
def test_every_route_is_an_edge(which: str, request: pytest.FixtureRequest) -> None:
    """Each row of each compiled table has its sender's edge, and one to each place the event goes."""
    project: LoadedProject = request.getfixturevalue(which)
    graph = graph_of(project)
    found = {(edge.source, edge.target, edge.kind, edge.flow) for edge in graph.edges}
    rows = [(flow, key, route) for flow in project.flows.values() for key, route in flow.table.items()]
    for flow, key, route in rows:
        sender, _, event = key.partition(">")
        sent = {one[2] for one in found if one[1] == f"event:{event}" and one[3] == flow.name}
        assert sent & {"emits", "forwards"}, key
        if sender in project.agents and event not in RUNTIME_EVENTS:
            assert any((f"agent:{sender}", f"event:{event}", kind, flow.name) in found for kind in sent), key
        settled = [route.settle] if route.settle else []
        stamped = [flow.finally_] if route.decides else []
        for agent in (*route.to, *settled, *stamped):
            assert (f"event:{event}", f"agent:{agent}", "consumes", flow.name) in found, key
        if route.decides or route.end:
            assert (f"event:{event}", "client:client", "ends", flow.name) in found, key
    assert rows


@pytest.mark.parametrize("which", ["reference", "rich"])
def test_no_edge_is_invented(which: str, request: pytest.FixtureRequest) -> None:
    """Who consumes and who emits in a flow agrees with the ten-field entries, which are made another way."""
    project: LoadedProject = request.getfixturevalue(which)
    graph = graph_of(project)
    entries = contract_entries(project.catalog, project.manifests, project.flows.values())
    unsettled = {
        (edge.source, edge.target) for edge in graph.edges if edge.note == "when it cannot be settled"
    }
    for edge in graph.edges:
        source, target = edge.source.partition(":")[2], edge.target.partition(":")[2]
        if edge.kind == "emits":
            assert source in (*entries[target].producer, "timer"), edge
        elif edge.kind == "consumes" and edge.flow and (edge.source, edge.target) not in unsettled:
            starts = target == "dispatcher" and source == project.flows[edge.flow].start
            assert starts or target in entries[source].consumers, edge


@pytest.mark.parametrize("which", ["reference", "rich"])
def test_no_event_without_ends(which: str, request: pytest.FixtureRequest) -> None:
    """Somebody makes every event; somebody gets it, unless a flow says that it is only recorded."""
    project: LoadedProject = request.getfixturevalue(which)
    graph = graph_of(project)
    made = {edge.target for edge in graph.edges if edge.kind in {"emits", "starts"}}
    taken = {edge.source for edge in graph.edges if edge.kind in {"consumes", "joins", "ends"}}
    recorded = {
        key.partition(">")[2]
        for flow in project.flows.values()
        for key, r in flow.table.items()
        if r == Route()
    }
    for node in graph.nodes:
        if node.kind == "event":
            assert node.id in made, node.id
            assert (
                node.id in taken
                or node.label in recorded | FOR_THE_RECORD
                or node.id == "event:BranchesJoined"
            )


def test_a_join_leads_its_branches_together(rich_graph: Graph) -> None:
    """Contributions lead to BranchesJoined, and that to who is behind the join, with the join's name."""
    for event in ("StockReserved", "PaymentTaken"):
        [edge] = _edge(rich_graph, f"event:{event}", "event:BranchesJoined", "joins")
        assert (edge.flow, edge.note) == ("order", "join both, 2 of 2")
        assert not _edge(rich_graph, f"event:{event}", "agent:meet", "consumes")
    [edge] = _edge(rich_graph, "event:BranchesJoined", "agent:meet", "consumes")
    assert edge.note == "join both"


def test_refusals_settling_and_ends_are_told(rich_graph: Graph) -> None:
    """A refusal ends at the client with its outcome; a failure is marked as settled later."""
    assert rich_graph.node("event:OrderRefused").facts["refusal"]
    [ends] = _edge(rich_graph, "event:OrderRefused", "client:client", "ends")
    assert ends.note == "rejected"
    settles = _edge(rich_graph, "event:ExecutionFailed", "agent:rollback", "consumes")
    assert {edge.note for edge in settles} == {"once every branch has settled"}
    [forwards] = [e for e in rich_graph.edges if e.kind == "forwards" and e.flow == "order"]
    assert (forwards.source, forwards.target) == ("agent:dispatcher", "event:UserRequestReceived")
    [starts] = _edge(rich_graph, "flow:order", "event:UserRequestReceived", "starts")
    assert _edge(rich_graph, "client:client", "flow:order", "starts")
    assert starts.flow == "order"


def test_tools_and_policies_hang_where_they_act(rich_graph: Graph) -> None:
    """Who performs plans may call every tool, others what they name; a gate holds its agent, two hold all."""
    calls = {(edge.source, edge.target) for edge in rich_graph.edges if edge.kind == "calls"}
    tools = {node.id for node in rich_graph.nodes if node.kind == "tool"}
    assert calls == {("agent:executor", tool) for tool in tools} | {("agent:meet", "tool:file.write")}
    assert _edge(rich_graph, "tool:file.write", "tool:file.restore", "undone_by")
    gates = {e.target for e in rich_graph.edges if e.source == "policy:50-execute.cedar"}
    assert gates == {"agent:executor"}
    everyone = {node.id for node in rich_graph.nodes if node.kind == "agent"}
    assert {e.target for e in rich_graph.edges if e.source == "policy:80-emit.cedar"} == everyone
    policy = rich_graph.node("policy:50-execute.cedar")
    assert "execute-protected" in {rule["id"] for rule in policy.facts["rules"]}
    assert policy.purpose


def test_what_is_known_of_each_thing(rich_graph: Graph) -> None:
    """Ten fields and schemas of an event, the manifest of an agent, limits and outcomes of a flow."""
    placed = rich_graph.node("event:OrderPlaced").facts
    assert list(placed["contract"]) == [
        "event_type", "purpose", "producer", "consumers", "input_schema", "output_schema", "primitives",
        "failure_mode", "rollback_behaviour", "audit_artifact",
    ]  # fmt: skip
    assert placed["contract"]["consumers"] == ["left", "right"]
    assert placed["contract"]["primitives"] == ["P-05", "P-01"]
    assert "replaces" in json.dumps(placed["writer"])
    assert "replaces" in json.dumps(placed["reader"])
    assert placed["file"].startswith("agents/front/events.py:")
    front = rich_graph.node("agent:front")
    assert front.facts["retry"]["attempts"] == 7
    assert (front.owner, front.facts["timeout"], front.facts["flows"]) == ("the shop", 30.0, ["order"])
    order = rich_graph.node("flow:order")
    assert (order.version, order.owner, order.domain) == ("2.1.0", "the shop", "shop")
    assert order.facts["outcomes"]["rejected"] == ["OrderRefused"]
    assert order.facts["joins"]["both"]["of"] == ["left", "right"]


def test_domains_and_owners(rich_graph: Graph) -> None:
    """Named, or else of the only flow; an event is of its makers' domain; what belongs to many is shared."""
    domains = {node.id: node.domain for node in rich_graph.nodes}
    assert domains["agent:left"] == domains["event:StockReserved"] == "stock"
    assert domains["agent:right"] == domains["event:OrderPlaced"] == "shop"
    assert domains["agent:permission"] == domains["event:PermissionsVerified"] == "request"
    assert domains["agent:audit"] == domains["event:AuditStamped"] == "shared"
    assert rich_graph.node("event:PaymentTaken").owner == "accounting"


def test_released_versions_are_its_history(rich: LoadedProject, tmp_path: Path) -> None:
    """What lies in the registry is told of the event, oldest first."""
    from wingman_runtime.schemas.describe import describe
    from wingman_runtime.schemas.registry import Registry
    from wingman_runtime.schemas.version import Version

    record = describe(rich.catalog.model("StockReserved"), owner="the registry's owner")
    registry = Registry(tmp_path)
    registry.write(replace(record, version=Version(1, 1, 0)))
    registry.write(record)
    node = graph_of(replace(rich, root=tmp_path)).node("event:StockReserved")
    assert [one["version"] for one in node.facts["history"]] == ["1.1.0", "1.2.0"]
    assert (node.owner, node.facts["released"], node.version) == ("the registry's owner", True, "1.2.0")


def test_consumers_outside_are_nodes(rich: LoadedProject, tmp_path: Path) -> None:
    """A contract in config/contracts is a consumer that reads events; a broken one is a located error."""
    folder = tmp_path / "config" / "contracts"
    folder.mkdir(parents=True)
    contract = {
        "consumer": "billing",
        "consumer_version": "3.0.0",
        "owner": "the billing team",
        "reads": {"PaymentTaken": {"majors": [1], "reader": {}}},
    }
    (folder / "billing.json").write_text(json.dumps(contract))
    graph = graph_of(replace(rich, root=tmp_path))
    assert graph.node("consumer:billing").owner == "the billing team"
    assert _edge(graph, "event:PaymentTaken", "consumer:billing", "reads")
    (folder / "broken.json").write_text("{}")
    with pytest.raises(ConfigError) as caught:
        graph_of(replace(rich, root=tmp_path))
    assert "broken.json" in (caught.value.where or "")


def test_every_end_is_a_node_and_every_id_is_its_own(rich_graph: Graph) -> None:
    """Ids are unique, edges lead from node to node; the data is plain JSON without this machine's paths."""
    ids = [node.id for node in rich_graph.nodes]
    assert len(set(ids)) == len(ids)
    assert max(Counter(edge.id for edge in rich_graph.edges).values()) == 1
    assert {end for edge in rich_graph.edges for end in (edge.source, edge.target)} <= set(ids)
    told = rich_graph.to_json()
    text = json.dumps(told)
    assert json.loads(text) == told
    assert str(REFERENCE) not in text
    assert str(Path.home()) not in text or Path.home() == Path("/")


def test_the_same_files_give_the_same_graph() -> None:
    """Another process, with other hashes of texts, writes the same bytes."""
    command = [sys.executable, "-m", "wingman_runtime", "docs", "graph", "--json"]
    texts = {
        subprocess.run(
            command, cwd=REFERENCE, env={"PYTHONHASHSEED": seed, "PATH": ""}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1
    assert json.loads(texts.pop()) == graph_of(Project.find(REFERENCE).load()).to_json()


def test_ten_thousand_events(reference: LoadedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand agents in a hundred flows with ten thousand events: every one of them is there, in seconds.

    Without their schemas, which pydantic generates at its own pace: about a millisecond an event.
    """
    monkeypatch.setattr(versions, "schemas_of", lambda model: ({}, {}))
    project = many(reference, flows=100, agents=10, events=10)
    before = time.process_time()
    graph = graph_of(project)
    took = time.process_time() - before
    count = Counter(node.kind for node in graph.nodes)
    assert (count["event"], count["agent"], count["flow"]) == (10_000, 1_000, 100)
    assert sum(edge.kind == "emits" and bool(edge.flow) for edge in graph.edges) == 10_000
    assert took < 20  # seconds of this process; it takes one, and would take minutes if it were quadratic


def many(reference: LoadedProject, *, flows: int, agents: int, events: int) -> LoadedProject:
    """A project of chains: in each flow agents that hand ``events`` event types each on to the next.

    The events are no models, only what the graph asks of one: making ten thousand models takes long.
    """
    models: dict[str, Any] = {}
    mounted, compiled, sources = {}, {}, {}
    agent, flow = reference.agents["permission"], reference.flows["request"]
    for f in range(flows):
        chain = [f"agent_{f}_{a}" for a in range(agents)]
        table = {}
        for a, name in enumerate(chain):
            own = tuple(f"Happened{f}x{a}x{e}" for e in range(events))
            for event in own:
                models[event] = type(event, (), {"contract": None, "schema_version": "1.0.0"})
                table[f"{name}>{event}"] = Route(to=(chain[a + 1],) if a + 1 < agents else ())
            got = tuple(f"Happened{f}x{a - 1}x{e}" for e in range(events)) if a else ("UserRequestReceived",)
            manifest = agent.manifest.model_copy(update={"name": name, "emits": own, "consumes": got})
            mounted[name] = replace(agent, manifest=manifest)
        compiled[f"flow_{f}"] = replace(flow, name=f"flow_{f}", table=table, agents=tuple(chain))
        sources[f"flow_{f}"] = reference.sources["request"].model_copy(update={"name": f"flow_{f}"})
    return replace(reference, catalog=EventCatalog(models), agents=mounted, flows=compiled, sources=sources)
