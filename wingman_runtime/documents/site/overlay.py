"""Live traffic laid over the declared graph: what was seen of it, what was not, and what nobody declared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from wingman_runtime.client.traffic import Sighting, Traffic
from wingman_runtime.contracts.control import ControlRule

_OUTSIDE = {"client": "client:client", "timer": "runtime:timer", "runtime": "runtime:runtime"}
_SENT = frozenset({"emits", "forwards", "starts"})
_TAKEN = frozenset({"consumes", "joins"})


class _Key(NamedTuple):
    source: str
    target: str
    kind: str


class Overlay:
    """Compares traffic with one graph, in the shape of `documents.graph.Graph.to_json`."""

    def __init__(self, graph: Mapping[str, Any]) -> None:
        self._nodes = {node["id"] for node in graph["nodes"]}
        self._between: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._events_of: dict[str, str] = {}
        for edge in graph["edges"]:
            self._between[edge["from"], edge["to"]].add(edge["kind"].replace("_", " "))
            if edge["from"].startswith("flow:") and edge["kind"] == "starts":
                self._events_of[edge["from"]] = edge["to"]

    def __call__(self, traffic: Traffic) -> dict[str, Any]:
        """What `live.js` takes: figures by node, edges with a rate a minute, what is held, and notes."""
        if traffic.error or traffic.status is None:
            return {"up": False, "error": traffic.error or "nothing is known yet"}
        seen: defaultdict[_Key, int] = defaultdict(int)
        nodes: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        per_minute = 60 / traffic.window
        for sighting, count in traffic.counts.items():
            for key in self._keys(sighting):
                seen[key] += count
            self._count(nodes, sighting, count, per_minute)
        self._told_by_workers(traffic, seen, nodes)
        self._standing(traffic, nodes)
        edges = [
            {
                "from": key.source,
                "to": key.target,
                "kind": key.kind,
                "count": count,
                "rate": count * per_minute,
                "declared": key.kind in self._between.get((key.source, key.target), ()),
            }
            for key, count in sorted(seen.items())
        ]
        unknown = sorted({end for key in seen for end in key[:2]} - self._nodes)
        return {
            "up": True,
            "error": "",
            "at_ms": traffic.status.now_ms,
            "window_s": traffic.window,
            "seen": traffic.records,
            "nodes": {name: facts for name, facts in nodes.items() if name in self._nodes},
            "edges": edges,
            "held": [_held(rule) for rule in traffic.status.rules],
            "notes": list(_notes(traffic, unknown)),
        }

    def _keys(self, sighting: Sighting) -> list[_Key]:
        """The edges a sighting stands for: those that are declared, else the one it shows."""
        who = _OUTSIDE.get(sighting.who, f"agent:{sighting.who}")
        if sighting.kind == "calls":
            return [_Key(who, f"tool:{sighting.what}", "calls")]
        event = f"event:{sighting.what}"
        if sighting.kind == "consumes":
            kinds = self._between.get((event, who), set()) & _TAKEN
            return [_Key(event, who, kind) for kind in sorted(kinds) or ["consumes"]]
        kinds = self._between.get((who, event), set()) & _SENT
        if kinds:
            return [_Key(who, event, kind) for kind in sorted(kinds)]
        flow = f"flow:{sighting.flow}"
        if self._events_of.get(flow) == event and "starts" in self._between.get((who, flow), ()):
            return [_Key(who, flow, "starts"), _Key(flow, event, "starts")]
        runtime = _OUTSIDE["runtime"]
        if "emits" in self._between.get((runtime, event), ()):
            return [_Key(runtime, event, "emits")]  # written in an agent's name, by the runtime
        return [_Key(who, event, sighting.kind)]

    def _count(
        self, nodes: defaultdict[str, dict[str, Any]], sighting: Sighting, count: int, per_minute: float
    ) -> None:
        if sighting.kind == "emits":
            node = nodes[f"event:{sighting.what}"]
            node["rate"] = node.get("rate", 0.0) + count * per_minute
            if sighting.version:
                versions = node.setdefault("versions", {})
                versions[sighting.version] = versions.get(sighting.version, 0) + count
        elif sighting.kind == "consumes":
            node = nodes[f"agent:{sighting.who}"]
            node["rate"] = node.get("rate", 0.0) + count * per_minute

    def _told_by_workers(
        self, traffic: Traffic, seen: defaultdict[_Key, int], nodes: defaultdict[str, dict[str, Any]]
    ) -> None:
        """Versions in use, and edges that were used before the window began: with no rate of their own."""
        for one in traffic.schemas:
            event = nodes[f"event:{one.event}"]
            versions = event.setdefault("versions", {})
            for version in {*one.seen, *one.written, *([one.reads] if one.reads else ())}:
                versions.setdefault(version, True)
            if one.reads and any(version != one.reads for version in one.seen):
                others = ", ".join(sorted(version for version in one.seen if version != one.reads))
                event.setdefault("notes", []).append(f"{one.agent} reads {one.reads} and was given {others}")
            for used, kind in ((one.seen, "consumes"), (one.written, "emits")):
                if used:
                    for key in self._keys(Sighting(one.agent, kind, one.event)):
                        seen[key] += 0

    def _standing(self, traffic: Traffic, nodes: defaultdict[str, dict[str, Any]]) -> None:
        assert traffic.status is not None
        for agent in traffic.status.agents:
            nodes[f"agent:{agent.name}"] |= {
                "waiting": agent.waiting,
                "pending": agent.pending,
                "parked": agent.parked,
                "dead": agent.dead,
            }
        for name in traffic.status.stuck:
            nodes[f"agent:{name}"].setdefault("notes", []).append("work waits, and no worker runs")
        for rule in traffic.status.rules:
            target = str(rule.target)
            held = self._nodes if target == "all" else {target} & self._nodes
            for name in held:
                if target != "all" or name.startswith("agent:"):
                    nodes[name]["held"] = _held(rule)


def _held(rule: ControlRule) -> str:
    verb = {"pause": "paused", "halt": "halted"}.get(rule.mode.value, "halted but for compensations")
    return f"{rule.target} {verb} by {rule.by}: {rule.reason}"


def _notes(traffic: Traffic, unknown: list[str]) -> list[str]:
    status = traffic.status
    notes = []
    if status is not None and not any(beat.alive for beat in status.workers):
        notes.append("no worker runs")
    if traffic.unseen:
        notes.append(f"{traffic.unseen:,} records went by unseen: the audit store is on another machine")
    if unknown:
        shown = ", ".join(unknown[:5])
        notes.append(f"seen and not on this map: {shown}{' and more' if len(unknown) > 5 else ''}")
    return notes
