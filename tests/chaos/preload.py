"""Libraries put before a program's own: one variable for all that are wanted."""

from __future__ import annotations

from pathlib import Path

VARIABLE = "LD_PRELOAD"


def preload(env: dict[str, str], library: Path) -> None:
    """Add a library to the environment of what is started with it."""
    named = [part for part in env.get(VARIABLE, "").split(":") if part]
    if str(library) not in named:
        env[VARIABLE] = ":".join([*named, str(library)])
