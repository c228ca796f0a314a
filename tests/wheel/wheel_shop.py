"""What somebody adds to a project that `wingman init` made: a tool, a planner, an agent and a flow."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "tools/shelf.py": """
from wingman_runtime.sdk import ToolContext, tool


@tool("shelf.put", purpose="put an item on the shelf", risk="low", idempotent=True,
      compensation="shelf.take", resource="shelf:{item}")
def put(item: str, context: ToolContext) -> str:
    context.files.write(f"shelf/{item}.txt", b"here\\n")
    return item


@tool("shelf.take", purpose="undo shelf.put", idempotent=True, irreversible=True, undo_only=True)
def take(item: str, context: ToolContext) -> bool:
    return context.files.delete(f"shelf/{item}.txt")
""",
    "planners/restocking.py": """
from collections.abc import Mapping
from typing import Any

from wingman_runtime.sdk import ContractError, Scope, WorkRequest, planner


@planner("one-step-per-item")
def plan(request: WorkRequest, scope: Scope) -> list[tuple[str, Mapping[str, Any]]]:
    items = request.params.get("items")
    if not isinstance(items, list):
        raise ContractError("a list of items is expected", where="params.items")
    return [("shelf.put", {"item": item}) for item in items]
""",
    "agents/counting/manifest.yaml": """
name: counting
version: 1.0.0
purpose: count the items a request wants on the shelf, for the record
owner: the shop
scope: Reads the parameters of a request. It decides nothing and touches nothing.
handler: agent:handle
consumes: [PermissionsVerified]
emits: [ItemsCounted]
refusals: []
tools: []
output: an ItemsCounted event
audit: [the number of items]
""",
    "agents/counting/events.py": """
from wingman_runtime.sdk import EventContract, EventModel, Primitive


class ItemsCounted(EventModel):
    items: int
    contract = EventContract(
        purpose="how many items the request wants on the shelf",
        primitives=(Primitive.AUDIT_STAMP,),
        failure="nobody waits for it; the request goes on",
        rollback="nothing was applied, so there is nothing to undo",
        audit="the number",
    )
""",
    "agents/counting/agent.py": """
from wingman_runtime.sdk import Emit, Event, PermissionsVerified

from .events import ItemsCounted


def handle(event: Event[PermissionsVerified]) -> Emit:
    return Emit(ItemsCounted(items=len(event.data.request.params["items"])))
""",
}

SCOPE = """
  shelves:
    purpose: what stands on the shelf
    intents: [shelf.fill]
    planner: one-step-per-item
    tenants: [demo]
    tools:
      shelf.put: ["shelf:*"]
"""


def extend(project: Path) -> None:
    """Add all four; the flow is the project's own under another name, with the new agent in it."""
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text.lstrip("\n"))
    with (project / "config/scopes.yaml").open("a") as scopes:
        scopes.write(SCOPE)
    lines = []
    for line in (project / "config/flows/request.yaml").read_text().splitlines():
        match line.strip().partition(":")[0]:
            case "flow":
                lines.append("flow: restock")
            case "PermissionsVerified":
                lines.append("  PermissionsVerified: [proposal, counting]")
            case "WordsCounted":
                lines.append("  ItemsCounted: []")
            case _:
                lines.append(line)
    (project / "config/flows/restock.yaml").write_text("\n".join(lines) + "\n")
