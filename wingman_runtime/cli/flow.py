"""``wingman flow``: flows held against the agents' declarations, and drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from wingman_runtime.cli.common import DEFAULT, Common
from wingman_runtime.cli.out import note
from wingman_runtime.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from wingman_runtime.contracts.manifest import Manifest
    from wingman_runtime.flow.model import Flow
    from wingman_runtime.project.agents import MountedAgent
    from wingman_runtime.project.load import Project

app = App(name="flow", help="Check and draw flows.")


@app.command
def check(
    name: Annotated[str | None, Parameter(help="The flow; all when left out.")] = None,
    /,
    *,
    common: Common = DEFAULT,
) -> int:
    """Check one flow or all: orphans, undeclared consumers, cycles, ends that cannot be reached.

    For example

        wingman flow check
        wingman flow check request --json
    """
    from wingman_runtime.contracts.event import EventCatalog
    from wingman_runtime.flow.check import check_flow
    from wingman_runtime.project.agents import collect_events

    problems: list[ConfigError] = []
    project = common.found()
    flows, manifests, agents = _read(project, problems)
    catalog = EventCatalog(collect_events(agents, problems))
    chosen = [_named(flows, name)] if name else list(flows.values())
    shipped = {name for name, agent in agents.items() if agent.shipped}
    found = [finding for flow in chosen for finding in check_flow(flow, manifests, catalog, shipped)]
    out = common.out()
    if common.json:
        told = [{"where": one.where, "message": one.message, "hint": one.hint} for one in problems]
        out.data([*told, *found])
    else:
        for one in (*problems, *found):
            out.line(str(one))
    wrong = len(problems) + len(found)
    note(
        f"{wrong} problem{'s' if wrong > 1 else ''}"
        if wrong
        else f"sound: {', '.join(sorted(flow.name for flow in chosen))}"
    )
    return 2 if wrong else 0


@app.command
def graph(
    name: Annotated[str, Parameter(help="The flow.")] = "request",
    /,
    *,
    mermaid: Annotated[bool, Parameter(negative="", help="Mermaid source, for a README.")] = False,
    common: Common = DEFAULT,
) -> int:
    """Draw a flow: which agent sends which event to whom.

    For example

        wingman flow graph
        wingman flow graph request --mermaid > request.mmd
    """
    from wingman_runtime.documents.mermaid import flow_mermaid
    from wingman_runtime.flow import graph as drawing
    from wingman_runtime.flow.compile import compile_flow

    problems: list[ConfigError] = []
    flows, manifests, _ = _read(common.found(), problems)
    if problems:
        raise problems[0]
    flow = compile_flow(_named(flows, name), manifests)
    out = common.out()
    if common.json:
        out.data(drawing.graph_json(flow) | ({"mermaid": flow_mermaid(flow)} if mermaid else {}))
    else:
        out.line((flow_mermaid(flow) if mermaid else drawing.text_graph(flow)).rstrip("\n"))
    return 0


def _read(
    project: Project, problems: list[ConfigError]
) -> tuple[dict[str, Flow], dict[str, Manifest], dict[str, MountedAgent]]:
    from wingman_runtime.project.agents import collect_events
    from wingman_runtime.project.closing import with_closing

    agents = project.mount(problems)
    flows = project.load_flows(problems)
    agents = with_closing(agents, flows.values(), collect_events(agents, []))
    return flows, {name: agent.manifest for name, agent in agents.items()}, agents


def _named(flows: dict[str, Flow], name: str) -> Flow:
    if name not in flows:
        raise NotFoundError(f"no flow {name!r}", hint="the flows are: " + ", ".join(flows))
    return flows[name]
