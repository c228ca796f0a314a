"""The envelope (CloudEvents 1.0) and the base of every event's data.

Source: CloudEvents 1.0.2 specification, context attributes; extension names are lower-case letters and
digits as it demands.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from typing import Any, ClassVar, Generic, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wingman_runtime.contracts.contract import EventContract
from wingman_runtime.contracts.projection import projected
from wingman_runtime.contracts.trigger import trigger_of
from wingman_runtime.contracts.wording import kind, plain
from wingman_runtime.errors import ContractError

DEPTH_LIMIT = 16


class EventModel(BaseModel):
    """Data of one event type. The class name, in the past tense, is the event type.

    A subclass that is emitted declares ``contract``: the written part of its ten-field entry; the rest is
    derived from flow and manifests.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    contract: ClassVar[EventContract | None] = None
    schema_version: ClassVar[str] = "1.0.0"

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
        return self.__pydantic_serializer__.to_json(self)


@cache
def envelope_of(model: type[DataT]) -> type[Event[DataT]]:
    """The envelope type for one kind of data; building it is slow, so it is built once."""
    return cast("type[Event[DataT]]", Event.__class_getitem__(model))


def dataschema_of(model: type[EventModel]) -> str:
    return f"urn:wingman:event:{model.__name__}:{model.schema_version}"


def located(error: ValidationError, what: str) -> ContractError:
    """A pydantic error as one of ours: the most telling problem, its path, and how many more there are."""
    found = error.errors(include_url=False)
    # A misspelt name is both unknown and missing; the unknown one is what somebody wrote.
    first = next((item for item in found if item["type"] == "extra_forbidden"), found[0])
    path = ".".join(str(part) for part in first["loc"]) or "$"
    # Its kind only: what somebody sent is for the trail, not for logs.
    message, more = plain(first, name=kind), len(found) - 1
    if first["type"] == "extra_forbidden":
        lacking = [
            str(item["loc"][-1])
            for item in found
            if item["type"] == "missing" and item["loc"][:-1] == first["loc"][:-1]
        ]
        close = get_close_matches(str(first["loc"][-1]), lacking, n=1, cutoff=0.6)
        if close:
            message, more = f"is no known name: did you mean {close[0]!r}?", more - 1
    tail = f" (and {more} more)" if more else ""
    return ContractError(f"{what}: {message}{tail}", where=path)


class EventCatalog:
    """The event types one project knows: the shipped ones and those of its agents. Immutable."""

    def __init__(self, models: dict[str, type[EventModel]]) -> None:
        self._models = dict(models)

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

    def decode(
        self, event_type: str, body: bytes | str, projection: type[EventModel] | None = None
    ) -> Event[Any]:
        """Strict decoding in one pass; ``event_type`` is what the stream entry claims.

        Args:
            projection: the consumer's own model of the event, if it has one: what it does not name is
                passed over.

        Raises:
            ContractError: unknown type, malformed JSON, wrong field; ``where`` is the path.
        """
        envelope = envelope_of(projection or self.model(event_type))
        try:
            event = envelope.model_validate_json(body, extra="ignore" if projection else None)
        except ValidationError as error:
            raise located(error, event_type) from None
        if event.type != event_type:
            raise ContractError(f"entry says {event_type!r}, envelope says {event.type!r}", where="type")
        return event
