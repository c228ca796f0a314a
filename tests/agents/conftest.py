"""Agents are folders without ``__init__.py``: the tests mount them as the runtime does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wingman_runtime.project.mount import Mount

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def handler() -> Callable[[str], Any]:
    """The function of the shipped agent of that name."""
    mount = Mount.of(ROOT / "agents")
    return lambda name: mount.load(name, "agent").handle


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The reference project: this repository."""
    return ROOT
