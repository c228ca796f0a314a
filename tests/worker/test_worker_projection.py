"""A consumer's projection: an agent reads an event by its own model, and what it does not name may change."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import orjson
import pytest
from pydantic import BaseModel, ConfigDict

from tests.worker.projects import COMPLETE, END, Agent, Spec, load, site, write
from wingman_runtime.contracts.event import EventCatalog, EventModel, dataschema_of, envelope_of
from wingman_runtime.errors import ConfigError, ContractError

VIEW = """
from typing import ClassVar
from wingman_runtime.sdk import *

class OrderView(EventModel):
    projects: ClassVar[str] = "OrderPlaced"
    total: int
"""
PLACED = """
class OrderPlaced(EventModel):
    total: int
    note: str = "n"
    contract = _contract()
"""


def _shop(tmp_path: Path, reader: str, annotation: str, view: str = VIEW) -> Path:
    """A shop: `till` places an order, `gate` passes it on unread, `billing` reads it by its own model."""
    agents = {
        "till": Agent("return Emit(OrderPlaced(total=7))", emits=["OrderPlaced"]),
        "gate": Agent(
            'assert type(event.data).__name__ == "OrderView"; return Forward()',
            consumes=["OrderPlaced"],
            extra="forwards: [OrderPlaced]\n",
        ),
        "billing": Agent(reader + COMPLETE, consumes=["OrderPlaced"], emits=["ExecutionComplete"]),
    }
    routes = {
        "UserRequestReceived": "till",
        "OrderPlaced": "gate",
        "gate>OrderPlaced": "billing",
        **END,
    }
    root = write(tmp_path / "p", Spec(agents, routes))
    events = root / "agents" / "till" / "events.py"
    head = events.read_text().partition("class OrderPlaced")[0]
    events.write_text(head + PLACED)
    for name in ("gate", "billing"):
        code = root / "agents" / name / "agent.py"
        code.write_text(code.read_text().replace("def handle(event", f"def handle(event: {annotation}"))
        (root / "agents" / name / "views.py").write_text(view)
        code.write_text("from .views import *\n" + code.read_text())
    return root


async def test_an_agent_gets_its_own_model_and_passes_on_the_whole(tmp_path: Path, valkey_url: str) -> None:
    """The agents see the one field they name; what `gate` forwards is the event as it came, byte for byte."""
    reader = 'assert type(event.data).__name__ == "OrderView" and event.data.model_dump() == {"total": 7}\n'
    project = load(_shop(tmp_path, reader, "Event[OrderView]"), valkey_url)
    assert "OrderView" not in project.catalog
    async with site(project) as place:
        request = await place.submit()
        assert (await request.result(10)).outcome == "completed"
        trail = await place.trail(request)
        placed = [one for one in trail if one.kind == "event" and one.type == "OrderPlaced"]
        assert [one.data for one in placed] == [{"total": 7, "note": "n"}]


class Inside(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sum: int


class InvoiceSent(EventModel):
    inside: Inside
    note: str = ""


class InvoiceView(EventModel):
    projects: ClassVar[str] = "InvoiceSent"
    inside: Inside


def test_what_a_projection_does_not_name_is_passed_over_however_deep() -> None:
    """Fields of later releases are passed over, also inside a part that forbids them; the rest is strict."""
    assert InvoiceView.model_validate({"inside": {"sum": 1}, "new": 1}).inside.sum == 1
    sent = make_envelope(InvoiceSent(inside=Inside(sum=3), note="x"))
    later = orjson.loads(sent)
    later["data"] |= {"inside": {"sum": 3, "vat": 1}, "more": [1]}
    catalog = EventCatalog({"InvoiceSent": InvoiceSent})
    read = catalog.decode("InvoiceSent", orjson.dumps(later), InvoiceView)
    assert read.data.model_dump() == {"inside": {"sum": 3}}
    with pytest.raises(ContractError, match="unknown event type"):
        catalog.decode("InvoiceView", sent)
    with pytest.raises(ContractError, match="InvoiceSent"):
        catalog.decode("InvoiceSent", orjson.dumps(later | {"data": {"inside": {}}}), InvoiceView)


def make_envelope(data: EventModel) -> bytes:
    name = type(data).__name__
    envelope = envelope_of(type(data))(
        id="evt_1", source="/agents/x", type=name, subject="req_1", time="2026-01-01T00:00:00Z",
        dataschema=dataschema_of(type(data)), partition=0, correlationid="req_1", actor="alice",
        tenant="demo", flow="work", data=data,
    )  # fmt: skip
    return envelope.to_bytes()


WRONG = {
    "no event of consumes": (
        "Event[OrderView]",
        VIEW.replace('"OrderPlaced"', '"OrderPlacd"'),
        "OrderView, a projection of OrderPlacd, which is not among consumes",
    ),
    "two ways": (
        "Event[OrderView | OtherView]",
        VIEW + "class OtherView(OrderView):\n    pass\n",
        "reads OrderPlaced in two ways",
    ),
    "envelope": (
        "Event[OrderView]",
        VIEW + '    reads_envelope: ClassVar[tuple[str, ...]] = ("tennant",)\n',
        "reads_envelope names 'tennant', which no event carries",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_projection_that_fits_nothing_is_refused_at_load(
    tmp_path: Path, valkey_url: str, case: str
) -> None:
    """Of an event the agent does not consume, beside another of the same, with an unknown envelope field."""
    annotation, view, told = WRONG[case]
    with pytest.raises(ConfigError, match=r"agent\.py") as refused:
        load(_shop(tmp_path, "", annotation, view), valkey_url)
    assert told in str(refused.value)
