"""Which of the differences between two versions is to blame, where the inclusion check says they do not fit.

The check decides; a difference only explains. What no difference explains is told in the check's own words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wingman_runtime.schemas.differences import Difference, differences
from wingman_runtime.schemas.fields import fields_of, node_at, requires
from wingman_runtime.schemas.finding import Direction, SchemaFinding, Weight
from wingman_runtime.schemas.forms import text_of
from wingman_runtime.schemas.plainly import plainly
from wingman_runtime.schemas.record import Schema, SchemaRecord
from wingman_runtime.schemas.rules import remedy, rule_id
from wingman_runtime.schemas.verdict import Answer, Gap, Verdict

_PRESENCE = {"field-added", "field-removed", "field-required", "field-optional", "wire-renamed"}
_COMPUTED = {"computed-field-added", "computed-field-removed"}
_OF_OLD = {"union-member-removed", "nullable-removed"}
_OF_NEW = {"union-member-added", "nullable-added"}
_TOLD = {"default-changed", "computed-field-removed", "wire-renamed"}
_CONTAINERS = {"extent-changed", "map-keys-changed", "constraint-changed", "union-kind-changed"}


def changes(old: SchemaRecord, new: SchemaRecord) -> list[Difference]:
    """What differs between two versions, on either side of the wire; each change once."""
    found: dict[tuple[str, str, str], Difference] = {}
    for one in differences(old.writer, new.writer):
        found[one.rule, one.path, _variant(one)] = one
    for one in differences(old.reader, new.reader):
        known = found.get((one.rule, one.path, _variant(one)))
        if known is None:
            # What only a reader knows of, nobody writes: it hurts nobody to lose or to gain it.
            found[one.rule, one.path, _variant(one)] = replace(one, variant=None)
        elif one.rule == "field-added":  # only a reader's schema tells whether it must be there
            found[one.rule, one.path, ""] = replace(known, said=one.said)
    read_before, read_now = fields_of(old.reader), fields_of(new.reader)
    renamed = {one.path for one in found.values() if one.rule == "wire-renamed"}
    told = []
    for one in found.values():
        if one.rule in _PRESENCE and one.rule != "wire-renamed" and one.path in renamed:
            continue
        if one.rule == "field-removed" and one.path not in read_before:
            told.append(replace(one, rule="computed-field-removed"))
        elif one.rule == "field-added" and one.path not in read_now:
            said = one.said.removesuffix(", required")
            told.append(replace(one, rule="computed-field-added", said=said))
        else:
            told.append(one)
    return sorted(told, key=lambda one: (one.path, one.rule))


def _variant(one: Difference) -> str:
    # A variant reads otherwise than it is written: its tag is what both sides have in common.
    return one.said if one.variant is not None else ""


@dataclass(frozen=True, slots=True)
class Blame:
    """One direction between two versions: what the one wrote, held against what the other reads."""

    old: SchemaRecord
    new: SchemaRecord
    direction: Direction
    verdict: Verdict

    @property
    def backward(self) -> bool:
        return self.direction is Direction.BACKWARD

    @property
    def writer(self) -> Schema:
        return self.old.writer if self.backward else self.new.writer

    @property
    def reader(self) -> Schema:
        return self.new.reader if self.backward else self.old.reader

    def findings(self, found: Sequence[Difference]) -> Iterator[SchemaFinding]:
        """Breaking findings: one for each difference to blame, and one for each gap that none explains."""
        if self.verdict.compatible:
            return
        guilty = self._guilty(found)
        for same in _alike([one for one, _ in guilty]):
            answer = next(answer for one, answer in guilty if one is same[0])
            yield self._finding(same, answer)
        for gap in self.verdict.gaps:
            if not any(_related(one.path, gap.path) for one, _ in guilty):
                yield self._gap(gap)

    def _guilty(self, found: Sequence[Difference]) -> list[tuple[Difference, Verdict]]:
        guilty: list[tuple[Difference, Verdict]] = []
        for one in sorted(found, key=lambda one: one.rule in _CONTAINERS):
            beneath = any(other.path.startswith(f"{one.path}/") or other is one for other, _ in guilty)
            if one.rule in _CONTAINERS and beneath:
                continue
            answer = self._hurts(one)
            if answer is not None:
                guilty.append((one, answer))
        return guilty

    def _hurts(self, one: Difference) -> Verdict | None:
        """The verdict on this place alone, if it is against it."""
        if one.rule in _COMPUTED or one.rule == "default-changed":
            return None
        if one.rule in _PRESENCE:
            needed, _ = requires(self.reader, one.path)
            _, given = requires(self.writer, one.path)
            if needed and not given:
                return Verdict((Gap("required", one.path, "it is needed and not always there", None, True),))
            if one.rule == "wire-renamed" or one.old is None or one.new is None:
                return None
        written: Any = node_at(self.writer, one.path)
        if one.rule in _OF_NEW | _OF_OLD:
            if one.variant is None or one.rule in (_OF_NEW if self.backward else _OF_OLD):
                return None
            written = {**one.variant, "$defs": self.writer.get("$defs", {})}
        read = node_at(self.reader, one.path)
        if written is None or read is None:
            return None
        verdict = included(read, written)
        return None if verdict.compatible else verdict

    def _finding(self, same: Sequence[Difference], verdict: Verdict) -> SchemaFinding:
        one = same[0]
        places = [other.path or "the top" for other in same[1:]]
        also = f"; also at {', '.join(places[:6])}" if places else ""
        also += f" and {len(places) - 6} places more" if len(places) > 6 else ""
        shown = (gap for other in same for gap in self.verdict.gaps if _shows(gap, other.path))
        witness = next((gap.witness for gap in shown), None)
        unproven = verdict.answer is Answer.UNKNOWN and witness is None
        return SchemaFinding(
            rule=rule_id(one.rule),
            event=self.new.event,
            path=one.path,
            direction=self.direction,
            weight=Weight.BREAKING,
            message=f"{one.said}{also}: {self._effect(unproven)}",
            against=str(self.old.version),
            witness=witness,
            act=self._act,
            remedy=remedy(one.rule, self.direction),
            reason=verdict.gaps[0].reason if unproven else "",
        )

    def _gap(self, gap: Gap) -> SchemaFinding:
        name = "incompatible" if gap.confirmed else "unproven"
        return SchemaFinding(
            rule=rule_id(name),
            event=self.new.event,
            path=gap.path,
            direction=self.direction,
            weight=Weight.BREAKING,
            message=f"{gap.reason}: {self._effect(not gap.confirmed)}",
            against=str(self.old.version),
            witness=gap.witness,
            act=self._act,
            remedy=remedy(name, self.direction),
            reason="" if gap.confirmed else gap.reason,
        )

    @property
    def _act(self) -> str:
        return "producer: upcaster" if self.backward else "consumers first"

    def _effect(self, unproven: bool) -> str:
        may = "may not be readable" if unproven else "cannot be read"
        if self.backward:
            return f"some of what {self.old.version} wrote {may} any more"
        return f"some of what is written now {may} by readers of {self.old.version}"


def told(old: SchemaRecord, new: SchemaRecord, found: Sequence[Difference]) -> Iterator[SchemaFinding]:
    """Differences that hurt nobody's reading: said, so that they are seen."""
    for same in _alike(found):
        one = same[0]
        also = f"; also at {', '.join(other.path for other in same[1:7])}" if same[1:] else ""
        yield SchemaFinding(
            rule=rule_id(one.rule),
            event=new.event,
            path=one.path,
            direction=Direction.NEITHER,
            weight=Weight.WARNING if one.rule in _TOLD else Weight.NOTE,
            message=f"{one.said}{also}{_MEANS.get(one.rule, '')}",
            against=str(old.version),
            act=_ACTS.get(one.rule, ""),
            remedy=_REMEDIES.get(one.rule, ""),
        )


