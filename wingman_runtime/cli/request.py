"""``wingman request``: look at requests, wait for them, cancel them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from wingman_runtime.cli import effects as ledger
from wingman_runtime.cli.common import DEFAULT, Common, Count, actor_of, called, with_client
from wingman_runtime.cli.control import told_rule
from wingman_runtime.cli.ids import ABOUT, request_of, stored_request
from wingman_runtime.cli.out import Out, note, plain, style_of
from wingman_runtime.cli.progress import telling
from wingman_runtime.errors import BackendError, DeniedError, NotFoundError, WingmanError

if TYPE_CHECKING:
    from wingman_runtime.client import Client
    from wingman_runtime.contracts.work import Response
    from wingman_runtime.redisio.line import Place
    from wingman_runtime.redisio.state import RequestState

app = App(name="request", help="Look at requests, wait for them, cancel them.")
app.command(ledger.effects)
app.command(ledger.settle)
_NOT_TEXT = re.compile(r"(\w+): [\w.]+: [^:]*, not text")
Id = Annotated[str, Parameter(help=f"The request's id, {ABOUT}.")]


@app.command(name="list")
def list_(
    *,
    status: Annotated[str, Parameter(help="Only these: open, ended, or an outcome such as failed.")] = "",
    limit: Annotated[Count, Parameter(name=["--limit", "-n"], help="Among so many of the latest.")] = 50,
    common: Common = DEFAULT,
) -> int:
    """The latest requests.

    For example

        wingman request list
        wingman request list --status open --json
    """

    import asyncio

    async def work(client: Client) -> int:
        found = await client.requests(open_only=status == "open", limit=limit)
        found = [state for state in found if status in ("", state.status, state.outcome)]
        places = await asyncio.gather(*(client.request(state.request_id).place() for state in found))
        rows = [_row(state) | _in_line(place) for state, place in zip(found, places, strict=True)]
        columns = ["request_id", "state", "intent", "actor", "created"]
        columns += ["line"] if any(place is not None for place in places) else []
        common.out().table(rows, columns, empty="no requests")
        return 0

    return with_client(common, work)


@app.command
def show(
    request_id: Id,
    /,
    *,
    tree: Annotated[bool, Parameter(negative="", help="The causal tree, timings, decisions.")] = False,
    verbose: Annotated[
        bool, Parameter(negative="", help="In the tree: name each policy that does not apply, too.")
    ] = False,
    common: Common = DEFAULT,
) -> int:
    """One request: its outcome with reasons, plan, effects and stamp, or how far it has come.

    For example

        wingman request show latest
        wingman request show req_p0_… --tree
    """
    if tree:
        return _tree(request_id, common, verbose=verbose)

    from wingman_runtime.client.request import response_of

    async def work(client: Client) -> int:
        request = client.request(await request_of(client, request_id))
        state = await request.state()
        if state.ended:
            show_response(common.out(), response_of(state), handed_in=_handed_in(state))
            return 0
        common.out().fields(_row(state) | await _standing(client, request.id))
        return 0

    return with_client(common, work)


async def _standing(client: Client, request_id: str) -> dict[str, object]:
    """Where an open request waits, for whom, and who holds it."""
    waiting = await client.approvals(request_id=request_id)
    standing = await client.standing(f"request:{request_id}")
    return _in_line(await client.request(request_id).place()) | {
        "waits_at": list(standing.waits_at),
        "waits_for": [one.approval_id for one in waiting],
        "held_by": [told_rule(rule) for rule in standing.held_by],
        "held_further_on": [told_rule(rule) for rule in standing.ahead],
        "parked": [
            f"{one.event} {one.version} until a worker of {one.agent} reads it" for one in standing.newer
        ],
    }


def _in_line(place: Place | None) -> dict[str, object]:
    """Where it stands among the requests of its ordering key."""
    if place is None:
        return {}
    return {"ordering_key": place.ordering_key, "line": str(place), "place": place.number}


def _tree(request_id: str, common: Common, *, verbose: bool) -> int:
    from wingman_runtime.cli.tree import show_tree

    request_id = stored_request(common.found().settings.audit_store, request_id)
    code = show_tree(request_id, common, verbose=verbose)
    if not common.json:
        _note_standing(request_id, common)
    return code


def _note_standing(request_id: str, common: Common) -> None:
    """Below a tree that has not ended: where it waits. The tree needs no server, so this may not be known."""

    async def work(client: Client) -> None:
        if (await client.request(request_id).state()).ended:
            return
        for name, value in (await _standing(client, request_id)).items():
            if name == "line":
                note(f"it {value}")
            elif isinstance(value, list) and value:
                note(f"{name.replace('_', ' ')}: {', '.join(map(str, value))}")

    with contextlib.suppress(BackendError, NotFoundError):
        with_client(common, work)


@app.command
def watch(
    request_id: Id,
    /,
    *,
    timeout: Annotated[float | None, Parameter(help="Give up after so many seconds.")] = None,
    common: Common = DEFAULT,
) -> int:
    """Each event of a request as it happens, then its outcome.

    For example

        wingman request watch latest
        wingman request watch req_p0_… --json | jq .type
    """
    import asyncio

    from wingman_runtime.client.request import response_of

    async def work(client: Client) -> int:
        request = client.request(await request_of(client, request_id))
        out = common.out()
        try:
            async with asyncio.timeout(timeout), telling(request, as_json=common.json, beside_data=True):
                async for event in request.events():
                    out.stream(
                        event, f"{_time(event.at_ms)}  {event.agent or '-':<14}{event.type or event.kind}"
                    )
                response = response_of(await request.state())
        except TimeoutError:
            raise await request.pending(timeout) from None
        if not common.json:
            show_response(out, response)
        return exit_code(response)

    return with_client(common, work)


@app.command
def cancel(
    request_id: Id,
    /,
    *,
    reason: Annotated[str, Parameter(help="Why; it goes on the record.")],
    actor: Annotated[
        str, Parameter(name="--as", help="Who cancels; else the setting actor, else the login.")
    ] = "",
    common: Common = DEFAULT,
) -> int:
    """Cancel a request: what it has done is undone, then it ends as cancelled.

    For example

        wingman request cancel req_p0_… --reason "wrong page" --as alice
    """
    who = actor_of(common.found().settings, actor)

    async def work(client: Client) -> int:
        found = await request_of(client, request_id)
        await client.cancel(found, by=who, reason=reason)
        if common.json:
            common.out().data({"request_id": found, "cancelled_by": who})
        note(f"cancellation is under way; see `{called()} request show {found}`")
        return 0

    return with_client(common, work)


def _handed_in(state: RequestState) -> dict[str, object]:
    """What handed it in, for when; empty for a person's own request that began at once."""
    told = {name: _row(state)[name] for name in ("trigger", "due", "starts")}
    return {name: value for name, value in told.items() if value}


