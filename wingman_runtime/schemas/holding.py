"""A contract held against what producers write now: before they are deployed, and for every reader by itself.

Rules: ``contract/``

* fails: ``breaks`` ``unproven`` ``major`` ``envelope`` ``unknown-event``
* is said: ``agreed`` ``consented`` ``deprecated`` ``unread``
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from wingman_runtime.contracts.event import Event, EventModel
from wingman_runtime.schemas.contract import ConsumerContract, readers_of
from wingman_runtime.schemas.deprecation import deprecated_fields
from wingman_runtime.schemas.finding import Direction, SchemaFinding, Weight
from wingman_runtime.schemas.paths import field_paths
from wingman_runtime.schemas.place import place_in, place_of, place_of_version
from wingman_runtime.schemas.record import Schema
from wingman_runtime.schemas.verdict import Gap
from wingman_runtime.schemas.version import Version
from wingman_runtime.yamlfile import suggestion


@dataclass(frozen=True, slots=True)
class Written:
    """One event as its producers write it now.

    Attributes:
        schema: the writer's schema of its model.
        producers: who emits it; for people.
        released: the writer's schema of its last released version; None without one.
    """

    event: str
    version: Version
    schema: Schema
    model: type[EventModel]
    producers: tuple[str, ...] = ()
    released: Schema | None = None

    @property
    def way(self) -> str:
        """``as till writes it``, for a message."""
        many = len(self.producers) > 1
        return f"as {' and '.join(self.producers) or 'its producer'} {'write' if many else 'writes'} it"


def hold(contract: ConsumerContract, written: Written, today: date) -> list[SchemaFinding]:
    """What the consumer could not read of the event as it is written now; empty when it reads all of it.

    Raises:
        KeyError: the contract does not read the event.
    """
    from wingman_runtime.schemas import accepts

    read, event, major = contract.reads[written.event], written.event, written.version.major
    found = [_strange_field(contract, written, name) for name in read.envelope if name not in _ENVELOPE]
    if major not in read.majors:
        if contract.consents_to(event, major):
            return [*found, _consented(contract, written)]
        return [*found, _other_major(contract, written)]
    verdict = accepts(read.reader, written.schema)
    return found + [_gap(contract, written, gap, today) for gap in verdict.gaps]


_ENVELOPE = frozenset(Event.model_fields)


def unknown_event(
    contract: ConsumerContract, event: str, known: Collection[str], where: str
) -> SchemaFinding:
    """The contract reads an event that nobody declares any longer, or never did."""
    return SchemaFinding(
        rule="contract/unknown-event",
        event=event,
        path="",
        direction=Direction.FORWARD,
        weight=Weight.BREAKING,
        message=f"{contract.named} reads {event}, which no producer declares",
        act=_act(contract),
        remedy=suggestion(event, known) or f"bring {event} back, or take it out of the contract's `reads`",
        where=where,
    )


def deprecations(
    contracts: Iterable[ConsumerContract], written: Written, today: date
) -> Iterator[SchemaFinding]:
    """For each field that is to go: who still reads it and has not agreed that it goes."""
    contracts = tuple(contracts)
    for path, notice in deprecated_fields(written.model).items():
        for one in readers_of(contracts, written.event, path):
            if one.signed(written.event, path):
                continue
            when = f"until {notice.until}" if notice.until else "without a day"
            over = ", which is over" if notice.until and notice.until < today else ""
            yield SchemaFinding(
                rule="contract/deprecated",
                event=written.event,
                path=path,
                direction=Direction.FORWARD,
                weight=Weight.WARNING,
                message=f"{one.named} reads {path} of {written.event}, "
                f"deprecated {when}{over}: {notice.text}",
                act=one.consumer,
                remedy=f"have {one.consumer} read it no longer, or agree: `wingman contract sign-off"
                f" {one.consumer} {written.event} {path} --until DAY --by NAME --reason WHY`",
                where=place_in(written.model, path),
            )


def unread(
    contracts: Iterable[ConsumerContract], written: Written, *, standing: bool
) -> Iterator[SchemaFinding]:
    """Fields that no registered consumer reads: those that were removed, and, if asked, those still there."""
    contracts = tuple(contracts)
    now = field_paths(written.schema)
    gone = [path for path in field_paths(written.released or {}) if path not in now]
    told: list[str] = []
    for path in [*gone, *(now if standing else ())]:
        within = any(path.startswith(f"{outer}/") for outer in told)
        if within or readers_of(contracts, written.event, path):
            continue
        told.append(path)
        said = "was removed, and" if path in gone else "may be removed:"
        yield SchemaFinding(
            rule="contract/unread",
            event=written.event,
            path=path,
            direction=Direction.FORWARD,
            weight=Weight.NOTE,
            message=f"{path} of {written.event} {said} no registered consumer reads it",
            where=place_in(written.model, path),
        )


def _gap(contract: ConsumerContract, written: Written, gap: Gap, today: date) -> SchemaFinding:
    signed = contract.signed(written.event, gap.path)
    agreed = signed is not None and signed.until < today
    early = f" It may go after {signed.until}, not before." if signed is not None and not agreed else ""
    rule = "contract/agreed" if agreed else "contract/breaks" if gap.confirmed else "contract/unproven"
    verb = "could not read" if gap.confirmed else "may be unable to read"
    said = f"{contract.named} {verb} it {written.way}: {gap.reason}{early}"
    if agreed and signed is not None:
        said += f" (agreed by {signed.by}: {signed.reason})"
    return SchemaFinding(
        rule=rule,
        event=written.event,
        path=gap.path,
        direction=Direction.FORWARD,
        weight=Weight.WARNING if agreed else Weight.BREAKING,
        message=said,
        against=f"contract {contract.consumer} {contract.consumer_version}",
        witness=gap.witness,
        act=_act(contract),
        remedy=""
        if agreed
        else f"write what {contract.consumer} reads as before; or have {contract.consumer} read it the new"
        " way, release it and record its contract, and change the event after that",
        where=place_in(written.model, gap.path),
        reason="" if gap.confirmed else gap.reason,
    )


def _other_major(contract: ConsumerContract, written: Written) -> SchemaFinding:
    major, name = written.version.major, contract.consumer
    reads = " and ".join(str(one) for one in contract.reads[written.event].majors)
    return SchemaFinding(
        rule="contract/major",
        event=written.event,
        path="",
        direction=Direction.FORWARD,
        weight=Weight.BREAKING,
        message=f"{contract.named} reads major {reads} of {written.event}, which is {written.version} now",
        against=f"contract {name} {contract.consumer_version}",
        act=_act(contract),
        remedy=f"release a {name} that reads {major}.x and record its contract, or have its owner agree:"
        f" `wingman contract consent {name} {written.event} {major} --by NAME --reason WHY`",
        where=place_of_version(written.model),
    )


def _consented(contract: ConsumerContract, written: Written) -> SchemaFinding:
    major = written.version.major
    given = next(one for one in contract.consents[written.event] if one.major == major)
    return SchemaFinding(
        rule="contract/consented",
        event=written.event,
        path="",
        direction=Direction.FORWARD,
        weight=Weight.NOTE,
        message=f"{contract.named} is ready for {written.event} {major}.x, says {given.by}: {given.reason}",
        where=place_of_version(written.model),
    )


def _strange_field(contract: ConsumerContract, written: Written, name: str) -> SchemaFinding:
    return SchemaFinding(
        rule="contract/envelope",
        event=written.event,
        path="",
        direction=Direction.FORWARD,
        weight=Weight.BREAKING,
        message=f"{contract.named} needs the envelope field {name!r}, which no event carries",
        act=_act(contract),
        remedy=suggestion(name, _ENVELOPE) or f"the fields are: {', '.join(sorted(_ENVELOPE))}",
        where=place_of(written.model),
    )


def _act(contract: ConsumerContract) -> str:
    return f"consumers first: {contract.consumer} ({contract.owner})"
