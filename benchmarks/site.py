"""``python -m benchmarks.site``: how long the map takes to build, and to show itself in a real browser.

Each build runs in a process of its own, so that its memory is its own. Needs Chromium, and what tests need.
More than 5,000 nodes at once the site does not draw: there the last column is empty.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

SIZES = {"12 nodes": {"nodes": 12}, "300 nodes": {"nodes": 300}, "3,000 nodes": {"nodes": 3000}}
LARGEST = {"10,000 events": {"events": 10_000}}
_COLUMNS = ("nodes", "edges", "build_s", "peak_mib", "site_mib", "overview_s", "node_s", "whole_s")
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


def build(size: dict[str, int], out: Path) -> dict[str, Any]:
    """Build one site here; seconds without the making of the graph, and the peak of this process."""
    from benchmarks.made_graph import made_graph, made_page
    from wingman_runtime.documents.site.build import build_site

    graph = made_graph(size.get("nodes", 0), events=size.get("events", 0))
    begun = time.perf_counter()
    built = build_site(graph, made_page, out)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "nodes": built.nodes,
        "edges": built.edges,
        "build_s": round(seconds, 2),
        "peak_mib": round(peak),
        "site_mib": round(built.bytes / 2**20, 1),
    }


def derive(events: int, room: Path) -> dict[str, Any]:
    """The real way of a project with so many event classes: `graph_of`, pages, `build_site`.

    The events are those of `made_events`, in one module; what is around them is the reference project.
    """
    from benchmarks.made_events import HEAD, VERSIONS, source
    from benchmarks.schemas import load_models
    from wingman_runtime.cli.common import uncollected
    from wingman_runtime.contracts.event import EventCatalog
    from wingman_runtime.documents.graph import graph_of
    from wingman_runtime.documents.site.build import build_site
    from wingman_runtime.documents.site.pages import Pages
    from wingman_runtime.project.find import reference_root
    from wingman_runtime.project.load import Project

    begun = time.process_time()
    (room / "many.py").write_text(HEAD + "".join(source(at, at % VERSIONS) for at in range(events)))
    models = load_models(room, "many")
    project = Project.find(reference_root()).load()
    known = {name: project.catalog.model(name) for name in project.catalog.names()}
    project = replace(project, catalog=EventCatalog(known | models))
    loaded, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with uncollected():
        graph = graph_of(project).to_json()
        made = time.process_time()
        built = build_site(graph, Pages(graph), room / "site")
    return {
        "nodes": built.nodes,
        "classes_s": round(loaded - begun, 1),
        "classes_mib": round(before),
        "graph_s": round(made - loaded, 1),
        "site_s": round(time.process_time() - made, 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "site_mib": round(built.bytes / 2**20, 1),
    }


def show(folder: Path) -> dict[str, float]:
    """Seconds until a view is there, from when it is asked for; of the whole graph, until it is drawn."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        raise SystemExit("this needs Chromium: run `apt install chromium`")
    took: dict[str, float] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*_ARGUMENTS])
        for name, address in (
            ("overview_s", ""),
            ("node_s", "#/event/OrderAccepted?depth=2"),
            ("whole_s", "#/all"),
        ):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            begun = time.perf_counter()
            page.goto(f"{folder.as_uri()}/index.html{address}")
            page.wait_for_selector("html[data-ready]", state="attached")
            if page.query_selector("#draw-all"):
                begun = time.perf_counter()
                page.click("#draw-all")
                page.wait_for_function("() => WINGMAN.canvas.cy()")
            elif "whole" in name and not page.query_selector("#canvas"):
                page.close()
                continue
            # Two frames later it is on the screen.
            page.evaluate("() => new Promise(on => requestAnimationFrame(() => requestAnimationFrame(on)))")
            took[name] = round(time.perf_counter() - begun, 2)
            page.close()
        browser.close()
    return took


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.site", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without the largest")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--build", nargs=2, metavar=("SIZE", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument(
        "--derive", type=int, metavar="EVENTS", help="only: a project of so many real classes"
    )
    wanted = parser.parse_args()
    if wanted.derive:
        with tempfile.TemporaryDirectory() as room:
            print(json.dumps(derive(wanted.derive, Path(room))))
        return 0
    if wanted.build:
        print(json.dumps(build(json.loads(wanted.build[0]), Path(wanted.build[1]))))
        return 0
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for at, (name, size) in enumerate((SIZES | ({} if wanted.quick else LARGEST)).items()):
            out = Path(folder) / str(at)
            command = [sys.executable, "-m", "benchmarks.site", "--build", json.dumps(size), str(out)]
            made = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ourselves
            rows[name] = json.loads(made.stdout) | show(out)
            print(f"{name}: {rows[name]}", file=sys.stderr)
    if wanted.json:
        print(json.dumps(rows, indent=2))
        return 0
    table = Table("", *(column.replace("_", " ") for column in _COLUMNS))
    for name, row in rows.items():
        table.add_row(name, *(str(row.get(column, "")) for column in _COLUMNS))
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
