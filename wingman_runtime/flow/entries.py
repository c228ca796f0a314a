"""The ten-field contract entry of every event: what its model says, and what follows from the flows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields

from wingman_runtime.contracts.contract import ContractEntry, EventContract
from wingman_runtime.contracts.event import EventCatalog, dataschema_of
from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.errors import ContractError
from wingman_runtime.flow.compile import CompiledFlow
from wingman_runtime.flow.facts import RUNTIME_EVENTS
from wingman_runtime.flow.model import ANYONE
from wingman_runtime.flow.route import Route

RUNTIME = "runtime"
CLIENT = "client"


def contract_entries(
    catalog: EventCatalog, manifests: Mapping[str, Manifest], flows: Iterable[CompiledFlow]
) -> dict[str, ContractEntry]:
    """An entry for every event of the catalog, by event type.

    Producers are the agents that declare the event, and whoever else a flow lets make it; consumers are those
    a flow hands it to. The input schema is that of the events its producers consume, what it is made from;
    the output schema its own.

    Raises:
        ContractError: an event's written contract is missing, or has an empty field.
    """
    flows = tuple(flows)
    return {event: _entry(event, catalog, manifests, flows) for event in catalog.names()}


def _entry(
    event: str, catalog: EventCatalog, manifests: Mapping[str, Manifest], flows: tuple[CompiledFlow, ...]
) -> ContractEntry:
    model = catalog.model(event)
    written = _written(event, model.contract, f"{model.__module__}.{model.__qualname__}")
    producers = {name for name, manifest in manifests.items() if event in manifest.emits}
    consumers: set[str] = set()
    for flow in flows:
        for key, route in flow.table.items():
            sender, _, sent = key.partition(">")
            if sent == event:
                if sender not in manifests:  # an agent that only passes it on did not make it
                    producers.add(RUNTIME if sender == ANYONE else sender)
                consumers |= _consumers(flow, route)
            if event == "BranchesJoined" and route.join is not None:
                consumers |= set(route.join.to)
    if event in RUNTIME_EVENTS:
        producers = {RUNTIME}
    own = dataschema_of(model)
    sources = {
        source
        for name in producers & manifests.keys()
        for source in manifests[name].consumes
        if source in catalog
    }
    return ContractEntry(
        event_type=event,
        purpose=written.purpose,
        producer=tuple(sorted(producers)),
        consumers=tuple(sorted(consumers)),
        input_schema=", ".join(sorted(dataschema_of(catalog.model(one)) for one in sources)) or own,
        output_schema=own,
        primitives=written.primitives,
        failure_mode=written.failure,
        rollback_behaviour=written.rollback,
        audit_artifact=written.audit,
    )


def _consumers(flow: CompiledFlow, route: Route) -> set[str]:
    found = set(route.to)
    if route.settle:
        found.add(route.settle)
    if route.decides and flow.finally_:
        found.add(flow.finally_)
    if route.join is not None:
        found |= set(route.join.to)
    if route.end:
        found.add(CLIENT)
    return found


def _written(event: str, contract: EventContract | None, where: str) -> EventContract:
    if contract is None:
        names = ", ".join(field.name for field in fields(EventContract))
        raise ContractError(
            f"the event {event} has no written contract",
            where=where,
            hint=f"give the model contract = EventContract({names})",
        )
    empty = [field.name for field in fields(EventContract) if not getattr(contract, field.name)]
    if empty:
        raise ContractError(
            f"the contract of {event} leaves empty: {', '.join(empty)}",
            where=where,
            hint="say what each means for this event, in a line",
        )
    return contract
