"""The project as a graph: what there is (events, agents, flows, policies, tools), and what leads to what.

Edges go the way a request goes: an agent emits an event, the event is consumed by an agent. So what stands on
the left of a node leads to it, and what stands on its right follows from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from wingman_runtime.errors import ConfigError
    from wingman_runtime.project.load import LoadedProject

FORMAT: Final = 1
"""Of the JSON; raised when a reader of it has to change."""

NodeKind = Literal["event", "agent", "flow", "policy", "tool", "client", "runtime", "consumer"]
EdgeKind = Literal[
    "emits", "consumes", "forwards", "joins", "starts", "ends", "calls", "undone_by", "gates", "reads"
]

CLIENT: Final = "client:client"
RUNTIME: Final = "runtime:runtime"
TIMER: Final = "runtime:timer"
SHARED: Final = "shared"


@dataclass(frozen=True, slots=True)
class Node:
    """One thing of a project.

    Attributes:
        id: ``<kind>:<name>``; the same from run to run.
        domain: part of the business; `SHARED` for what belongs to several or to none.
        owner: who answers for it; "" when nobody is named.
        facts: what else is known, as plain data; its keys depend on the kind.
    """

    id: str
    kind: NodeKind
    label: str
    domain: str = SHARED
    owner: str = ""
    purpose: str = ""
    version: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "kind": self.kind,
            "label": self.label,
            "domain": self.domain,
            "owner": self.owner,
            "purpose": self.purpose,
            "version": self.version,
            "facts": dict(self.facts),
        }


@dataclass(frozen=True, slots=True)
class Edge:
    """One way from a node to another.

    Attributes:
        flow: the flow it holds in; "" where it holds in all of them, or was declared and no flow uses it.
        note: how: the outcome that is decided, the join contributed to, ``once every branch has settled``.
        declared: it follows from the project's files. A picture of live traffic adds edges that do not.
    """

    source: str
    target: str
    kind: EdgeKind
    flow: str = ""
    note: str = ""
    declared: bool = True

    @property
    def id(self) -> str:
        return f"{self.source}>{self.target}:{self.kind}" + (f"@{self.flow}" if self.flow else "")

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "from": self.source,
            "to": self.target,
            "kind": self.kind,
            "flow": self.flow,
            "note": self.note,
            "declared": self.declared,
        }


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes sorted by id, and edges likewise; every edge's ends are nodes."""

    name: str
    version: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data, the same for the same files."""
        return {
            "format": FORMAT,
            "project": {"name": self.name, "version": self.version},
            "nodes": [node.to_json() for node in self.nodes],
            "edges": [edge.to_json() for edge in self.edges],
        }

    def node(self, node_id: str) -> Node:
        """Raises KeyError when there is none."""
        for node in self.nodes:
            if node.id == node_id:
                return node
        raise KeyError(node_id)


def graph_of(project: LoadedProject) -> Graph:
    """The graph of a project that was loaded, so that checked.

    Its version is twelve digits of the digest over the project's files: agents, flows, tools and settings.

    Raises:
        ConfigError: a record of a schema or of a consumer's contract is no record; ``where`` is file:line.
    """
    from wingman_runtime.documents.edges import edges_of
    from wingman_runtime.documents.nodes import nodes_of
    from wingman_runtime.schemas.contract import read_contracts

    problems: list[ConfigError] = []
    contracts = list(read_contracts(project.root, problems).values())
    if problems:
        raise problems[0]
    edges = _merged(edges_of(project, contracts))
    nodes = _placed(nodes_of(project, contracts), edges)
    known = {node.id for node in nodes}
    return Graph(
        name=project.settings.name or project.root.name,
        version=project.digest.removeprefix("sha256:")[:12],
        nodes=tuple(sorted(nodes, key=lambda node: node.id)),
        edges=tuple(edge for edge in edges if {edge.source, edge.target} <= known),
    )


def _merged(edges: Iterable[Edge]) -> list[Edge]:
    """Each edge once, sorted; the notes of equal ones together."""
    found: dict[str, Edge] = {}
    for edge in edges:
        known = found.setdefault(edge.id, edge)
        if known is not edge and edge.note and edge.note not in known.note.split("; "):
            note = f"{known.note}; {edge.note}" if known.note else edge.note
            found[edge.id] = replace(known, note=note)
    return [found[one] for one in sorted(found)]


def _placed(nodes: Iterable[Node], edges: Iterable[Edge]) -> list[Node]:
    """Nodes that name no domain or owner take those of their neighbours, where these agree.

    Of an event its makers count, or else its readers; of a tool its callers; of a policy those it gates. An
    event with several owners is answered for by the owner of the flow it belongs to.
    """
    given = {node.id: node for node in nodes}
    makers: defaultdict[str, set[str]] = defaultdict(set)
    others: defaultdict[str, set[str]] = defaultdict(set)
    flows = {node.label: node.owner for node in given.values() if node.kind == "flow"}
    belonging: defaultdict[str, set[str]] = defaultdict(set)
    for edge in edges:
        if edge.flow and edge.target.startswith("event:"):
            belonging[edge.target].add(edge.flow)
        if edge.kind in {"emits", "calls"} and edge.source.startswith("agent:"):
            makers[edge.target].add(edge.source)
        elif edge.kind == "gates":
            makers[edge.source].add(edge.target)
        elif edge.kind == "consumes":
            others[edge.source].add(edge.target)

    def agreed(node: Node, what: str) -> str:
        near = makers[node.id] or others[node.id]
        return _only(str(getattr(given[one], what)) for one in near if one in given)

    placed: list[Node] = []
    for node in given.values():
        if node.kind in {"event", "tool", "policy"}:
            owner = node.owner or agreed(node, "owner") or _only(flows[flow] for flow in belonging[node.id])
            placed.append(replace(node, domain=agreed(node, "domain") or SHARED, owner=owner))
        else:
            placed.append(node)
    return placed


def _only(words: Iterable[str]) -> str:
    """The one word they all are; "" where they differ, or there is none."""
    said = set(words)
    return said.pop() if len(said) == 1 else ""
