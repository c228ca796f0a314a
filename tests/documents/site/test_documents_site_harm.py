"""What could go wrong with a site: hostile words, missing files, no scripts, readers who cannot see it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from benchmarks.made_graph import made_graph
from tests.documents.site.site_visit import Visit
from wingman_runtime.documents.site.build import build_site
from wingman_runtime.documents.site.pages import Pages

Visits = Callable[..., Visit]
Sites = Callable[[int], Path]

EVIL = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>\u2028'\"`${1}"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A site in which every word that a project chooses is an attack."""
    schema = {"properties": {EVIL: {"type": "string", "description": EVIL, "default": EVIL, "pattern": EVIL}}}
    facts: dict[str, Any] = {
        "contract": {"event_type": EVIL, "failure_mode": EVIL, "producer": [EVIL]},
        "writer": schema,
        "history": [
            {"version": "0.9.0", "writer": schema, "accepted": [{EVIL: EVIL}], "reserved": {EVIL: 1}}
        ],
        EVIL: {EVIL: [EVIL, {EVIL: EVIL}]},
    }
    words = {"domain": EVIL, "owner": EVIL, "purpose": EVIL, "version": "1.0.0"}
    nodes = [
        {"id": f"event:{EVIL}", "kind": "event", "label": EVIL, "facts": facts, **words},
        {"id": f"agent:{EVIL}", "kind": "agent", "label": EVIL, "facts": {"scope": EVIL}, **words},
        {"id": f"flow:{EVIL}", "kind": "flow", "label": EVIL, "facts": {}, **words},
        {"id": "policy:p", "kind": "policy", "label": "p", "facts": {"text": EVIL}, **words},
    ]
    edges = [
        {"id": str(at), "from": one["id"], "to": nodes[0]["id"], "kind": EVIL, "flow": EVIL, "note": EVIL}
        for at, one in enumerate(nodes[1:])
    ]
    graph = {"project": {"name": EVIL, "version": EVIL}, "nodes": nodes, "edges": edges}
    build_site(graph, Pages(graph), tmp_path / "site")
    return tmp_path / "site"


def test_words_of_a_project_are_never_markup(visit: Visits, hostile: Path) -> None:
    """Names, purposes, owners, schemas and policies full of tags are shown as they stand, in every view."""
    seen = visit(hostile)
    event = seen.page.evaluate("() => WINGMAN.address(WINGMAN.model.nodes.find(one => one.kind === 'event'))")
    for address in (
        "#/",
        "#/list",
        "#/all",
        "#/policy/p",
        "#/list?q=onerror",
        f"#/event/{'<img src=x>'}",
        event,
    ):
        seen.page.evaluate("address => { location.hash = address; }", address)
        seen.at(address)
        assert seen.page.evaluate("() => [window.hacked, document.querySelectorAll('#app img').length]") == [
            None,
            0,
        ]
    assert seen.text("#title") == seen.page.evaluate(
        "() => document.querySelector('#title').textContent.trim()"
    )
    assert "<img src=x onerror" in seen.text("#title")
    seen.page.fill("#find", "onerror")
    seen.page.wait_for_selector("#found li[aria-selected='true']")
    assert seen.page.evaluate("() => window.hacked") is None
    for file in hostile.rglob("data/*.js"):
        assert b"<" not in file.read_bytes()


@pytest.mark.parametrize(
    ("missing", "told"),
    [("data/graph.js", "Could not load data/graph.js"), ("assets/draw.js", "Could not load assets/draw.js")],
)
def test_a_missing_file_is_named(
    visit: Visits, sites: Sites, tmp_path: Path, missing: str, told: str
) -> None:
    """A folder that was copied by halves says which file is missing, instead of staying blank."""
    shutil.copytree(sites(12), tmp_path / "half")
    (tmp_path / "half" / missing).unlink()
    seen = visit(tmp_path / "half", ready=False)
    seen.page.wait_for_selector(".boot-box")
    assert told in seen.text("#boot")
    seen.problems.clear()


def test_a_missing_page_leaves_the_rest(visit: Visits, sites: Sites, tmp_path: Path) -> None:
    """Where the data of a page is missing the picture is still drawn, and the page says what to do."""
    shutil.copytree(sites(12), tmp_path / "half")
    (tmp_path / "half" / "data" / "p0.js").unlink()
    seen = visit(tmp_path / "half", "#/event/OrderPlaced")
    assert "data/p0.js" in seen.text(".beside")
    assert "event:OrderPlaced" in seen.drawn()
    seen.problems.clear()


def test_without_scripts_it_says_so(visit: Visits, sites: Sites) -> None:
    """A browser that runs no scripts shows why there is nothing, and what says the same."""
    seen = visit(sites(12), ready=False, java_script_enabled=False)
    assert "This map needs JavaScript" in seen.text("body")


def test_an_empty_project_has_a_map(visit: Visits, tmp_path: Path) -> None:
    """Nothing declared is a sentence, not an error."""
    graph = {"project": {"name": "new", "version": ""}, "nodes": [], "edges": []}
    build_site(graph, Pages(graph), tmp_path / "site")
    seen = visit(tmp_path / "site")
    assert "There is nothing here yet" in seen.text("#view")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everybody_can_read_it(visit: Visits, sites: Sites, theme: str) -> None:
    """In either theme no view has a serious fault of accessibility, by the rules of axe."""
    seen = visit(sites(12), color_scheme=theme)
    for address in (
        "#/",
        "#/list",
        "#/all",
        "#/event/OrderAccepted?depth=2",
        "#/event/Nowhere",
        "#/list?owner=x",
    ):
        seen.page.evaluate("address => { location.hash = address; }", address)
        seen.at(address)
        assert _faults(seen) == [], address
    seen.page.fill("#find", "order")
    seen.page.wait_for_selector("#found li[aria-selected='true']")
    seen.page.evaluate("() => document.getElementById('help').show()")  # with what is behind it
    assert _faults(seen) == []


def _faults(seen: Visit) -> list[str]:
    found = (
        Axe().run(seen.page, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
    )
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:120]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


def test_the_guard_sees_a_fault(visit: Visits, sites: Sites) -> None:
    """Text too faint to read would be found: axe is asked, and answers."""
    seen = visit(sites(12))
    seen.page.evaluate("() => document.documentElement.style.setProperty('--soft', '#ddd')")
    assert any(one.startswith("color-contrast") for one in _faults(seen))


def test_made_graphs_are_what_the_tests_believe(sites: Sites) -> None:
    """The sizes that the tests name are about those of the sites."""
    for nodes in (12, 300, 3000):
        assert 0.9 * nodes <= len(made_graph(nodes)["nodes"]) <= 1.2 * nodes
