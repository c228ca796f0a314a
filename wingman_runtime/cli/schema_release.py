"""``wingman schema release`` and ``accept``: what changes files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common, actor_of
from wingman_runtime.cli.out import note
from wingman_runtime.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from datetime import date

    from wingman_runtime.project.schemas import SchemaBook
    from wingman_runtime.schemas.finding import SchemaFinding

_OF_THE_RELEASE = ("version/", "major/", "waiver/")
"""Findings about the release itself: they are mended, nobody can answer for them."""


def release(
    *events: Annotated[str, Parameter(help="Event types.")],
    all_: Annotated[
        bool, Parameter(name="--all", negative="", help="Every event of this project that is not released.")
    ] = False,
    sample: Annotated[
        tuple[Path, ...],
        Parameter(
            name="--sample",
            negative="",
            help="A JSON document of this version, to test later ones on; repeatable. Else one is made.",
        ),
    ] = (),
    dry_run: Annotated[bool, Parameter(negative="", help="Only say what would be written.")] = False,
    common: Common = DEFAULT,
) -> int:
    """Record the version an event's class has, if it says enough: config/schemas/EVENT/VERSION.json.

    A version that was released is never changed. All that is asked for is written, or nothing.

    For example

        wingman schema release OrderPlaced
        wingman schema release OrderPlaced --sample order.json
        wingman schema release --all --dry-run
    """
    from wingman_runtime.cli.schema import book_of
    from wingman_runtime.cli.schematext import as_row, tell
    from wingman_runtime.schemas.release import plan_release, write_release
    from wingman_runtime.yamlfile import shown

    if bool(events) == all_:
        raise UsageError("which events?", hint="name them, or say --all")
    if sample and len(events) != 1:
        raise UsageError("a sample is of one event", hint="release that event by itself")
    book = book_of(common)
    chosen = list(dict.fromkeys(events)) or [name for name in sorted(book.models) if book.registry.owns(name)]
    report = book.check(chosen) if chosen else None
    samples = {events[0]: [_document(path) for path in sample]} if sample else {}
    plan = plan_release(report.standings if report else (), book.registry, samples)
    out = common.out()
    if plan.refused:
        if common.json:
            out.data({"released": [], "refused": [as_row(one) for one in plan.refused]})
        else:
            for one in plan.refused:
                tell(out, one)
        count = len(plan.refused)
        note(f"nothing is released: {count} finding{'s' if count > 1 else ''}")
        return 1
    done = plan.releases if dry_run else write_release(plan, book.registry)
    rows = [
        {
            "event": one.record.event,
            "version": str(one.record.version),
            "what": ("would be released" if dry_run else "released") if one.new else "as it was",
            "file": shown(one.file),
            "note": one.note,
        }
        for one in done
    ]
    if common.json:
        out.data({"released": rows, "refused": []})
    else:
        out.table([one for one in rows if one["what"] != "as it was"], ("event", "version", "file", "note"),
                  empty="nothing to release: every version is recorded as it stands")  # fmt: skip
    new = sum(one.new for one in done)
    if new and not common.json:
        note(f"{new} would be released" if dry_run else f"{new} released: commit the files")
    return 0


def accept(
    event: Annotated[str, Parameter(help="The event type.")],
    rule: Annotated[str, Parameter(help="The finding's rule, as `wingman schema check` names it.")],
    path: Annotated[str, Parameter(help="The finding's path; quote it: '/lines/*/price', or '' for all.")],
    /,
    *,
    reason: Annotated[str, Parameter(help="Why this is no harm.")],
    until: Annotated[str, Parameter(help="The last day this counts: 2027-01-31.")],
    by: Annotated[str, Parameter(help="Who answers for it; else the setting actor, or the login.")] = "",
    common: Common = DEFAULT,
) -> int:
    """Answer for a finding: it is written into config/schemas/waivers.yaml, and counts until a day.

    For example

        wingman schema accept OrderPlaced schema/pattern-changed /code \\
            --until 2027-01-31 --reason "nobody sent the others"
    """
    import dataclasses

    from wingman_runtime.cli.schema import book_of
    from wingman_runtime.schemas.waivers import Waiver, append_waiver
    from wingman_runtime.yamlfile import shown

    day = _day(until)
    if not reason.strip():
        raise UsageError("--reason is empty", hint="say why this is no harm")
    project = common.found()
    book = book_of(common)
    _findable(book, event, rule, path)
    waiver = Waiver(event, rule, path, reason, actor_of(project.settings, by), day)
    file = append_waiver(project.root, waiver)
    if common.json:
        told = dataclasses.asdict(waiver) | {"file": shown(file)}
        del told["where"]
        common.out().data(told)
    else:
        common.out().line(shown(file))
    note(f"{rule} at {path!r} of {event} is accepted until {day}: commit the file")
    return 0


def _findable(book: SchemaBook, event: str, rule: str, path: str) -> None:
    """There is such a finding, and it is one that somebody can answer for."""
    from wingman_runtime.schemas.finding import Weight

    if rule.startswith(_OF_THE_RELEASE):
        raise UsageError(f"nobody can answer for {rule}", hint="do what the finding says")
    standing = book.standing(event)
    known = [
        one
        for one in standing.findings
        if one.weight is not Weight.NOTE and not one.rule.startswith(_OF_THE_RELEASE)
    ]
    fitting = [(one.rule, one.path) for one in (*known, *(finding for finding, _ in standing.waived))]
    if (rule, path) not in fitting:
        raise NotFoundError(f"{event} has no finding {rule} at {path!r}", hint=_open_ones(known))


def _open_ones(known: list[SchemaFinding]) -> str:
    if not known:
        return "it has none that could be accepted"
    return "it has: " + ", ".join(dict.fromkeys(f"{one.rule} {one.path or repr('')}" for one in known))


def _day(text: str) -> date:
    import datetime

    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--until: {text[:40]!r} is no day", hint="write it like 2027-01-31") from None
    if day < datetime.date.today():
        raise UsageError(f"--until: {day} has passed", hint="name a day to come")
    return day


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as problem:
        raise UsageError(f"cannot be read: {problem.strerror}", where=str(path)) from None
    except (ValueError, RecursionError) as problem:
        line = f":{problem.lineno}" if isinstance(problem, json.JSONDecodeError) else ""
        raise UsageError(f"not valid JSON: {problem}", where=f"{path}{line}") from None
