"""Who stamps outcomes takes whatever event decides one, a project's own events included."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace

from wingman_runtime.flow.model import Flow, sender_and_event
from wingman_runtime.project.agents import MountedAgent


def with_closing(
    agents: Mapping[str, MountedAgent], flows: Iterable[Flow], known: Container[str]
) -> dict[str, MountedAgent]:
    """Agents whose manifest ``closes`` also consume what decides an outcome in the flows they stamp.

    Args:
        known: event types; a route of another name is told of by the flow's check.
    """
    deciding: dict[str, dict[str, None]] = {}
    for flow in flows:
        for key, spec in flow.routes.items():
            event = sender_and_event(key)[1]
            if (spec.outcome or spec.outcome_field) and event in known:
                deciding.setdefault(flow.finally_, {})[event] = None
    found = dict(agents)
    for name, events in deciding.items():
        agent = found.get(name)
        if agent is not None and agent.manifest.closes:
            consumes = tuple(dict.fromkeys((*agent.manifest.consumes, *events)))
            manifest = agent.manifest.model_copy(update={"consumes": consumes})
            found[name] = replace(agent, manifest=manifest)
    return found
