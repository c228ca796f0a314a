"""Enums that may grow: a reader that does not know a value yet goes on with UNKNOWN."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError, core_schema

from wingman_runtime.contracts.writing import WRITING
from wingman_runtime.errors import AgentCodeError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue


class OpenEnum(StrEnum):
    """A `StrEnum` for fields of events that later releases may add members to.

        class Channel(OpenEnum):
            MAIL = "mail"
            POST = "post"
            UNKNOWN = "unknown"

    Reading gives ``UNKNOWN`` for any text that is no member here. Nobody may write it: an event with it is
    refused before it is published. So adding a member is a minor version, where it is a major one for an
    ordinary enum, which stays closed. To a reader its JSON schema is any text, to a writer the known members.

    Raises:
        AgentCodeError: a subclass has members and none is called ``UNKNOWN``.
    """

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        if len(cls) and "UNKNOWN" not in cls.__members__:
            raise AgentCodeError(
                f"{cls.__name__} is an OpenEnum and has no member UNKNOWN",
                hint='add UNKNOWN = "unknown": what a value is read as that this release does not know',
            )

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        return cls.__members__.get("UNKNOWN") if isinstance(value, str) else None

    @classmethod
    def _read(cls, value: Any, info: core_schema.ValidationInfo) -> OpenEnum:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "Input should be a valid string")
        member = cls(value)
        if info.context is WRITING and member is cls.__members__["UNKNOWN"]:
            raise PydanticCustomError(
                "unknown_written",
                "{name} UNKNOWN is only for reading: nobody may write it",
                {"name": cls.__name__},
            )
        return member

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            cls._read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                _plain, return_schema=core_schema.str_schema(), when_used="json"
            ),
            ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}",
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        if handler.mode == "validation":
            return {"title": cls.__name__, "type": "string"}
        known = [member.value for member in cls if member.name != "UNKNOWN"]
        return {"title": cls.__name__, "type": "string", "enum": known}


def _plain(member: Any) -> str:
    return str(member)
