"""The site's files: what never changes, the graph with its places, and the pages in shards.

1. Everything is written into a new folder beside the old one, which it then replaces: a build that fails
   leaves the old site, and one that succeeds leaves nothing stale.
2. Data is JavaScript, not JSON: a page opened from a file may load the one and not the other.
3. A page's data comes in shards of `SHARD` nodes, loaded when one of them is looked at.

The same project gives the same bytes. All text of a project is untrusted: no ``<`` leaves here unescaped, and
the browser's code only ever sets text.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from wingman_runtime.documents.site.layout import layout
from wingman_runtime.errors import ConflictError, UsageError

SHARD = 48
"""Nodes whose pages share a file."""
MARKER = "wingman-site.json"
KINDS = ("event", "agent", "flow", "policy", "tool", "client", "runtime", "consumer")
_SHORT = 160
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
SCRIPTS = (
    "dom.js", "model.js", "draw.js", "schema.js", "page.js", "list.js", "filter.js", "live.js", "keys.js",
    "app.js",
)  # fmt: skip
"""In this order; each adds its part to one object."""
VENDORED = ("cytoscape.min.js", "cytoscape-dagre.min.js")

Page = Callable[[str], Mapping[str, Any]]
"""What the page of a node shows beside the node itself: see `pages.ProjectPages`."""


@dataclass(frozen=True, slots=True)
class Built:
    """What was made."""

    folder: Path
    nodes: int
    edges: int
    files: int
    bytes: int


def build_site(graph: Mapping[str, Any], page: Page, out: Path) -> Built:
    """Write the site into a folder, in place of an earlier site.

    Args:
        graph: what `documents.graph.Graph.to_json` gives.
        page: asked once for each node, by id.
        out: the folder; made where it is missing.

    Raises:
        ConflictError: the folder holds something else.
        UsageError: the graph names a node twice.
    """
    out = out.absolute()
    if out.exists() and not (out / MARKER).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ConflictError(
            "there is something here that is no site of ours; it would be replaced",
            where=str(out),
            hint="take another folder with --out, or remove this one",
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = (out.with_name(f".{out.name}.{word}-{os.getpid()}") for word in ("new", "old"))
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        built = _write(graph, page, fresh)
        if out.exists():
            out.rename(old)
        fresh.rename(out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return Built(out, *built)


def _write(graph: Mapping[str, Any], page: Page, folder: Path) -> tuple[int, int, int, int]:
    nodes = sorted(graph["nodes"], key=lambda node: (node.get("domain", ""), _kind(node), node["id"]))
    number = {node["id"]: at for at, node in enumerate(nodes)}
    if len(number) != len(nodes):
        raise UsageError("the graph names a node twice")
    edges = [edge for edge in graph["edges"] if edge["from"] in number and edge["to"] in number]
    total = count = 0
    for name, body in _files(graph.get("project", {}), nodes, edges, number, page):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        total, count = total + len(body), count + 1
    return len(nodes), len(edges), count, total


def _files(
    project: Mapping[str, Any],
    nodes: Sequence[Mapping[str, Any]],
    edges: Sequence[Mapping[str, Any]],
    number: Mapping[str, int],
    page: Page,
) -> Iterator[tuple[str, bytes]]:
    """Every file of the site; one shard in memory at a time."""
    here = files("wingman_runtime.documents.site")
    title = f"{project.get('name', 'project')} · event map"
    shell = (here / "static" / "index.html").read_text(encoding="utf-8")
    tags = "\n".join(f'<script defer src="{name}"></script>' for name in _sources())
    yield "index.html", shell.replace("{{title}}", escape(title)).replace("{{scripts}}", tags).encode()
    for name in ("app.css", "print.css", "boot.js", *SCRIPTS):
        yield f"assets/{name}", (here / "static" / name).read_bytes()
    for name in (*VENDORED, "LICENSES.txt"):
        yield f"assets/vendor/{name}", (here / "vendor" / name).read_bytes()
    yield "data/graph.js", _call("graph", graph_data(project, nodes, edges, number))
    search = []
    for start in range(0, len(nodes), SHARD):
        shard = [_page(node, page) for node in nodes[start : start + SHARD]]
        search += [_words(*pair) for pair in zip(nodes[start : start + SHARD], shard, strict=True)]
        yield f"data/p{start // SHARD}.js", _call("shard", start // SHARD, shard)
    yield "data/search.js", _call("words", search)
    told = {"site": 1, "nodes": len(nodes), "edges": len(edges)}
    yield MARKER, orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def _sources() -> Iterator[str]:
    yield from (f"assets/vendor/{name}" for name in VENDORED)
    yield from (f"assets/{name}" for name in SCRIPTS[:-1])
    yield "data/graph.js"
    yield f"assets/{SCRIPTS[-1]}"


def graph_data(
    project: Mapping[str, Any],
    nodes: Sequence[Mapping[str, Any]],
    edges: Sequence[Mapping[str, Any]],
    number: Mapping[str, int],
) -> dict[str, Any]:
    """The graph in rows, words that come again and again by number; `model.js` reads it."""
    # That a client gets the outcome closes a circle with that it asks: drawn, and of no weight for the order.
    onward = ((edge["from"], edge["to"]) for edge in edges if edge.get("kind") != "ends")
    points = layout([node["id"] for node in nodes], onward)
    domains, owners, flows, kinds, notes = (_Words() for _ in range(5))
    rows = []
    for node in nodes:
        kind, _, name = node["id"].partition(":")
        label = node.get("label") or name
        rows.append(
            [
                KINDS.index(kind) if kind in KINDS else len(KINDS) - 1,
                name,
                "" if label == name else label,
                domains[node.get("domain", "")],
                owners[node.get("owner", "")],
                node.get("version", ""),
                _short(node.get("purpose", "")),
                *points[node["id"]],
            ]
        )
    arrows = [
        [
            number[edge["from"]],
            number[edge["to"]],
            kinds[edge.get("kind", "")],
            flows[edge.get("flow", "")],
            int(bool(edge.get("declared", True))),
            notes[edge.get("note", "")],
        ]
        for edge in edges
    ]
    return {
        "project": project,
        "shard": SHARD,
        "kinds": KINDS,
        "domains": list(domains),
        "owners": list(owners),
        "flows": list(flows),
        "edgeKinds": list(kinds),
        "notes": list(notes),
        "nodes": rows,
        "edges": arrows,
    }


class _Words(dict[str, int]):
    """Words by number, in the order they were first asked for."""

    def __missing__(self, word: str) -> int:
        return self.setdefault(word, len(self))


def _page(node: Mapping[str, Any], page: Page) -> dict[str, Any]:
    return {"purpose": node.get("purpose", ""), **page(node["id"])}


def _words(node: Mapping[str, Any], page: Mapping[str, Any]) -> str:
    """What a node is found by, in lower case: its name and the words in it, purpose, fields."""
    name = node["id"].partition(":")[2]
    label = node.get("label") or name
    versions = (page.get("schema") or {}).get("versions", ())
    fields = [row["name"] for row in (versions[0]["fields"] if versions else ())]
    parts = (label, name if name != label else "", " ".join(_WORD.findall(label)), node.get("purpose", ""))
    return " ".join((*parts, node.get("owner", ""), " ".join(fields)))[:600].lower()


def _call(name: str, *values: Any) -> bytes:
    """A script that hands plain data to the page; nothing in it can end a script or begin a tag."""
    body = b",".join(orjson.dumps(value) for value in values)
    for raw, safe in ((b"<", b"\\u003c"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029")):
        body = body.replace(raw, safe)
    return b"WINGMAN." + name.encode() + b"(" + body + b");\n"


def _kind(node: Mapping[str, Any]) -> int:
    kind = node["id"].partition(":")[0]
    return KINDS.index(kind) if kind in KINDS else len(KINDS)


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else text[: _SHORT - 1].rstrip() + "…"


def built_files(folder: Path) -> Iterable[tuple[str, Path]]:
    """Each file of a built site with its path in an address, such as ``/data/p0.js``."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield f"/{path.relative_to(folder).as_posix()}", path
