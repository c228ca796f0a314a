"""The ledger of effects as this room needs it: an intent is recorded before the world is touched.

`redisio.effects` implements `EffectStore`; a test hands in an in-memory one. Nothing here knows Redis.

The order that keeps "at most once, or UNCERTAIN":

1. ``intend`` records the intent in one fenced step: the worker still owns the entry, nothing holds it, the
   approval is valid on the server's clock, and no effect of that id exists. Only ``go`` permits a call.
2. the tool runs.
3. ``record`` writes what came of it.

A crash between 1 and 3 leaves an intent without an end. Whoever claims the entry next is told ``in_doubt``.
"""

from __future__ import annotations

from typing import Protocol

from wingman_runtime.contracts.claims import Claim, IntentAnswer
from wingman_runtime.contracts.work import Effect

__all__ = ["Claim", "EffectStore", "IntentAnswer"]


class EffectStore(Protocol):
    """The recorded life of effects. All times are the server's; nobody else's clock counts."""

    async def intend(
        self, claim: Claim, effect: Effect, *, approval_id: str, takeover: bool = False, plan_digest: str = ""
    ) -> IntentAnswer:
        """Record an intent, or say what is known of it.

        Args:
            claim: the entry this is done for. The same claim may ask again, for its answer may be lost: an
                intent of its own without an end answers ``go``. Whether it has called the tool meanwhile only
                the caller knows; hence no two processes may ever work under one worker's name.
            effect: ``deadline_ms`` is how many milliseconds from now the call may take; the store turns it
                into server time, anew with every ``go``.
            approval_id: for kind ``apply``: an approved approval of this request.
            takeover: an intent of an earlier claim whose deadline has passed becomes this claim's: answer
                ``go`` with ``attempt + 1``, to run an idempotent tool again or to record uncertain.
            plan_digest: the plan the approval must be for.
        """
        ...

    async def record(self, claim: Claim, effect: Effect) -> Effect:
        """Move an intent to done, failed or uncertain; returns what is recorded.

        A compensation recorded as done also moves the effect it undoes to ``compensated``. An effect that
        has ended already, or was taken over, keeps what is recorded, and that is what is returned; the news
        is kept beside it.
        """
        ...

    async def release(self, claim: Claim, effect: Effect, error: str) -> None:
        """Take an intent of this claim back: nothing was done, and another attempt follows later."""
        ...

    async def of_request(self, request_id: str) -> tuple[Effect, ...]:
        """Every effect of the request, oldest intent first."""
        ...
