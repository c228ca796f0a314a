"""Wingman runtime: governed multi-agent orchestration on Redis Streams.

The public names are loaded when they are first asked for: importing the package costs nothing, so the
command line answers quickly and an agent's author pays only for `wingman_runtime.sdk`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wingman_runtime.client import Client as Client
    from wingman_runtime.client.sync import SyncClient as SyncClient
    from wingman_runtime.errors import WingmanError as WingmanError
    from wingman_runtime.project.load import Project as Project
    from wingman_runtime.settings import Settings as Settings

__version__ = "0.1.0"

__all__ = ["Client", "Project", "Settings", "SyncClient", "WingmanError", "__version__"]

_HOMES = {
    "Client": "wingman_runtime.client",
    "SyncClient": "wingman_runtime.client.sync",
    "Project": "wingman_runtime.project.load",
    "Settings": "wingman_runtime.settings",
    "WingmanError": "wingman_runtime.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
