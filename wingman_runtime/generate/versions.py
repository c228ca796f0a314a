"""Which version each event has: the recorded one while it is the same, else what its change demands.

1. Draft the events with the versions they were last released at.
2. Mount the drafts in a folder of their own, and hold each class against its released versions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.errors import AgentCodeError
from wingman_runtime.generate.life import Life
from wingman_runtime.generate.text import Draft
from wingman_runtime.project.mount import Mount
from wingman_runtime.schemas.describe import describe
from wingman_runtime.schemas.registry import Registry
from wingman_runtime.schemas.standing import Subject, standing_of
from wingman_runtime.schemas.waivers import load_waivers


def released_versions(root: Path, lives: tuple[Life, ...]) -> dict[str, str]:
    """The last released version of each event of these lives; without those that have none."""
    registry = Registry(root)
    names = [name for life in lives for name in (*life.events, life.failed)]
    found = {name: registry.latest(name) for name in names}
    return {name: str(record.version) for name, record in found.items() if record is not None}


def versions_of(
    root: Path, lives: tuple[Life, ...], drafts: Callable[[Life], list[Draft]]
) -> Mapping[str, str]:
    """The version that each released event has now; the others are 1.0.0.

    Args:
        lives: read with their `released_versions`.
        drafts: writes a life's files; the models in them are what is compared.

    Raises:
        AgentCodeError: what was drafted cannot be imported.
        ConfigError: a record or the waivers cannot be read.
        ContractError: a model has no JSON Schema.
    """
    registry = Registry(root)
    released = released_versions(root, lives)
    if not released:
        return {}
    waivers = load_waivers(root)
    today = datetime.now(UTC).date()
    versions: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="wingman-generate-") as folder:
        mount = _mounted(Path(folder) / "agents", [one for life in lives for one in drafts(life)])
        for life in lives:
            homes = {name: event.home for name, event in life.events.items()} | {life.failed: life.failures}
            for name in released.keys() & homes.keys():
                module = mount.load(homes[name], "events", error=AgentCodeError)
                model: type[EventModel] = getattr(module, name)
                subject = Subject(model, describe(model, owner=life.entity.owner))
                standing = standing_of(subject, registry.history(name), today=today, waivers=waivers)
                versions[name] = str(standing.least)
    return versions


def _mounted(folder: Path, drafts: list[Draft]) -> Mount:
    for draft in drafts:
        if draft.path.startswith("agents/") and draft.path.endswith(".py"):
            path = folder.parent / draft.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(draft.text, encoding="utf-8")
    return Mount.of(folder)
