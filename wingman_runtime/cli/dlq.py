"""``wingman dlq``: what agents gave up on. Look at it, replay it, discard it; one letter, or all that fit."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Group, Parameter

from wingman_runtime.cli.common import DEFAULT, Common, Count, actor_of, called, with_client
from wingman_runtime.cli.ids import ABOUT, letter_of, request_of
from wingman_runtime.cli.out import note
from wingman_runtime.cli.times import moment, rfc3339, shown
from wingman_runtime.errors import UsageError

if TYPE_CHECKING:
    from wingman_runtime.client import Client
    from wingman_runtime.client.dead import Dealt
    from wingman_runtime.redisio.dead import DeadLetter, Which

app = App(name="dlq", help="Look at dead letters: events that an agent gave up on. Replay or discard them.")
_SAMPLE = 5
_FILTERS = Group("Which letters", sort_key=50)
Id = Annotated[str, Parameter(help=f"The letter's id, {ABOUT}.")]
OneId = Annotated[str, Parameter(help=f"The letter's id, {ABOUT}; not with --all.")]
Reason = Annotated[str, Parameter(help="Why; it goes on the record.")]
Actor = Annotated[str, Parameter(name="--as", help="Who does it; else the setting actor, else the login.")]
All = Annotated[bool, Parameter(name="--all", negative="", help="All that the filters let through.")]
Yes = Annotated[bool, Parameter(negative="", help="Do it unasked; without a terminal --all needs it.")]
Force = Annotated[
    bool, Parameter(negative="", help="Though something its request did may be there, and be done twice.")
]


@Parameter(name="*", group=_FILTERS)
@dataclass(frozen=True, slots=True)
class Filters:
    """Which letters; what is not given does not narrow."""

    agent: Annotated[str, Parameter(help="That this agent gave up on.")] = ""
    event: Annotated[str, Parameter(help="Of this event type.")] = ""
    tenant: Annotated[str, Parameter(help="Of this tenant.")] = ""
    request: Annotated[str, Parameter(help=f"Of this request: its id, {ABOUT}.")] = ""
    error: Annotated[str, Parameter(help="With this text in the error.")] = ""
    since: Annotated[str, Parameter(help="Buried since 2026-01-31T12:00, 12:00, or an age: 15m.")] = ""
    until: Annotated[str, Parameter(help="Buried before, likewise: 3d is older than three days.")] = ""

    async def which(self, client: Client) -> Which:
        from wingman_runtime.redisio.dead import Which

        return Which(
            agent=self.agent,
            event_type=self.event,
            tenant=self.tenant,
            request_id=await request_of(client, self.request) if self.request else "",
            error=self.error,
            since_ms=moment(self.since, "--since"),
            until_ms=moment(self.until, "--until"),
        )


NONE = Filters()


@app.command(name="list")
def list_(
    *,
    limit: Annotated[Count, Parameter(name=["--limit", "-n"], help="So many at the most.")] = 50,
    filters: Filters = NONE,
    common: Common = DEFAULT,
) -> int:
    """Dead letters, newest first.

    For example

        wingman dlq list
        wingman dlq list --agent executor --since 1h --error timeout --json
    """

    async def work(client: Client) -> int:
        which = await filters.which(client)
        found = await client.dead_letters.listed(which, limit=limit)
        rows = [row(letter, as_json=common.json) for letter in found]
        common.out().table(
            rows,
            ("letter_id", "event_type", "request_id", "attempts", "buried", "error"),
            empty="no dead letters",
        )
        return 0

    return with_client(common, work)


@app.command
def show(letter: Id, /, *, common: Common = DEFAULT) -> int:
    """One letter: why it was given up, by whom, under which policies and code, and the event itself.

    For example

        wingman dlq show latest
        wingman dlq show dlt_p0_executor_…
    """

    async def work(client: Client) -> int:
        found = await client.dead_letters.get(await letter_of(client, letter))
        out = common.out()
        told = row(found, as_json=common.json) | {"body": body(found)}
        if common.json:
            out.data(told)
            return 0
        content = told.pop("body")
        told["error"] = found.error
        out.fields(told)
        out.line("")
        out.line(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=2))
        if found.stray:
            note("it belongs to no step of any request: it can be discarded, not replayed")
        return 0

    return with_client(common, work)


@app.command
def replay(
    letter: OneId = "",
    /,
    *,
    reason: Reason,
    actor: Actor = "",
    again: Annotated[
        bool, Parameter(negative="", help="Though it was replayed before; else the answer is that replay.")
    ] = False,
    force: Force = False,
    all_: All = False,
    yes: Yes = False,
    filters: Filters = NONE,
    common: Common = DEFAULT,
) -> int:
    """Hand in once more what a letter's request asked for: a new request, through today's gates.

    It runs in the name of who asked first; who replays it, and why, is on the record. The letter goes.

    For example

        wingman dlq replay latest --reason "the gateway is back" --as ops
        wingman dlq replay --all --agent executor --since 2h \\
            --reason "the gateway is back"
    """
    who = actor_of(common.found().settings, actor)

    async def work(client: Client) -> int:
        letters = client.dead_letters
        if all_:
            _refuse_both(letter, again=again)
            which = await filters.which(client)
            deal = lambda most: letters.replay_all(which, reason=reason, by=who, force=force, most=most)  # noqa: E731
            return await _in_bulk(client, which, "replay", deal, yes=yes, common=common)
        _refuse_filters(letter, filters)
        found = await letter_of(client, letter)
        done = await letters.replay(found, reason=reason, by=who, again=again, force=force)
        told = {
            "letter_id": done.letter_id,
            "request_id": done.request.id,
            "new": done.new,
            "replayed_by": who,
        }
        if common.json:
            common.out().data(told)
            return 0
        common.out().line(done.request.id)
        if not done.new:
            note("it was replayed before: this is that request; --again replays it once more")
        note(f"see `{called()} request show {done.request.id}`")
        return 0

    return with_client(common, work)


@app.command
def discard(
    letter: OneId = "",
    /,
    *,
    reason: Reason,
    actor: Actor = "",
    all_: All = False,
    yes: Yes = False,
    filters: Filters = NONE,
    common: Common = DEFAULT,
) -> int:
    """Take a letter out for good. The audit store keeps what it was, who discarded it, and why.

    For example

        wingman dlq discard latest --reason "a test of mine" --as ops
        wingman dlq discard --all --until 30d --reason "nobody misses them" --yes
    """
    who = actor_of(common.found().settings, actor)

    async def work(client: Client) -> int:
        letters = client.dead_letters
        if all_:
            _refuse_both(letter)
            which = await filters.which(client)
            deal = lambda most: letters.discard_all(which, reason=reason, by=who, most=most)  # noqa: E731
            return await _in_bulk(client, which, "discard", deal, yes=yes, common=common)
        _refuse_filters(letter, filters)
        gone = await letters.discard(await letter_of(client, letter), reason=reason, by=who)
        if common.json:
            common.out().data({"letter_id": gone.letter_id, "discarded_by": who})
        note(f"{gone.letter_id} is discarded; see `{called()} audit query --kind admin`")
        return 0

    return with_client(common, work)


def row(letter: DeadLetter, *, as_json: bool) -> dict[str, Any]:
    """A letter without its body."""
    return {
        "letter_id": letter.letter_id,
        "agent": letter.agent,
        "event_type": letter.event_type,
        "event_id": letter.event_id,
        "request_id": letter.request_id or None,
        "stray": letter.stray,
        "tenant": letter.tenant,
        "actor": letter.actor,
        "flow": letter.flow,
        "flow_digest": letter.flow_digest,
        "attempts": letter.attempts,
        "worker": letter.worker,
        "code": letter.code,
        "policy": letter.policy,
        "buried": rfc3339(letter.at_ms) if as_json else shown(letter.at_ms),
        "bytes": len(letter.body),
        "error": letter.error if as_json else " ".join(letter.error.split())[:100],
    }


def body(letter: DeadLetter) -> Any:
    """The event as data; text, or base64 text, when it is none."""
    if letter.event is not None:
        return letter.event
    try:
        return letter.body.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(letter.body).decode()


def _refuse_both(letter: str, *, again: bool = False) -> None:
    if letter:
        raise UsageError("one letter and --all are two different calls", hint="leave one of them out")
    if again:
        raise UsageError("--again is for one letter", hint="name the letter, or leave --again out")


def _refuse_filters(letter: str, filters: Filters) -> None:
    if not letter:
        raise UsageError("which letter?", hint="give its id, `latest`, or --all with filters")
    if filters != NONE:
        raise UsageError("filters choose among many letters", hint="leave them out, or say --all, not an id")


async def _in_bulk(
    client: Client,
    which: Which,
    verb: str,
    deal: Callable[[int], AsyncIterator[Dealt]],
    *,
    yes: bool,
    common: Common,
) -> int:
    """How many and a few of them first; then, if a person or ``--yes`` says so, each, told one by one."""
    out, count = common.out(), 0
    sample: list[dict[str, Any]] = []
    async for letter in client.dead_letters.each(which):
        count += 1
        if len(sample) < _SAMPLE:
            sample.append(row(letter, as_json=common.json))
    if not count:
        if common.json:
            out.data({"would": verb, "letters": 0, "sample": []})
        note("no dead letter fits")
        return 0
    if not yes and not _asked(
        f"{verb} {count} dead letter{'s' if count > 1 else ''}?", sample, count, common
    ):
        if common.json:
            out.data({"would": verb, "letters": count, "sample": sample})
        note(f"nothing was done; --yes does it for these {count}")
        return UsageError.exit_code if not sys.stdin.isatty() else 0
    left = 0
    async for dealt in deal(count):
        told = {"letter_id": dealt.letter_id, "what": dealt.what, "request_id": dealt.request_id or None}
        text = f"{dealt.letter_id}  {dealt.what}  {dealt.request_id}".rstrip()
        if dealt.error is not None:
            left += 1
            told |= {"error": dealt.error.message, "hint": dealt.error.hint}
            text = f"{dealt.letter_id}  left: {dealt.error.message}"
        out.stream(told, text)
    note(f"{count - left} of {count} done" + (f", {left} left where they are" if left else ""))
    return 1 if left else 0


def _asked(question: str, sample: list[dict[str, Any]], count: int, common: Common) -> bool:
    """Show the sample; on a terminal ask, anywhere else the answer is no."""
    if common.json:
        return False
    for one in sample:
        note(f"  {one['letter_id']}  {one['event_type']}  {one['error']}")
    if count > len(sample):
        note(f"  … and {count - len(sample)} more")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    note(question + " [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
