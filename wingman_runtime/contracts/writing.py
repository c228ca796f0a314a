"""Before an event is published: its data is written, and read again as its own model would.

A model checks what it is built from. ``model_construct``, ``model_copy(update=…)`` and a list that is changed
afterwards pass it by; what they make is found here, by whoever made it, and not by the consumers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError

from wingman_runtime.contracts.computed import passing_over
from wingman_runtime.contracts.located import located

if TYPE_CHECKING:
    from wingman_runtime.contracts.event import EventModel

ModelT = TypeVar("ModelT", bound="EventModel")


class _Writing(dict[str, Any]):
    """Empty, so that a validator that looks into its context finds nothing there, as when reading."""


WRITING: Final = _Writing()
"""The validation context of what is about to be published."""


def written(data: ModelT) -> tuple[bytes, ModelT]:
    """The JSON of an event's data, and what it says to a strict reader of the same version.

    Raises:
        ContractError: it does not fit its own model; ``where`` is the path.
        ValueError: (or what the model's own serializers raise) it cannot be written as JSON.
    """
    kind = type(data)
    # What does not fit is told below, as an error.
    extra = passing_over(kind)
    body = kind.__pydantic_serializer__.to_json(data, by_alias=True, warnings=False)
    try:
        return body, kind.__pydantic_validator__.validate_json(
            body, strict=True, extra=extra, context=WRITING
        )
    except ValidationError as error:
        strict = error
    # A validator of a project's own may take only what strict rules refuse: the same must come back.
    try:
        again: ModelT = kind.__pydantic_validator__.validate_json(body, extra=extra, context=WRITING)
        if again == data:
            return body, again
    except ValidationError as error:
        strict = error
    told = located(strict, f"{kind.__name__} does not fit its own model")
    raise told from None
