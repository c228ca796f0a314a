"""Mermaid text: what is drawn, and that nothing in a name can break out of its label."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.documents_project import REFERENCE
from wingman_runtime.cli.app import run
from wingman_runtime.documents.graph import Graph, Node
from wingman_runtime.documents.mermaid import LEGIBLE, flow_mermaid, label, project_mermaid
from wingman_runtime.flow.compile import CompiledFlow
from wingman_runtime.flow.graph import arrows
from wingman_runtime.project.load import LoadedProject

ARROW = re.compile(r"^  (\w+) (-->|-\.->)(?:\|\"([^\"]+)\"\|)? (\w+)$")
NODE = re.compile(r"^ +(\w+)[\[({]")


def _drawn(text: str) -> tuple[set[str], list[re.Match[str]]]:
    rows = text.splitlines()
    nodes = {match[1] for row in rows if (match := NODE.match(row)) and not row.startswith("  subgraph")}
    return nodes, [match for row in rows if (match := ARROW.match(row))]


@pytest.mark.parametrize("name", ["request", "order"])
def test_a_flow_draws_declared_nodes_only(rich: LoadedProject, name: str) -> None:
    """Each arrow joins two declared nodes; every row of the table but what is only recorded is there."""
    flow: CompiledFlow = rich.flows[name]
    text = flow_mermaid(flow)
    nodes, drawn = _drawn(text)
    assert text.startswith("flowchart TD\n")
    assert {end for match in drawn for end in (match[1], match[4])} <= nodes
    events = {(match[3] or "").partition(":")[0] for match in drawn}
    assert {one.event for one in arrows(flow) if one.kind != "record"} == events - {"BranchesJoined"}
    assert '  agent_executor -.->|"ExecutionFailed"| agent_rollback' in text.splitlines()


def test_branches_meet_in_a_join(rich: LoadedProject) -> None:
    """A join is a node of its own, which both branches lead to and the joined event leaves."""
    rows = flow_mermaid(rich.flows["order"]).splitlines()
    assert '  join_0{{"join both, 2 of 2"}}' in rows
    assert '  agent_left -->|"StockReserved"| join_0' in rows
    assert '  agent_right -->|"PaymentTaken"| join_0' in rows
    assert '  join_0 -->|"BranchesJoined"| agent_meet' in rows
    assert '  agent_front -.->|"OrderRefused: rejected"| agent_audit' in rows


def test_the_project_is_drawn_by_domain(rich_graph: Graph) -> None:
    """Frames are domains; of one domain there is what belongs to it and what that is in touch with."""
    whole = project_mermaid(rich_graph)
    nodes, drawn = _drawn(whole.text)
    assert {end for match in drawn for end in (match[1], match[4])} <= nodes
    assert len(nodes) == whole.nodes
    assert re.findall(r'subgraph \w+\["(\w+)"\]', whole.text) == ["request", "shared", "shop", "stock"]
    part = project_mermaid(rich_graph, "stock")
    assert _drawn(part.text)[0] == {
        "agent_left", "event_StockReserved", "event_OrderPlaced", "event_BranchesJoined",
    }  # fmt: skip


def test_names_that_would_be_one_identifier_stay_two() -> None:
    """Whatever is no letter becomes an underscore; who comes second is numbered."""
    nodes = tuple(Node(f"event:{name}", "event", name) for name in ("a-b", "a.b"))
    text = project_mermaid(Graph("p", "1", nodes, ())).text
    assert 'event_a_b(["a-b"])' in text
    assert 'event_a_b_2(["a.b"])' in text


def test_a_label_keeps_its_quotes() -> None:
    """Nothing in a text ends the label or is taken for an entity, a tag or Markdown."""
    assert label('a "b" <c> `d` #quot;\n\\') == "a #quot;b#quot; #lt;c#gt; #96;d#96; #35;quot; #92;"


def test_too_much_to_read_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Past some number of nodes the command says so, and how to draw less."""
    monkeypatch.setattr("wingman_runtime.documents.mermaid.LEGIBLE", 10)
    assert LEGIBLE == 200
    assert run(["docs", "mermaid", "--project", str(REFERENCE)]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("flowchart LR")
    assert "past 10 nobody reads such a picture; --domain" in told.err


def test_the_commands_write_files(tmp_path: Path) -> None:
    """The kind of text follows the file's name, a folder is made, and --json tells what was written."""
    target = tmp_path / "made" / "asyncapi.yaml"
    command = [sys.executable, "-m", "wingman_runtime", "docs", "asyncapi", "--out", str(target), "--json"]
    done = subprocess.run(command, cwd=REFERENCE, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"file": str(target), "bytes": target.stat().st_size}
    assert target.read_text().startswith("asyncapi: 3.1.0\n")
