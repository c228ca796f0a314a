"""What is wrong with a model by itself, whatever was released of it; the shipped events are right."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, Json, PastDate, PlainSerializer

from tests.schemas.schemas_made import model
from wingman_runtime.contracts import events
from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.schemas.describe import lint
from wingman_runtime.schemas.finding import Weight


class Free(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    a: int


class Loose(BaseModel):
    rate: float


SPLIT: Any = Field(default=3, validation_alias="read", serialization_alias="written")


@pytest.mark.parametrize(
    ("fields", "rule", "path", "weight"),
    [
        ({"it": (list[Free], ...)}, "extra-allowed", "/it/*", Weight.BREAKING),
        ({"it": (int, SPLIT)}, "unread-name", "/written", Weight.BREAKING),
        ({"it": (int, None)}, "default-refused", "/it", Weight.BREAKING),
        ({"it": (Json[int], ...)}, "refuses-own", "/it", Weight.BREAKING),
        ({"it": (Annotated[int, PlainSerializer(hex)], ...)}, "refuses-own", "/it", Weight.BREAKING),
        ({"it": (dict[tuple[int, int], int], ...)}, "refuses-own", "/it", Weight.BREAKING),
        ({"it": (Loose, ...)}, "non-finite", "/it/rate", Weight.WARNING),
        ({"it": (PastDate, ...)}, "clock", "/it", Weight.WARNING),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_of_a_model_is_told_at_its_place(
    fields: dict[str, Any], rule: str, path: str, weight: Weight
) -> None:
    """Once, with what to do."""
    (finding,) = (one for one in lint(model(**fields)) if one.rule == f"model/{rule}")
    assert (finding.path, finding.weight) == (path, weight)
    assert finding.remedy


def test_a_sound_model_has_no_findings() -> None:
    """Aliases that agree, defaults that fit, bounds, maps and models inside."""

    class Item(BaseModel):
        model_config = ConfigDict(allow_inf_nan=False)
        price: float = Field(default=1.5, ge=0)

    fine = model(
        items=(list[Item], Field(default_factory=list)),
        when=(date | None, None),
        total=(int, Field(default=0, alias="Total")),
        counts=(dict[int, int], {1: 2}),
    )
    assert lint(fine) == []


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_the_shipped_events_are_sound(name: str) -> None:
    """They read what they write, and nobody has to be warned of them."""
    kind: type[EventModel] = getattr(events, name, None) or SHIPPED[name]
    assert lint(kind) == []
