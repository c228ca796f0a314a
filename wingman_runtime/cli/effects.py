"""``wingman request effects`` and ``settle``: what was done in the world, and a word on what nobody knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common, actor_of, called, with_client
from wingman_runtime.cli.ids import ABOUT, chosen, request_of
from wingman_runtime.cli.out import note, plain
from wingman_runtime.cli.times import shown
from wingman_runtime.errors import UsageError

if TYPE_CHECKING:
    from wingman_runtime.client import Client
    from wingman_runtime.contracts.settling import EffectLine

COLUMNS = ("effect_id", "kind", "tool", "resource", "status", "attempts", "begun", "ended", "what")
_WAIT = 20.0
Id = Annotated[str, Parameter(help=f"The request's id, {ABOUT}.")]


def effects(request_id: Id, /, *, common: Common = DEFAULT) -> int:
    """The effects ledger of a request: intent, end, attempts, late results, what was undone or settled.

    For example

        wingman request effects latest
        wingman request effects req_p0_… --json
    """

    async def work(client: Client) -> int:
        from wingman_runtime.client.effects import told_late

        found = await request_of(client, request_id)
        lines = await client.effects.of(found)
        common.out().table([row(line) for line in lines], COLUMNS, empty="no effect was begun")
        for line in lines:
            if line.in_doubt and not common.json:
                late = told_late(line)
                note(
                    f"{line.effect.effect_id}: nobody knows whether it was done"
                    + (f"; {late}" if late else "")
                )
                how = f"{called()} request settle {found} {line.effect.effect_id}"
                note(f"  → find out, then `{how} --as-done|--as-failed --reason …`")
        return 0

    return with_client(common, work)


def settle(
    request_id: Id,
    effect_id: Annotated[str, Parameter(help="The effect, or the end of its id.")],
    /,
    *,
    reason: Annotated[str, Parameter(help="How you know; it goes on the record.")],
    as_done: Annotated[bool, Parameter(negative="", help="It was done.")] = False,
    as_failed: Annotated[bool, Parameter(negative="", help="It was not done.")] = False,
    result: Annotated[str, Parameter(help="What the call came to, as JSON.")] = "",
    actor: Annotated[
        str, Parameter(name="--as", help="Who says so; else the setting actor, else the login.")
    ] = "",
    common: Common = DEFAULT,
) -> int:
    """Say what became of an uncertain effect, as a request of your own that passes today's gates.

    The first request keeps its outcome; the ledger says who settled what, and why.

    For example

        wingman request settle req_p0_… eff_… --as-done \\
            --reason "the bank shows it" --as bob
        wingman request settle latest k3n5q7 --as-failed \\
            --reason "no mail went out" --as bob
    """
    if as_done == as_failed:
        raise UsageError("it was done or it was not", hint="give --as-done or --as-failed")
    came_to = _json(result)
    who = actor_of(common.found().settings, actor)

    async def work(client: Client) -> int:
        from wingman_runtime.cli.request import exit_code, show_response

        found = await request_of(client, request_id)
        known = [line.effect.effect_id for line in await client.effects.of(found)]
        named = effect_id if effect_id in known else chosen(
            effect_id, known[::-1], "effect", f"see `{called()} request effects {found}`"
        )  # fmt: skip
        request = await client.effects.settle(
            found, named, "done" if as_done else "failed", reason=reason, by=who, result=came_to
        )
        if not common.json:
            note(f"asked as {request.id}")
        response = await request.result(_WAIT)
        show_response(common.out(), response)
        return exit_code(response)

    return with_client(common, work)


def row(line: EffectLine) -> dict[str, Any]:
    """A line of the ledger as plain data; ``what`` is for people."""
    effect = line.effect
    what = effect.error
    if line.settled is not None:
        what = f"settled by {line.settled.by} at {shown(line.settled.at_ms)}: {line.settled.reason}"
    elif line.late is not None:
        what = "; ".join(part for part in (what, f"reported late: {line.late.status.value}") if part)
    told: dict[str, Any] = plain(effect)
    return told | {
        "attempts": effect.attempt,
        "begun": shown(effect.intent_at_ms) if effect.intent_at_ms else None,
        "ended": shown(effect.ended_at_ms) if effect.ended_at_ms else None,
        "worker": line.worker,
        "late": plain(line.late) if line.late else None,
        "settled": plain(line.settled) if line.settled else None,
        "what": what,
    }


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError as error:
        raise UsageError(f"--result is no JSON: {error}", hint="quote text: --result '\"ok\"'") from None
