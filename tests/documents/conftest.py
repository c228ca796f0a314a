"""Two projects, loaded once: the reference, and one whose events are hard to describe."""

from __future__ import annotations

import pytest

from tests.documents.documents_project import REFERENCE, rich_project
from wingman_runtime.documents.graph import Graph, graph_of
from wingman_runtime.project.load import LoadedProject, Project


@pytest.fixture(scope="package")
def reference() -> LoadedProject:
    return Project.find(REFERENCE).load()


@pytest.fixture(scope="package")
def rich(tmp_path_factory: pytest.TempPathFactory) -> LoadedProject:
    return rich_project(tmp_path_factory.mktemp("rich") / "shop")


@pytest.fixture(scope="package")
def rich_graph(rich: LoadedProject) -> Graph:
    return graph_of(rich)
