"""``wingman docs``: what a project looks like, for people and for other tools. Only `serve` asks a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from wingman_runtime.cli.common import DEFAULT, Common
from wingman_runtime.cli.out import note
from wingman_runtime.cli.site import build, serve
from wingman_runtime.errors import NotFoundError
from wingman_runtime.yamlfile import suggestion

app = App(name="docs", help="Describe the project, by a map to walk in, its graph, AsyncAPI or Mermaid.")

app.command(build)
app.command(serve)

OutFile = Annotated[Path | None, Parameter(help="Write it there instead of to stdout.")]


@app.command
def graph(*, out: OutFile = None, common: Common = DEFAULT) -> int:
    """Write the project as a graph: events, agents, flows, policies, tools, and what leads to what.

    It is JSON either way; --json leaves out the line breaks.

    For example

        wingman docs graph --out graph.json
        wingman docs graph --json | jq '.edges[] | select(.kind == "consumes")'
    """
    from wingman_runtime.documents.graph import graph_of

    told = graph_of(common.found().load()).to_json()
    return _written(_json(told, compact=common.json), out, common)


@app.command
def asyncapi(
    *,
    out: OutFile = None,
    format: Annotated[
        Literal["json", "yaml"] | None,
        Parameter(help="Of the text; else by the name of the file, else JSON."),
    ] = None,
    version: Annotated[
        str, Parameter(help="Of the document; else twelve digits of the project's digest.")
    ] = "",
    common: Common = DEFAULT,
) -> int:
    """Write an AsyncAPI 3.1 document of the whole flow: inboxes, messages, who sends and who gets.

    For example

        wingman docs asyncapi --out asyncapi.yaml
        wingman docs asyncapi --version 2.3.0 --format json
    """
    from wingman_runtime.documents.asyncapi.document import asyncapi_of

    told = asyncapi_of(common.found().load(), version=version)
    chosen = format or ("yaml" if out is not None and out.suffix in {".yaml", ".yml"} else "json")
    if chosen == "yaml" and not (common.json and out is None):
        from wingman_runtime.documents.text import yaml_text

        return _written(yaml_text(told), out, common)
    return _written(_json(told, compact=common.json and out is None), out, common)


@app.command
def mermaid(
    *,
    domain: Annotated[str, Parameter(help="Only this domain, and what it is in touch with.")] = "",
    out: OutFile = None,
    common: Common = DEFAULT,
) -> int:
    """Write the whole project as a Mermaid flowchart, domain by domain; `wingman flow graph` draws one flow.

    For example

        wingman docs mermaid
        wingman docs mermaid --domain billing --out billing.mmd
    """
    from wingman_runtime.documents.graph import graph_of
    from wingman_runtime.documents.mermaid import LEGIBLE, project_mermaid

    graph = graph_of(common.found().load())
    domains = sorted({node.domain for node in graph.nodes if node.domain})
    if domain and domain not in domains:
        hint = suggestion(domain, domains) or f"the domains are: {', '.join(domains)}"
        raise NotFoundError(f"no domain {domain!r}", hint=hint)
    drawn = project_mermaid(graph, domain)
    if drawn.nodes > LEGIBLE:
        note(f"{drawn.nodes} nodes: past {LEGIBLE} nobody reads such a picture; --domain draws a part of it")
    if common.json and out is None:
        common.out().data({"mermaid": drawn.text, "nodes": drawn.nodes})
        return 0
    return _written(drawn.text, out, common)


def _json(value: Any, *, compact: bool) -> str:
    from wingman_runtime.documents.text import json_text

    return json_text(value, compact=compact)


def _written(text: str, out: Path | None, common: Common) -> int:
    """To the file, or to stdout; under ``--json`` the file's name is told as an object."""
    if out is None:
        common.out().line(text.rstrip("\n"))
        return 0
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8", newline="\n")
    if common.json:
        common.out().data({"file": str(out), "bytes": len(text.encode())})
    else:
        note(f"written: {out}")
    return 0
