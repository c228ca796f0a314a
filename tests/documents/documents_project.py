"""A project whose events are hard to describe: nesting, unions, recursion, enums, a name used twice."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

from wingman_runtime.project.load import LoadedProject, Project

REFERENCE = Path(__file__).resolve().parents[2]

_FRONT_EVENTS = '''
"""Events of an order's beginning."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from wingman_runtime.sdk import EventContract, EventModel, Primitive

T = TypeVar("T")


def written(purpose: str) -> EventContract:
    return EventContract(purpose, (Primitive.AUDIT_STAMP, Primitive.SCOPE_LOCK), "none", "none", "itself")


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Size(Enum):
    SMALL = 1
    LARGE = "large"


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(Strict):
    """One line of an order."""

    article: Annotated[str, Field(pattern=r"^[A-Z]{2}-[0-9]+$")]
    number: Annotated[int, Field(gt=0, le=1000)]
    colour: Colour = Colour.RED
    size: Size | None = None


class Card(Strict):
    kind: Literal["card"] = "card"
    last_four: str


class Invoice(Strict):
    kind: Literal["invoice"] = "invoice"
    days: int = 30


class Category(Strict):
    """A category with categories in it."""

    name: str
    below: tuple[Category, ...] = ()


class Pair(Strict, Generic[T]):
    left: T
    right: T


class OrderPlaced(EventModel):
    """Somebody placed an "order" <b>, for `money`."""

    order: UUID
    placed_at: datetime
    total: Decimal
    lines: tuple[Line, ...] = Field(min_length=1)
    payment: Annotated[Card | Invoice, Field(discriminator="kind")]
    category: Category
    bounds: Pair[int]
    labels: dict[str, tuple[int, str] | None] = {}
    by_article: dict[str, Line] = {}
    replaces: OrderPlaced | None = None
    contract = written("an order was placed")


class OrderRefused(EventModel):
    reasons: tuple[str, ...] = Field(min_length=1)
    payment: Annotated[Card | Invoice, Field(discriminator="kind")] | None = None
    contract = written("an order was refused")
'''

_LEFT_EVENTS = '''
"""Events of the stock."""

from pydantic import BaseModel

from wingman_runtime.sdk import EventContract, EventModel, Primitive

CONTRACT = EventContract("stock was reserved", (Primitive.AUDIT_STAMP,), "none", "none", "itself")


class Line(BaseModel):
    """A shelf's line, not an order's."""

    shelf: str


class StockReserved(EventModel):
    schema_version = "1.2.0"
    lines: tuple[Line, ...]
    contract = CONTRACT
'''

_PLAIN_EVENTS = """
from wingman_runtime.sdk import EventContract, EventModel, Primitive


class {name}(EventModel):
    note: str = ""
    contract = EventContract("{purpose}", (Primitive.AUDIT_STAMP,), "none", "none", "itself")
"""

_FLOW = """
flow: order
version: 2.1.0
purpose: take an order
owner: the shop
domain: shop
start: UserRequestReceived
finally: audit
failure: rollback
routes:
  UserRequestReceived: front
  OrderPlaced: [left, right]
  OrderRefused: {outcome: rejected}
  StockReserved: {join: both}
  PaymentTaken: {join: both}
  OrderShipped: {outcome: completed}
  RequestNoted: []
  CompensationPlanned: executor
  CompensationComplete: {outcome_field: outcome}
  CompensationFailed: {outcome: rollback_incomplete}
  ToolExecutionDenied: []
  ExecutionComplete: {outcome: completed}
  ExecutionFailed: {settle: rollback}
  ExecutionUncertain: {outcome: uncertain}
  AuditStamped: {end: true}
joins:
  both: {of: [left, right], mode: all, to: meet}
"""


def rich_project(root: Path) -> LoadedProject:
    """Written and loaded: `front` places an order, `left` and `right` prepare it, `meet` ships."""
    for part in ("policies", "config", "tools"):
        shutil.copytree(REFERENCE / part, root / part, ignore=shutil.ignore_patterns("schemas", "contracts"))
    (root / "config" / "flows" / "order.yaml").write_text(_FLOW)
    _agent(root, "front", "UserRequestReceived", ["OrderPlaced", "OrderRefused"], _FRONT_EVENTS, "the shop")
    _agent(root, "left", "OrderPlaced", ["StockReserved"], _LEFT_EVENTS, "the store", domain="stock")
    _agent(root, "right", "OrderPlaced", ["PaymentTaken"], _plain("PaymentTaken", "paid"), "accounting")
    extra = {"OrderShipped": "shipped", "RequestNoted": "noted"}
    events = "".join(_plain(name, purpose) for name, purpose in extra.items())
    _agent(root, "meet", "BranchesJoined", list(extra), events, "the shop")
    return Project.find(root).load()


def _plain(name: str, purpose: str) -> str:
    return _PLAIN_EVENTS.format(name=name, purpose=purpose)


def _agent(
    root: Path, name: str, consumes: str, emits: list[str], events: str, owner: str, *, domain: str = ""
) -> None:
    folder = root / "agents" / name
    folder.mkdir(parents=True)
    (folder / "events.py").write_text(events.lstrip())
    (folder / "agent.py").write_text("async def handle(event):\n    raise NotImplementedError\n")
    refusals = [event for event in emits if event.endswith("Refused")]
    (folder / "manifest.yaml").write_text(
        textwrap.dedent(
            f"""\
            name: {name}
            version: 1.0.0
            purpose: a test
            owner: {owner}
            scope: a test
            handler: agent:handle
            {f"domain: {domain}" if domain else ""}
            consumes: [{consumes}]
            emits: [{", ".join(emits)}]
            refusals: [{", ".join(refusals)}]
            tools: [{"file.write" if name == "meet" else ""}]
            output: events
            audit: [events]
            retry: {{attempts: 7, base: 0.5, cap: 20, jitter: equal}}
            """
        )
    )
