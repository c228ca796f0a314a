"""What is wrong with one event model by itself: what will break somebody, or what no schema can tell."""

from __future__ import annotations

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.schemas.finding import SchemaFinding


def lint(model: type[EventModel]) -> list[SchemaFinding]:
    """Findings about the model alone; it need not have been released."""
    return []
