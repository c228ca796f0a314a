"""Declaring a planner of one's own: a name put on a function or a class. Marking registers nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from wingman_runtime.errors import ConfigError

T = TypeVar("T", bound=Callable[..., Any])

_MARK = "__wingman_planner__"
_NAME = re.compile(r"^[a-z][a-z0-9_.-]{0,99}$")


def planner(name: str) -> Callable[[T], T]:
    """Give a planner its name: ``@planner("mine")`` over ``def plan(request, scope)``, or over a class.

    A function takes (request, scope) and returns (tool, args) pairs in order; a class is made without
    arguments and has such a method ``plan``. The project finds marked planners in its ``planners/*.py``.

    Raises:
        ConfigError: the name is not lower-case letters, digits, dot, dash or underscore.
    """
    if not _NAME.match(name):
        raise ConfigError(f"{name!r} is no planner name", hint="use lower-case letters, digits, . - _")

    def mark(declared: T) -> T:
        setattr(declared, _MARK, name)
        return declared

    return mark


def planner_name(value: object) -> str | None:
    """The name a value was marked with, or None."""
    # vars(), not getattr: a subclass of a marked class is not marked itself.
    marks = getattr(value, "__dict__", {})
    name = marks.get(_MARK) if hasattr(marks, "get") else None
    return name if isinstance(name, str) else None
