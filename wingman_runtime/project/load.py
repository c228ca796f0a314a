"""A whole project, read and held together: settings, agents, events, flows, policies, tools, scopes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from wingman_runtime.contracts.event import EventCatalog
from wingman_runtime.contracts.finding import Finding
from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.errors import (
    AgentCodeError,
    ConfigError,
    FlowError,
    ManifestError,
    PolicyError,
    ToolDeclarationError,
)
from wingman_runtime.flow.check import check_flow
from wingman_runtime.flow.compile import CompiledFlow, compile_flow
from wingman_runtime.flow.facts import Facts
from wingman_runtime.flow.hints import way_to
from wingman_runtime.flow.load import load_flow
from wingman_runtime.flow.model import DISPATCHER, Flow, Limits
from wingman_runtime.project.agents import (
    MANIFEST_FILE,
    MountedAgent,
    collect_events,
    mount_agents,
    with_reference,
)
from wingman_runtime.project.annotations import check_annotations
from wingman_runtime.project.closing import with_closing
from wingman_runtime.project.digest import files_digest
from wingman_runtime.project.find import find_root, reference_root
from wingman_runtime.settings import Settings
from wingman_runtime.settings_layers import CONFIG_FILE
from wingman_runtime.yamlfile import shown, suggestion

if TYPE_CHECKING:
    from wingman_runtime.effects.registry import ToolRegistry
    from wingman_runtime.policy.bundle import Bundle
    from wingman_runtime.project.planners import PlannerBook
    from wingman_runtime.project.schedules import ScheduleBook
    from wingman_runtime.project.scopes import ScopeBook

T = TypeVar("T")
_EVENT = re.compile(r"\b[A-Z]\w+")
_FOLLOWING = {"flow/unknown-agent", "flow/unknown-event", "flow/orphan-route"}

_RULES: Mapping[type[ConfigError], str] = {
    FlowError: "flow/file",
    ManifestError: "agent/manifest",
    AgentCodeError: "agent/code",
    PolicyError: "policy/file",
    ToolDeclarationError: "tool/declaration",
}


@dataclass(frozen=True, slots=True)
class LoadedProject:
    """Everything the runtime needs of a project, checked. Nothing in it is connected to a server."""

    root: Path
    settings: Settings
    catalog: EventCatalog
    agents: Mapping[str, MountedAgent]
    flows: Mapping[str, CompiledFlow]
    sources: Mapping[str, Flow]
    bundle: Bundle
    tools: ToolRegistry
    scopes: ScopeBook
    planners: PlannerBook
    schedules: ScheduleBook
    digest: str = ""
    """Over the files as they were read: see `project.digest`."""

    @property
    def manifests(self) -> dict[str, Manifest]:
        return {name: agent.manifest for name, agent in self.agents.items()}


class Project:
    """A project's folder and its settings. `load` reads the rest."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root = root
        self.settings = settings

    @classmethod
    def find(cls, start: Path | None = None, **flags: Any) -> Project:
        """The project in folder ``start``; without it: WINGMAN_PROJECT, else the nearest parent that is one.

        Args:
            **flags: settings that win over environment and file, as for `Settings.load`.

        Raises:
            NotFoundError: there is no project.
            ConfigError: its settings are wrong.
        """
        root = find_root(start)
        return cls(root, Settings.load(root, **flags))

    @classmethod
    def check_at(cls, start: Path | None = None) -> list[Finding]:
        """Everything wrong with a project, its settings included."""
        root = find_root(start)
        problems = Settings.problems(root)
        if problems:
            return [_finding(problem) for problem in problems]
        return cls(root, Settings.load(root)).check()

    def load(self) -> LoadedProject:
        """Everything read and checked.

        Raises:
            ConfigError: naming all problems; ``where`` is file:line of the first.
        """
        loaded, findings = self._gather()
        if loaded is None or findings:
            raise _all(findings)
        return loaded

    def check(self) -> list[Finding]:
        """All problems, not only the first; an empty list is a sound project."""
        return self._gather()[1]

    def mount(self, problems: list[ConfigError]) -> dict[str, MountedAgent]:
        """The project's agents and the shipped ones it uses; problems are added to the list."""
        agents = mount_agents(self.root / "agents", problems)
        shipped = reference_root()
        if shipped != self.root and self.settings.agents.use == "reference":
            reference = mount_agents(shipped / "agents", problems, shipped=True)
            agents = with_reference(agents, reference, problems)
        return {name: replace(one, manifest=self._filled(one.manifest)) for name, one in agents.items()}

    def load_flows(self, problems: list[ConfigError]) -> dict[str, Flow]:
        """Every flow of ``config/flows``, by name; problems are added to the list."""
        flows: dict[str, Flow] = {}
        folder = self.root / "config" / "flows"
        for path in sorted(folder.glob("*.yaml")):
            flow = _part(problems, lambda path=path: load_flow(path))  # type: ignore[misc]
            if flow is None:
                continue
            if flow.name in flows:
                problems.append(FlowError(f"there are two flows {flow.name!r}", where=flow.where("flow")))
            flows[flow.name] = self._limited(flow)
        if not flows and not problems:
            problems.append(
                FlowError("there is no flow", where=shown(folder), hint="write one; `wingman init` gives one")
            )
        return flows

    def _broken(self, finding: Finding, agents: Mapping[str, MountedAgent]) -> bool:
        """The finding only follows from an agent that could not be mounted: it names it, or its event."""
        folders = [path for path in (self.root / "agents").glob("*/") if path.name not in agents]
        if finding.rule == "flow/unknown-agent":
            return any(repr(folder.name) in finding.message for folder in folders)
        events = set(_EVENT.findall(finding.message))
        return any(events & set(_EVENT.findall(_words(folder))) for folder in folders)

    def _filled(self, manifest: Manifest) -> Manifest:
        """A manifest with the project's defaults where it says nothing."""
        defaults = {
            "timeout": timedelta(seconds=self.settings.times.agent_timeout),
            "retry": self.settings.retry,
        }
        left_out = defaults.keys() - manifest.model_fields_set
        return manifest.model_copy(update={name: defaults[name] for name in left_out})

    def _limited(self, flow: Flow) -> Flow:
        """The same for a flow's limits, each by itself."""
        own = {name: getattr(flow.limits, name) for name in flow.limits.model_fields_set}
        ours = self.settings.limits
        defaults = {"depth": ours.depth, "events": ours.events, "fan_out": ours.fan_out}
        return flow.model_copy(update={"limits": Limits(**{**defaults, **own})})

    def _gather(self) -> tuple[LoadedProject | None, list[Finding]]:
        from wingman_runtime.effects.registry import ToolRegistry
        from wingman_runtime.policy.load import load_bundle
        from wingman_runtime.project.fitting import plan_problems, scope_problems, tenant_problems
        from wingman_runtime.project.planners import load_planners
        from wingman_runtime.project.schedules import SCHEDULES_FILE, load_schedules
        from wingman_runtime.project.scopes import load_scopes

        digest = files_digest(self.root)  # before they are read: what changes meanwhile counts as changed
        problems = list(_places(self.settings))
        agents = self.mount(problems)
        catalog = EventCatalog(collect_events(agents, problems))
        sources = self.load_flows(problems)
        agents = with_closing(agents, sources.values(), catalog)
        bundle = _part(
            problems,
            lambda: load_bundle(self.root / "policies", self.root / "config" / "principals.yaml"),
        )
        tools = _part(problems, lambda: ToolRegistry.load([self.root / "tools"], settings=self.settings))
        scopes = _part(problems, lambda: load_scopes(self.root / "config" / "scopes.yaml"))
        planners = _part(problems, lambda: load_planners(self.root))
        schedules = _part(problems, lambda: load_schedules(self.root / SCHEDULES_FILE))
        if tools is not None and scopes is not None and planners is not None:
            _part(problems, lambda: scopes.check(tools.names(), planners.names()))
            problems += plan_problems(planners, tools)
            problems += scope_problems(scopes, tools)
        if scopes is not None and bundle is not None:
            problems += tenant_problems(scopes, bundle.principals.tenants)
        if schedules is not None:
            problems += schedules.problems(
                scopes=scopes,
                principals=bundle.principals if bundle is not None else None,
                flows=sources,
                payload_bytes=self.settings.limits.payload_bytes,
            )
        manifests = {name: agent.manifest for name, agent in agents.items()}
        _check_names(agents, catalog, tools, self.root / "policies", problems)
        findings = [_finding(problem) for problem in problems]
        shipped = {name for name, agent in agents.items() if agent.shipped}
        for flow in sources.values():
            # An agent that could not be mounted has had its words: that the flow lacks it is no news.
            findings += [
                finding
                for finding in check_flow(flow, manifests, catalog, shipped)
                if finding.rule not in _FOLLOWING or not self._broken(finding, agents)
            ]
        if not findings:
            findings += _idle(agents, sources.values(), manifests)
        if bundle is None or tools is None or scopes is None or planners is None or schedules is None:
            return None, findings
        if findings:
            return None, findings
        flows = {name: compile_flow(flow, manifests) for name, flow in sources.items()}
        loaded = LoadedProject(
            self.root,
            self.settings,
            catalog,
            agents,
            flows,
            sources,
            bundle,
            tools,
            scopes,
            planners,
            schedules,
            digest,
        )
        return loaded, []


