"""The envelope (CloudEvents 1.0) and the base of every event's data.

Source: CloudEvents 1.0.2 specification, context attributes; extension names are lower-case letters and
digits as it demands.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field

from wingman_runtime.contracts.contract import EventContract
from wingman_runtime.contracts.projection import projected
from wingman_runtime.contracts.reading import URN, EventReader, Upcaster
from wingman_runtime.contracts.trigger import trigger_of
from wingman_runtime.errors import ContractError

DEPTH_LIMIT = 16


class EventModel(BaseModel):
    """Data of one event type. The class name, in the past tense, is the event type.

    A subclass that is emitted declares ``contract``: the written part of its ten-field entry; the rest is
    derived from flow and manifests.

    ``schema_version`` is the version of the model as it stands. ``upcasts`` brings data of older majors to
    it: the major it reads -> a function that gives data of the next. ``unknown_variant`` is what becomes of
    an event with a variant of a discriminated union that the reader does not know: to the dead letters,
    passed over on the record, or kept for a release that knows it. ``compatibility`` is which changes within
    a major are held against it (`wingman_runtime.schemas.change.Mode`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    contract: ClassVar[EventContract | None] = None
    schema_version: ClassVar[str] = "1.0.0"
    upcasts: ClassVar[Mapping[int, Upcaster]] = MappingProxyType({})
    unknown_variant: ClassVar[Literal["dead_letter", "ignore", "park"]] = "dead_letter"
    compatibility: ClassVar[str] = "full_transitive"

    @classmethod
    def __pydantic_init_subclass__(cls, **given: Any) -> None:
        super().__pydantic_init_subclass__(**given)
        if projected(cls) and cls.model_config.get("extra") != "ignore":
            cls.model_config = {**cls.model_config, "extra": "ignore"}
            cls.model_rebuild(force=True, raise_errors=False)


DataT = TypeVar("DataT", bound=EventModel)
DataT_co = TypeVar("DataT_co", bound=EventModel, covariant=True)


class Event(BaseModel, Generic[DataT]):
    """One event as it travels: a CloudEvents envelope with the runtime's extensions, and typed data."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=5, max_length=64)
    source: str = Field(max_length=200)
    type: str = Field(max_length=100)
    subject: str = Field(max_length=64)
    time: str = Field(max_length=40)
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str = Field(max_length=200)
    partition: int = Field(ge=0)
    correlationid: str = Field(max_length=64)
    causationid: str = Field(default="", max_length=64)
    depth: int = Field(default=0, ge=0)
    actor: str = Field(max_length=200)
    tenant: str = Field(max_length=100)
    flow: str = Field(max_length=200)
    attempt: int = Field(default=1, ge=1)
    policydigest: str = Field(default="", max_length=80)
    traceparent: str = Field(default="", max_length=60)
    data: DataT

    @property
    def request_id(self) -> str:
        """The request this event belongs to (CloudEvents ``subject``)."""
        return self.subject

    @property
    def trigger(self) -> str:
        """What handed the request in, as ``schedule:nightly``; only its first event knows, else empty."""
        return trigger_of(self.source)

    def to_bytes(self) -> bytes:
        return self.__pydantic_serializer__.to_json(self, by_alias=True)


@cache
def envelope_of(model: type[DataT]) -> type[Event[DataT]]:
    """The envelope type for one kind of data; building it is slow, so it is built once."""
    return cast("type[Event[DataT]]", Event.__class_getitem__(model))


def dataschema_of(model: type[EventModel]) -> str:
    """The URN of exactly this version of the event: it is in the envelope of each."""
    return f"{URN}{model.__name__}:{model.schema_version}"


class EventCatalog:
    """The event types one project knows: the shipped ones and those of its agents. Immutable."""

    def __init__(self, models: dict[str, type[EventModel]]) -> None:
        self._models = dict(models)
        self._readers: dict[tuple[str, type[EventModel] | None], EventReader] = {}

    def __contains__(self, event_type: object) -> bool:
        return event_type in self._models

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._models))

    def model(self, event_type: str) -> type[EventModel]:
        """Raises ContractError for a type nobody declared."""
        try:
            return self._models[event_type]
        except KeyError:
            raise ContractError(
                f"unknown event type {event_type[:100]!r}",
                hint="declare it in an agent's events.py, or see `wingman flow check`",
            ) from None

    def reader(self, event_type: str, projection: type[EventModel] | None = None) -> EventReader:
        """How events of this type are read, by the event's own model or by a consumer's projection of it.

        Raises:
            ContractError: as `model`; or what its model says of its versions makes no sense.
        """
        found = self._readers.get((event_type, projection))
        if found is None:
            whole = self.model(event_type)
            model = projection or whole
            found = EventReader(model, envelope_of(model), whole)
            self._readers[event_type, projection] = found
        return found

    def decode(
        self, event_type: str, body: bytes | str, projection: type[EventModel] | None = None
    ) -> Event[Any]:
        """Decoding by the version that ``dataschema`` names; ``event_type`` is what the stream entry claims.

        Of the model's own version it is strict, and one pass; for others see `EventReader`.

        Args:
            projection: the consumer's own model of the event, if it has one: what it does not name is
                passed over.

        Raises:
            NewerSchemaError: a later major than the model's; keep it for a release that reads it.
            UnknownVariantError: to be passed over, as its model says.
            ContractError: unknown type, malformed JSON, wrong field; ``where`` is the path.
        """
        return self.reader(event_type, projection).read(body)
