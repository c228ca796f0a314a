"""What a build writes, and where the layout puts things."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.made_graph import made_graph, made_page
from wingman_runtime.documents.graph import Graph
from wingman_runtime.documents.site.build import MARKER, SCRIPTS, SHARD, VENDORED, build_site, built_files
from wingman_runtime.documents.site.fields import rows_of, with_since
from wingman_runtime.documents.site.layout import STEP_X, STEP_Y, layout
from wingman_runtime.documents.site.pages import Pages
from wingman_runtime.errors import ConflictError, UsageError

HERE = Path(__file__).parents[3] / "wingman_runtime" / "documents" / "site"
LONGEST = 400


def test_the_same_project_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two builds differ in nothing, so that a site can be kept under version control."""
    for name in ("a", "b"):
        build_site(made_graph(300), made_page, tmp_path / name)
    first, second = (
        {name: path.read_bytes() for name, path in built_files(tmp_path / one)} for one in ("a", "b")
    )
    assert first == second
    assert len([name for name in first if name.startswith("/data/p")]) == -(-298 // SHARD)


def test_a_build_leaves_nothing_stale_and_touches_nothing_else(tmp_path: Path) -> None:
    """An older site is replaced as a whole; a folder of something else is refused and stays as it is."""
    build_site(made_graph(300), made_page, tmp_path / "site")
    (tmp_path / "site" / "data" / "old.js").write_text("stale")
    built = build_site(made_graph(12), made_page, tmp_path / "site")
    names = [name for name, _ in built_files(tmp_path / "site")]
    assert (len(names), "/data/old.js" in names, "/data/p1.js" in names) == (built.files, False, False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConflictError, match="no site of ours"):
        build_site(made_graph(12), made_page, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "site"]


def test_a_build_that_fails_leaves_the_old_site(tmp_path: Path) -> None:
    """Nothing is taken away before everything is written."""
    build_site(made_graph(12), made_page, tmp_path / "site")
    before = (tmp_path / "site" / MARKER).read_bytes()
    twice = made_graph(12)
    twice["nodes"].append(twice["nodes"][0])
    with pytest.raises(UsageError, match="twice"):
        build_site(twice, made_page, tmp_path / "site")
    assert (tmp_path / "site" / MARKER).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_what_leads_to_something_stands_left_of_it() -> None:
    """Ranks follow the edges, cycles or not; no two nodes share a place; the input's order is no matter."""
    graph = made_graph(300)
    names = [node["id"] for node in graph["nodes"]]
    edges = [(edge["from"], edge["to"]) for edge in graph["edges"]]
    points = layout(names, edges)
    assert len(set(points.values())) == len(names)
    assert layout(names[::-1], edges[::-1]) == points
    against = sum(points[a][0] >= points[b][0] for a, b in edges)
    assert against <= 0.1 * len(edges)
    assert layout(["a", "b", "c"], [("a", "b"), ("b", "c"), ("c", "a"), ("c", "c"), ("c", "?")]) == {
        "a": (0, 0),
        "b": (STEP_X, 0),
        "c": (2 * STEP_X, 0),
    }


def test_a_layout_has_bounds() -> None:
    """A thousand listeners of one event stand in several columns, each in its own place."""
    names = ["hub", *(f"n{at}" for at in range(1000))]
    points = layout(names, [("hub", name) for name in names[1:]])
    assert max(y for _, y in points.values()) <= 60 * STEP_Y
    assert len(set(points.values())) == 1001
    assert layout([], []) == {}


def test_fields_of_a_schema_are_rows() -> None:
    """Nested objects, lists, maps and references are said by path; a schema within itself ends."""
    schema = {
        "properties": {
            "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "description": "why"},
            "by_tag": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
            "tree": {"$ref": "#/$defs/Tree"},
        },
        "required": ["lines"],
        "$defs": {
            "Line": {"type": "object", "properties": {"count": {"type": "integer", "exclusiveMinimum": 0}}},
            "Tree": {
                "type": "object",
                "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
            },
        },
    }  # fmt: skip
    rows = {row["name"]: row for row in rows_of(schema)}
    assert {name: row["type"] for name, row in rows.items()} == {
        "lines": "list of Line",
        "lines[].count": "integer (> 0)",
        "note": "string or null",
        "by_tag": "map of integer (≥ 0)",
        "tree": "Tree",
        "tree.kids": "list of Tree",
    }
    assert (rows["lines"]["required"], rows["note"]["required"]) == (True, False)
    assert (rows["note"]["default"], rows["note"]["about"]) == ("null", "why")
    assert rows_of(True) == rows_of(None) == []


def test_since_is_when_a_field_came_to_stay() -> None:
    """A field that was away for a version counts from when it came back."""

    def version(*names: str) -> list[object]:
        return list(rows_of({"properties": {name: {"type": "string"} for name in names}}))

    history = [("1.0.0", version("a", "b")), ("1.1.0", version("a")), ("1.2.0", version("a", "b"))]
    told = with_since(history)  # type: ignore[arg-type]
    assert {row["name"]: row["since"] for row in told} == {"a": "1.0.0", "b": "1.2.0"}


def test_every_node_of_a_real_project_has_a_page(rich_graph: Graph, tmp_path: Path) -> None:
    """Contract entries, manifests, schemas, rules and arguments of a loaded project are all on its pages."""
    graph = rich_graph.to_json()
    pages = Pages(graph)
    told = {node["id"]: pages(node["id"]) for node in graph["nodes"]}
    events = [page for name, page in told.items() if name.startswith("event:")]
    assert events
    assert all(len(page["contract"]) >= 8 for page in events)
    assert all(page["schema"]["versions"] for page in events)
    assert all("scope" in page["manifest"] for name, page in told.items() if name.startswith("agent:"))
    assert all("text" in page for name, page in told.items() if name.startswith("policy:"))
    assert build_site(graph, pages, tmp_path / "site").nodes == len(told)


def test_every_file_of_the_site_is_given_out_and_small() -> None:
    """What the page asks for is what is built; no script of ours is too long to be read in one sitting."""
    scripts = {path.name for path in (HERE / "static").glob("*.js")}
    assert scripts == {*SCRIPTS, "boot.js"}
    assert {path.name for path in (HERE / "vendor").iterdir()} == {*VENDORED, "LICENSES.txt"}
    long = {
        path.name: lines
        for path in (HERE / "static").iterdir()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    }
    assert long == {}
    shell = (HERE / "static" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"https?://(?!www\.w3\.org)", shell + (HERE / "static" / "app.css").read_text()) == []


def test_nothing_of_ours_writes_markup() -> None:
    """No script sets markup or runs text as code: there is no way in for what a project says."""
    ways = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")
    for path in sorted((HERE / "static").glob("*.js")):
        assert ways.findall(path.read_text(encoding="utf-8")) == [], path.name


def test_the_marker_says_what_was_built(tmp_path: Path) -> None:
    """A folder that has it is ours to replace; it says how large the map is."""
    built = build_site(made_graph(12), made_page, tmp_path / "site")
    told = json.loads((tmp_path / "site" / MARKER).read_bytes())
    assert told == {"site": 1, "nodes": built.nodes, "edges": built.edges}
