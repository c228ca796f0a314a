"""Which version each event has: the recorded one while it is the same, else what its change demands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from wingman_runtime.generate.life import Life
from wingman_runtime.generate.read import Models
from wingman_runtime.generate.text import Draft


def versions_of(root: Path, models: Models, drafts: Callable[[Life], list[Draft]]) -> Mapping[str, str]:
    """The version of each event that is not 1.0.0.

    Args:
        drafts: writes a life's files; the models in them are what is compared.
    """
    return {}
