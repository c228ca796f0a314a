"""Whether a model writes more than it reads: computed fields are in its JSON, and no reader takes them."""

from __future__ import annotations

import typing
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel


@cache
def passing_over(model: type[BaseModel]) -> Literal["ignore"] | None:
    """How the model's own JSON is read: passing over unknown names where it, or a part of it, has computed
    fields; else as the model says."""
    return "ignore" if _computes(model, set()) else None


def _computes(hint: Any, seen: set[type]) -> bool:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        if hint in seen:
            return False
        seen.add(hint)
        fields = hint.model_fields.values()
        return bool(hint.model_computed_fields) or any(_computes(one.annotation, seen) for one in fields)
    return any(_computes(one, seen) for one in typing.get_args(hint))
