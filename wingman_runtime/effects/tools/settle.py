"""Settling: the one tool that writes into the effects ledger, for a person who has found out.

An effect's own request has ended and keeps its outcome; this is the step of another, linked one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from wingman_runtime.contracts.settling import SETTLE, Verdict
from wingman_runtime.contracts.tool import ToolContext, tool
from wingman_runtime.errors import ToolError

RequestId = Annotated[str, Field(pattern=r"^req_p\d{1,4}_[0-9a-f]{32}$")]
EffectId = Annotated[str, Field(pattern=r"^eff_[a-z2-7]{26}$")]


@tool(
    SETTLE,
    # High: what holds for work of low risk must not reach the ledger by itself.
    risk="high",
    timeout=10,
    idempotent=True,
    irreversible=True,
    resource="effect:{request}/{effect}/{owner}",
)
async def settle(  # noqa: PLR0917 - the arguments of a tool are handed over by name
    request: RequestId,
    effect: EffectId,
    owner: Annotated[str, Field(min_length=1, max_length=200)],
    status: Literal["done", "failed"],
    reason: Annotated[str, Field(min_length=1, max_length=2000)],
    context: ToolContext,
    result: Any = None,
) -> dict[str, str]:
    """Say what became of an effect nobody knows the end of."""
    if context.settling is None:
        raise ToolError("there is no ledger here to settle it in")
    line = await context.settling.settle(
        Verdict(
            request_id=request,
            effect_id=effect,
            status=status,
            reason=reason,
            owner=owner,
            by=context.actor,
            tenant=context.tenant,
            into=context.request_id,
            result=result,
        )
    )
    return {"request": request, "effect": effect, "status": line.effect.status.value}
