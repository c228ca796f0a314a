"""The causal tree of a request: who caused what, how long it took, which decisions let it pass."""

from __future__ import annotations

from typing import Any

from wingman_runtime.cli.common import Common
from wingman_runtime.errors import NotFoundError


def show_tree(request_id: str, common: Common) -> int:
    """Print the tree from the audit store.

    Raises:
        NotFoundError: the store has nothing of this request (yet).
    """
    from wingman_runtime.ledger.query import of_request

    settings = common.found().settings
    records = of_request(settings.audit_store, request_id)
    steps = [
        (record.at_ms, body)
        for record in records
        if record.kind == "event" and isinstance((body := record.data()).get("event"), dict)
    ]
    if not steps:
        raise NotFoundError(
            "the audit store has no record of it",
            where=request_id,
            hint="the recorder may be a moment behind; `wingman request show` asks the server",
        )
    roots = grow(steps)
    out = common.out()
    if common.json:
        out.data(roots)
    else:
        for root in roots:
            _print(root, "", "", out.line)
    return 0


def grow(steps: list[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """(server time, record body) of events, as nested nodes; a cause that is not there makes a root."""
    nodes: dict[str, dict[str, Any]] = {}
    for at_ms, body in steps:
        event = body["event"]
        nodes[str(event.get("id"))] = {
            "event": event.get("type"),
            "by": body.get("agent") or str(event.get("source", "")).rpartition("/")[2],
            "id": event.get("id"),
            "at_ms": at_ms,
            "attempt": event.get("attempt", 1),
            "reasons": list((event.get("data") or {}).get("reasons") or ()),
            "decisions": body.get("decisions") or [],
            "caused": [],
            "_cause": str(event.get("causationid", "")),
        }
    roots: list[dict[str, Any]] = []
    for node in nodes.values():
        parent = nodes.get(node.pop("_cause"))
        node["after_ms"] = node["at_ms"] - parent["at_ms"] if parent else 0
        (parent["caused"] if parent else roots).append(node)
    return roots


def _print(node: dict[str, Any], lead: str, branch: str, line: Any) -> None:
    attempt = f"  attempt {node['attempt']}" if node["attempt"] > 1 else ""
    line(f"{lead}{branch}{node['event']}  {node['by']}  +{node['after_ms']} ms{attempt}")
    below = lead + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
    gutter = below + ("│    " if node["caused"] else "     ")
    for reason in node["reasons"]:
        line(f"{gutter}because {reason}")
    for decision in node["decisions"]:
        verdict = "allow" if decision.get("allow") else "forbid" if decision.get("forbidden") else "deny"
        grounds = ", ".join(decision.get("policies") or decision.get("reasons") or ()) or "-"
        line(f"{gutter}{decision.get('action')} {decision.get('resource')}: {verdict} ({grounds})")
    for index, child in enumerate(node["caused"]):
        last = index == len(node["caused"]) - 1
        _print(child, below, "└─ " if last else "├─ ", line)
