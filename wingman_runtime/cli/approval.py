"""``wingman approval``: what waits for people, and their votes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from wingman_runtime.cli.common import DEFAULT, Common, actor_of, with_client
from wingman_runtime.cli.out import note, plain

if TYPE_CHECKING:
    from wingman_runtime.client import Client

app = App(name="approval", help="Look at approvals and vote.")
Id = Annotated[str, Parameter(help="The approval's id.")]
Voter = Annotated[str, Parameter(name="--as", help="Who votes; else the setting actor, else the login.")]


@app.command(name="list")
def list_(
    *,
    status: Annotated[
        Literal["open", "approved", "denied", "expired", "cancelled", "all"], Parameter(help="Only these.")
    ] = "open",
    common: Common = DEFAULT,
) -> int:
    """Approvals, the open ones unless another status is asked for.

    For example

        wingman approval list
        wingman approval list --status all --json
    """

    async def work(client: Client) -> int:
        found = await client.approvals(status=None if status == "all" else status)
        rows = [
            plain(one)
            | {
                "intent": one.plan.intent,
                "risk": one.plan.risk.value,
                "voted": f"{sum(vote.verdict == 'approve' for vote in one.votes)}/{one.quorum}",
            }
            for one in found
        ]
        columns = ("approval_id", "status", "requester", "intent", "risk", "roles", "voted")
        common.out().table(rows, columns, empty="nothing waits for approval")
        return 0

    return with_client(common, work)


@app.command
def show(approval_id: Id, /, *, common: Common = DEFAULT) -> int:
    """One approval: the exact plan, who may vote, the votes so far.

    For example

        wingman approval show apr_…
    """

    async def work(client: Client) -> int:
        approval = await client.approval(approval_id)
        out = common.out()
        told = plain(approval)
        if common.json:
            out.data(told)
            return 0
        out.fields({key: value for key, value in told.items() if key not in {"plan", "votes"}})
        for step in approval.plan.steps:
            undo = f"undone by {step.compensation}" if step.compensation else "cannot be undone"
            out.line(f"step {step.index}  {step.tool} {step.args}  risk {step.risk.value}, {undo}")
        for vote in approval.votes:
            out.line(f"vote    {vote.voter} {vote.verdict} {vote.reason}")
        return 0

    return with_client(common, work)


@app.command
def approve(
    approval_id: Id,
    /,
    *,
    actor: Voter = "",
    reason: Annotated[str, Parameter(help="Why; it goes on the record.")] = "",
    common: Common = DEFAULT,
) -> int:
    """Vote for a plan. Nobody approves a request of their own.

    For example

        wingman approval approve apr_… --as bob
    """
    return _vote(approval_id, "approve", actor, reason, common)


@app.command
def deny(
    approval_id: Id,
    /,
    *,
    reason: Annotated[str, Parameter(help="Why; it goes on the record.")],
    actor: Voter = "",
    common: Common = DEFAULT,
) -> int:
    """Vote against a plan; one such vote ends the request as denied.

    For example

        wingman approval deny apr_… --as bob --reason "not this week"
    """
    return _vote(approval_id, "deny", actor, reason, common)


def _vote(
    approval_id: str, verdict: Literal["approve", "deny"], actor: str, reason: str, common: Common
) -> int:
    who = actor_of(common.found().settings, actor)

    async def work(client: Client) -> int:
        approval = await client.approval(approval_id)
        await client.vote(approval_id, voter=who, verdict=verdict, reason=reason)
        if common.json:
            common.out().data({"approval_id": approval_id, "voter": who, "verdict": verdict})
        note(f"the vote is cast; see `wingman request show {approval.request_id}`")
        return 0

    return with_client(common, work)
