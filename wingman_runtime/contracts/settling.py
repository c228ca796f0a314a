"""What is known of an effect beyond its end: late news, and a person's word on one nobody knew the end of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from wingman_runtime.contracts.work import Effect, EffectStatus

SETTLE = "effect.settle"
"""The tool, and the intent, by which a person settles an effect."""
_PREFIX = "effect:"


def effect_resource(request_id: str, effect_id: str, owner: str) -> str:
    """The resource that settling touches. The owner stands last: a name may hold any character."""
    return f"{_PREFIX}{request_id}/{effect_id}/{owner}"


def owner_of(tool: str, resource: str) -> str:
    """Whose request an effect to settle belongs to, for policies; empty for any other call."""
    parts = resource.removeprefix(_PREFIX).split("/", 2)
    return parts[2] if tool == SETTLE and resource.startswith(_PREFIX) and len(parts) == 3 else ""


@dataclass(frozen=True, slots=True)
class Settlement:
    """Who said what became of an effect. ``request_id`` is the request that asked for it, and was allowed."""

    by: str
    reason: str
    at_ms: int
    request_id: str


@dataclass(frozen=True, slots=True)
class EffectLine:
    """One line of the effects ledger.

    Attributes:
        late: what its worker reported after the end was recorded; the record stands.
        worker: who holds, or held, the intent.
    """

    effect: Effect
    worker: str = ""
    late: Effect | None = None
    settled: Settlement | None = None

    @property
    def in_doubt(self) -> bool:
        return self.effect.status in (EffectStatus.UNCERTAIN, EffectStatus.INTENT)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A person's word on one effect, made under a request of their own.

    Attributes:
        owner: the actor of the effect's request, as policies saw it; checked when it is written.
        into: the request that carries the word.
    """

    request_id: str
    effect_id: str
    status: Literal["done", "failed"]
    reason: str
    owner: str
    by: str
    tenant: str
    into: str
    result: Any = None


class Settling(Protocol):
    async def settle(self, verdict: Verdict) -> EffectLine:
        """Write it into the ledger; again, for the same request, is the same as once.

        Raises:
            ToolError: with nothing done: no such effect, its end is known, its request is open or another's.
        """
        ...
