"""Every fault there is: the subclasses of `Fault` in ``tests/chaos/faults_*.py``, by name."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.chaos.fault import Fault


def all_faults() -> dict[str, Fault]:
    """Name to fault, in alphabetical order; those this machine cannot have included."""
    found: dict[str, Fault] = {}
    for file in sorted(Path(__file__).parent.glob("faults_*.py")):
        module = importlib.import_module(f"tests.chaos.{file.stem}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Fault) and "name" in vars(value):
                if value.name in found and type(found[value.name]) is not value:
                    raise ValueError(f"two faults are named {value.name!r}")
                found[value.name] = value()
    return dict(sorted(found.items()))
