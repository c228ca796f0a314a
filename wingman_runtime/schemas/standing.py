"""Where an event stands: its class as it is now, against every version that was released of it.

1. Holds the class against the records: what changed, for whom, and which version that makes it at the least.
2. Takes out what somebody answers for: by a waiver now, or when an earlier version was released.
3. Replays the recorded samples, and demands of a new major the way from the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.errors import ContractError
from wingman_runtime.schemas.change import WORDS, Change, Mode, judge
from wingman_runtime.schemas.finding import Direction, SchemaFinding, Weight
from wingman_runtime.schemas.major import consent_findings, replay_findings, upcaster_findings
from wingman_runtime.schemas.place import place_in, place_of, place_of_name, place_of_version
from wingman_runtime.schemas.record import SchemaRecord
from wingman_runtime.schemas.rules import rule_id
from wingman_runtime.schemas.version import Bump, Version
from wingman_runtime.schemas.waivers import Waiver, apply_waivers

if TYPE_CHECKING:
    from wingman_runtime.schemas.contract import ConsumerContract

UNDERSTATED = "version/understated"
UNRELEASED = "version/unreleased"
BEHIND = "version/behind"


class Status(StrEnum):
    """``current``: recorded as it stands. ``unreleased``: its version is not recorded, and may be.
    ``understated``: it changed by more than its version says. ``behind``: a higher one was released.
    """

    CURRENT = "current"
    UNRELEASED = "unreleased"
    UNDERSTATED = "understated"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Subject:
    """One event of a project as its class stands now.

    Attributes:
        model: the class.
        record: what `describe` says of it.
        lints: what is wrong with the class by itself.
        consumers: names of the agents that consume it.
        shipped: it is the runtime's own.
    """

    model: type[EventModel]
    record: SchemaRecord
    lints: tuple[SchemaFinding, ...] = ()
    consumers: tuple[str, ...] = ()
    shipped: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What a check found of one event.

    Attributes:
        released: the highest recorded version; None without any.
        bump: what the change since then amounts to.
        least: the lowest version the class may have.
        findings: what nobody answers for.
        waived: what somebody does, and who.
    """

    subject: Subject
    status: Status
    released: Version | None
    bump: Bump
    least: Version
    findings: tuple[SchemaFinding, ...]
    waived: tuple[tuple[SchemaFinding, Waiver], ...] = ()

    @property
    def event(self) -> str:
        return self.subject.record.event

    @property
    def written(self) -> Version:
        """The version the class has."""
        return self.subject.record.version


def standing_of(
    subject: Subject,
    history: Sequence[SchemaRecord],
    *,
    today: date,
    waivers: Sequence[Waiver] = (),
    consumers: Iterable[ConsumerContract] = (),
    begun: bool = True,
) -> Standing:
    """Hold one event against its history.

    Args:
        history: its released versions, oldest first.
        consumers: those with a contract, whom a new major needs the consent of.
        begun: whether the project records versions at all; where it does not, none is missed.
    """
    new = subject.record
    lints = apply_waivers(subject.lints, waivers, today)
    if not history:
        findings = (*lints.left, _unreleased(subject, begun))
        return Standing(subject, Status.UNRELEASED, None, Bump.NONE, new.version, findings, lints.waived)
    latest = history[-1]
    within = [one for one in history if one.version.major == latest.version.major]
    stays = new.version.major == latest.version.major
    held = new if stays else replace(new, version=latest.version.bumped(Bump.MINOR))
    change = judge(within, held, mode=mode_of(subject.model))
    told = [_let_pass(one, change) for one in change.findings if not _answered(one, within)]
    if stays and not any(_breaking([one]) and one.direction is Direction.BACKWARD for one in told):
        told += replay_findings(subject.model, within)
    changes = apply_waivers((_located(one, subject) for one in told), waivers, today)
    bump = Bump.MAJOR if _breaking(changes.left) else min(change.bump, Bump.MINOR)
    # New words alone may be released as a patch; nobody has to.
    reworded = all(one.rule == rule_id(WORDS) for one in change.findings)
    least = latest.version if bump is Bump.PATCH and reworded else latest.version.bumped(bump)
    status, about = Status.CURRENT, list(changes.left)
    if new.version.major > latest.version.major:
        # The new major is the answer to them: they are told, no longer held against it.
        about = [replace(one, weight=Weight.NOTE) for one in about]
        about += consent_findings(subject.model, new, consumers)
    about += upcaster_findings(subject.model, new, history)
    if new.version < latest.version:
        status = Status.BEHIND
        about.append(_behind(subject, latest.version, least))
    elif new.version < least:
        status = Status.UNDERSTATED
        about.append(_understated(subject, latest.version, bump, least))
    elif new.version != latest.version:
        status = Status.UNRELEASED
        about.append(_unreleased(subject, begun))
    return Standing(
        subject,
        status,
        latest.version,
        bump,
        least,
        (*lints.left, *about),
        (*lints.waived, *changes.waived),
    )


