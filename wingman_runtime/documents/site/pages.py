"""What the page of a node says: the graph's facts in an order for people, schemas as rows of fields.

A word that is the id of a node becomes a link in the browser, so names are given as ids where they are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from wingman_runtime.documents.site.fields import rows_of, with_since
from wingman_runtime.errors import ContractError
from wingman_runtime.schemas.version import Version

_PRIMITIVES = {
    "P-01": "Scope Lock", "P-02": "Permission Boundary", "P-03": "Interrupt",
    "P-04": "Responsibility Handshake", "P-05": "Audit Stamp", "P-06": "Rollback Covenant",
}  # fmt: skip
_MANIFEST = (
    "scope", "handler", "consumes", "emits", "forwards", "refusals", "tools", "needs", "output", "audit",
    "performs", "gate", "timeout", "retry", "replaces",
)  # fmt: skip
_NAMED = {
    "consumes": "event", "emits": "event", "forwards": "event", "refusals": "event", "tools": "tool",
    "start": "event", "finally": "agent", "failure": "agent", "agents": "agent", "compensation": "tool",
    "producer": "agent", "consumers": "agent", "gate": "policy",
}  # fmt: skip
_SECONDS = {"timeout"}


class Pages:
    """The pages of one graph, in the shape of `documents.graph.Graph.to_json`. Asked for by id of a node."""

    def __init__(self, graph: Mapping[str, Any]) -> None:
        self._nodes = {node["id"]: node for node in graph["nodes"]}

    def __call__(self, node_id: str) -> dict[str, Any]:
        """The data of one page; its keys are those that `page.js` shows."""
        node = self._nodes[node_id]
        facts = dict(node.get("facts") or {})
        kind = node_id.partition(":")[0]
        made = {
            "event": self._event,
            "agent": self._agent,
            "policy": self._policy,
            "tool": self._tool,
            "consumer": self._consumer,
        }.get(kind, self._other)(node, facts)
        return {name: value for name, value in made.items() if value not in (None, "", [], {})}

    def _event(self, node: Mapping[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
        contract = self._linked(facts.pop("contract", None) or {})
        if "primitives" in contract:
            said = [str(one) for one in contract["primitives"]]
            contract["primitives"] = [f"{one} {_PRIMITIVES.get(one, '')}".strip() for one in said]
        schema = _versions(facts, str(node.get("version", "")))
        marks = [
            said
            for name, said in (
                ("starts", "starts a flow"),
                ("refusal", "says no"),
                ("runtime", "written by the runtime itself"),
                ("shipped", "comes with the runtime"),
            )
            if facts.pop(name, False)
        ]
        for name in ("writer", "reader", "history", "released", "flows", "owner"):
            facts.pop(name, None)
        return {"contract": contract, "schema": schema, "marks": marks, "facts": self._linked(facts)}

    def _agent(self, node: Mapping[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
        manifest = {name: facts.pop(name) for name in _MANIFEST if name in facts}
        reads = _reads(facts.pop("contract", None))
        marks = ["comes with the runtime"] if facts.pop("shipped", False) else []
        facts.pop("flows", None)
        told = self._linked(facts)
        return {"manifest": self._linked(manifest), "reads": reads, "marks": marks, "facts": told}

    def _policy(self, node: Mapping[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
        rules = [
            {name: one.get(name, "") for name in ("id", "effect", "reason")} for one in facts.pop("rules", ())
        ]
        return {"rules": rules, "text": facts.pop("text", ""), "facts": self._linked(facts)}

    def _tool(self, node: Mapping[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
        return {"arguments": rows_of(facts.pop("args", None)), "facts": self._linked(facts)}

    def _consumer(self, node: Mapping[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
        contract = facts.pop("contract", None) or {}
        return {"reads": _reads(contract), "facts": self._linked(facts)}

    def _other(self, node: Mapping[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
        return {"facts": self._linked(facts)}

    def _linked(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Facts with names as ids, where there is such a node, and seconds said as seconds."""
        told: dict[str, Any] = {}
        for name, value in facts.items():
            if name in _NAMED:
                told[name] = self._ids(_NAMED[name], value)
            elif name == "outcomes" and isinstance(value, Mapping):
                told[name] = {said: self._ids("event", events) for said, events in value.items()}
            elif name in _SECONDS and isinstance(value, int | float):
                told[name] = f"{value:g} s"
            else:
                told[name] = value
        return told

    def _ids(self, kind: str, value: Any) -> Any:
        if isinstance(value, str):
            candidates = (f"{kind}:{value}", f"client:{value}", f"runtime:{value}")
            return next((one for one in candidates if one in self._nodes), value)
        return [self._ids(kind, one) for one in value] if isinstance(value, Iterable) else value


def _versions(facts: Mapping[str, Any], current: str) -> dict[str, Any]:
    """Every version, the newest first; the model as it stands comes first while it is not released."""
    found = [(str(one["version"]), one, True) for one in facts.get("history") or ()]
    known = {version for version, _, _ in found}
    if current not in known and facts.get("writer") is not None:
        found.append((current, {"writer": facts["writer"]}, False))
    found.sort(key=lambda one: _order(one[0]))
    history = [(version, rows_of(one.get("writer"))) for version, one, _ in found]
    versions = [
        {
            "version": version,
            "released": released,
            "fields": with_since(history[: at + 1]),
            "digest": one.get("digest", ""),
            "reserved": sorted(one.get("reserved") or ()),
            "accepted": [_accepted(what) for what in one.get("accepted") or ()],
            "text": _pretty(one.get("writer")),
        }
        for at, (version, one, released) in enumerate(found)
    ]
    return {"versions": versions[::-1]} if versions else {}


def _order(version: str) -> tuple[int, int, int]:
    try:
        found = Version.parse(version)
    except ContractError:  # of a model that says none, or no sound one: `wingman schema check` says so
        return (0, 0, 0)
    return (found.major, found.minor, found.patch)


def _accepted(what: Any) -> str:
    return what if isinstance(what, str) else orjson.dumps(what, option=orjson.OPT_SORT_KEYS).decode()


def _reads(contract: Any) -> list[dict[str, Any]]:
    """What a consumer's contract says of each event: which majors, which fields, what of the envelope."""
    reads = contract.get("reads") if isinstance(contract, Mapping) else None
    if not isinstance(reads, Mapping):
        return []
    rows = []
    for event, one in sorted(reads.items()):
        told = one if isinstance(one, Mapping) else {}
        rows.append(
            {
                "event": f"event:{event}",
                "majors": [str(major) for major in told.get("majors") or ()],
                "fields": [row["name"] for row in rows_of(told.get("reader"))],
                "envelope": list(told.get("envelope") or ()),
            }
        )
    return rows


def _pretty(schema: Any) -> str:
    if schema is None:
        return ""
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()
