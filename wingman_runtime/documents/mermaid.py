"""Mermaid text: one flow with its agents as boxes, or the whole project with its domains as frames.

Source: Mermaid's flowchart syntax; a label stands in quotes, with what could end it written as an entity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from wingman_runtime.documents.graph import Edge, Graph, Node
from wingman_runtime.flow.compile import CompiledFlow
from wingman_runtime.flow.graph import Arrow, arrows
from wingman_runtime.flow.model import ANYONE

LEGIBLE: Final = 200
"""Nodes past which nobody reads such a picture."""

_ENTITIES: Final = str.maketrans(
    {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\\": "#92;", "\n": " ", "\r": " "}
)
_NO_ID: Final = re.compile(r"[^A-Za-z0-9_]")
_SHAPES: Final = {
    "event": '(["{}"])',
    "agent": '["{}"]',
    "flow": '[["{}"]]',
    "client": '(("{}"))',
    "runtime": '(("{}"))',
    "consumer": '[/"{}"/]',
}
"""What is drawn of a project, and how; tools and policies would hide the rest."""


class Drawing(NamedTuple):
    """A Mermaid text and how many nodes it has."""

    text: str
    nodes: int


def label(text: str) -> str:
    """The text so that it can stand in a quoted label, whatever is in it."""
    return text.translate(_ENTITIES)


def flow_mermaid(flow: CompiledFlow) -> str:
    """One flow: solid arrows go on, dotted ones settle or decide; a join is a node its branches meet in."""
    drawn = [one for one in arrows(flow) if one.kind != "record"]
    rows = [f"  {_agent(name)}{_box(flow, name)}" for name in _names(drawn)]
    if any(one.kind == "end" for one in drawn):
        rows.append('  over(("end"))')
    if any(one.kind == "outcome" and not one.target for one in drawn):
        rows.append('  nobody(["no stamp"])')
    together = dict.fromkeys((one.note, one.target) for one in drawn if one.kind == "join")
    joins = {
        note: f"join_{number}" for number, note in enumerate(dict.fromkeys(note for note, _ in together))
    }
    rows += [f'  {named}{{{{"{label(note)}"}}}}' for note, named in joins.items()]
    rows += dict.fromkeys(_arrow(one, joins) for one in drawn)
    rows += [f'  {joins[note]} -->|"BranchesJoined"| {_agent(target)}' for note, target in together]
    head = ["flowchart TD", f"  %% {flow.name} {flow.version} {flow.digest[:19]}"]
    return "\n".join([*head, *rows]) + "\n"


def project_mermaid(graph: Graph, domain: str = "") -> Drawing:
    """Events, agents, flows and whoever reads or posts, in frames by domain.

    Args:
        domain: only what belongs to it, and what that is directly in touch with; all when left out.
    """
    nodes = {node.id: node for node in graph.nodes if node.kind in _SHAPES}
    edges = [edge for edge in graph.edges if edge.source in nodes and edge.target in nodes]
    if domain:
        inner = {node.id for node in nodes.values() if node.domain == domain}
        edges = [edge for edge in edges if edge.source in inner or edge.target in inner]
        touched = inner | {end for edge in edges for end in (edge.source, edge.target)}
        nodes = {name: node for name, node in nodes.items() if name in touched}
    ids = _ids(nodes)
    rows = ["flowchart LR", f"  %% {label(graph.name)} {graph.version}"]
    for number, frame in enumerate(sorted({node.domain for node in nodes.values()})):
        rows.append(f'  subgraph domain_{number}["{label(frame)}"]')
        rows += [f"    {ids[one.id]}{_shape(one)}" for one in nodes.values() if one.domain == frame]
        rows.append("  end")
    rows += dict.fromkeys(_line(edge, ids) for edge in edges)
    return Drawing("\n".join(rows) + "\n", len(nodes))


def _names(drawn: Iterable[Arrow]) -> list[str]:
    return list(dict.fromkeys(name for one in drawn for name in (one.source, one.target) if name))


def _agent(name: str) -> str:
    return "any" if name == ANYONE else f"agent_{name}"


def _box(flow: CompiledFlow, name: str) -> str:
    said = "any agent" if name == ANYONE else name
    return f'["{label(said)}"]' if name in flow.agents else f'(["{label(said)}"])'


def _arrow(one: Arrow, joins: Mapping[str, str]) -> str:
    said = one.event if not one.note or one.kind == "join" else f"{one.event}: {one.note}"
    line = "-.->" if one.kind in {"settle", "outcome"} else "-->"
    if one.kind == "join":
        target = joins[one.note]
    elif one.kind == "end":
        target = "over"
    else:
        target = _agent(one.target) if one.target else "nobody"
    return f'  {_agent(one.source)} {line}|"{label(said)}"| {target}'


def _ids(nodes: Iterable[str]) -> dict[str, str]:
    """An identifier for each node, made of its name; two names that would get the same one are numbered."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for node in nodes:
        plain = named = _NO_ID.sub("_", node)
        number = 2
        while named in taken:
            named, number = f"{plain}_{number}", number + 1
        taken.add(named)
        found[node] = named
    return found


def _shape(node: Node) -> str:
    return _SHAPES[node.kind].format(label(node.label))


def _line(edge: Edge, ids: dict[str, str]) -> str:
    """Thin arrows for what only happens in some end: settling, deciding, ending."""
    line = "-.->" if edge.note else "-->"
    said = f'|"{label(edge.note)}"|' if edge.note else ""
    return f"  {ids[edge.source]} {line}{said} {ids[edge.target]}"