def mode_of(model: type[EventModel]) -> Mode:
    """Which changes within a major block. Raises ContractError for a mode there is not."""
    try:
        return Mode(model.compatibility)
    except ValueError:
        raise ContractError(
            f"{model.__name__}: there is no compatibility {model.compatibility!r}",
            where=place_of_name(model, "compatibility"),
            hint="it is one of " + ", ".join(Mode),
        ) from None


def line_for(subject: Subject, version: Version) -> str:
    """The line to write, and where: ``schema_version = "1.1.0" in agents/x/events.py:12``."""
    where = place_of_version(subject.model)
    return f'schema_version = "{version}"' + (f" in {where}" if where else "")


def _let_pass(finding: SchemaFinding, change: Change) -> SchemaFinding:
    """What breaks somebody and is not held against this event is said all the same."""
    if finding.weight is Weight.BREAKING and finding not in change.blocking:
        return replace(finding, weight=Weight.WARNING)
    return finding


def _breaking(findings: Iterable[SchemaFinding]) -> bool:
    return any(one.weight is Weight.BREAKING for one in findings)


def _answered(finding: SchemaFinding, history: Iterable[SchemaRecord]) -> bool:
    """Whether it was accepted when an earlier version was released; that stays so."""
    mark = {"rule": finding.rule, "path": finding.path, "against": finding.against}
    return any(mark.items() <= one.items() for record in history for one in record.accepted)


def _located(finding: SchemaFinding, subject: Subject) -> SchemaFinding:
    """With its line in the source, and with the names of who must act."""
    act = finding.act
    if finding.direction is Direction.FORWARD and subject.consumers:
        act = "consumers first: " + ", ".join(subject.consumers)
    return replace(finding, where=place_in(subject.model, finding.path) or finding.where, act=act)


def _version_finding(subject: Subject, rule: str, weight: Weight, message: str, remedy: str) -> SchemaFinding:
    return SchemaFinding(
        rule=rule,
        event=subject.record.event,
        path="",
        direction=Direction.NEITHER,
        weight=weight,
        message=message,
        act=subject.record.owner or "producer",
        remedy=remedy,
        where=place_of_version(subject.model) or place_of(subject.model),
    )


def _understated(subject: Subject, released: Version, bump: Bump, least: Version) -> SchemaFinding:
    said = f"what changed since {released} is {bump.label}: {subject.record.version} says too little"
    return _version_finding(subject, UNDERSTATED, Weight.BREAKING, said, f"write {line_for(subject, least)}")


def _behind(subject: Subject, released: Version, least: Version) -> SchemaFinding:
    said = f"it is {subject.record.version}, and {released} was released already"
    return _version_finding(subject, BEHIND, Weight.BREAKING, said, f"write {line_for(subject, least)}")


def _unreleased(subject: Subject, begun: bool) -> SchemaFinding:
    said = f"{subject.record.version} is not released"
    remedy = f"run `wingman schema release {subject.record.event}`"
    return _version_finding(subject, UNRELEASED, Weight.BREAKING if begun else Weight.NOTE, said, remedy)
