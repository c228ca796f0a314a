"""A fresh project for each test, and one that has a server with the project's flows in force."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.bad_input.bad_input_bench import Bench
from wingman_runtime.project.init import init_project
from wingman_runtime.redisio.embedded import EmbeddedServer


@pytest.fixture(scope="session")
def fresh_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `wingman init` writes; copied for each test."""
    root = tmp_path_factory.mktemp("bad_input") / "fresh"
    init_project(root)
    return root


@pytest.fixture
def bench(tmp_path: Path, fresh_project: Path) -> Bench:
    return Bench(Path(shutil.copytree(fresh_project, tmp_path / "fresh")))


@pytest.fixture
def served(bench: Bench, valkey_url: str, valkey: EmbeddedServer) -> Bench:
    """The bench with a server that would admit a sound request."""
    bench.serve(valkey)
    return bench
