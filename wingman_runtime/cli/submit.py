"""``wingman submit``: hand in a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common, actor_of, called, changed_since, with_client
from wingman_runtime.cli.control import told_rule
from wingman_runtime.cli.jsontext import read_json
from wingman_runtime.cli.out import note
from wingman_runtime.cli.people import undeclared
from wingman_runtime.cli.progress import telling
from wingman_runtime.cli.request import exit_code, show_response
from wingman_runtime.cli.times import duration, upcoming
from wingman_runtime.errors import BackendUnreachableError, ConfigError, StillPendingError, UsageError

if TYPE_CHECKING:
    from wingman_runtime.client import Client
    from wingman_runtime.project.load import Project


def submit(
    intent: Annotated[str, Parameter(help="What is asked for, e.g. note.write.")],
    /,
    *,
    param: Annotated[
        tuple[str, ...],
        Parameter(
            name=["--param", "-p"], negative="", help="key=text, or key:=JSON for other types; repeatable."
        ),
    ] = (),
    params: Annotated[str, Parameter(help="All parameters as a JSON object, or @FILE.")] = "",
    steps: Annotated[str, Parameter(help="Explicit steps, a JSON list of {tool, args}, or @FILE.")] = "",
    actor: Annotated[
        str, Parameter(name="--as", help="Who asks; else the setting actor, else the login.")
    ] = "",
    tenant: Annotated[str, Parameter(help="For which tenant; else the setting.")] = "",
    flow: Annotated[str, Parameter(help="Through which flow.")] = "request",
    key: Annotated[str, Parameter(help="Idempotency key: the same key hands in only once.")] = "",
    ordering_key: Annotated[
        str, Parameter(help="Begin once every earlier request of this key has ended, e.g. customer-7.")
    ] = "",
    at: Annotated[
        str, Parameter(help="Begin then: 2026-01-31T06:00 (local, or with an offset), 06:00.")
    ] = "",
    in_: Annotated[str, Parameter(name="--in", help="Begin so much later: 30s, 10m, 2h, 1d.")] = "",
    patience: Annotated[float, Parameter(help="Seconds to ask again while admission is closed.")] = 0.0,
    wait: Annotated[float | None, Parameter(help="Wait so many seconds for the outcome.")] = None,
    common: Common = DEFAULT,
) -> int:
    """Hand in a request; prints its id, or with --wait its outcome.

    For example

        wingman submit note.write -p title=hello -p body=hi --as alice --wait 10
        wingman submit page.publish --params @page.json --key page-42 --json
        wingman submit note.write -p title=hello --in 10m
        wingman submit note.write -p title=hello --ordering-key customer-7
        wingman submit note.write -p title=hello --ordering-key customer-7
    """
    given = parameters(param, params)
    listed = read_json(steps, "--steps", list) if steps else ()
    project = common.found()
    settings = project.settings
    who = actor_of(settings, actor)

    async def work(client: Client) -> int:
        request = await client.submit(
            intent,
            given,
            steps=listed,
            actor=who,
            tenant=tenant or settings.tenant,
            flow=flow,
            idempotency_key=key or None,
            ordering_key=ordering_key,
            patience=patience,
            at=upcoming(at, "--at") if at else None,
            delay=duration(in_, "--in") if in_ else None,
        )
        out = common.out()
        if wait is None:
            if common.json:
                out.data({"request_id": request.id})
            else:
                out.line(request.id)
                note(f"see `{called()} request show {request.id}`")
                note_unused(project, intent, given)
                note_undeclared(project, who, actor)
                await _say_what_holds(client, request.id)
            return 0
        try:
            async with telling(request, as_json=common.json):
                response = await request.result(timeout=wait)
        except (StillPendingError, BackendUnreachableError) as error:
            if common.json:
                out.data({"request_id": request.id, "outcome": None})
            elif isinstance(error, StillPendingError):
                await _say_what_holds(client, request.id)
            raise
        show_response(out, response)
        if not common.json and response.outcome != "completed":
            note_unused(project, intent, given)
            note_undeclared(project, who, actor)
        return exit_code(response)

    return with_client(common, work)


async def _say_what_holds(client: Client, request_id: str) -> None:
    """What a request may wait for beside its approval: nobody working, or somebody holding it back."""
    if (place := await client.request(request_id).place()) is not None and place.waits_for:
        note(f"it {place}, for the ordering key {place.ordering_key}")
    seen = await client.status()
    if changed := changed_since(seen.workers, client.settings.project):
        note(changed)
    if not any(beat.alive for beat in seen.workers):
        note("no worker runs: it waits until `wingman dev` or `wingman worker` does")
    if not seen.rules:
        return
    standing = await client.standing(f"request:{request_id}")
    for rule in (*standing.held_by, *standing.ahead):
        note(f"{told_rule(rule)}; see `wingman resume --help`")


def note_undeclared(project: Project, who: str, given: str) -> None:
    """The policies refuse whom nobody declared: that is told beside the outcome, or before it is known."""
    if told := undeclared(project, who, given):
        note(told)


def note_unused(project: Project, intent: str, given: Mapping[str, Any]) -> None:
    """Parameters that no step of the intent's plan uses: an agent may read them, or one is misspelt."""
    from wingman_runtime.project.planners import load_template
    from wingman_runtime.yamlfile import suggestion

    plan = project.root / "config" / "plans" / f"{intent}.yaml"
    try:
        used = load_template(plan).parameters() if plan.is_file() else tuple(given)
    except ConfigError:
        return  # what runs may be another state of the files
    for name in given:
        if name not in used:
            meant = suggestion(name, [one for one in used if one not in given])
            note(f"no step of the plan {intent} uses {name}" + (f"; {meant}" if meant else ""))


def parameters(pairs: tuple[str, ...], whole: str) -> dict[str, Any]:
    """``key=text`` and ``key:=JSON`` pairs over a JSON object.

    Raises:
        UsageError: a pair that is none, or no JSON.
    """
    given: dict[str, Any] = read_json(whole, "--params", dict) if whole else {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.rstrip(":"):
            raise UsageError(f"--param {pair!r} is no key=value", hint="write --param path=notes/a.md")
        if key.endswith(":"):
            name = key[:-1]
            text = f"for text write -p {name}=…, for JSON quote it for the shell or give @FILE"
            given[name] = read_json(value, f"--param {name}", hint=text)
        else:
            given[key] = value
    return given
