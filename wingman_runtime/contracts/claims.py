"""A claim on one pending entry, and what the effects ledger answers to an intent made under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wingman_runtime.contracts.work import Effect


@dataclass(frozen=True, slots=True)
class Claim:
    """Proof of ownership of one pending entry; the store checks it and refuses a stale one as ``fenced``."""

    partition: int
    agent: str
    worker: str
    entry: str
    event_id: str
    request_id: str


@dataclass(frozen=True, slots=True)
class IntentAnswer:
    """The store's answer to an intent.

    Attributes:
        kind: ``go``: recorded, run the tool now. ``known``: it has ended before, use ``effect``.
            ``in_doubt``: an earlier claim recorded the intent and no end. ``refused``: nothing was recorded.
        effect: the recorded effect, for ``known``, ``in_doubt`` and ``go``.
        wait_ms: ``in_doubt``: milliseconds until the earlier attempt's deadline has passed (0: passed).
        reason: ``refused``: ``fenced`` (the claim is no longer ours), ``held`` (paused or halted),
            ``approval`` (absent, expired, used or for another plan), ``cut`` (the request has ended or its
            phase was cut), ``missing`` (no such request).
    """

    kind: Literal["go", "known", "in_doubt", "refused"]
    effect: Effect | None = None
    wait_ms: int = 0
    reason: str = ""
