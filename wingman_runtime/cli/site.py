"""``wingman docs build`` and ``serve``: the project as a map to walk in, still or live."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from wingman_runtime.cli.common import DEFAULT, Common, uncollected
from wingman_runtime.cli.out import note

if TYPE_CHECKING:
    from wingman_runtime.client.traffic import Watch
    from wingman_runtime.documents.site.build import Built
    from wingman_runtime.project.load import LoadedProject

PORT = 8477


def build(
    *,
    out: Annotated[Path, Parameter(help="The folder; an earlier site in it is replaced.")] = Path("site"),
    common: Common = DEFAULT,
) -> int:
    """Write the project as a site to walk in: events, agents, flows, policies, tools, schemas, owners.

    Open its index.html from the disk, or put the folder on any web server; it loads nothing from elsewhere.

    For example

        wingman docs build
        wingman docs build --out public/events --json
    """
    with uncollected():
        built = _built(common.found().load(), out)
    told = {
        "index": str(built.folder / "index.html"),
        "nodes": built.nodes,
        "edges": built.edges,
        "files": built.files,
        "bytes": built.bytes,
    }
    if common.json:
        common.out().data(told)
    else:
        common.out().line(str(told["index"]))
        note(f"{built.nodes} nodes, {built.edges} edges; open it in a browser")
    return 0


def serve(
    *,
    port: Annotated[int, Parameter(help="0 takes a free one.", validator=Number(gte=0, lte=65535))] = PORT,
    host: Annotated[str, Parameter(help="The address to listen at.")] = "127.0.0.1",
    remote: Annotated[
        bool, Parameter(negative="", help="Let other machines read it; there is no password.")
    ] = False,
    name: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="A host name it may be asked for by, besides addresses and localhost."),
    ] = (),
    common: Common = DEFAULT,
) -> int:
    """Serve the site with the traffic of the running project over it. Ctrl-C ends it.

    Solid edges were used in the last five minutes, dashed ones were not, red ones are declared nowhere.
    It only reads, and starts no server; while the project's own is away, it says so.

    For example

        wingman docs serve
        wingman docs serve --port 0 --json
    """
    import tempfile

    from wingman_runtime.client.traffic import Watch
    from wingman_runtime.documents.graph import graph_of
    from wingman_runtime.documents.site.overlay import Overlay
    from wingman_runtime.documents.site.server import SiteServer

    project = common.found().load()
    overlay = Overlay(graph_of(project).to_json())
    watch = Watch(project.settings)
    with tempfile.TemporaryDirectory(prefix="wingman-docs-") as folder:
        built = _built(project, Path(folder) / "site")
        server = SiteServer(
            built.folder,
            lambda: overlay(watch.traffic),
            host=host,
            port=port,
            remote=remote,
            names=name,
        )
        if common.json:
            common.out().stream({"url": server.url, "nodes": built.nodes}, "")
        else:
            common.out().line(server.url)
            note("the files were read now: start it again to show what is changed; Ctrl-C ends it")
        _run(server.run, server.close, watch)
    return 0


def _built(project: LoadedProject, out: Path) -> Built:
    from wingman_runtime.documents.graph import graph_of
    from wingman_runtime.documents.site.build import build_site
    from wingman_runtime.documents.site.pages import Pages

    graph = graph_of(project).to_json()
    return build_site(graph, Pages(graph), out)


def _run(answer: Callable[[], None], close: Callable[[], None], watch: Watch) -> None:
    """Answer in a thread, watch the traffic in this one, until SIGINT or SIGTERM."""
    import asyncio
    import signal
    import threading

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await watch.run(stop)

    thread = threading.Thread(target=answer, name="docs", daemon=True)
    thread.start()
    try:
        asyncio.run(until_stopped())
    finally:
        close()
        thread.join()
