"""An agent of a project: its folder read, its function found, its declaration held against its code."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.contracts.projection import projected
from wingman_runtime.contracts.reading import check_versions
from wingman_runtime.errors import AgentCodeError, ConfigError, ContractError, ManifestError
from wingman_runtime.project.annotations import projections_of
from wingman_runtime.project.mount import Mount
from wingman_runtime.yamlfile import Located, load_yaml, shown, suggestion, validate

MANIFEST_FILE = "manifest.yaml"

PORTS = {
    "policy": "the judge, bound to this step",
    "scopes": "the declared scopes",
    "tools": "what may be known of tools; not a way to call them",
    "planners": "planners by name",
    "approvals": "approval records, to read",
    "ledger": "the effects of this request",
}
"""What an agent may name in ``needs``; parameter name → meaning. Types: `wingman_runtime.contracts.ports`."""


@dataclass(frozen=True, slots=True)
class MountedAgent:
    """An agent ready to be called.

    Args:
        function: ``(event, **ports) -> AgentOutcome``, sync or async (`is_async`).
        code_digest: over every file of its folder, manifest included.
        events: event types its ``events.py`` defines.
        shipped: it comes from the reference project, not from the project's own folder.
        projections: its own models of events it consumes, by event type; the rest it reads whole.
    """

    manifest: Manifest
    function: Callable[..., Any]
    code_digest: str
    folder: Path
    manifest_at: Located
    events: tuple[type[EventModel], ...] = ()
    shipped: bool = False
    projections: Mapping[str, type[EventModel]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)


def mount_agents(
    folder: Path, problems: list[ConfigError], *, shipped: bool = False
) -> dict[str, MountedAgent]:
    """Every agent of an ``agents/`` folder, by name. What cannot be mounted is added to ``problems``."""
    if not folder.is_dir():
        return {}
    mount = Mount.of(folder)
    agents: dict[str, MountedAgent] = {}
    for one in sorted(path for path in mount.folder.iterdir() if path.is_dir()):
        if one.name.startswith((".", "__")) or not any(f.startswith(f"{one.name}/") for f in mount.files):
            continue
        try:
            agents[one.name] = mount_agent(mount, one.name, shipped=shipped)
        except ConfigError as error:
            problems.append(error)
    return agents


def mount_agent(mount: Mount, name: str, *, shipped: bool = False) -> MountedAgent:
    """One agent.

    Raises:
        ManifestError: its manifest is wrong; ``where`` is file:line.
        AgentCodeError: its function or events are, or do not fit the manifest; ``where`` is in its code.
    """
    folder = mount.folder / name
    if not (folder / MANIFEST_FILE).is_file():
        raise ManifestError(
            f"the agent {name!r} has no {MANIFEST_FILE}",
            where=shown(folder),
            hint=f"write one, or copy that of another agent; a folder that is no agent does not belong in "
            f"{shown(mount.folder)}/",
        )
    located = load_yaml(folder / MANIFEST_FILE, error=ManifestError)
    manifest = validate(Manifest, located, error=ManifestError)
    _check_manifest(manifest, located, name)
    function = _function(mount, manifest, located)
    _check_signature(function, manifest, located)
    events = _own_events(mount, name)
    projections = projections_of(function)
    return MountedAgent(manifest, function, mount.digest(name), folder, located, events, shipped, projections)


def _check_manifest(manifest: Manifest, located: Located, folder: str) -> None:
    if manifest.name != folder:
        raise ManifestError(
            f"the agent is called {manifest.name!r}, its folder {folder!r}",
            where=located.where("name"),
            hint="give both the same name",
        )
    for index, event in enumerate(manifest.refusals):
        if event not in manifest.emits:
            raise ManifestError(
                f"{event!r} is a refusal but not in emits",
                where=located.where("refusals", index),
                hint="add it to emits",
            )
    for index, port in enumerate(manifest.needs):
        if port not in PORTS:
            raise ManifestError(
                f"there is no port {port!r}",
                where=located.where("needs", index),
                hint="the ports are: " + ", ".join(PORTS),
            )
    if "*" in manifest.tools and not manifest.performs:
        raise ManifestError(
            "tools: '*' is for an agent that performs plans",
            where=located.where("tools"),
            hint="name the tools, or write performs: true",
        )
    if manifest.timeout.total_seconds() <= 0:
        raise ManifestError(
            "timeout: must be more than 0", where=located.where("timeout"), hint="write it like `timeout: 30`"
        )


def _function(mount: Mount, manifest: Manifest, located: Located) -> Callable[..., Any]:
    """The function that ``handler`` names."""
    agent, (module_name, name) = manifest.name, manifest.handler.split(":")
    path = f"{agent}/{module_name}.py"
    if not mount.has(path):
        files = (Path(file) for file in mount.files if file.startswith(f"{agent}/"))
        raise ManifestError(
            f"handler: there is no {module_name}.py in this folder",
            where=located.where("handler"),
            hint=suggestion(module_name, [file.stem for file in files if file.suffix == ".py"])
            or f"write {shown(mount.folder / path)}, or correct the handler",
        )
    module = mount.load(agent, module_name, error=AgentCodeError)
    function = getattr(module, name, None)
    if inspect.isfunction(function):
        return function
    functions = {n: f for n, f in vars(module).items() if inspect.isfunction(f)}
    asked = f"which the handler at {located.where('handler')} names"
    for near in get_close_matches(name, functions, n=1, cutoff=0.6):
        code = inspect.unwrap(functions[near]).__code__
        raise AgentCodeError(
            f"{module_name}.py has no function {name!r}, {asked}",
            where=f"{shown(code.co_filename)}:{code.co_firstlineno}",
            hint=f"did you mean {near!r}? Give both the same name",
        )
    raise AgentCodeError(
        f"{module_name}.py has no function {name!r}, {asked}",
        where=f"{shown(mount.folder / path)}:1",
        hint=f"define `def {name}(event, …)` in it",
    )


def _check_signature(function: Callable[..., Any], manifest: Manifest, located: Located) -> None:
    code = inspect.unwrap(function).__code__
    where = f"{shown(code.co_filename)}:{code.co_firstlineno}"
    parameters = list(inspect.signature(function).parameters.values())
    plain = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    if not parameters or parameters[0].kind not in plain:
        raise AgentCodeError(
            f"{function.__name__} takes no event", where=where, hint="its first parameter is the event"
        )
    for parameter in parameters[1:]:
        if parameter.kind in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
            raise AgentCodeError(
                f"{function.__name__} takes *{parameter.name}", where=where, hint="name each port"
            )
        if parameter.name not in manifest.needs and parameter.default is inspect.Parameter.empty:
            hint = f"add {parameter.name!r} to needs in {MANIFEST_FILE}"
            if parameter.name not in PORTS:
                hint = "the ports are: " + ", ".join(PORTS)
            raise AgentCodeError(f"parameter {parameter.name!r} is not declared", where=where, hint=hint)
    names = {parameter.name for parameter in parameters[1:]}
    for index, port in enumerate(manifest.needs):
        if port not in names:
            raise AgentCodeError(
                f"{function.__name__} has no parameter {port!r}",
                where=where,
                hint=f"add the parameter, or take the port out of needs at {located.where('needs', index)}",
            )


def _own_events(mount: Mount, name: str) -> tuple[type[EventModel], ...]:
    if not mount.has(f"{name}/events.py"):
        return ()
    module = mount.load(name, "events", error=AgentCodeError)
    models = [
        model
        for model in vars(module).values()
        if isinstance(model, type)
        and issubclass(model, EventModel)
        and model.__module__ == module.__name__
        and not model.__name__.startswith("_")
        and not projected(model)
    ]
    for model in models:
        _check_contract(model, module)
    return tuple(models)


def _line_of(model: type[EventModel], module: ModuleType) -> str:
    try:
        line = inspect.getsourcelines(model)[1]
    except OSError:
        line = 1
    return f"{shown(module.__file__ or '')}:{line}"


def _check_contract(model: type[EventModel], module: ModuleType) -> None:
    where = _line_of(model, module)
    name = model.__name__
    if name in SHIPPED:
        raise AgentCodeError(f"{name} is a shipped event", where=where, hint="choose another name")
    try:
        check_versions(model)
    except ContractError as error:
        raise AgentCodeError(error.message, where=where, hint=error.hint) from None
    contract = vars(model).get("contract")
    if contract is None:
        raise AgentCodeError(
            f"{name} has no contract",
            where=where,
            hint="add `contract = EventContract(purpose=…, primitives=…, failure=…, rollback=…, audit=…)`",
        )
    missing = [
        part
        for part in ("purpose", "primitives", "failure", "rollback", "audit")
        if not getattr(contract, part, None)
    ]
    if missing:
        raise AgentCodeError(
            f"the contract of {name} leaves {', '.join(missing)} empty", where=where, hint="write it down"
        )


def collect_events(
    agents: dict[str, MountedAgent], problems: list[ConfigError]
) -> dict[str, type[EventModel]]:
    """The shipped events and those of the agents. The same name twice must be the same event."""
    models = dict(SHIPPED)
    for agent in agents.values():
        for model in agent.events:
            known = models.setdefault(model.__name__, model)
            if known is not model and not _same(known, model):
                problems.append(
                    AgentCodeError(
                        f"event {model.__name__} is defined in two ways: here and in {_file_of(known)}",
                        where=_line_of(model, sys.modules[model.__module__]),
                        hint="rename one, or import it from the other agent",
                    )
                )
    return models


def _file_of(model: type[EventModel]) -> str:
    return shown(sys.modules[model.__module__].__file__ or model.__module__)


def _same(one: type[EventModel], other: type[EventModel]) -> bool:
    return (
        one.model_json_schema() == other.model_json_schema()
        and one.contract == other.contract
        and one.schema_version == other.schema_version
        and one.unknown_variant == other.unknown_variant
        and one.upcasts.keys() == other.upcasts.keys()
    )


def with_reference(
    own: dict[str, MountedAgent], reference: dict[str, MountedAgent], problems: list[ConfigError]
) -> dict[str, MountedAgent]:
    """Own agents over the shipped ones; standing in for a shipped one must be declared."""
    for name, agent in own.items():
        replaces = agent.manifest.replaces
        if name in reference and not replaces:
            problems.append(
                ManifestError(
                    f"{name!r} is a shipped, governed agent",
                    where=agent.manifest_at.where("name"),
                    hint="rename yours, or write `replaces: true` to stand in for it",
                )
            )
        elif replaces and name not in reference:
            problems.append(
                ManifestError(
                    f"replaces: there is no shipped agent {name!r}",
                    where=agent.manifest_at.where("replaces"),
                    hint=suggestion(name, reference) or "remove `replaces`",
                )
            )
    return {**reference, **own}
