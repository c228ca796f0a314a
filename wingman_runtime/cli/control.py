"""``wingman pause``, ``resume``, ``status``: hold work back, let it go on, see what is held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common, actor_of, with_client
from wingman_runtime.cli.out import note, plain

if TYPE_CHECKING:
    from wingman_runtime.client import Client

Target = Annotated[str, Parameter(help="all, agent:NAME, flow:NAME, tenant:NAME, event:TYPE or request:ID.")]
Reason = Annotated[str, Parameter(help="Why; it goes on the record.")]
Actor = Annotated[str, Parameter(name="--as", help="Who does it; else the setting actor, else the login.")]


def pause(target: Target, /, *, reason: Reason, actor: Actor = "", common: Common = DEFAULT) -> int:
    """Hold work back; nothing is lost, and waiting counts as no attempt. Back when it has taken effect.

    For example

        wingman pause agent:executor --reason "database upgrade"
        wingman pause tenant:demo --reason "under review" --as alice
    """
    return _control("pause", target, reason, actor, common)


def resume(target: Target, /, *, reason: Reason, actor: Actor = "", common: Common = DEFAULT) -> int:
    """Let what a pause of the same target held go on.

    For example

        wingman resume agent:executor --reason "upgrade done"
    """
    return _control("resume", target, reason, actor, common)


def status(*, common: Common = DEFAULT) -> int:
    """What runs, what waits, what is held and by whom.

    For example

        wingman status
        wingman status --json
    """

    async def work(client: Client) -> int:
        told = plain(await client.status())
        out = common.out()
        if common.json:
            out.data(told)
            return 0
        tables = {name: rows for name, rows in told.items() if _is_table(rows)}
        out.fields({name: value for name, value in told.items() if name not in tables})
        for name, rows in tables.items():
            out.line(f"\n{name}")
            out.table(rows, tuple(rows[0]))
        return 0

    return with_client(common, work)


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _control(verb: str, target: str, reason: str, actor: str, common: Common) -> int:
    from wingman_runtime.contracts.control import ControlTarget

    parsed = ControlTarget.parse(target)
    who = actor_of(common.found().settings, actor)

    async def work(client: Client) -> int:
        act = client.pause if verb == "pause" else client.resume
        answer = await act(str(parsed), reason=reason, by=who)
        if common.json:
            common.out().data({"target": str(parsed), "verb": verb, "by": who, "answer": plain(answer)})
        note(f"{target} {'is held' if verb == 'pause' else 'goes on'}; see `wingman status`")
        return 0

    return with_client(common, work)
