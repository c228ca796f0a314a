"""Who writes which event into whose inbox, as the commit script routes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from wingman_runtime.contracts.system_events import SYSTEM_EVENTS
from wingman_runtime.flow.compile import CompiledFlow
from wingman_runtime.flow.facts import RUNTIME_EVENTS
from wingman_runtime.flow.model import ANYONE, DISPATCHER
from wingman_runtime.flow.route import Route

RUNTIME: Final = "runtime"
_OTHERS: Final = {ANYONE: RUNTIME, "timer": RUNTIME, "client": "client", "runtime": RUNTIME}


class Sending(NamedTuple):
    """``target`` is an agent; "" where the event is only recorded."""

    sender: str
    event: str
    target: str


def sendings(flows: Iterable[CompiledFlow]) -> list[Sending]:
    """Every way an event can take in some flow, each once, sorted."""
    return sorted({one for flow in flows for one in _of_flow(flow)})


def _of_flow(flow: CompiledFlow) -> Iterator[Sending]:
    yield Sending("client", flow.start, DISPATCHER)
    for key, route in flow.table.items():
        agent, _, event = key.partition(">")
        sender = RUNTIME if event in RUNTIME_EVENTS else _OTHERS.get(agent, agent)
        targets = set(_targets(flow, route))
        if event in SYSTEM_EVENTS and flow.finally_:
            targets.add(flow.finally_)
        yield from (Sending(sender, event, target) for target in targets)
        if not targets:
            yield Sending(sender, event, "")
        if route.join is not None:
            yield from (Sending(RUNTIME, "BranchesJoined", target) for target in route.join.to)


def _targets(flow: CompiledFlow, route: Route) -> Iterator[str]:
    yield from route.to
    if route.settle:
        yield route.settle
    if route.decides and flow.finally_:
        yield flow.finally_