def _places(settings: Settings) -> Iterator[ConfigError]:
    """A file where a folder is needed, or the other way round: better now than in the middle of a request."""
    for setting, path, wrong in (
        ("workspace", settings.workspace, settings.workspace.exists() and not settings.workspace.is_dir()),
        ("audit_store", settings.audit_store, settings.audit_store.is_dir()),
    ):
        if wrong:
            source = settings.source_of(setting)
            yield ConfigError(
                f"{setting}: {shown(path)} is {'no' if setting == 'workspace' else 'a'} folder",
                where=CONFIG_FILE if source == "default" else source,
                hint=f"move it away, or set {setting} to another path",
            )


def _words(folder: Path) -> str:
    """What is written in an agent's folder about events, readable as YAML and Python or not."""
    files = [path for path in (folder / MANIFEST_FILE, folder / "events.py") if path.is_file()]
    return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


def _part(problems: list[ConfigError], load: Callable[[], T]) -> T | None:
    try:
        return load()
    except ConfigError as problem:
        problems.append(problem)
        return None


def _check_names(
    agents: Mapping[str, MountedAgent],
    catalog: EventCatalog,
    tools: ToolRegistry | None,
    policies: Path,
    problems: list[ConfigError],
) -> None:
    """Events, tools and gates that manifests name must exist."""
    for agent in agents.values():
        manifest, at = agent.manifest, agent.manifest_at
        for field in ("consumes", "emits"):
            for index, event in enumerate(getattr(manifest, field)):
                if event not in catalog:
                    hint = suggestion(event, catalog.names()) or (
                        f"declare it in agents/{manifest.name}/events.py"
                    )
                    where = at.where(field, index)
                    problems.append(ManifestError(f"no event {event!r}", where=where, hint=hint))
        if all(event in catalog for event in manifest.consumes):
            _part(problems, lambda agent=agent: check_annotations(agent))  # type: ignore[misc]
        for index, tool in enumerate(manifest.tools if tools is not None else ()):
            if tool != "*" and tools is not None and tool not in tools.names():
                hint = suggestion(tool, tools.names()) or "the tools are: " + ", ".join(tools.names())
                where = at.where("tools", index)
                problems.append(ManifestError(f"no tool {tool!r}", where=where, hint=hint))
        if manifest.gate and not (policies / manifest.gate).is_file():
            names = sorted(path.name for path in policies.glob("*.cedar"))
            hint = suggestion(manifest.gate, names) or f"write {shown(policies / manifest.gate)}"
            problems.append(ManifestError(f"no gate {manifest.gate!r}", where=at.where("gate"), hint=hint))


