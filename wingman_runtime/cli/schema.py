"""``wingman schema``: the released versions of every event, and what its class has become since."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from wingman_runtime.cli.common import DEFAULT, Common, uncollected, with_client
from wingman_runtime.cli.out import note
from wingman_runtime.cli.schema_release import accept, release
from wingman_runtime.errors import UsageError, WingmanError

if TYPE_CHECKING:
    from wingman_runtime.client import Client
    from wingman_runtime.project.schemas import SchemaBook
    from wingman_runtime.redisio.workers import SeenSchema
    from wingman_runtime.schemas.record import SchemaRecord

app = App(name="schema", help="Look at the schemas of events, check them, release a version.")
_NAMED = 3  # changes of a version that its row names; `schema diff` and --json have all
_LOOK_SECONDS = 2.0
NOW = "now"
Event = Annotated[str, Parameter(help="The event type.")]


@app.command(name="list")
def list_(*, common: Common = DEFAULT) -> int:
    """Every event: the version of its class, what is released, and what running workers read and write.

    For example

        wingman schema list
        wingman schema list --json
    """
    book = book_of(common)
    seen = _running(common)
    rows = []
    for event in sorted(book.models):
        one = book.standing(event)
        ours = [told for told in seen if told.event == event]
        rows.append(
            {
                "event": event,
                "version": str(one.written),
                "released": str(one.released) if one.released else None,
                "status": one.status.value,
                "owner": one.subject.record.owner,
                "shipped": one.subject.shipped,
                "consumers": list(one.subject.consumers),
                "running": [_seen(told) for told in ours] if common.json else _in_words(ours) or None,
            }
        )
    columns = ["event", "version", "released", "status", "owner", *(["running"] if seen else [])]
    common.out().table(rows, columns, empty="no events")
    return 0


@app.command
def show(
    event: Annotated[str, Parameter(help="The event type; EVENT@1.0.0 for a released version.")],
    /,
    *,
    raw: Annotated[bool, Parameter(negative="", help="The whole record, as its file has it.")] = False,
    reader: Annotated[bool, Parameter(negative="", help="The JSON Schema of what consumers accept.")] = False,
    writer: Annotated[bool, Parameter(negative="", help="The JSON Schema of what producers send.")] = False,
    common: Common = DEFAULT,
) -> int:
    """One event's schema: as its class stands, or one released version of it.

    For example

        wingman schema show ExecutionPlanProposed
        wingman schema show ExecutionPlanProposed@1.0.0 --writer > plan.schema.json
    """
    from wingman_runtime.cli.schematext import field_rows
    from wingman_runtime.schemas.place import place_of
    from wingman_runtime.schemas.recordfile import to_data
    from wingman_runtime.yamlfile import shown

    if raw + reader + writer > 1:
        raise UsageError("--raw, --reader and --writer are three answers", hint="choose one of them")
    book = book_of(common)
    name, _, wanted = event.partition("@")
    record = _record(book, name, wanted or NOW)
    out = common.out()
    if raw or reader or writer:
        data = to_data(record) if raw else record.reader if reader else record.writer
        print(json.dumps(data, ensure_ascii=False, indent=2, sort_keys=True))
        return 0
    file = book.registry.file(name, record.version)
    subject = book.subject(name) if name in book.models else None
    told: dict[str, Any] = {
        "event": record.event,
        "version": str(record.version),
        "dataschema": f"urn:wingman:event:{record.event}:{record.version}",
        "owner": record.owner,
        "class": place_of(subject.model) if subject else "",
        "consumers": list(subject.consumers) if subject else [],
        "released": ", ".join(str(one.version) for one in book.registry.history(name)),
        "file": shown(file) if file.is_file() else "",
        "digest": record.digest,
        "reserved": sorted(record.reserved),
        "accepted": [dict(one) for one in record.accepted],
        "samples": len(record.samples),
    }
    if common.json:
        out.data(told | {"fields": field_rows(record), "reader": record.reader, "writer": record.writer})
        return 0
    out.fields(told)
    out.line("")
    out.table(field_rows(record), ("field", "type", "readers_need_it"), empty="no fields")
    return 0


@app.command
def history(event: Event, /, *, common: Common = DEFAULT) -> int:
    """The released versions of an event, newest first, and what each changed.

    For example

        wingman schema history ExecutionPlanProposed
    """
    from wingman_runtime.schemas.change import compare
    from wingman_runtime.yamlfile import shown

    book = book_of(common)
    if event not in book.models and event not in book.registry.events():
        book.subject(event)  # says which one was meant
    records = book.registry.history(event)
    rows = []
    for index, record in enumerate(records):
        change = compare(records[index - 1], record) if index else None
        found = change.findings if change else ()
        changed = list(dict.fromkeys(f"{one.path} {one.rule.partition('/')[2]}".strip() for one in found))
        more = f" ({len(changed) - _NAMED} more)" if len(changed) > _NAMED else ""
        rows.append(
            {
                "version": str(record.version),
                "change": change.bump.label if change else "first",
                "owner": record.owner,
                "samples": len(record.samples),
                "accepted": [one.get("rule", "") for one in record.accepted],
                "digest": record.digest if common.json else record.digest[:19],
                "file": shown(book.registry.file(event, record.version)),
                "what": changed if common.json else ", ".join(changed[:_NAMED]) + more,
            }
        )
    columns = ("version", "change", "owner", "samples", "accepted", "digest", "file", "what")
    common.out().table(rows[::-1], columns, empty=f"no version of {event} is released")
    return 0


@app.command
def check(
    *events: Annotated[str, Parameter(help="Event types; all when left out.")],
    annotations: Annotated[
        Literal["github"] | None, Parameter(help="Say it as annotations of a pull request.")
    ] = None,
    common: Common = DEFAULT,
) -> int:
    """Hold every event's class against its released versions: is its version right, whom does it hurt?

    Exits with 1 when something must be done before this may be deployed. Warnings and notes are no reason.

    For example

        wingman schema check
        wingman schema check OrderPlaced --json
        wingman schema check --annotations github
    """
    from wingman_runtime.cli.schematext import annotation, as_row, counted, tell

    if annotations and common.json:
        raise UsageError("--json and --annotations are two answers", hint="choose one of them")
    with uncollected():
        report = book_of(common).check(events)
    findings = list(report.findings)
    out = common.out()
    if common.json:
        events_told = [
            {
                "event": one.event,
                "version": str(one.written),
                "released": str(one.released) if one.released else None,
                "status": one.status.value,
                "change": one.bump.label,
                "least": str(one.least),
            }
            for one in report.standings
        ]
        waived = [
            as_row(finding) | {"waived_by": by.by, "until": str(by.until)} for finding, by in report.waived
        ]
        out.data(
            {
                "clean": report.clean,
                "findings": [as_row(one) for one in findings],
                "waived": waived,
                "events": events_told,
            }
        )
    else:
        for one in findings:
            if annotations:
                out.line(annotation(one))
            else:
                tell(out, one)
    number = len(report.standings)
    said = counted(findings) or "nothing found"
    waivers = f", {len(report.waived)} waived" if report.waived else ""
    note(f"{number} event{'s' if number != 1 else ''}: {said}{waivers}")
    if not report.begun:
        note("no version of this project's own events is recorded yet: `wingman schema release --all` begins")
    return 0 if report.clean else 1


@app.command
def diff(
    event: Event,
    a: Annotated[str, Parameter(help="A released version; the latest when left out.")] = "",
    b: Annotated[str, Parameter(help="Another, or `now` for the class as it stands.")] = NOW,
    /,
    *,
    common: Common = DEFAULT,
) -> int:
    """What changed between two versions, for whom, and the difference of their schemas.

    For example

        wingman schema diff ExecutionPlanProposed
        wingman schema diff ExecutionPlanProposed 1.0.0 1.1.0
    """
    import difflib

    from wingman_runtime.cli.schematext import as_row, tell
    from wingman_runtime.schemas.change import compare

    book = book_of(common)
    if event not in book.models:
        book.registry.get(event)
    old, new = _record(book, event, a or str(book.registry.get(event).version)), _record(book, event, b)
    change = compare(old, new)
    names = [f"{event} {old.version}", f"{event} {'as it stands' if b == NOW else new.version}"]
    rows: list[str] = []
    for part in ("writer", "reader"):
        before, after = (
            json.dumps(getattr(one, part), indent=2, sort_keys=True, ensure_ascii=False).splitlines()
            for one in (old, new)
        )
        marks = [f"{name} {part}" for name in names]
        rows += difflib.unified_diff(before, after, marks[0], marks[1], lineterm="")
    out = common.out()
    if common.json:
        findings = [as_row(one) for one in change.findings]
        out.data({"from": str(old.version), "to": b if b == NOW else str(new.version),
                  "change": change.bump.label, "findings": findings, "diff": rows})  # fmt: skip
        return 0
    for one in change.findings:
        tell(out, one)
    for row in rows:
        style = "green" if row.startswith("+") else "red" if row.startswith("-") else ""
        out.line(row, style)
    note(f"{names[0]} → {names[1]}: {change.bump.label if change.bump else 'no change'}")
    return 0


app.command(release)
app.command(accept)


def book_of(common: Common) -> SchemaBook:
    """The project's schemas.

    Raises:
        ConfigError: an agent cannot be mounted, or the waivers or contracts are wrong.
    """
    from wingman_runtime.errors import ConfigError
    from wingman_runtime.project.schemas import read_schemas

    problems: list[ConfigError] = []
    book = read_schemas(common.found(), problems)
    if problems:
        raise problems[0]
    return book


def _record(book: SchemaBook, event: str, version: str) -> SchemaRecord:
    """A released version, or the class as it stands; of an event without a class its latest release."""
    if version != NOW:
        return book.registry.get(event, version)
    if event not in book.models and event in book.registry.events():
        return book.registry.get(event)
    record = book.subject(event).record
    released = [one for one in book.registry.history(event) if one.version == record.version]
    # Where the two say the same, the released one has its samples as well.
    return next((one for one in released if one.digest == record.digest), record)


def _running(common: Common) -> tuple[SeenSchema, ...]:
    """What living workers tell; nothing where no server answers soon."""
    import asyncio

    async def work(client: Client) -> tuple[SeenSchema, ...]:
        async with asyncio.timeout(_LOOK_SECONDS):
            return tuple(one for one in (await client.status()).schemas if one.alive)

    try:
        return with_client(common, work)
    except (WingmanError, TimeoutError):
        return ()


def _seen(told: SeenSchema) -> dict[str, Any]:
    return {
        "worker": told.worker,
        "agent": told.agent,
        "reads": told.reads or None,
        "seen": told.seen,
        "written": told.written,
    }


def _in_words(told: list[SeenSchema]) -> str:
    """``read as 1.0.0, written 1.0.0 ×12``: all workers together."""
    reads = sorted({one.reads for one in told if one.reads})
    parts = [f"read as {', '.join(reads)}"] if reads else []
    for word in ("seen", "written"):
        sums: dict[str, int] = {}
        for one in told:
            for version, times in getattr(one, word).items():
                sums[version] = sums.get(version, 0) + times
        if sums:
            parts.append(f"{word} " + ", ".join(f"{version} ×{sums[version]}" for version in sorted(sums)))
    return "; ".join(parts)
