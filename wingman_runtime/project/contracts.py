"""The contracts of a project: those recorded, those its agents' code amounts to, and what both must hold.

Rules beside those of `schemas.holding`: ``contract/stale`` ``contract/orphan`` ``contract/missing``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property
from pathlib import Path

from pydantic import BaseModel

from wingman_runtime.contracts.event import EventCatalog
from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.contracts.projection import envelope_reads
from wingman_runtime.errors import ConfigError, ConflictError, NotFoundError
from wingman_runtime.project.agents import MountedAgent, collect_events
from wingman_runtime.project.find import reference_root
from wingman_runtime.project.load import Project
from wingman_runtime.schemas.contract import (
    Consent,
    ConsumerContract,
    Read,
    SignOff,
    contract_file,
    made,
    read_contracts,
    write_contract,
)
from wingman_runtime.schemas.finding import Direction, SchemaFinding, Weight
from wingman_runtime.schemas.holding import Written, deprecations, hold, unknown_event, unread
from wingman_runtime.schemas.place import place_of
from wingman_runtime.schemas.record import Schema
from wingman_runtime.schemas.registry import Registry
from wingman_runtime.schemas.version import Version
from wingman_runtime.yamlfile import shown, suggestion

RUNTIME = "the runtime"


@dataclass(frozen=True)
class Contracts:
    """Every consumer of a project.

    Attributes:
        recorded: by consumer, as the files of ``config/contracts`` say.
        agents: the project's own agents; shipped ones have their contracts in the reference project.
        producers: agents that emit an event, by event type.
    """

    root: Path
    recorded: Mapping[str, ConsumerContract]
    agents: Mapping[str, MountedAgent]
    catalog: EventCatalog
    producers: Mapping[str, tuple[str, ...]]
    registry: Registry
    _written: dict[str, Written] = field(default_factory=dict)

    @classmethod
    def of(cls, project: Project, problems: list[ConfigError]) -> Contracts:
        """Read what there is; what is wrong with files is added to the list, and left out."""
        agents = project.mount(problems)
        catalog = EventCatalog(collect_events(agents, problems))
        producers: dict[str, tuple[str, ...]] = {}
        for name, agent in agents.items():
            for event in agent.manifest.emits:
                producers[event] = (*producers.get(event, ()), name)
        own = {name: agent for name, agent in agents.items() if not agent.shipped}
        return cls(
            project.root,
            read_contracts(project.root, problems),
            own,
            catalog,
            producers,
            Registry(project.root, reference_root(), SHIPPED),
        )

    @cached_property
    def derived(self) -> dict[str, ConsumerContract]:
        """What the agents' code amounts to now, by agent."""
        return {name: self._derived(agent) for name, agent in self.agents.items()}

    def all(self) -> tuple[ConsumerContract, ...]:
        """Every contract that counts, recorded ones before what is only in code."""
        found = list(self.recorded.values())
        for name, derived in self.derived.items():
            known = self.recorded.get(name)
            if known is None or known.reads != derived.reads:
                found.append(derived)
        return tuple(found)

    def contract(self, consumer: str) -> ConsumerContract:
        """One, recorded or else derived. Raises NotFoundError."""
        found = self.recorded.get(consumer) or self.derived.get(consumer)
        if found is None:
            names = sorted({*self.recorded, *self.derived})
            hint = suggestion(consumer, names) or "the consumers are: " + (", ".join(names) or "none yet")
            raise NotFoundError(f"no consumer {consumer!r}", hint=hint)
        return found

    def written(self, event: str) -> Written:
        """The event as its producers write it now. Raises ContractError for an unknown one."""
        if event not in self._written:
            model = self.catalog.model(event)
            latest = self.registry.latest(event)
            self._written[event] = Written(
                event,
                Version.parse(model.schema_version),
                _writer(model),
                model,
                self.producers.get(event, (RUNTIME,)),
                latest.writer if latest else None,
            )
        return self._written[event]

    def check(self, events: Collection[str] = (), today: date | None = None) -> list[SchemaFinding]:
        """What a consumer could not read, what is out of date, and what nobody reads.

        Args:
            events: only these; then fields that nobody reads are told as well.
            today: for what was agreed until a day.
        """
        day = today or date.today()
        found: list[SchemaFinding] = []
        for name in sorted({*self.recorded, *self.derived}):
            found += self._checked(name, events, day)
        contracts = self.all()
        for event in self.catalog.names():
            if events and event not in events:
                continue
            written = self.written(event)
            found += deprecations(contracts, written, day)
            found += unread(contracts, written, standing=bool(events))
        return found

    def hurt(self, contract: ConsumerContract, events: Collection[str], today: date) -> list[SchemaFinding]:
        """What this contract could not read of events as they are written now."""
        found = []
        for event in contract.reads:
            if events and event not in events:
                continue
            if event in self.catalog:
                found += hold(contract, self.written(event), today)
            else:
                where = shown(contract_file(self.root, contract.consumer))
                found.append(unknown_event(contract, event, self.catalog.names(), where))
        return found

    def record(self, names: Iterable[str] = (), *, force: bool = False) -> dict[str, bool]:
        """Write the contracts of agents (all, when none is named); whether each file changed.

        Raises:
            NotFoundError: no such agent of the project's own.
            ConflictError: what the recorded version of an agent reads would be rewritten although it could
                not read what is written now; nothing is written then.
        """
        chosen = list(names) or sorted(self.agents)
        for name in chosen:
            if name not in self.agents:
                hint = suggestion(name, self.agents) or "for another team's service, use --consumer"
                raise NotFoundError(f"no agent {name!r} in this project", hint=hint)
        fresh = {}
        for name in chosen:
            known, derived = self.recorded.get(name), self.derived[name]
            if known is not None:
                if not force:
                    self._refuse_rewriting(known, derived)
                derived = derived.agreements_of(known)
            fresh[name] = derived
        return {name: write_contract(self.root, contract) for name, contract in fresh.items()}

    def record_read(
        self, consumer: str, event: str, model: type[BaseModel], *, version: str, owner: str, said: str
    ) -> bool:
        """Add an event to an external consumer's contract, or read it anew; whether the file changed.

        Args:
            version, owner: empty to keep what is recorded.
            said: where the model is, for people.

        Raises:
            ContractError: no such event.
            ConflictError: the consumer is an agent.
            ConfigError: the first contract of a consumer lacks version or owner.
        """
        if consumer in self.agents:
            raise ConflictError(
                f"{consumer} is an agent of this project", hint=f"use `wingman contract record {consumer}`"
            )
        known = self.recorded.get(consumer)
        if known is None and not (owner and version):
            raise ConfigError(
                f"{consumer} has no contract yet", hint="say --owner and --consumer-version with its first"
            )
        major = Version.parse(self.catalog.model(event).schema_version).major
        read = _read(model, (major,), said)
        reads = {**(known.reads if known else {}), event: read}
        base = known.model_dump() if known else {}
        base |= {"consumer": consumer, "reads": {name: one.model_dump() for name, one in reads.items()}}
        base |= {"owner": owner} if owner else {}
        base |= {"consumer_version": version} if version else {}
        return write_contract(self.root, made(ConsumerContract, **base))

    def agree(self, consumer: str, event: str, given: Consent | SignOff) -> None:
        """Put what a consumer's owner agrees to into its contract; the same thing again replaces the first.

        Raises:
            NotFoundError: no such consumer, or none that reads the event.
            ConflictError: the consumer has no recorded contract to put it into.
        """
        contract = self.contract(consumer)
        if consumer not in self.recorded:
            raise ConflictError(
                f"the contract of {consumer} is not recorded",
                hint=f"run `wingman contract record {consumer}`",
            )
        if event not in contract.reads:
            hint = suggestion(event, contract.reads) or f"it reads {', '.join(contract.reads)}"
            raise NotFoundError(f"{consumer} does not read {event!r}", hint=hint)
        if isinstance(given, Consent):
            kept = [one for one in contract.consents.get(event, ()) if one.major != given.major]
            told = tuple(sorted([*kept, given], key=lambda one: one.major))
            change: dict[str, object] = {"consents": {**contract.consents, event: told}}
        else:
            rest = [one for one in contract.deprecations if (one.event, one.path) != (event, given.path)]
            change = {"deprecations": (*rest, given)}
        write_contract(self.root, contract.model_copy(update=change))

    def _checked(self, name: str, events: Collection[str], day: date) -> list[SchemaFinding]:
        known, derived = self.recorded.get(name), self.derived.get(name)
        found: list[SchemaFinding] = []
        reads = {event for one in (known, derived) if one is not None for event in one.reads}
        if events and not reads & set(events):
            return []
        if known is not None:
            found += self.hurt(known, events, day)
        if derived is None:
            if known is not None and known.kind == "agent":
                found.append(self._about(known, "contract/orphan", Weight.WARNING))
            return found
        if known is None:
            found = self.hurt(derived, events, day)
            if any(one.kind == "agent" for one in self.recorded.values()):  # else it has not begun
                found.append(self._about(derived, "contract/missing", Weight.NOTE))
            return found
        differing = [event for event in derived.reads if derived.reads[event] != known.reads.get(event)]
        told = {(one.rule, one.event, one.path) for one in found}
        if differing:
            only = [event for event in differing if not events or event in events]
            more = self.hurt(derived, only, day) if only else []
            found += [one for one in more if (one.rule, one.event, one.path) not in told]
        if derived.agreements_of(known) != known:
            found.append(self._about(derived, "contract/stale", Weight.BREAKING))
        return found

    def _about(self, contract: ConsumerContract, rule: str, weight: Weight) -> SchemaFinding:
        name, path = contract.consumer, contract_file(self.root, contract.consumer)
        event, said = _difference(contract, self.recorded.get(name))
        message, remedy = {
            "contract/stale": (f"the contract of {name} is not what its code says: {said}", True),
            "contract/missing": (f"{name} has no recorded contract; it is held by its code alone", True),
            "contract/orphan": (f"there is no agent {name} any more, and its contract still stands", False),
        }[rule]
        where = place_of(self.agents[name].projections[event]) if self._projects(name, event) else ""
        return SchemaFinding(
            rule=rule,
            event=event,
            path="",
            direction=Direction.NEITHER,
            weight=weight,
            message=message,
            act=name,
            remedy=f"run `wingman contract record {name}`, and look at what changed"
            if remedy
            else f"remove {shown(path)} once no such agent runs any longer",
            where=where or shown(path),
        )

    def _projects(self, name: str, event: str) -> bool:
        return name in self.agents and event in self.agents[name].projections

    def _derived(self, agent: MountedAgent) -> ConsumerContract:
        manifest = agent.manifest
        reads = {}
        for event in manifest.consumes:
            if event not in self.catalog:
                continue
            whole = self.catalog.model(event)
            model = agent.projections.get(event, whole)
            major = self.catalog.reader(event, agent.projections.get(event)).version.major
            majors = sorted({major, *(model.upcasts or whole.upcasts)})
            reads[event] = _read(model, tuple(majors), model.__name__)
        return ConsumerContract.model_construct(
            consumer=manifest.name,
            consumer_version=manifest.version,
            owner=manifest.owner,
            kind="agent",
            reads=reads,
            consents={},
            deprecations=(),
        )

    def _refuse_rewriting(self, known: ConsumerContract, derived: ConsumerContract) -> None:
        if known.consumer_version != derived.consumer_version or known.reads == derived.reads:
            return
        hurt = [one for one in self.hurt(known, (), date.today()) if one.weight is Weight.BREAKING]
        if hurt:
            at = self.agents[known.consumer].manifest_at
            raise ConflictError(
                f"{known.consumer} {known.consumer_version} is recorded otherwise; of {hurt[0].event}: "
                f"{hurt[0].message}",
                where=at.where("version"),
                hint="give the agent that reads it otherwise a higher version, and record that;"
                " or use --force if this version runs nowhere",
            )


