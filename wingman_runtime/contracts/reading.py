"""How one model reads every version of its event.

``dataschema`` names the version an event was written with. Against the version of the model that reads it:

1. The same: strictly, nothing unknown allowed.
2. Another minor or patch of the same major: what is missing is filled by defaults; what only the other knows
   (a field added since, or one taken away since) is passed over, in the envelope too.
3. An older major: `upcasts` of the model, one for each major, then as the model itself.
4. A newer major: `NewerSchemaError`; whoever reads keeps it for a release that can.

A variant of a discriminated union that the model does not know is what ``unknown_variant`` of the event says.
Source: semantic versioning of event schemas (Young, Versioning in an Event Sourced System, 2017).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from wingman_runtime.contracts.computed import passing_over
from wingman_runtime.contracts.located import located
from wingman_runtime.contracts.projection import projected
from wingman_runtime.contracts.version import Version
from wingman_runtime.errors import ContractError, NewerSchemaError, UnknownVariantError

if TYPE_CHECKING:
    from wingman_runtime.contracts.event import Event, EventModel

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Data of one major in, data of the next out. It may change what it is given; it should do nothing else."""

URN = "urn:wingman:event:"
VARIANT_POLICIES = ("dead_letter", "ignore", "park")


def check_versions(model: type[EventModel]) -> None:
    """Whether what ``model`` says of its versions makes sense.

    Raises:
        ContractError: no version, upcasters that lead nowhere, a policy there is not.
    """
    version = _version_in(model)
    if model.unknown_variant not in VARIANT_POLICIES:
        raise ContractError(
            f"{model.__name__}: there is no unknown_variant {model.unknown_variant!r}",
            hint="it is one of " + ", ".join(VARIANT_POLICIES),
        )
    for major, function in model.upcasts.items():
        if type(major) is not int or not callable(function):
            raise ContractError(
                f"{model.__name__}: upcasts maps a major to a function, not {major!r} to {function!r:.60}",
                hint="write it as {1: from_one}",
            )
    majors = sorted(model.upcasts)
    if majors and majors != list(range(majors[0], version.major)):
        raise ContractError(
            f"{model.__name__} is of version {version}, and its upcasts read {majors}",
            hint=f"write one for each major up to {version.major - 1}, without a gap: each leads to the next",
        )


def _version_in(model: type[EventModel]) -> Version:
    try:
        return Version.parse(model.schema_version)
    except (ContractError, TypeError) as error:
        raise ContractError(
            f"{model.__name__}: schema_version {model.schema_version!r} is no version",
            hint='write it as schema_version: ClassVar[str] = "1.0.0"',
        ) from error


