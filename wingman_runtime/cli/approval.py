"""``wingman approval``: what waits for people, and their votes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from wingman_runtime.cli.common import DEFAULT, Common, actor_of, called, with_client
from wingman_runtime.cli.ids import ABOUT, approval_of, request_of
from wingman_runtime.cli.out import note, plain
from wingman_runtime.cli.people import undeclared
from wingman_runtime.errors import DeniedError, StillPendingError

if TYPE_CHECKING:
    from wingman_runtime.client import Client
    from wingman_runtime.contracts.work import Approval

app = App(name="approval", help="Look at approvals and vote.")
Id = Annotated[str, Parameter(help=f"The approval's id, {ABOUT}.")]
Voter = Annotated[str, Parameter(name="--as", help="Who votes; else the setting actor, else the login.")]


@app.command(name="list")
def list_(
    *,
    request: Annotated[str, Parameter(help=f"Of this request only: its id, {ABOUT}.")] = "",
    common: Common = DEFAULT,
) -> int:
    """What waits for people, the next to expire first.

    For example

        wingman approval list
        wingman approval list --json
    """

    async def work(client: Client) -> int:
        of = await request_of(client, request) if request else ""
        rows = [
            plain(one)
            | {
                "intent": one.plan.intent,
                "risk": one.plan.risk.value,
                "voted": _voted(one),
                "expires": _expires(one),
            }
            for one in await client.approvals(request_id=of)
        ]
        columns = ("approval_id", "requester", "intent", "risk", "roles", "voted", "expires")
        common.out().table(rows, columns, empty="nothing waits for approval")
        return 0

    return with_client(common, work)


@app.command
def show(approval_id: Id, /, *, common: Common = DEFAULT) -> int:
    """One approval: the exact plan, who may vote, the votes so far.

    For example

        wingman approval show apr_…
        wingman approval show latest
    """

    async def work(client: Client) -> int:
        approval = await client.approval(await approval_of(client, approval_id))
        out = common.out()
        told = plain(approval)
        if common.json:
            out.data(told)
            return 0
        out.fields(
            {
                "approval": approval.approval_id,
                "of": approval.request_id,
                "asked by": approval.requester,
                "intent": f"{approval.plan.intent}, risk {approval.plan.risk.value}",
                "status": f"{approval.status.value}, {_voted(approval)} votes of {', '.join(approval.roles)}",
                "expires": _expires(approval),
                "plan": approval.plan_digest,
            }
        )
        for step in approval.plan.steps:
            undo = f"undone by {step.compensation}" if step.compensation else "cannot be undone"
            out.line(f"step {step.index}    {step.tool} on {step.resource}, risk {step.risk.value}, {undo}")
            for name, value in step.args.items():
                out.line(f"          {name} = {json.dumps(value, ensure_ascii=False)}")
        for vote in approval.votes:
            out.line(f"vote      {vote.voter} {vote.verdict} {vote.reason}".rstrip())
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


def _voted(approval: Approval) -> str:
    return f"{sum(vote.verdict == 'approve' for vote in approval.votes)}/{approval.quorum}"


def _expires(approval: Approval) -> str:
    return datetime.fromtimestamp(approval.expires_at_ms / 1000).astimezone().isoformat(" ", "seconds")


def _vote(
    approval_id: str, verdict: Literal["approve", "deny"], actor: str, reason: str, common: Common
) -> int:
    project = common.found()
    who = actor_of(project.settings, actor)

    async def work(client: Client) -> int:
        found = await approval_of(client, approval_id)
        result = await client.vote(found, verdict, voter=who, reason=reason)
        if common.json:
            common.out().data(result)
        why = "; ".join(result.reasons)
        if result.counted is None:
            raise StillPendingError("the vote is cast and not yet judged", where=found, hint=why)
        if not result.counted:
            hint = undeclared(project, who, actor) or None
            raise DeniedError(f"the vote does not count: {why}", where=found, hint=hint)
        approval = result.approval
        see = f"{called()} request show {approval.request_id}"
        note(f"counted; {found} is {approval.status}; see `{see}`")
        return 0

    return with_client(common, work)
