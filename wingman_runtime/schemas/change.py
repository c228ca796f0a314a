"""Which version a change makes it: two versions held against each other, and one against its whole major.

1. Hold what the old writes against what the new reads (backward), and the new against the old (forward).
2. Explain each refusal by the difference that is to blame.
3. Add what no schema shows: names used again, validators that changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from wingman_runtime.contracts.version import Bump
from wingman_runtime.schemas.blame import Blame, changes, included, told
from wingman_runtime.schemas.fields import fields_of, node_at
from wingman_runtime.schemas.finding import Direction, SchemaFinding, Weight
from wingman_runtime.schemas.forms import text_of
from wingman_runtime.schemas.record import Schema, SchemaRecord
from wingman_runtime.schemas.rules import rule_id

WORDS = "words-changed"


class Mode(StrEnum):
    """Which breaking findings block a version within its major. What version it is, they all count for."""

    NONE = "none"
    BACKWARD = "backward"
    BACKWARD_TRANSITIVE = "backward_transitive"
    FORWARD = "forward"
    FORWARD_TRANSITIVE = "forward_transitive"
    FULL = "full"
    FULL_TRANSITIVE = "full_transitive"

    @property
    def transitive(self) -> bool:
        """Held against every version of the major, not only the last."""
        return self.value.endswith("_transitive")

    def covers(self, direction: Direction) -> bool:
        if direction is Direction.NEITHER:
            return self is not Mode.NONE
        return self.value.startswith(("full", direction.value))


@dataclass(frozen=True, slots=True)
class Change:
    """What a change amounts to.

    Attributes:
        bump: the least step of the version: MAJOR where somebody could not read, or nobody can tell; MINOR
            where the schemas changed; PATCH where only validators or words did; NONE where nothing did.
        findings: breaking ones first; then warnings and notes.
        blocking: those of the breaking ones that the mode does not let pass within the major.
    """

    bump: Bump
    findings: tuple[SchemaFinding, ...] = ()
    blocking: tuple[SchemaFinding, ...] = ()

    @property
    def blocked(self) -> bool:
        return bool(self.blocking)


def compare(old: SchemaRecord, new: SchemaRecord) -> Change:
    """Two versions of one event, whichever majors they have."""
    return _change([old], new, Mode.FULL)


def judge(history: Sequence[SchemaRecord], new: SchemaRecord, *, mode: Mode = Mode.FULL_TRANSITIVE) -> Change:
    """A version against all recorded ones of its major.

    Args:
        history: recorded versions, in any order; those of other majors only tell which names are reserved.
        mode: which findings block; it changes neither the findings nor the step.
    """
    ordered = sorted(history, key=lambda one: one.version)
    within = [one for one in ordered if one.version.major == new.version.major]
    if not within:
        return Change(Bump.NONE)
    reserved: dict[str, Schema] = {}
    for one in ordered:
        reserved.update(one.reserved)
    return _change(within, new, mode, reserved)


def _change(
    within: Sequence[SchemaRecord], new: SchemaRecord, mode: Mode, reserved: dict[str, Schema] | None = None
) -> Change:
    latest = within[-1]
    same = _same(latest, new)
    if same and latest.fingerprint == new.fingerprint:
        return Change(Bump.PATCH, (_words(latest, new),)) if _reworded(latest, new) else Change(Bump.NONE)
    found: dict[tuple[str, str, Direction], SchemaFinding] = {}
    if not same:
        for old in reversed(within):  # the newest version that shows it is the one that is named
            for one in _breaking(old, new):
                found.setdefault((one.rule, one.path, one.direction), one)
        for one in _reused(latest, new, latest.reserved if reserved is None else reserved):
            found.setdefault((one.rule, one.path, one.direction), one)
    broken = bool(found)
    if latest.fingerprint != new.fingerprint:
        one = _validators(latest, new)
        found[one.rule, one.path, one.direction] = one
    quiet = sorted(_quiet(latest, new, tuple(found.values())), key=lambda one: one.weight is Weight.NOTE)
    bump = Bump.MAJOR if broken else Bump.PATCH if same else Bump.MINOR
    findings = (*found.values(), *quiet)
    last = str(latest.version)
    blocking = (
        one
        for one in found.values()
        if mode.covers(one.direction) and (mode.transitive or one.against == last)
    )
    return Change(bump, findings, tuple(blocking))


def _same(old: SchemaRecord, new: SchemaRecord) -> bool:
    return old.event == new.event and all(
        text_of(one) == text_of(other) for one, other in ((old.writer, new.writer), (old.reader, new.reader))
    )


def _reworded(old: SchemaRecord, new: SchemaRecord) -> bool:
    """Whether the author reworded it: other releases of pydantic word the same model differently."""
    known = old.wording and new.wording and old.pydantic == new.pydantic
    return bool(known and old.wording != new.wording)


def _breaking(old: SchemaRecord, new: SchemaRecord) -> Iterator[SchemaFinding]:
    if old.event != new.event:
        yield _own(
            old,
            new,
            "event-renamed",
            "",
            f"{old.event} became {new.event}: flows and consumers know an event by its name",
            remedy=f"keep {old.event} and add {new.event} beside it until nobody reads the old one",
        )
    verdicts = {
        Direction.BACKWARD: included(new.reader, old.writer),
        Direction.FORWARD: included(old.reader, new.writer),
    }
    if all(one.compatible for one in verdicts.values()):
        return
    found = changes(old, new)
    for direction, verdict in verdicts.items():
        yield from Blame(old, new, direction, verdict).findings(found)


def _quiet(
    latest: SchemaRecord, new: SchemaRecord, found: Sequence[SchemaFinding]
) -> Iterator[SchemaFinding]:
    """The differences that nothing was found against."""
    blamed = {(one.rule, one.path) for one in found}
    # Of a renamed field both names are told of; one finding is enough.
    blamed |= {
        (rule, f"{path.rpartition('/')[0]}/") for rule, path in blamed if rule == rule_id("wire-renamed")
    }
    for one in told(latest, new, changes(latest, new)):
        within = f"{one.path.rpartition('/')[0]}/"
        if (one.rule, one.path) not in blamed and (one.rule, within) not in blamed:
            yield one


def _reused(latest: SchemaRecord, new: SchemaRecord, reserved: dict[str, Schema]) -> Iterator[SchemaFinding]:
    """Names that went in an earlier version and are back with another meaning."""
    live = {**fields_of(latest.reader), **fields_of(latest.writer)}
    for path, last in sorted(reserved.items()):
        written, read = node_at(new.writer, path), node_at(new.reader, path)
        if path in live or (written is None and read is None):
            continue
        fits = (read is None or included(read, last).compatible) and (
            written is None or included(_opened(last), written).compatible
        )
        if not fits:
            yield _own(
                latest,
                new,
                "reserved-name-reused",
                path,
                f"{path!r} was removed earlier and is back with another type: documents and readers of"
                " either kind are still about",
                remedy="give the field another name, or the type it had",
            )


def _opened(schema: Any) -> Any:
    """As somebody would read it who ignores further fields."""
    if isinstance(schema, list):
        return [_opened(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = schema.get("additionalProperties") is False
    return {
        key: _opened(value) for key, value in schema.items() if not (closed and key == "additionalProperties")
    }


def _words(old: SchemaRecord, new: SchemaRecord) -> SchemaFinding:
    said = _own(
        old,
        new,
        WORDS,
        "",
        "nothing on the wire changed: only titles, descriptions, examples, names of definitions, an order, or"
        " whether the class itself takes further fields",
        remedy="release it as a patch where readers of the documentation should see it",
    )
    return replace(said, weight=Weight.NOTE)


def _validators(old: SchemaRecord, new: SchemaRecord) -> SchemaFinding:
    return _own(
        old,
        new,
        "validator-changed",
        "",
        "a validator or serializer changed, which no schema shows: what was written before may be refused"
        " now, or read as something else",
        remedy="look at what it refuses, replay the samples, then `wingman schema accept` it; or raise the"
        " major",
        reason="what code accepts cannot be told from its schema",
    )


def _own(
    old: SchemaRecord,
    new: SchemaRecord,
    name: str,
    path: str,
    message: str,
    *,
    remedy: str,
    reason: str = "",
) -> SchemaFinding:
    return SchemaFinding(
        rule=rule_id(name),
        event=new.event,
        path=path,
        direction=Direction.NEITHER,
        weight=Weight.BREAKING,
        message=message,
        against=str(old.version),
        act="producer",
        remedy=remedy,
        reason=reason,
    )