def show_response(out: Out, response: Response, handed_in: Mapping[str, object] | None = None) -> None:
    """An assembled response, for people or as JSON; beside it what else is known of the request."""
    if out.as_json:
        out.data(response if not handed_in else plain(response) | dict(handed_in))
        return
    outcome = response.outcome.value
    out.line(f"{outcome}  {response.request_id}", style_of(outcome))
    for name, value in (handed_in or {}).items():
        out.line(f"  {name:<13} {value}")
    for reason in response.reasons:
        out.line(f"  reason        {reason}")
        if told := _NOT_TEXT.search(reason):
            note(f"  → `-p NAME=VALUE` sends text; other types are sent with :=, as in `-p {told[1]}:=5`")
    if response.policies:
        out.line(f"  policies      {', '.join(response.policies)}")
    if response.granted_by:
        out.line(f"  approved by   {response.granted_by}")
    for title, effects in (("effect", response.effects), ("undone", response.compensations)):
        for effect in effects:
            tail = f": {effect.error}" if effect.error else ""
            out.line(f"  {title:<13} {effect.tool} {effect.resource} {effect.status.value}{tail}")
    if response.stamp is not None:
        out.line(f"  stamp         {response.stamp.stamp_id}")


def exit_code(response: Response) -> int:
    """0 completed, 4 somebody or a policy said no, 1 anything else."""
    if response.outcome == "completed":
        return 0
    said_no = {"denied", "blocked", "rejected"}
    return DeniedError.exit_code if response.outcome in said_no else WingmanError.exit_code


def _settling(state: RequestState) -> str:
    """What an open request is on its way to, once it no longer goes on."""
    if state.decided:
        return f"{state.decided}, not stamped yet"
    told = {"RequestCancelled": "being cancelled", "RequestExpired": "expiring"}
    return told.get(state.settling, "being rolled back") if state.settling else ""


def _row(state: RequestState) -> dict[str, object]:
    return {
        "request_id": state.request_id,
        "state": state.outcome or state.status,
        "settling": None if state.ended else _settling(state) or None,
        "intent": state.intent,
        "actor": state.actor,
        "tenant": state.tenant,
        "flow": state.flow,
        "trigger": state.trigger or None,
        "due": _time(state.nominal_ms) if state.nominal_ms else None,
        "created": _time(state.created_ms),
        "starts": _time(state.start_ms) if state.start_ms else None,
        "ended": _time(state.ended_ms) if state.ended_ms else None,
        "deadline": _time(state.deadline_ms) if state.deadline_ms else None,
        "replays": state.replays or None,
        "open_branches": state.open_branches,
        "events": state.events,
    }


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat(sep=" ", timespec="seconds")
