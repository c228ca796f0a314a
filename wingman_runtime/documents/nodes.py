"""What is known of each thing of a project, as plain data: the facts of the graph's nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.contracts.manifest import RetryPolicy
from wingman_runtime.documents.files import inside
from wingman_runtime.documents.graph import CLIENT, RUNTIME, SHARED, TIMER, Node
from wingman_runtime.documents.versions import Versions
from wingman_runtime.flow.entries import contract_entries
from wingman_runtime.flow.facts import RUNTIME_EVENTS
from wingman_runtime.flow.model import DISPATCHER

if TYPE_CHECKING:
    from wingman_runtime.contracts.contract import ContractEntry
    from wingman_runtime.flow.compile import CompiledFlow
    from wingman_runtime.project.agents import MountedAgent
    from wingman_runtime.project.load import LoadedProject
    from wingman_runtime.schemas.contract import ConsumerContract

_GENERIC = {
    CLIENT: "people and programs that hand in requests, vote, and get the outcome",
    RUNTIME: "the runtime itself: what it writes in any flow, without being asked",
    TIMER: "the clock: what falls due",
}


def nodes_of(project: LoadedProject, contracts: Iterable[ConsumerContract]) -> Iterator[Node]:
    """Every node; events, tools and policies have no domain and owner yet but what is recorded of them."""
    told = list(contracts)
    yield from _events(project)
    flows = _flows_of_agents(project)
    reads = {one.consumer: one for one in told if one.kind == "agent"}
    for name, agent in project.agents.items():
        yield _agent(project, agent, flows[name], reads.get(name))
    for flow in project.flows.values():
        yield _flow(project, flow)
    yield from _policies(project)
    for tool in project.tools.names():
        yield _tool(project, tool)
    for one in told:
        if one.kind == "external":
            facts = {"file": f"config/contracts/{one.consumer}.json", "contract": one.model_dump(mode="json")}
            node_id = f"consumer:{one.consumer}"
            yield Node(node_id, "consumer", one.consumer, SHARED, one.owner, "", one.consumer_version, facts)
    for node_id, purpose in _GENERIC.items():
        kind, _, label = node_id.partition(":")
        yield Node(node_id, "client" if kind == "client" else "runtime", label, purpose=purpose)


def _events(project: LoadedProject) -> Iterator[Node]:
    """An event's ten fields, its schemas and their history."""
    entries = contract_entries(project.catalog, project.manifests, project.flows.values(), strict=False)
    versions = Versions.of(project)
    flows: defaultdict[str, list[str]] = defaultdict(list)
    for flow in project.flows.values():
        for event in {key.partition(">")[2] for key in flow.table}:
            flows[event].append(flow.name)
    refusals = {event for manifest in project.manifests.values() for event in manifest.refusals}
    starts = {flow.start for flow in project.flows.values()}
    for name in project.catalog.names():
        model = project.catalog.model(name)
        known = versions.facts(model)
        facts = {
            "contract": _plain(entries[name]),
            "doc": model.__dict__.get("__doc__") or "",
            "flows": sorted(flows[name]),
            "refusal": name in refusals,
            "starts": name in starts,
            "runtime": name in RUNTIME_EVENTS,
            "shipped": name in SHIPPED,
            **known,
        }
        yield Node(
            f"event:{name}",
            "event",
            name,
            owner=known["owner"],
            purpose=entries[name].purpose,
            version=model.schema_version,
            facts=facts,
        )


def _plain(entry: ContractEntry) -> dict[str, Any]:
    return {
        key: [str(item) for item in value] if isinstance(value, tuple) else value
        for key, value in asdict(entry).items()
    }


def _flows_of_agents(project: LoadedProject) -> defaultdict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for flow in project.flows.values():
        for agent in {*flow.agents, DISPATCHER}:
            found[agent].append(flow.name)
    return found


def _domain(project: LoadedProject, flow: str) -> str:
    return project.sources[flow].domain or flow


def _agent(
    project: LoadedProject, agent: MountedAgent, flows: list[str], contract: ConsumerContract | None
) -> Node:
    manifest = agent.manifest
    domains = {_domain(project, flow) for flow in flows}
    facts = {
        **manifest.model_dump(mode="json", exclude={"name", "version", "purpose", "owner", "domain"}),
        "timeout": manifest.timeout.total_seconds(),
        "flows": sorted(flows),
        "file": inside(project.root, agent.manifest_at.path),
        "shipped": agent.shipped,
        "code_digest": agent.code_digest,
        "contract": contract.model_dump(mode="json") if contract is not None else None,
    }
    return Node(
        f"agent:{agent.name}",
        "agent",
        agent.name,
        manifest.domain or (domains.pop() if len(domains) == 1 else SHARED),
        manifest.owner,
        manifest.purpose,
        manifest.version,
        facts,
    )


def _flow(project: LoadedProject, flow: CompiledFlow) -> Node:
    source = project.sources[flow.name]
    outcomes: dict[str, set[str]] = {}
    for key, route in flow.table.items():
        if route.decides:
            said = route.outcome or f"its field {route.outcome_field}"
            outcomes.setdefault(said, set()).add(key.partition(">")[2])
    facts = {
        "start": flow.start,
        "finally": flow.finally_,
        "failure": flow.failure,
        "limits": flow.limits.model_dump(),
        "outcomes": {said: sorted(events) for said, events in sorted(outcomes.items())},
        "agents": list(flow.agents),
        "joins": {name: join.model_dump(mode="json") for name, join in source.joins.items()},
        "cycles": [list(cycle) for cycle in source.cycles],
        "digest": flow.digest,
        "file": inside(project.root, source.where("flow")),
    }
    return Node(
        f"flow:{flow.name}",
        "flow",
        flow.name,
        _domain(project, flow.name),
        source.owner,
        source.purpose,
        flow.version,
        facts,
    )


def _policies(project: LoadedProject) -> Iterator[Node]:
    """The policy files, each with its policies and the words at its top."""
    rules: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for rule in project.bundle.rules():
        rules[rule.file.replace("\\", "/").rpartition("/")[2]].append(
            {
                "id": rule.id,
                "effect": rule.effect,
                "reason": rule.reason,
                "line": rule.line,
                "annotations": dict(rule.annotations),
                "text": rule.text,
            }
        )
    for name, raw in sorted(project.bundle.files.items()):
        if name.endswith(".cedar"):
            text = raw.decode()
            facts = {"file": f"policies/{name}", "rules": rules[name], "text": text}
            yield Node(f"policy:{name}", "policy", name, purpose=_said_first(text), facts=facts)


def _said_first(text: str) -> str:
    """The comment a policy file begins with, as one paragraph."""
    said: list[str] = []
    for line in text.lstrip().splitlines():
        if not line.startswith("//"):
            break
        said.append(line.removeprefix("//").strip())
    return " ".join(said)


def _tool(project: LoadedProject, name: str) -> Node:
    spec = project.tools.spec(name)
    facts = {
        "args": dict(project.tools.info(name).schema),
        "risk": spec.risk.value,
        "idempotent": "by its arguments" if spec.idempotent_when is not None else spec.idempotent,
        "compensation": spec.compensation,
        "undo_only": spec.undo_only,
        "resource": spec.resource_template,
        "timeout": spec.timeout,
        "retry": retry_facts(spec.retry),
        "file": inside(project.root, spec.where),
    }
    return Node(f"tool:{name}", "tool", name, purpose=spec.purpose, facts=facts)


def retry_facts(retry: RetryPolicy) -> Mapping[str, Any]:
    """How often and when something is tried again; seconds."""
    return retry.model_dump(mode="json")
