"""The schemas of a whole project: its events as their classes stand, the released versions, what is waived.

1. Finds each event's class, its owner and the agents that consume it.
2. Finds its records: a shipped event's lie in the reference project, the others in the project's own folder.
3. Checks them all, and releases what may be released.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.errors import AgentCodeError, ConfigError, ContractError, NotFoundError
from wingman_runtime.project.agents import MountedAgent, collect_events
from wingman_runtime.project.find import reference_root
from wingman_runtime.project.load import Project
from wingman_runtime.schemas.contract import ConsumerContract, read_contracts
from wingman_runtime.schemas.describe import describe, lint
from wingman_runtime.schemas.finding import Direction, SchemaFinding, Weight
from wingman_runtime.schemas.place import place_of
from wingman_runtime.schemas.registry import Registry
from wingman_runtime.schemas.standing import Standing, Subject, mode_of, standing_of
from wingman_runtime.schemas.waivers import Waiver, about_waivers, load_waivers
from wingman_runtime.yamlfile import shown, suggestion

NO_CLASS = "version/no-class"
RUNTIME_OWNER = "wingman-runtime"
"""Who answers for the events that the runtime itself writes."""


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """What `SchemaBook.check` found.

    Attributes:
        standings: every event that was looked at, by name.
        about: what concerns no class: waivers, and events that have none any more.
        begun: whether the project records versions at all.
    """

    standings: tuple[Standing, ...]
    about: tuple[SchemaFinding, ...]
    begun: bool

    @property
    def findings(self) -> tuple[SchemaFinding, ...]:
        return (*(finding for one in self.standings for finding in one.findings), *self.about)

    @property
    def waived(self) -> tuple[tuple[SchemaFinding, Waiver], ...]:
        return tuple(pair for one in self.standings for pair in one.waived)

    @property
    def clean(self) -> bool:
        """Warnings and notes do not count."""
        return not any(one.weight is Weight.BREAKING for one in self.findings)


@dataclass(frozen=True, slots=True)
class SchemaBook:
    """A project's schemas as they lie in its files. An event is described when it is asked for.

    Attributes:
        models: the class of each event, by name.
    """

    registry: Registry
    waivers: tuple[Waiver, ...]
    contracts: tuple[ConsumerContract, ...]
    models: Mapping[str, type[EventModel]]
    agents: Mapping[str, MountedAgent]
    _made: dict[str, Subject] = field(default_factory=dict, repr=False)

    def subject(self, event: str) -> Subject:
        """One event as its class stands.

        Raises:
            NotFoundError: no class stands for it.
            ConfigError: its class has no schema, or a record of it is wrong; ``where`` is file:line.
        """
        if event not in self.models:
            hint = suggestion(event, self.models) or "`wingman schema list` names them"
            raise NotFoundError(f"no event {event!r}", hint=hint)
        if event not in self._made:
            self._made[event] = self._described(event)
        return self._made[event]

    def begun(self, event: str = "") -> bool:
        """Whether versions are recorded where this event's would be; without one: of the project's own."""
        if event and not self.registry.owns(event):
            return self.registry.shipped_begun
        return self.registry.begun

    def standing(self, event: str, today: date | None = None) -> Standing:
        """One event against its history."""
        return standing_of(
            self.subject(event),
            self.registry.history(event),
            today=today or date.today(),
            waivers=self.waivers,
            consumers=self.contracts,
            begun=self.begun(event),
        )

    def check(self, events: Iterable[str] = (), today: date | None = None) -> SchemaReport:
        """Every event, or those named, and the waivers.

        Raises:
            ConfigError: a record is no record, or was edited; ``where`` is file:line.
            NotFoundError: there is no such event.
        """
        day, chosen = today or date.today(), tuple(events)
        problems = [] if chosen else self.registry.problems()
        if problems:
            raise problems[0] if len(problems) == 1 else _all(problems)
        standings = tuple(self.standing(event, day) for event in chosen or sorted(self.models))
        used = [waiver for one in standings for _, waiver in one.waived]
        looked_at = chosen or {*self.models, *(one.event for one in self.waivers)}
        about = about_waivers(self.waivers, used, looked_at, day)
        return SchemaReport(standings, (*about, *(self._classless() if not chosen else ())), self.begun())

    def _described(self, event: str) -> Subject:
        model, where = self.models[event], place_of(self.models[event])
        latest = self.registry.latest(event)
        try:
            mode_of(model)
            record = describe(model, owner=_owner(event, self.agents), where=where, previous=latest)
        except ContractError as problem:
            raise AgentCodeError(problem.message, where=problem.where, hint=problem.hint) from None
        consumers = sorted(one.name for one in self.agents.values() if event in one.manifest.consumes)
        return Subject(model, record, tuple(lint(model, record)), tuple(consumers), event in SHIPPED)

    def _classless(self) -> Iterator[SchemaFinding]:
        """Events that were released and that no class stands for: nobody could read what lies in streams."""
        for event in self.registry.events():
            if event not in self.models and self.registry.owns(event):
                folder = shown(self.registry.folder(event))
                yield SchemaFinding(
                    rule=NO_CLASS,
                    event=event,
                    path="",
                    direction=Direction.BACKWARD,
                    weight=Weight.BREAKING,
                    message="it was released, and no class stands for it any more",
                    act=self.registry.get(event).owner or "producer",
                    remedy=f"bring the class back; or, when none of its events is left, remove {folder}",
                    where=shown(self.registry.file(event, self.registry.get(event).version)),
                )


def read_schemas(project: Project, problems: list[ConfigError]) -> SchemaBook:
    """The schemas of a project; what is wrong with agents, waivers or contracts is added to ``problems``."""
    agents = project.mount(problems)
    models = collect_events(agents, problems)
    waivers: tuple[Waiver, ...] = ()
    try:
        waivers = load_waivers(project.root)
    except ConfigError as problem:
        problems.append(problem)
    contracts = read_contracts(project.root, problems)
    registry = Registry(project.root, reference_root(), SHIPPED)
    return SchemaBook(registry, waivers, tuple(contracts.values()), models, agents)


def _owner(event: str, agents: Mapping[str, MountedAgent]) -> str:
    """Who answers for an event: the owner of the agent that defines it, else of the one that emits it."""
    if event in SHIPPED:
        return RUNTIME_OWNER
    defining = [one for one in agents.values() if any(model.__name__ == event for model in one.events)]
    emitting = [one for one in agents.values() if event in one.manifest.emits]
    # An event two agents define is that of the one which emits it.
    both = [one for one in defining if one in emitting]
    return next((one.manifest.owner for one in (*both, *defining, *emitting)), "")


def _all(problems: list[ConfigError]) -> ConfigError:
    first = problems[0]
    others = "".join(f"\n  also {one.where}: {one.message}" for one in problems[1:])
    return ConfigError(
        f"{first.message} (1 of {len(problems)} problems){others}", where=first.where, hint=first.hint
    )