def _idle(
    agents: Mapping[str, MountedAgent], flows: Iterable[Flow], manifests: Mapping[str, Manifest]
) -> list[Finding]:
    """Agents of the project's own that no flow leads to: most likely a line was forgotten."""
    known = list(flows)
    used = {DISPATCHER, *(name for flow in known for name in Facts(flow, manifests).agents())}
    return [
        Finding(
            "flow/idle-agent",
            f"no flow leads to {agent.name}: it would never be called",
            agent.manifest_at.where("consumes"),
            _line_for(agent, known, manifests),
        )
        for agent in agents.values()
        if not agent.shipped and agent.name not in used
    ]


def _line_for(agent: MountedAgent, flows: Iterable[Flow], manifests: Mapping[str, Manifest]) -> str:
    """The line that would bring an event to the agent, as it should read."""
    for flow in flows:
        event, way = way_to(agent.name, Facts(flow, manifests))
        if way:
            return f"{way} in {flow.where('routes', event)}, or remove the agent's folder"
    return f"name {agent.name} in a route of config/flows, or remove the agent's folder"


def _finding(problem: ConfigError) -> Finding:
    rule = _RULES.get(type(problem), "config/setting")
    where, colon, line = (problem.where or CONFIG_FILE).partition(":")
    return Finding(rule, problem.message, f"{shown(where)}{colon}{line}", problem.hint or "")


def _all(findings: list[Finding]) -> ConfigError:
    first = findings[0]
    others = "".join(f"\n  also {one.where}: {one.message}" for one in findings[1:])
    counted = f" (1 of {len(findings)} problems){others}" if others else ""
    return ConfigError(first.message + counted, where=first.where, hint=first.hint or None)
