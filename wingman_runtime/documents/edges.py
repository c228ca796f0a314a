"""What leads to what: the rows of every flow, and what manifests, tools and policies declare besides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from wingman_runtime.contracts.system_events import SYSTEM_EVENTS
from wingman_runtime.documents.graph import CLIENT, RUNTIME, TIMER, Edge
from wingman_runtime.flow.facts import RUNTIME_EVENTS
from wingman_runtime.flow.model import ANYONE, DISPATCHER, POSTED
from wingman_runtime.policy.bundle import ALWAYS, GATES

if TYPE_CHECKING:
    from wingman_runtime.contracts.manifest import Manifest
    from wingman_runtime.flow.compile import CompiledFlow
    from wingman_runtime.flow.route import Route
    from wingman_runtime.project.load import LoadedProject
    from wingman_runtime.schemas.contract import ConsumerContract

SETTLES: Final = "once every branch has settled"
UNSETTLED: Final = "when it cannot be settled"
_SENDERS: Final = {ANYONE: RUNTIME, "client": CLIENT, "timer": TIMER, "runtime": RUNTIME}
_UNIVERSAL: Final = {ALWAYS: "at every gate", GATES["emit"]: "what it may emit"}
"""Policy files that every agent is held to, whatever gate its manifest names."""


def edges_of(project: LoadedProject, contracts: Iterable[ConsumerContract]) -> Iterator[Edge]:
    """Every edge; some more than once, with different notes."""
    manifests = project.manifests
    routed: set[str] = set()
    for flow in project.flows.values():
        yield from _of_flow(flow, manifests)
        routed |= {key.partition(">")[2] for key in flow.table}
    yield from _unused(project)
    outside = dict.fromkeys(RUNTIME_EVENTS, RUNTIME) | {
        event: _SENDERS[poster] for event, poster in POSTED.items()
    }
    for event in sorted(outside.keys() - routed):
        yield Edge(outside[event], f"event:{event}", "emits")
    yield from _of_tools(project)
    yield from _of_policies(project)
    for contract in contracts:
        if contract.kind == "external":  # that an agent reads an event, its flows say
            for event in contract.reads:
                yield Edge(f"event:{event}", f"consumer:{contract.consumer}", "reads")


def _of_flow(flow: CompiledFlow, manifests: Mapping[str, Manifest]) -> Iterator[Edge]:
    """A flow's table: who sends what, and where it goes."""
    here, start = flow.name, f"event:{flow.start}"
    yield Edge(CLIENT, f"flow:{here}", "starts", here)
    yield Edge(f"flow:{here}", start, "starts", here)
    if DISPATCHER in manifests:
        yield Edge(start, f"agent:{DISPATCHER}", "consumes", here)
    for key, route in flow.table.items():
        sender, _, event = key.partition(">")
        yield _sent(flow, sender, event, manifests)
        if route.settle and flow.finally_ and event in SYSTEM_EVENTS:
            yield Edge(f"event:{event}", f"agent:{flow.finally_}", "consumes", here, UNSETTLED)
        yield from _led(flow, f"event:{event}", route)


def _sent(flow: CompiledFlow, sender: str, event: str, manifests: Mapping[str, Manifest]) -> Edge:
    if event in RUNTIME_EVENTS:
        return Edge(RUNTIME, f"event:{event}", "emits", flow.name, _of_whom(sender))
    if sender in _SENDERS:
        return Edge(_SENDERS[sender], f"event:{event}", "emits", flow.name)
    passed = event == flow.start or event not in manifests[sender].emits
    return Edge(f"agent:{sender}", f"event:{event}", "forwards" if passed else "emits", flow.name)


def _of_whom(sender: str) -> str:
    return "" if sender == ANYONE else f"for {sender}"


def _led(flow: CompiledFlow, event: str, route: Route) -> Iterator[Edge]:
    """Where the route leads the event."""
    here = flow.name
    for agent in route.to:
        yield Edge(event, f"agent:{agent}", "consumes", here)
    if route.settle:
        yield Edge(event, f"agent:{route.settle}", "consumes", here, SETTLES)
    if route.decides:
        outcome = route.outcome or f"outcome from its field {route.outcome_field}"
        if flow.finally_:
            yield Edge(event, f"agent:{flow.finally_}", "consumes", here, outcome)
        yield Edge(event, CLIENT, "ends", here, outcome)
    if route.end:
        yield Edge(event, CLIENT, "ends", here, "ends the request")
    if route.join is not None:
        join = route.join
        note = f"join {join.name}, {join.need} of {len(join.of)}"
        yield Edge(event, "event:BranchesJoined", "joins", here, note)
        yield Edge(RUNTIME, "event:BranchesJoined", "emits", here)
        for agent in join.to:
            yield Edge("event:BranchesJoined", f"agent:{agent}", "consumes", here, f"join {join.name}")


def _unused(project: LoadedProject) -> Iterator[Edge]:
    """What manifests declare and no flow uses: allowed, and worth seeing."""
    sent, taken = set(), set()
    for flow in project.flows.values():
        sent |= set(flow.table)
        for key, route in flow.table.items():
            event = key.partition(">")[2]
            finally_ = (flow.finally_,) if route.decides or event in SYSTEM_EVENTS else ()
            taken |= {(agent, event) for agent in (*route.to, route.settle, *finally_)}
            if route.join is not None:
                taken |= {(agent, "BranchesJoined") for agent in route.join.to}
        taken.add((DISPATCHER, flow.start))
    for name, manifest in project.manifests.items():
        for event in manifest.emits:
            if f"{name}>{event}" not in sent and event not in RUNTIME_EVENTS:
                kind = "forwards" if event in manifest.forwards else "emits"
                yield Edge(f"agent:{name}", f"event:{event}", kind, note="no flow uses it")  # type: ignore[arg-type]
        for event in manifest.consumes:
            if (name, event) not in taken:
                yield Edge(f"event:{event}", f"agent:{name}", "consumes", note="no flow uses it")


def _of_tools(project: LoadedProject) -> Iterator[Edge]:
    """An agent that performs plans may call every tool; what undoes hangs beside what it undoes."""
    for name, manifest in project.manifests.items():
        for tool in project.tools.names() if "*" in manifest.tools else manifest.tools:
            yield Edge(f"agent:{name}", f"tool:{tool}", "calls")
    for tool in project.tools.names():
        undo = project.tools.spec(tool).compensation
        if undo is not None:
            yield Edge(f"tool:{tool}", f"tool:{undo}", "undone_by")


def _of_policies(project: LoadedProject) -> Iterator[Edge]:
    """Which policy files an agent is judged by; a gate's file may be continued in others."""
    files: defaultdict[str, list[str]] = defaultdict(list)
    for name in project.bundle.files:
        if name.endswith(".cedar"):
            files[name].append(name)
            stem, dot, _ = name.removesuffix(".cedar").partition(".")
            if dot:
                files[f"{stem}.cedar"].append(name)
    for name, manifest in project.manifests.items():
        for gate, note in ((manifest.gate, ""), *_UNIVERSAL.items()):
            for file in files[gate]:
                yield Edge(f"policy:{file}", f"agent:{name}", "gates", note=note)
