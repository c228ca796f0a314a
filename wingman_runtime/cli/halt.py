"""``wingman halt``: nothing new begins; what had begun is listed, and waited for if asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common, actor_of, called, with_client
from wingman_runtime.cli.control import (
    FLYING,
    Actor,
    Reason,
    Target,
    ensure_declared,
    flying,
    told_rule,
    whole,
)
from wingman_runtime.cli.out import note, plain
from wingman_runtime.cli.times import shown
from wingman_runtime.errors import StillPendingError

if TYPE_CHECKING:
    from wingman_runtime.client import Client


def halt(
    target: Target,
    /,
    *,
    reason: Reason,
    compensate: Annotated[
        bool, Parameter(negative="", help="Let compensations go on, and nothing else.")
    ] = False,
    drain: Annotated[
        bool, Parameter(negative="", help="Come back once the effects in flight have ended.")
    ] = False,
    timeout: Annotated[float, Parameter(help="Seconds to wait for that, with --drain.")] = 60.0,
    actor: Actor = "",
    common: Common = DEFAULT,
) -> int:
    """Stop what the target covers. Back when no new effect can begin; lists those that had begun.

    New requests are refused, compensations wait too unless --compensate is given. `wingman resume` lifts it.
    With --drain the exit code is 5 when effects had not ended in time; the halt stands in any case.

    For example

        wingman halt all --reason "wrong prices are going out"
        wingman halt agent:executor --reason "database moves" --drain --timeout 120
        wingman halt tenant:demo --reason "abuse" --compensate --as bob
    """
    from wingman_runtime.contracts.control import ControlTarget

    asked = ControlTarget.parse(target)
    project = common.found()
    who = actor_of(project.settings, actor)
    ensure_declared(project, asked)

    async def work(client: Client) -> int:
        parsed = await whole(client, asked)
        held = await client.halt(str(parsed), reason=reason, by=who, compensate=compensate)
        if not common.json:
            note(f"{parsed} is halted since {shown(held.at_ms)}: nothing new begins")
        if drain:
            if held.in_flight and not common.json:
                note(f"waiting for {len(held.in_flight)} effects in flight")
            held = await client.drained(held, timeout)
        rules = await client.rules()
        out = common.out()
        if common.json:
            out.data(
                {
                    "target": str(parsed),
                    "verb": "halt",
                    "mode": held.rule.mode.value,
                    "by": who,
                    "acknowledged_at": shown(held.at_ms),
                    "epochs": held.epochs,
                    "positions": held.positions,
                    "in_flight": flying(held.in_flight),
                    "drained": held.drained,
                    "left": flying(held.left),
                    "held": [plain(rule) | {"held": str(rule.target)} for rule in rules],
                }
            )
        else:
            rows = held.left if drain else held.in_flight
            out.table(flying(rows), FLYING, empty=f"no effect is {'left ' if drain else ''}in flight")
            for rule in rules:
                if rule.target != parsed:
                    note(f"also held: {told_rule(rule)}")
            note(f"go on with `{called()} resume {parsed} --reason …`")
        return StillPendingError.exit_code if drain and not held.drained else 0

    return with_client(common, work)
