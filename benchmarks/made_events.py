"""Event models of a shop that could be, as Python source: any number of them, each with ten versions.

An event begins with six to nine fields, among them a nested model, an enum and optional ones. Each version
after that is a minor one: a field more that may be left out, in turn of five kinds. Every fourth event
has a major on its way as well: a field is renamed, and an upcaster reads the old ones.
"""

from __future__ import annotations

import random

HEAD = '''"""Made events."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from wingman_runtime.contracts.event import EventModel

'''
_FIRST = (
    "customer: Annotated[str, Field(min_length=1, max_length={n})]",
    "placed_at: datetime",
    "due: date | None = None",
    "amount: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)]",
    "count: Annotated[int, Field(ge=1, le={n})]",
    "reference: UUID",
    "note: str | None = None",
    "tags: dict[str, str] = {{}}",
    "urgent: bool = False",
    'channel: Literal["web", "shop", "phone{n}"] = "web"',
    "address: {event}Address",
    'payment: Annotated[{event}Card | {event}Cash, Field(discriminator="kind")]',
)
_ADDED = (
    "extra_{n}: str | None = None",
    "extra_{n}: Annotated[int, Field(ge=0)] = 0",
    "extra_{n}: list[{event}Address] = []",
    "extra_{n}: {event}State | None = None",
    "extra_{n}: Annotated[Decimal, Field(ge=0)] | None = None",
)
VERSIONS = 10
SHAPES = 50
"""So many events differ in more than their name; those after them are of the same shapes again."""
_MAJOR_AT = 6


def name_of(number: int) -> str:
    """The event type with this number."""
    return f"OrderNo{number}Placed"


def version_of(number: int, step: int) -> str:
    """What version the event has after so many changes; 0 is the first."""
    major = number % SHAPES % 4 == 0 and step >= _MAJOR_AT
    return f"2.{step - _MAJOR_AT}.0" if major else f"1.{step}.0"


def source(number: int, step: int) -> str:
    """The classes of one event after so many changes, to be put behind `HEAD`."""
    shape, event = number % SHAPES, name_of(number)
    chance, n = random.Random(shape), 20 + shape  # noqa: S311 - a shape, not a secret
    nested = _FIRST[-2:] if shape % 3 == 0 else _FIRST[-2:-1]
    fields = chance.sample(_FIRST[:-2], chance.randint(3, 6)) + list(nested)
    rows = ["order_id: str", f"state: {event}State", f"lines: list[{event}Line]"]
    rows += [one.format(n=n, event=event) for one in fields]
    kinds = (chance.choice(_ADDED) for _ in range(VERSIONS + 1))
    rows += [one.format(n=at + 1, event=event) for at, one in zip(range(step), kinds, strict=False)]
    version, upcast = version_of(number, step), ""
    if version.startswith("2."):
        rows[0] = "order_number: str"
        upcast = "    upcasts = {{1: lambda old: {{**{{k: v for k, v in old.items() if k != 'order_id'}},"
        upcast += " 'order_number': old['order_id']}}}}\n"
        upcast = upcast.replace("{{", "{").replace("}}", "}")
    told = "\n".join(f"    {row}" for row in rows)
    return f'''
class {event}State(StrEnum):
    OPEN = "open"
    PAID = "paid"
    SENT = "sent-{shape}"


class {event}Line(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sku: Annotated[str, Field(pattern="^[A-Z]{{2,4}}-[0-9]+$")]
    quantity: Annotated[int, Field(gt=0)]
    price: Annotated[Decimal, Field(ge=0)]


class {event}Address(BaseModel):
    street: str
    city: str
    country: Annotated[str, Field(min_length=2, max_length=2)]


class {event}Card(BaseModel):
    kind: Literal["card"] = "card"
    number: str


class {event}Cash(BaseModel):
    kind: Literal["cash"] = "cash"
    paid: bool = True


class {event}(EventModel):
    """An order was placed in the shop number {number}; payment comes next."""

    schema_version = "{version}"
{upcast}{told}

'''