_MEANS = {
    "default-changed": ": readers of either version fill in another value",
    "computed-field-removed": ": no model reads it, but consumers with a schema of their own may",
    "wire-renamed": ": where it may be left out, whoever does not know the other name takes the default",
}
_ACTS = {
    "default-changed": "producer",
    "computed-field-removed": "consumers first",
    "wire-renamed": "producer",
}
_REMEDIES = {
    "default-changed": "make sure that consumers mean the same by a missing value",
    "computed-field-removed": "run `wingman contract check` before it goes",
    "wire-renamed": "read the old name too, by validation_alias=AliasChoices(new, old), and go on writing it",
}


def included(reader: Schema, writer: Schema) -> Verdict:
    """The inclusion check; asked only where it takes one, and imported late, for it is heavy."""
    if plainly(reader, writer):
        return Verdict()
    from wingman_runtime.schemas import accepts

    return accepts(reader, writer)


def _alike(found: Sequence[Difference]) -> list[list[Difference]]:
    """The same change of the same model at several places is one."""
    groups: dict[tuple[str, ...], list[Difference]] = {}
    for one in found:
        name = one.path.rpartition("/")[2]
        key = (one.rule, name, one.said, text_of(one.old), text_of(one.new))
        groups.setdefault(key, []).append(one)
    return [sorted(same, key=lambda one: (one.path.count("/"), one.path)) for same in groups.values()]


def _related(path: str, other: str) -> bool:
    """Whether one place lies within the other; a gap at the top may be anything beneath."""
    return all(
        one == two or "*" in (one, two)
        for one, two in zip(path.split("/")[1:], other.split("/")[1:], strict=False)
    )


def _shows(gap: Gap, path: str) -> bool:
    return gap.confirmed and _related(gap.path, path)
