"""Opening a letter: from an entry of an inbox to the event its agent is given.

1. Only what the manifest says the agent consumes. What the flow of another release sends it beyond that waits
   for a worker of that release.
2. By the agent's own model of it, if it has one, else by the event's; of whatever version.
3. Only if entry and envelope name the same event of the same request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from wingman_runtime.contracts.event import Event, EventCatalog
from wingman_runtime.contracts.reading import URN, claimed_version
from wingman_runtime.errors import ContractError, NewerSchemaError
from wingman_runtime.project.agents import MountedAgent
from wingman_runtime.redisio.inbox import Entry
from wingman_runtime.worker.usage import SchemaUsage

ANY = "0.0.0"
"""Of an event that this release does not consume at all: any version that is read will do."""
_LOG = structlog.get_logger(__name__)
_TOLD = 1000  # versions a worker says something about; nobody has that many, and a forger may


class Opener:
    """Opens the letters of one agent in one worker, and tells ``usage`` which versions came in."""

    def __init__(self, agent: MountedAgent, catalog: EventCatalog, usage: SchemaUsage) -> None:
        self._name = agent.name
        self._consumes = agent.manifest.consumes
        self._projections = agent.projections
        self._catalog = catalog
        self._usage = usage
        self._told: set[str] = set()

    def open(
        self, entry: Entry, parts: Mapping[str, Any] | None = None, *, foreign: bool = False
    ) -> Event[Any]:
        """The event.

        Args:
            foreign: its request is pinned to a flow of another release.
            parts: what was written a moment ago in this process, already read again: it need not be decoded.

        Raises:
            NewerSchemaError: a later release wrote it.
            UnknownVariantError: it is to be passed over.
            ContractError: it is not for this agent, malformed, or another than the entry says.
        """
        kind = entry.event_type
        if kind not in self._consumes:
            if foreign:
                told = f"{self._name} of this release does not consume {kind[:100]!r}"
                error = NewerSchemaError(told, version=claimed_version(kind, entry.body), needs=ANY)
                self._newer(kind, error)
                raise error
            raise ContractError(f"{self._name} does not consume {kind[:100]!r}")
        projection = self._projections.get(kind)
        reader = self._catalog.reader(kind, projection)
        if parts is not None and projection is None:
            event: Event[Any] = reader.envelope.model_validate(parts)
        else:
            try:
                event = reader.read(entry.body)
            except NewerSchemaError as error:
                self._newer(kind, error)
                raise
        if (event.id, event.subject) != (entry.event_id, entry.request_id):
            raise ContractError("the entry names another event or request than its envelope", where="id")
        self._usage.saw(event.dataschema)
        return event

    def _newer(self, kind: str, error: NewerSchemaError) -> None:
        dataschema = f"{URN}{kind}:{error.version}"
        if dataschema in self._told:
            self._usage.saw(dataschema)
        elif len(self._told) < _TOLD:
            self._told.add(dataschema)
            self._usage.saw(dataschema)
            _LOG.warning(
                "parked", agent=self._name, event_type=kind, version=error.version, why=error.message
            )
