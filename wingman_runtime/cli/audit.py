"""``wingman audit``: the trail in the audit store; needs no server. Times: local for people, else UTC."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Group, Parameter

from wingman_runtime.cli.common import DEFAULT, Common, Count
from wingman_runtime.cli.ids import ABOUT, stored_request
from wingman_runtime.cli.out import Out, note
from wingman_runtime.cli.times import moment, rfc3339, shown, shown_short
from wingman_runtime.errors import IntegrityError, NotFoundError

if TYPE_CHECKING:
    from wingman_runtime.ledger.query import Filter
    from wingman_runtime.ledger.record import StoredRecord

app = App(
    name="audit",
    help="Read, verify and export the audit trail. Times are local, with their offset; UTC under --json.",
)

_ROOMY = 100  # columns from which year and milliseconds are shown on a terminal
_MOMENT = (
    "2026-01-31T12:00 or today's 12:00 (local, or with an offset), a time as shown here, or 15m, 2h, 3d ago"
)


def _which(name: str, help: str) -> Parameter:
    return Parameter(name=f"--{name}", show_default=False, help=help)


@Parameter(name="*", group=Group("Which records", sort_key=10))
@dataclass(frozen=True, slots=True)
class Which:
    """Options of every command that reads records: all of those that are given must fit."""

    request: Annotated[str, _which("request", f"Of this request: its id, {ABOUT}.")] = ""
    kind: Annotated[str, _which("kind", "event, retry, dead_letter, effect_intent, control …")] = ""
    agent: Annotated[str, _which("agent", "Written for this agent.")] = ""
    event: Annotated[str, _which("event", "Of this event type.")] = ""
    actor: Annotated[str, _which("actor", "Of requests of this actor.")] = ""
    outcome: Annotated[str, _which("outcome", "That decide this outcome.")] = ""
    since: Annotated[str, _which("since", f"From then on: {_MOMENT}.")] = ""
    until: Annotated[str, _which("until", f"Before then: {_MOMENT}.")] = ""
    text: Annotated[str, _which("text", "With this text anywhere in the record.")] = ""

    def within(self, common: Common) -> tuple[Path, Filter]:
        """The project's store, and what to look for in it.

        Raises:
            UsageError: what was given is no time, or the end of several ids.
            NotFoundError: there is no store, or no such id in it.
        """
        from wingman_runtime.ledger.query import Filter

        since, until = moment(self.since, "--since"), moment(self.until, "--until")
        store = _store(common)
        return store, Filter(
            request_id=stored_request(store, self.request) if self.request else "",
            kind=self.kind,
            agent=self.agent,
            event_type=self.event,
            actor=self.actor,
            outcome=self.outcome,
            since_ms=since,
            until_ms=until,
            text=self.text,
        )


ANY = Which()


@app.command
def tail(
    *,
    last: Annotated[int, Parameter(name=["--last", "-n"], help="How many to begin with.")] = 10,
    follow: Annotated[
        bool, Parameter(name=["--follow", "-f"], negative="", help="Go on with new ones.")
    ] = False,
    which: Which = ANY,
    common: Common = DEFAULT,
) -> int:
    """The last records; with --follow each new one as it is stored.

    For example

        wingman audit tail -n 20
        wingman audit tail --follow --json | jq .kind
    """
    from wingman_runtime.ledger.query import tail as records

    out = common.out()
    store, wanted = which.within(common)
    for record in records(store, wanted, last=last, follow=follow):
        _show(out, record)
    return 0


@app.command
def query(
    *,
    which: Which = ANY,
    limit: Annotated[Count, Parameter(help="At most so many.")] = 100,
    oldest: Annotated[bool, Parameter(negative="", help="Oldest first.")] = False,
    common: Common = DEFAULT,
) -> int:
    """Records by request, kind, agent, event, actor, outcome, time or text; newest first.

    For example

        wingman audit query --outcome denied --since 2h
        wingman audit query --request latest --oldest
    """
    from wingman_runtime.ledger.query import query as page_of

    store, wanted = which.within(common)
    page = page_of(store, wanted, newest=not oldest, limit=limit)
    out = common.out()
    for record in page.records:
        _show(out, record)
    if not page.records:
        note("no record fits")
    elif page.next:
        note(f"there are more than {limit}; narrow it, or raise --limit")
    return 0


@app.command
def verify(
    *,
    anchor: Annotated[
        str, Parameter(help="What an earlier verify printed as anchor: nothing before it may have changed.")
    ] = "",
    common: Common = DEFAULT,
) -> int:
    """Check the whole trail: each record against the hash chain, the numbers against gaps.

    Prints an anchor. Kept elsewhere, it proves later that the store was not rewritten as a whole.

    For example

        wingman audit verify
        wingman audit verify --anchor "$(cat anchor.txt)"
    """
    from wingman_runtime.ledger.verify import anchor_of, parse_anchor
    from wingman_runtime.ledger.verify import verify as check

    store = _store(common)
    result = check(store, anchor=parse_anchor(anchor) if anchor else None)
    out = common.out()
    told = {
        "ok": result.ok,
        "records": result.records,
        "seconds": round(result.seconds, 3),
        "anchor": anchor_of(store),
        "findings": [str(finding) for finding in result.findings],
        "warnings": [str(finding) for finding in result.warnings],
    }
    if common.json:
        out.data(told)
    else:
        for finding in result.findings:
            out.line(f"broken   {finding}", "red")
        for warning in result.warnings:
            out.line(f"warning  {warning}", "yellow")
        out.line(
            f"{result.records} records, {'chain verified' if result.ok else 'TAMPERED OR DAMAGED'}",
            "green" if result.ok else "bold red",
        )
        out.line(f"anchor   {told['anchor']}")
    if not result.ok:
        raise IntegrityError(
            f"the audit trail does not verify: {len(result.findings)} finding(s)", where=str(store)
        )
    return 0


@app.command
def export(
    target: Annotated[Path | None, Parameter(help="The file; standard output when left out.")] = None,
    /,
    *,
    form: Annotated[Literal["jsonl", "csv"], Parameter(name="--format", help="How.")] = "jsonl",
    which: Which = ANY,
    common: Common = DEFAULT,
) -> int:
    """Every record that fits, oldest first, with its hashes, so that a stranger can check the chain.

    For example

        wingman audit export trail.jsonl
        wingman audit export --since 1d --format csv | gzip > day.csv.gz
    """
    from wingman_runtime.ledger.export import export as lines_of

    store, wanted = which.within(common)
    lines = lines_of(store, wanted, form=form)
    if target is None:
        sys.stdout.writelines(lines)
        return 0
    with target.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)
    note(f"written to {target}")
    return 0


def row(record: StoredRecord) -> dict[str, Any]:
    """A record as plain data."""
    return {
        "seq": record.seq,
        "partition": record.partition,
        "incarnation": record.incarnation,
        "n": record.n,
        "at": rfc3339(record.at_ms),
        "at_ms": record.at_ms,
        "kind": record.kind,
        "request": record.request_id,
        "agent": record.agent,
        "event": record.event_type,
        "body": record.data(),
        "prev_hash": record.prev_hash.hex(),
        "hash": record.hash.hex(),
    }


def _show(out: Out, record: StoredRecord) -> None:
    known = record.event_type or ""
    what = known if record.kind == "event" else f"{record.kind} {known}".rstrip()
    lead = f"{record.agent or '-':<12}  {what:<26}"
    when = shown(record.at_ms)
    gist = _gist(record.data())
    if sys.stdout.isatty():
        # One line each on a terminal; what is cut off, a pipe and --json have whole.
        width = shutil.get_terminal_size().columns
        when = when if width >= _ROOMY else shown_short(record.at_ms)
        line = f"{when}  {lead}  {record.request_id[-8:] or '-':<8}  {gist}".rstrip()
        out.stream(row(record), line if len(line) <= width else line[: width - 1] + "…")
    else:
        out.stream(row(record), f"{when}  {lead}  {record.request_id or '-'}  {gist}".rstrip())


def act(body: dict[str, Any]) -> str:
    """What somebody did to the runtime itself, as one line; empty for any other record."""
    if not isinstance(body.get("action"), str):
        return ""
    about = [str(body[name]) for name in ("target", "flow", "schedule", "digest") if body.get(name)]
    # A digest is long: enough of it to tell two apart.
    what = " ".join([body["action"], *(one[:19] if one.startswith("sha256:") else one for one in about)])
    by = f" by {body['by']}" if body.get("by") else ""
    return f"{what}{by}" + (f": {body['reason']}" if body.get("reason") else "")


def _gist(body: dict[str, Any]) -> str:
    if done := act(body):
        return done
    if body.get("trigger"):
        due = f" for {shown(body['nominal_ms'])}" if body.get("nominal_ms") else ""
        why = f": {body['reason']}" if body.get("reason") else ""
        return f"{body['trigger']}{due}{why}"
    denied = [d for d in body.get("decisions") or () if isinstance(d, dict) and not d.get("allow")]
    data = (body.get("event") or {}).get("data") if isinstance(body.get("event"), dict) else None
    response = (data or {}).get("response")
    if isinstance(response, dict):
        return str(response.get("outcome", ""))
    reasons = (
        (data or {}).get("reasons") or body.get("reason") or [r for d in denied for r in d.get("reasons", ())]
    )
    return "; ".join(map(str, reasons)) if isinstance(reasons, list) else str(reasons or "")


def _store(common: Common) -> Path:
    path = common.found().settings.audit_store
    if not path.is_file():
        raise NotFoundError(
            "there is no audit store yet", where=str(path), hint="run `wingman dev` or `wingman worker` once"
        )
    return path
