from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from wingman_runtime.policy.bundle import Bundle
from wingman_runtime.policy.load import load_bundle

ROOT = Path(__file__).parents[2]
Build = Callable[..., Bundle]


@pytest.fixture(scope="session")
def reference() -> Bundle:
    """The policies this repository ships."""
    return load_bundle(ROOT / "policies", ROOT / "config" / "principals.yaml")


@pytest.fixture
def lawbook(tmp_path: Path) -> Path:
    """A copy of the reference policies and principals that a test may edit: policies/ and principals.yaml."""
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    shutil.copy(ROOT / "config" / "principals.yaml", tmp_path / "principals.yaml")
    return tmp_path


@pytest.fixture
def build(lawbook: Path) -> Build:
    """Load the copy after adding text to one of its files: ``build("90-own.cedar", "permit (...)")``."""

    def load(name: str = "", text: str = "", *, strict: bool = True) -> Bundle:
        if name:
            path = lawbook / "policies" / name
            path.write_text((path.read_text() if path.exists() else "") + text)
        return load_bundle(lawbook / "policies", lawbook / "principals.yaml", strict=strict)

    return load
