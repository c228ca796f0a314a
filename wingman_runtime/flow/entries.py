"""The ten-field contract entry of every event: what its model says, and what follows from the flows."""

from __future__ import annotations

from collections import defaultdict
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
    catalog: EventCatalog,
    manifests: Mapping[str, Manifest],
    flows: Iterable[CompiledFlow],
    *,
    strict: bool = True,
) -> dict[str, ContractEntry]:
    """An entry for every event of the catalog, by event type.

    Producers are the agents that declare the event, and whoever else a flow lets make it; consumers are those
    a flow hands it to. The input schema is that of the events its producers consume, what it is made from;
    the output schema its own.

    Args:
        strict: refuse an event without a written contract; else its five written fields are empty.

    Raises:
        ContractError: an event's written contract is missing, or has an empty field.
    """
    producers, consumers = _ends(manifests, flows)
    schemas = {event: dataschema_of(catalog.model(event)) for event in catalog.names()}
    entries: dict[str, ContractEntry] = {}
    for event, own in schemas.items():
        model = catalog.model(event)
        written = model.contract
        if strict:
            written = _written(event, written, f"{model.__module__}.{model.__qualname__}")
        made_from = {
            schemas[source]
            for name in producers[event] & manifests.keys()
            for source in manifests[name].consumes
            if source in schemas
        }
        entries[event] = ContractEntry(
            event_type=event,
            purpose=written.purpose if written else "",
            producer=tuple(sorted(producers[event])),
            consumers=tuple(sorted(consumers[event])),
            input_schema=", ".join(sorted(made_from)) or own,
            output_schema=own,
            primitives=written.primitives if written else (),
            failure_mode=written.failure if written else "",
            rollback_behaviour=written.rollback if written else "",
            audit_artifact=written.audit if written else "",
        )
    return entries


def _ends(
    manifests: Mapping[str, Manifest], flows: Iterable[CompiledFlow]
) -> tuple[defaultdict[str, set[str]], defaultdict[str, set[str]]]:
    """Who makes each event and who gets it, in one pass over the tables."""
    producers: defaultdict[str, set[str]] = defaultdict(set)
    consumers: defaultdict[str, set[str]] = defaultdict(set)
    for name, manifest in manifests.items():
        for event in manifest.emits:
            producers[event].add(name)
    for flow in flows:
        for key, route in flow.table.items():
            sender, _, event = key.partition(">")
            if sender not in manifests:  # an agent that only passes it on did not make it
                producers[event].add(RUNTIME if sender == ANYONE else sender)
            consumers[event] |= _consumers(flow, route)
            if route.join is not None:
                consumers["BranchesJoined"].update(route.join.to)
    for event in RUNTIME_EVENTS:
        producers[event] = {RUNTIME}
    return producers, consumers


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