class EventReader:
    """Reads one event type with one model.

    Args:
        model: the event's own, or a consumer's projection of it.
        envelope: ``Event[model]``.
        whole: for a projection the event's own model: its version and upcasters hold, unless the
            projection has its own.
    """

    def __init__(
        self, model: type[EventModel], envelope: type[Event[Any]], whole: type[EventModel] | None = None
    ) -> None:
        whole = whole or model
        own = model if _says(model, "schema_version") else whole
        self.event_type = projected(model) or model.__name__
        self.model = model
        self.envelope = envelope
        self.version = _version_in(own)
        self.dataschema = f"{URN}{self.event_type}:{self.version}"
        self._upcasts = model.upcasts or whole.upcasts
        self._unknown = model.unknown_variant if _says(model, "unknown_variant") else whole.unknown_variant
        self._extra: Literal["ignore"] | None = "ignore" if projected(model) else passing_over(model)

    def read(self, body: bytes | str) -> Event[Any]:
        """The event, of whatever version.

        Raises:
            NewerSchemaError: a release that reads later versions can read it.
            UnknownVariantError: to be passed over, as its model says.
            ContractError: it is malformed, or cannot be brought to this version; ``where`` is the path.
        """
        try:
            event = self.envelope.model_validate_json(body, extra=self._extra)
        except ValidationError as error:
            return self._other(body, error)
        if event.dataschema == self.dataschema and event.type == self.event_type:
            return event
        return self._other(body, event)

    def _other(self, body: bytes | str, tried: Event[Any] | ValidationError) -> Event[Any]:
        """What the first look did not settle; ``tried`` is what came of reading it as it is."""
        whole = _parsed(body)
        if isinstance(tried, ValidationError) and not _claims(whole):
            raise located(tried, self.event_type) from None
        if whole["type"] != self.event_type:
            said = f"entry says {self.event_type!r}, envelope says {whole['type']!r:.100}"
            raise ContractError(said, where="type")
        version = self._written(whole["dataschema"])
        if version.major > self.version.major:
            told = f"{self.event_type} {version}, this worker reads up to {self.version.major}.x"
            raise NewerSchemaError(told, version=str(version), needs=f"{version.major}.0.0")
        if version.major < self.version.major:
            return self._upcast(body, whole, version)
        if not isinstance(tried, ValidationError):
            return tried
        if version == self.version:
            raise self._refused(tried, version, self.event_type)
        try:
            return self.envelope.model_validate_json(body, extra="ignore")
        except ValidationError as error:
            raise self._refused(error, version, f"{self.event_type} {version}") from None

    def _written(self, dataschema: str) -> Version:
        name = f"{URN}{self.event_type}:"
        try:
            if not dataschema.startswith(name):
                raise ContractError("of another event")
            return Version.parse(dataschema[len(name) :])
        except ContractError:
            raise ContractError(
                f"{self.event_type}: {dataschema[:100]!r} names no version of it",
                where="dataschema",
                hint=f"it is {name} and a version, as in {self.dataschema}",
            ) from None

    def _upcast(self, body: bytes | str, whole: dict[str, Any], version: Version) -> Event[Any]:
        data = whole.get("data")
        if not isinstance(data, dict):
            raise ContractError(f"{self.event_type} {version}: a mapping is expected", where="data")
        last = ""
        for major in range(version.major, self.version.major):
            function = self._upcasts.get(major)
            if function is None:
                raise ContractError(
                    f"{self.event_type} {version} cannot be read: no upcaster leads from major {major} "
                    f"to {major + 1}",
                    where="dataschema",
                    hint=f"add upcasts = {{{major}: …}} to {self.event_type}",
                )
            last = f"upcaster {getattr(function, '__qualname__', function)!s} ({major} to {major + 1})"
            try:
                data = function(data)
            except (Exception, SystemExit) as error:
                told = f"{self.event_type} {version}: its {last} raised {type(error).__name__}: {error}"
                raise ContractError(told, where="data") from error
            if not isinstance(data, dict):
                told = f"{self.event_type} {version}: its {last} gave {type(data).__name__}, not a mapping"
                raise ContractError(told, where="data")
        return self._as_ours({**whole, "data": data}, _parsed(body), version, last)

    def _as_ours(
        self, whole: dict[str, Any], before: dict[str, Any], version: Version, last: str
    ) -> Event[Any]:
        told = f"{self.event_type} {version}, after its {last}"
        try:
            body = to_json(whole, inf_nan_mode="constants")
        except Exception as error:
            raise ContractError(f"{told}: it is not JSON: {error}", where="data") from error
        try:
            return self.envelope.model_validate_json(body, extra=self._extra)
        except ValidationError as error:
            # An upcaster may leave alone what a later minor of its major added; it may not make up names.
            strange = [one["loc"] for one in error.errors() if one["type"] == "extra_forbidden"]
            if not all(_has(before, place) for place in strange):
                raise self._refused(error, version, told) from None
        try:
            return self.envelope.model_validate_json(body, extra="ignore")
        except ValidationError as error:
            raise self._refused(error, version, told) from None

    def _refused(self, error: ValidationError, version: Version, told: str) -> ContractError:
        found = error.errors(include_url=False)
        if self._unknown == "dead_letter" or any(one["type"] != "union_tag_invalid" for one in found):
            return located(error, told)
        where = ".".join(str(part) for part in found[0]["loc"])
        what = f"{self.event_type} {version} has a variant at {where} that {self.version} does not know"
        if self._unknown == "ignore":
            return UnknownVariantError(what, where=where)
        if version > self.version:
            return NewerSchemaError(what, version=str(version), needs=str(version))
        return located(error, told)


def claimed_version(event_type: str, body: bytes | str) -> str:
    """The version an event says it is of; 0.0.0 when it says none."""
    claimed = _parsed(body).get("dataschema")
    version = claimed.removeprefix(f"{URN}{event_type}:") if isinstance(claimed, str) else ""
    try:
        return str(Version.parse(version))
    except ContractError:
        return "0.0.0"


def _says(model: type[EventModel], name: str) -> bool:
    """Whether a model, or a base of its own, says this itself."""
    return any(
        name in vars(base) for base in model.__mro__ if base.__module__ != "wingman_runtime.contracts.event"
    )


def _parsed(body: bytes | str) -> dict[str, Any]:
    try:
        whole = from_json(body)
    except ValueError:
        return {}
    return whole if isinstance(whole, dict) else {}


def _claims(whole: dict[str, Any]) -> bool:
    return isinstance(whole.get("dataschema"), str) and isinstance(whole.get("type"), str)


def _has(whole: Any, place: tuple[int | str, ...]) -> bool:
    """Whether there is something at this place."""
    for part in place:
        try:
            whole = whole[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True
