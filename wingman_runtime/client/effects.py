"""The effects ledger of a request, and a person's word on an effect nobody knows the end of.

A word is a request of its own, linked to the first by ``causationid``: scope, permission, plan and execution
are judged as for any other, today. The first request keeps its outcome.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from wingman_runtime.client.envelope import letter_of, work_of
from wingman_runtime.client.request import Request
from wingman_runtime.contracts.events import UserRequestReceived
from wingman_runtime.contracts.ids import derive, partition_of
from wingman_runtime.contracts.settling import SETTLE, EffectLine
from wingman_runtime.contracts.work import EffectStatus
from wingman_runtime.errors import ConflictError, NotFoundError, UsageError
from wingman_runtime.redisio.admission import new_request_id
from wingman_runtime.redisio.settling import RedisSettling

if TYPE_CHECKING:
    from wingman_runtime.client.client import Client


class Effects:
    """See `Client.effects`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def of(self, request_id: str) -> tuple[EffectLine, ...]:
        """Every effect of a request, oldest intent first.

        Raises:
            NotFoundError: no such request, or past its time.
        """
        await self._client.request(request_id).state()
        return await RedisSettling(self._client.store).lines(request_id)

    async def settle(
        self,
        request_id: str,
        effect_id: str,
        status: Literal["done", "failed"],
        *,
        reason: str,
        by: str | None = None,
        result: Any = None,
        flow: str = "request",
    ) -> Request:
        """Hand in the word of ``by`` on an effect; the request returned says whether it was allowed.

        Args:
            result: what the call came to; left out: what its worker reported late, if it did.

        Raises:
            NotFoundError: no such request or effect.
            ConflictError: the end of the effect is known, or its request has not ended.
            UsageError: no reason.
        """
        if not reason.strip():
            raise UsageError("a reason is needed: it goes on the record", where="reason")
        found = await self._client.request(request_id).state()
        line = _one(await self.of(request_id), effect_id)
        if not found.ended:
            raise ConflictError("its request has not ended", where=request_id, hint="wait for its end first")
        if not line.in_doubt:
            told = line.effect.status.value
            if line.settled is not None:
                told += f", settled by {line.settled.by}: {line.settled.reason}"
            raise ConflictError(f"the end of this effect is known: {told}", where=effect_id)
        args = {
            "request": request_id,
            "effect": effect_id,
            "owner": found.actor,
            "status": status,
            "reason": reason,
            "result": result,
        }
        new_id = new_request_id(partition_of(request_id))
        event = letter_of(
            UserRequestReceived(request=work_of(SETTLE, {}, [{"tool": SETTLE, "args": args}], "")),
            derive("evt", new_id),
            new_id,
            actor=by or self._client.actor,
            tenant=found.tenant,
            flow=flow,
        )
        event = event.model_copy(update={"causationid": request_id})
        return Request(self._client, await self._client.door.hand_in(event))


def told_late(line: EffectLine) -> str:
    """What was reported after the end was recorded, as an offer; empty when nothing was."""
    if line.late is None or not line.in_doubt:
        return ""
    known = line.late.status in (EffectStatus.DONE, EffectStatus.FAILED)
    return f"the tool reported {line.late.status.value} later" + (
        f": settle as {line.late.status.value}?" if known else ""
    )


def _one(lines: tuple[EffectLine, ...], effect_id: str) -> EffectLine:
    for line in lines:
        if line.effect.effect_id == effect_id:
            return line
    raise NotFoundError(
        "its request has no such effect", where=effect_id, hint="see `wingman request effects`"
    )
