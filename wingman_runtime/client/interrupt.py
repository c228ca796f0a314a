"""The client's hand on the brake (P-03): pause, halt, resume, cancel, and what they acknowledge.

What is promised: once `pause` or `halt` has returned, no intent is recorded for what it covers, in any
partition; what had begun before is in the answer, and on record. See docs/interrupt.md.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from wingman_runtime.client.envelope import letter_of, refuse_no_text
from wingman_runtime.client.standing import Standing, ensure_there, read_standing
from wingman_runtime.contracts.control import ControlMode, ControlRule, ControlTarget, Held, InFlight
from wingman_runtime.contracts.events import RequestCancelled
from wingman_runtime.contracts.ids import derive
from wingman_runtime.errors import ConflictError, NotFoundError, UsageError
from wingman_runtime.redisio import control, counts, letters

if TYPE_CHECKING:
    from wingman_runtime.client.request import Request
    from wingman_runtime.redisio.store import Store

_LOOK = 0.1
DRAIN = 60.0


class Interrupts(ABC):
    """A part of `Client`."""

    actor: str

    @property
    @abstractmethod
    def store(self) -> Store:
        """The client's."""

    @abstractmethod
    def request(self, request_id: str) -> Request:
        """See `Client.request`."""

    async def pause(self, target: str, *, reason: str, by: str | None = None) -> Held:
        """Hold what ``target`` covers; acknowledged when this returns. Requests may still be handed in.

        Args:
            target: ``all``, ``agent:NAME``, ``flow:NAME``, ``tenant:NAME``, ``event:TYPE``, ``request:ID`` or
                ``schedule:NAME``.

        Raises:
            UsageError: the text is no target.
            NotFoundError: no such agent or flow is active, no such request.
            ConflictError: it is halted: a pause would let requests in again.
            BackendError: not acknowledged: some partitions may have it and others not; do it again.
        """
        return await self._hold(target, ControlMode.PAUSE, reason, by)

    async def halt(
        self,
        target: str,
        *,
        reason: str,
        by: str | None = None,
        compensate: bool = False,
        drain: bool = False,
        timeout: float = DRAIN,  # noqa: ASYNC109 - the halt itself is never given up, only the waiting
    ) -> Held:
        """As `pause`, and the door is closed to requests that ``target`` covers. Undo it with `resume`.

        Args:
            compensate: compensations go on; nothing else does.
            drain: come back only once the effects that were in flight have ended; see `Held.left`.
            timeout: seconds to wait for that at most.

        Raises:
            As `pause`.
        """
        mode = ControlMode.HALT_COMPENSATE if compensate else ControlMode.HALT
        held = await self._hold(target, mode, reason, by)
        return await self.drained(held, timeout) if drain else held

    async def drained(self, held: Held, timeout: float = DRAIN) -> Held:  # noqa: ASYNC109 - as `halt`
        """The same acknowledgement, once the effects it lists have ended or cannot be waited for any more.

        An effect past its deadline is not waited for: its worker is gone, and nobody will say what it did
        before the rule is lifted.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        listed = {one.effect_id for one in held.in_flight}
        while True:
            flying, now_ms = await control.in_flight(self.store, held.rule.target)
            left = tuple(one for one in flying if one.effect_id in listed)
            if loop.time() >= until or all(one.deadline_ms < now_ms for one in left):
                return held.model_copy(update={"drained": not left, "left": left})
            await asyncio.sleep(min(_LOOK, max(0.0, until - loop.time())))

    async def in_flight(self, target: str = "all") -> tuple[InFlight, ...]:
        """Effects that have begun and not ended, of what ``target`` covers."""
        flying, _ = await control.in_flight(self.store, ControlTarget.parse(target))
        return flying

    async def resume(self, target: str, *, reason: str, by: str | None = None) -> int:
        """Let what ``target`` covers go on; returns how many parked entries went back to work."""
        return await control.resume(
            self.store,
            ControlTarget.parse(target),
            reason=_said(reason, "reason"),
            by=_said(by or self.actor, "by"),
            agents=await counts.agent_names(self.store),
        )

    async def rules(self) -> tuple[ControlRule, ...]:
        """Everything that is held."""
        return (await control.read(self.store, 0)).rules

    async def standing(self, target: str) -> Standing:
        """Which rules hold ``target`` (as for `pause`), and what of it is open.

        Raises:
            UsageError: the text is no target.
            NotFoundError: no such agent or request.
        """
        return await read_standing(self.store, ControlTarget.parse(target))

    async def cancel(self, request_id: str, *, reason: str, by: str | None = None) -> None:
        """Cancel a request: what runs is cut at its next commit, what was applied is rolled back.

        Cancelling again, while the first is under way, is the same as once.

        Raises:
            NotFoundError: no such request.
            ConflictError: it has ended, or its end is decided.
        """
        who, why = _said(by or self.actor, "by"), _said(reason, "reason")
        found = await self.request(request_id).state()
        event = letter_of(
            RequestCancelled(by=who, reason=why),
            derive("evt", request_id, "cancelled"),
            request_id,
            actor=who,
            tenant=found.tenant,
            flow=found.flow,
        )
        posted = await letters.post(self.store, event, sender="client")
        if posted.kind in ("posted", "duplicate"):
            return
        if posted.kind == "missing":
            raise NotFoundError("no such request", where=request_id)
        told = {
            "ended": f"it has ended already: {posted.detail}",
            "decided": f"its end is decided: {posted.detail}" if posted.detail else "it is being rolled back",
        }.get(posted.kind, f"{posted.kind.replace('_', ' ')} ({posted.detail})")
        raise ConflictError(f"it cannot be cancelled any more: {told}", where=request_id)

    async def _hold(self, target: str, mode: ControlMode, reason: str, by: str | None) -> Held:
        parsed = ControlTarget.parse(target)
        who, why = _said(by or self.actor, "by"), _said(reason, "reason")
        await ensure_there(self.store, parsed)
        return await control.hold(self.store, ControlRule(target=parsed, mode=mode, reason=why, by=who))


def _said(said: str, what: str) -> str:
    """Who, or why, as it goes on the record.

    Raises:
        UsageError: nothing is said.
        ContractError: it is no text that UTF-8 can carry.
    """
    if not said.strip():
        raise UsageError(
            f"{'a reason' if what == 'reason' else 'a name'} is needed: it goes on the record", where=what
        )
    refuse_no_text(said, what)
    return said
