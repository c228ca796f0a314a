"""docs/documents.md is true: its commands run, and what it lists is what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from tests.documents.documents_project import REFERENCE
from wingman_runtime.cli.app import run
from wingman_runtime.contracts.event import Event
from wingman_runtime.documents.graph import EdgeKind, Graph, NodeKind
from wingman_runtime.documents.mermaid import LEGIBLE

PAGE = (REFERENCE / "docs" / "documents.md").read_text(encoding="utf-8")


def _rows(heading: str) -> dict[str, str]:
    """The rows of the table under ``| heading |``: first cell to second, by each name in the first."""
    table = PAGE.partition(f"| {heading} |")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    for row in table.splitlines()[2:]:
        first, second = row.strip("|").split("|", 1)
        found |= dict.fromkeys(re.findall(r"`(\w+)`", first), second)
    return found


def test_the_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of them, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WINGMAN_PROJECT", str(REFERENCE))
    block = PAGE.partition("<!-- run -->\n```bash\n")[2].partition("```")[0]
    for line in block.splitlines():
        assert run(shlex.split(line)[1:]) == 0, line
    assert {path.name for path in Path("build").iterdir()} == {"graph.json", "asyncapi.yaml", "request.mmd"}
    assert "flowchart TD" in capsys.readouterr().out


def test_every_kind_is_listed(rich_graph: Graph) -> None:
    """Kinds of nodes and edges; and the facts that are named are there."""
    nodes, edges = _rows("node"), _rows("edge")
    assert set(nodes) == set(get_args(NodeKind))
    assert set(edges) == set(get_args(EdgeKind))
    for kind in ("event", "flow", "policy", "tool"):
        facts = next(node.facts for node in rich_graph.nodes if node.kind == kind)
        named = set(re.findall(r"`(\w+)`", nodes[kind]))
        assert named <= facts.keys(), kind


def test_what_it_says_of_the_rest() -> None:
    """The limit of a drawing, and the extensions of the envelope."""
    assert f"Past {LEGIBLE} nodes" in PAGE
    said = PAGE.partition("Extensions")[2]
    own = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"}
    assert set(re.findall(r"`(\w+)`", said)) == Event.model_fields.keys() - own
