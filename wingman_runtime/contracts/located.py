"""A pydantic error about something that came from outside, as one of ours."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from wingman_runtime.contracts.wording import kind, plain
from wingman_runtime.errors import ContractError

if TYPE_CHECKING:
    from pydantic import ValidationError


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
