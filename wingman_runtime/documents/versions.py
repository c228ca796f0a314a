"""What is known of an event's schemas: as its model stands, and as every version of it was released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wingman_runtime.contracts.event import EventModel, dataschema_of
from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.documents.files import inside
from wingman_runtime.project.find import reference_root
from wingman_runtime.schemas.derive import reader_schema, writer_schema
from wingman_runtime.schemas.place import place_of
from wingman_runtime.schemas.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from wingman_runtime.project.load import LoadedProject
    from wingman_runtime.schemas.record import Schema, SchemaRecord


class Versions:
    """The schemas of one project's events."""

    def __init__(self, root: Path, registry: Registry) -> None:
        self._root = root
        self._registry = registry
        self._recorded = frozenset(registry.events())

    @classmethod
    def of(cls, project: LoadedProject) -> Versions:
        return cls(project.root, Registry(project.root, reference_root(), SHIPPED))

    def facts(self, model: type[EventModel]) -> dict[str, Any]:
        """``writer``, ``reader``, ``dataschema``, ``file``, ``owner``, ``released`` and ``history``.

        Raises:
            ConfigError: a recorded version cannot be read; ``where`` is file:line.
        """
        name = model.__name__
        history = self._registry.history(name) if name in self._recorded else ()
        writer, reader = schemas_of(model)
        return {
            "dataschema": dataschema_of(model),
            "file": inside(self._root, place_of(model)) if place_of(model) else "",
            "owner": history[-1].owner if history else "",
            "writer": writer,
            "reader": reader,
            "released": any(str(one.version) == model.schema_version for one in history),
            "history": [_told(one) for one in history],
        }


def schemas_of(model: type[EventModel]) -> tuple[Schema, Schema]:
    """What producers of this event write and what its consumers accept, in canonical form."""
    return writer_schema(model), reader_schema(model)


def _told(record: SchemaRecord) -> dict[str, Any]:
    return {
        "version": str(record.version),
        "digest": record.digest,
        "owner": record.owner,
        "writer": record.writer,
        "reader": record.reader,
        "reserved": record.reserved,
        "accepted": list(record.accepted),
    }
