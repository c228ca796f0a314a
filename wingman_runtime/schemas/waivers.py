"""Waivers: findings that somebody answers for, by name, with a reason and until a day.

``config/schemas/waivers.yaml`` is a list; people may write it, and `wingman schema accept` adds to it. A
waiver whose day has passed waives nothing and is an error; one that nothing needed is a warning.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from wingman_runtime.errors import ConfigError, ConflictError
from wingman_runtime.schemas.finding import Direction, SchemaFinding, Weight
from wingman_runtime.schemas.registry import WAIVERS_FILE
from wingman_runtime.yamlfile import parse_yaml, shown, validate

EXPIRED = "waiver/expired"
UNUSED = "waiver/unused"
_HEAD = """\
# Findings of `wingman schema check` that somebody answers for. `wingman schema accept` adds one; each needs a
# reason and a day until which it counts (the last day included).
"""


class _Entry(BaseModel):
    """One item of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    event: str = Field(min_length=1, max_length=100, examples=["OrderPlaced"])
    rule: str = Field(min_length=1, max_length=100, examples=["schema/pattern-changed"])
    path: str = Field(max_length=1_000, examples=["/customer"])
    reason: str = Field(min_length=1, max_length=2_000, examples=["the old pattern was never met"])
    by: str = Field(min_length=1, max_length=200, examples=["ada"])
    until: date = Field(examples=["2027-01-31"])


@dataclass(frozen=True, slots=True)
class Waiver:
    """One waiver. ``where`` is its file:line; ``until`` is the last day on which it counts."""

    event: str
    rule: str
    path: str
    reason: str
    by: str
    until: date
    where: str = ""

    def covers(self, finding: SchemaFinding) -> bool:
        return (self.event, self.rule, self.path) == (finding.event, finding.rule, finding.path)


def load_waivers(root: Path) -> tuple[Waiver, ...]:
    """The waivers of a project, expired ones included; none when there is no file.

    Raises:
        ConfigError: the file is wrong, or has two waivers for one finding; ``where`` is file:line.
    """
    path = root / WAIVERS_FILE
    if not path.is_file():
        return ()
    raw = path.read_bytes()
    if not [row for row in raw.splitlines() if row.strip() and not row.lstrip().startswith(b"#")]:
        return ()
    return _waivers(raw, shown(path))


def _waivers(raw: bytes, name: str) -> tuple[Waiver, ...]:
    located = parse_yaml(raw, name)
    if not isinstance(located.data, list):
        raise ConfigError("a list is expected", where=f"{name}:1", hint="begin each waiver with `- event:`")
    found: list[Waiver] = []
    for index in range(len(located.data)):
        entry = validate(_Entry, located.at(index))
        waiver = Waiver(**entry.model_dump(), where=located.where(index, "event"))
        for known in found:
            if (known.event, known.rule, known.path) == (waiver.event, waiver.rule, waiver.path):
                said = f"the second waiver for {waiver.rule} at {waiver.path!r}; the first: {known.where}"
                raise ConfigError(said, where=waiver.where, hint="keep the one that is meant")
        found.append(waiver)
    return tuple(found)


def append_waiver(root: Path, waiver: Waiver) -> Path:
    """Add a waiver to the file; what people wrote into it stays as it is.

    Raises:
        ConfigError: the file is wrong.
        ConflictError: there is one for this finding.
    """
    path = root / WAIVERS_FILE
    for known in load_waivers(root):
        if (known.event, known.rule, known.path) == (waiver.event, waiver.rule, waiver.path):
            raise ConflictError(
                f"{waiver.rule} at {waiver.path!r} is waived by {known.by} until {known.until}",
                where=known.where,
                hint="change that entry",
            )
    before = path.read_text(encoding="utf-8-sig") if path.is_file() else _HEAD
    if before and not before.endswith("\n"):
        before += "\n"
    keys = ("event", "rule", "path", "reason", "by")
    rows = [f"{key}: {json.dumps(getattr(waiver, key), ensure_ascii=False)}" for key in keys]
    text = before + "- " + "\n  ".join([*rows, f"until: {waiver.until.isoformat()}"]) + "\n"
    _waivers(text.encode(), shown(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".draft-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(draft).chmod(0o644)
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)
    return path


@dataclass(frozen=True, slots=True)
class Waived:
    """What is left of findings after the waivers.

    Attributes:
        left: findings that nobody answers for.
        waived: findings with who does.
    """

    left: tuple[SchemaFinding, ...]
    waived: tuple[tuple[SchemaFinding, Waiver], ...]


def apply_waivers(findings: Iterable[SchemaFinding], waivers: Sequence[Waiver], today: date) -> Waived:
    """Each finding against the waivers that still count."""
    left: list[SchemaFinding] = []
    waived: list[tuple[SchemaFinding, Waiver]] = []
    for finding in findings:
        waiver = next((one for one in waivers if one.until >= today and one.covers(finding)), None)
        if waiver is None:
            left.append(finding)
        else:
            waived.append((finding, waiver))
    return Waived(tuple(left), tuple(waived))


def about_waivers(
    waivers: Sequence[Waiver], used: Iterable[Waiver], looked_at: Iterable[str], today: date
) -> list[SchemaFinding]:
    """What is to be said of the waivers themselves: the expired, and those that nothing needed.

    Args:
        used: those that covered a finding.
        looked_at: events that were checked; of another event nothing can be said.
    """
    needed, events = set(used), set(looked_at)
    found: list[SchemaFinding] = []
    for waiver in waivers:
        if waiver.until < today:
            said = f"the waiver of {waiver.by} for {waiver.rule} ended on {waiver.until}"
            remedy = "mend what it waived, or give it a new `until` with a reason that still holds"
            found.append(_about(waiver, EXPIRED, Weight.BREAKING, said, remedy))
        elif waiver not in needed and waiver.event in events:
            said = f"nothing needs the waiver of {waiver.by} for {waiver.rule}"
            remedy = "remove it: what it covers some day may be something else"
            found.append(_about(waiver, UNUSED, Weight.WARNING, said, remedy))
    return found


def _about(waiver: Waiver, rule: str, weight: Weight, message: str, remedy: str) -> SchemaFinding:
    return SchemaFinding(
        rule=rule,
        event=waiver.event,
        path=waiver.path,
        direction=Direction.NEITHER,
        weight=weight,
        message=message,
        act=waiver.by,
        remedy=remedy,
        where=waiver.where,
    )
