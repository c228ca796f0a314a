"""A compiled flow as a picture: plain text for a terminal, and data. As Mermaid: `documents.mermaid`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from wingman_runtime.flow.compile import CompiledFlow
from wingman_runtime.flow.model import ANYONE, DISPATCHER
from wingman_runtime.flow.route import Route, key_of

_END = "end"


class Arrow(NamedTuple):
    """``kind``: to, settle, outcome, join, record or end; for the last two ``target`` is empty.

    ``note`` says the outcome or the join, or that the event is passed on unchanged.
    """

    source: str
    event: str
    kind: str
    target: str
    note: str = ""


def arrows(flow: CompiledFlow) -> tuple[Arrow, ...]:
    """Every way an event can take, in the order a request meets it."""
    found = [arrow for key, route in flow.table.items() for arrow in _arrows(flow, key, route)]
    order = {name: at for at, name in enumerate(_walk(flow))}
    last = len(order)
    return tuple(sorted(found, key=lambda one: (order.get(one.source, last), one.source == ANYONE)))


def graph_json(flow: CompiledFlow) -> dict[str, Any]:
    """Nodes and arrows as plain data."""
    drawn = arrows(flow)
    return {
        "flow": flow.name,
        "version": flow.version,
        "digest": flow.digest,
        "start": flow.start,
        "finally": flow.finally_,
        "failure": flow.failure,
        "limits": flow.limits.model_dump(),
        "agents": [{"name": name, "role": _role(flow, name)} for name in _ordered(flow)],
        "arrows": [arrow._asdict() for arrow in drawn],
    }


def text_graph(flow: CompiledFlow) -> str:
    """The flow for a terminal: each sender with what it may send and where that goes."""
    rows = [
        f"{flow.name} {flow.version}  {flow.digest[:19]}",
        f"limits: depth {flow.limits.depth}, {flow.limits.events} events, fan-out {flow.limits.fan_out}",
    ]
    drawn = arrows(flow)
    width = max(len(one.event) for one in drawn)
    groups: dict[str, list[Arrow]] = {}
    for one in drawn:
        groups.setdefault(one.source, []).append(one)
    for source, sent in groups.items():
        role = _role(flow, source)
        rows += ["", "any agent" if source == ANYONE else f"{source} ({role})" if role else source]
        for at, one in enumerate(sent):
            rows.append(f"{'└─' if at == len(sent) - 1 else '├─'} {one.event:<{width}} {_said(one)}".rstrip())
    return "\n".join(rows) + "\n"


def _said(arrow: Arrow) -> str:
    return {
        "to": f"─▶ {arrow.target}" + (f"  ({arrow.note})" if arrow.note else ""),
        "join": f"─▶ {arrow.target}  ({arrow.note})",
        "settle": f"┄▶ {arrow.target}  (once every branch has settled)",
        "outcome": f"┄▶ {arrow.target or 'no stamp'}  ({arrow.note})",
        "record": "·  on the record only",
        _END: "■  ends the request",
    }[arrow.kind]


def _arrows(flow: CompiledFlow, key: str, route: Route) -> Iterator[Arrow]:
    source, _, event = key.partition(">")
    note = "passed on" if source in _takers(flow, event) else ""
    yield from (Arrow(source, event, "to", target, note) for target in route.to)
    if route.settle:
        yield Arrow(source, event, "settle", route.settle)
    elif route.decides:
        note = route.outcome or f"outcome from its field {route.outcome_field}"
        yield Arrow(source, event, "outcome", flow.finally_, note)
    elif route.join is not None:
        join = route.join
        note = f"join {join.name}, {join.need} of {len(join.of)}"
        yield from (Arrow(source, event, "join", target, note) for target in join.to)
    elif route.end:
        yield Arrow(source, event, _END, "")
    elif not route.to:
        yield Arrow(source, event, "record", "")


def _takers(flow: CompiledFlow, event: str) -> set[str]:
    return {
        agent for key, route in flow.table.items() if key.partition(">")[2] == event for agent in route.to
    }


def _walk(flow: CompiledFlow) -> Iterator[str]:
    """Senders breadth-first from the start; those nothing leads to afterwards, the runtime last."""
    senders = [key.partition(">")[0] for key in flow.table]
    queue = [DISPATCHER] if key_of(DISPATCHER, flow.start) in flow.table else []
    for here in queue:
        yield here
        for key, route in flow.table.items():
            if key.partition(">")[0] == here:
                nexts = (*route.to, *(route.join.to if route.join else ()))
                queue += [name for name in dict.fromkeys(nexts) if name not in queue]
    late = [flow.failure, flow.finally_, *senders]
    yield from (name for name in dict.fromkeys(late) if name and name not in queue and name != ANYONE)


def _ordered(flow: CompiledFlow) -> list[str]:
    walked = [name for name in _walk(flow) if name in flow.agents]
    return walked + [name for name in flow.agents if name not in walked]


def _role(flow: CompiledFlow, name: str) -> str:
    roles = {flow.failure: "settles failures", flow.finally_: "stamps every outcome"}
    return roles.get(name, "") if name else ""
