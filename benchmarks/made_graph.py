"""A graph of any size, of a shop that could be: the same size gives the same graph."""

from __future__ import annotations

import random
from typing import Any

_THINGS = (
    "Order", "Payment", "Shipment", "Invoice", "Refund", "Basket", "Parcel", "Customer", "Voucher", "Stock",
    "Return", "Price", "Supplier", "Contract", "Address", "Review", "Ticket", "Membership", "Account", "Tax",
)  # fmt: skip
_ACTS = (
    "Placed", "Accepted", "Checked", "Reserved", "Captured", "Packed", "Sent", "Delivered", "Cancelled",
    "Refused", "Returned", "Closed", "Corrected", "Expired", "Renewed", "Moved", "Counted", "Announced",
)  # fmt: skip
_DOMAINS = ("orders", "payments", "shipping", "billing", "catalogue", "customers", "stock", "support")
_OWNERS = ("the order desk", "payments", "logistics", "finance", "growth", "the warehouse")


def made_graph(nodes: int = 0, *, events: int = 0, seed: int = 5) -> dict[str, Any]:
    """A graph in the shape of `documents.graph.Graph.to_json`: chains of events and agents in domains.

    Args:
        nodes: about so many nodes in all; or
        events: exactly so many events, with the agents, flows, tools and policies that go with them.
    """
    events = events or max(3, round(nodes * 0.455))
    chance = random.Random(seed)  # noqa: S311 - a picture, not a secret
    made = _Made(chance)
    length = 12
    for at in range(0, events, length):
        made.chain(min(length, events - at))
    return {"project": {"name": "shop", "version": "2.4.0"}, "nodes": made.nodes, "edges": made.edges}


class _Made:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.nodes: list[dict[str, Any]] = []
        self.edges: list[dict[str, Any]] = []
        self.events: list[str] = []
        self._add("client", "client", "", "whoever submits a request")
        self._add("agent", "audit", "shared", "stamps every outcome and answers for the record")

    def chain(self, length: int) -> None:
        """One flow: events and agents in turn, with a branch here and there."""
        number = len(self.events)
        domain = _DOMAINS[(number // 36) % len(_DOMAINS)]
        thing = _THINGS[(number // 12) % len(_THINGS)]
        round_ = number // (12 * len(_THINGS))
        flow = f"{thing.lower()}_{round_ + 1}"
        self._add("flow", flow, domain, f"From the first {thing.lower()} event to its stamp.")
        policy = self._add("policy", f"{flow}.cedar", domain, f"Who may do what in {flow}.")
        before = ""
        for step in range(length):
            name = f"{thing}{_ACTS[step % len(_ACTS)]}{round_ + 1 if round_ else ''}"
            about = f"The {thing.lower()} was {_ACTS[step % len(_ACTS)].lower()}; what follows may begin."
            event = self._add("event", name, domain, about, version=f"1.{step % 4}.0")
            self.events.append(event)
            if not before:
                self._edge("client:client", event, "starts", flow)
                self._edge(f"flow:{flow}", event, "starts", flow)
            else:
                self._edge(before, event, "emits", flow)
            if step % 4 != 3:
                agent = f"{thing.lower()}_{_ACTS[step % len(_ACTS)].lower()}_{round_ + 1}"
                scope = f"Takes {name} and decides what becomes of the {thing.lower()}."
                before = self._add("agent", agent, domain, scope, version="1.0.0", timeout="30 s")
                self._edge(policy, before, "gates", flow)
                if step % 5 == 0:
                    tool = self._add("tool", f"{flow}.write{step}", domain, "Writes it down.")
                    self._edge(before, tool, "calls", flow)
            self._edge(event, before, "consumes", flow)
            if step and self.chance.random() < 0.12:
                self._edge(event, f"agent:{self.chance.choice(('audit',))}", "consumes", flow)
            if number and self.chance.random() < 0.08:
                self._edge(self.chance.choice(self.events[:number]), before, "consumes", flow)
        self._edge(self.events[-1], "agent:audit", "consumes", flow)

    def _add(
        self, kind: str, name: str, domain: str, purpose: str, *, version: str = "", **facts: str
    ) -> str:
        node = f"{kind}:{name}"
        owner = _OWNERS[sum(map(ord, domain)) % len(_OWNERS)] if domain else ""
        self.nodes.append(
            {"id": node, "kind": kind, "label": name, "domain": domain, "owner": owner, "purpose": purpose}
            | {"version": version, "facts": facts}
        )  # fmt: skip
        return node

    def _edge(self, a: str, b: str, kind: str, flow: str) -> None:
        edge = {"id": f"{a}>{b}:{kind}:{len(self.edges)}", "from": a, "to": b, "kind": kind}
        self.edges.append(edge | {"flow": flow, "declared": True})


def made_page(node: str) -> dict[str, Any]:
    """The data of a page as large as a real one: two versions of a schema with eight fields."""
    if not node.startswith("event:"):
        return {}
    fields = [
        {"name": name, "type": kind, "required": need, "default": "" if need else "null", "about": about}
        | {"since": since}
        for name, kind, need, about, since in (
            ("id", "string (length ≥ 1)", True, "the thing's own number", "1.0.0"),
            ("customer_id", "string", True, "who it is for", "1.0.0"),
            ("amount", "string (like ^-?\\d+\\.\\d\\d$)", True, "with tax, in the currency below", "1.0.0"),
            ("currency", 'one of "EUR", "CHF", "GBP"', True, "", "1.0.0"),
            ("lines", "list of Line", True, "what it is made of, in order", "1.0.0"),
            ("lines[].article", "string", True, "", "1.0.0"),
            ("lines[].count", "integer (≥ 1)", True, "", "1.0.0"),
            ("note", "string or null", False, "what the customer wrote", "1.1.0"),
        )
    ]
    text = '{\n  "type": "object",\n  "required": ["id", "customer_id", "amount"]\n}'
    versions = [
        {"version": version, "released": True, "fields": rows, "text": text}
        for version, rows in (("1.1.0", fields), ("1.0.0", fields[:-1]))
    ]
    contract = {"event type": node.partition(":")[2], "failure mode": "retried, then a dead letter"}
    return {"contract": contract, "schema": {"versions": versions}}
