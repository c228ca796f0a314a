"""``wingman schedule``: what the clock hands in; look at it, fire it by hand, hold it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from wingman_runtime.cli.common import DEFAULT, Common, Count, actor_of, called, with_client
from wingman_runtime.cli.out import note
from wingman_runtime.cli.times import rfc3339, shown
from wingman_runtime.errors import NotFoundError

if TYPE_CHECKING:
    from wingman_runtime.client import Client
    from wingman_runtime.client.schedules import ScheduleState
    from wingman_runtime.project.schedules import Schedule

app = App(name="schedule", help="Look at schedules, fire one by hand, hold one.")
Name = Annotated[str, Parameter(help="The schedule's name in config/schedules.yaml.")]
Reason = Annotated[str, Parameter(help="Why; it goes on the record.")]
Actor = Annotated[str, Parameter(name="--as", help="Who does it; else the setting actor, else the login.")]


@app.command(name="list")
def list_(*, common: Common = DEFAULT) -> int:
    """Every schedule in force: when it is due next, what it handed in last.

    For example

        wingman schedule list
        wingman schedule list --json
    """
    from wingman_runtime.project.schedules import SCHEDULES_FILE, load_schedules

    written = load_schedules(common.found().root / SCHEDULES_FILE).schedules

    async def work(client: Client) -> int:
        in_force = await client.schedules.list()
        rows = [_row(one, common.json) for one in in_force]
        columns = ("schedule", "state", "next", "cron", "timezone", "intent", "actor", "last", "last_request")
        common.out().table(rows, columns, empty=f"no schedule is in force; they are in {SCHEDULES_FILE}")
        digests = {one.name: one.schedule.digest() for one in in_force}
        if digests != {name: one.digest() for name, one in written.items()}:
            note(f"{SCHEDULES_FILE} says something else: a worker puts it in force when it starts")
        return 0

    return with_client(common, work)


@app.command(name="next")
def next_(
    name: Name,
    /,
    *,
    count: Annotated[Count, Parameter(name=["--count", "-n"], help="So many.")] = 5,
    common: Common = DEFAULT,
) -> int:
    """The next due times of a schedule as the file has it, here and in its own zone. Needs no server.

    For example

        wingman schedule next nightly -n 10
    """
    from itertools import islice

    schedule = _written(name, common)
    cron = schedule.times()
    rows = [
        {
            "due": rfc3339(at_ms) if common.json else shown(at_ms),
            "there": datetime.fromtimestamp(at_ms / 1000, cron.zone).isoformat(timespec="minutes"),
            "timezone": schedule.timezone,
        }
        for at_ms in islice(cron.times(int(time.time() * 1000)), max(count, 0))
    ]
    common.out().table(rows, ("due", "there", "timezone"))
    if not schedule.enabled:
        note("it is not enabled: it hands in nothing")
    return 0


@app.command
def run(name: Name, /, *, reason: Reason, actor: Actor = "", common: Common = DEFAULT) -> int:
    """Hand in now what a schedule hands in, in your own name; prints the request's id. Its due times stay.

    For example

        wingman schedule run nightly --reason "the report is missing" --as alice
    """
    who = actor_of(common.found().settings, actor)

    async def work(client: Client) -> int:
        request = await client.schedules.run(name, reason=reason, by=who)
        if common.json:
            common.out().data({"request_id": request.id, "trigger": f"run:{name}", "actor": who})
        else:
            common.out().line(request.id)
            note(f"see `{called()} request show {request.id}`")
        return 0

    return with_client(common, work)


@app.command
def pause(name: Name, /, *, reason: Reason, actor: Actor = "", common: Common = DEFAULT) -> int:
    """Let a schedule hand in nothing; the same as `wingman pause schedule:NAME`.

    For example

        wingman schedule pause nightly --reason "the desk is closed"
    """
    from wingman_runtime.cli import control

    return control.pause(f"schedule:{name}", reason=reason, actor=actor, common=common)


@app.command
def resume(name: Name, /, *, reason: Reason, actor: Actor = "", common: Common = DEFAULT) -> int:
    """Let a paused schedule go on; what it missed is caught up with as its `catch_up` says.

    For example

        wingman schedule resume nightly --reason "open again"
    """
    from wingman_runtime.cli import control

    return control.resume(f"schedule:{name}", reason=reason, actor=actor, common=common)


def _written(name: str, common: Common) -> Schedule:
    from wingman_runtime.project.schedules import SCHEDULES_FILE, load_schedules
    from wingman_runtime.yamlfile import suggestion

    written = load_schedules(common.found().root / SCHEDULES_FILE).schedules
    if name not in written:
        hint = suggestion(name, written) or f"there are: {', '.join(sorted(written)) or 'none'}"
        raise NotFoundError(f"no schedule {name!r} in {SCHEDULES_FILE}", where=name, hint=hint)
    return written[name]


def _row(one: ScheduleState, as_json: bool) -> dict[str, Any]:
    tell = rfc3339 if as_json else shown
    state = "held" if one.held_by else "on" if one.schedule.enabled else "off"
    return {
        "schedule": one.name,
        "state": state,
        "next": tell(one.due_ms) if one.due_ms else None,
        **one.schedule.model_dump(mode="json"),
        "last": tell(one.last_ms) if one.last_ms else None,
        "last_at": tell(one.last_at_ms) if one.last_at_ms else None,
        "last_request": one.last_request or None,
        "held_by": [rule.model_dump(mode="json") | {"target": str(rule.target)} for rule in one.held_by],
    }