def lacking_consent(contracts: Contracts, event: str, major: int) -> list[ConsumerContract]:
    """Registered consumers that read the event, and neither read this major nor agreed to it."""
    return [
        one
        for one in contracts.recorded.values()
        if event in one.reads and major not in one.reads[event].majors and not one.consents_to(event, major)
    ]


def _difference(contract: ConsumerContract, known: ConsumerContract | None) -> tuple[str, str]:
    """An event that is read otherwise than recorded, and what is to be said of the difference."""
    if known is None:
        return next(iter(contract.reads), ""), ""
    for event in sorted({*contract.reads, *known.reads}):
        ours, theirs = contract.reads.get(event), known.reads.get(event)
        if ours != theirs:
            verb = "no longer reads" if ours is None else "reads" if theirs is None else "reads otherwise"
            return event, f"it {verb} {event}"
    for name in ("consumer_version", "owner", "kind"):
        if getattr(contract, name) != getattr(known, name):
            return "", f"{name} is {getattr(contract, name)}, recorded is {getattr(known, name)}"
    return "", ""


def _read(model: type[BaseModel], majors: tuple[int, ...], said: str) -> Read:
    return Read.model_construct(
        majors=majors, reader=_reader(model), envelope=envelope_reads(model), model=said
    )


@cache
def _reader(model: type[BaseModel]) -> Schema:
    from wingman_runtime.schemas.derive import reader_schema

    return reader_schema(model)


@cache
def _writer(model: type[BaseModel]) -> Schema:
    from wingman_runtime.schemas.derive import writer_schema

    return writer_schema(model)
