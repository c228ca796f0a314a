"""Letters into a request under way: a vote, a cancellation, a timeout. Posted by the flow's rules, logged."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import orjson

from wingman_runtime.contracts.event import Event
from wingman_runtime.redisio.store import Store, text

PostKind = Literal[
    "posted", "duplicate", "missing", "ended", "decided", "closed", "other_plan", "refused_emit"
]


class Posted(NamedTuple):
    """``ended`` and ``decided`` carry the outcome, ``closed`` the approval's status."""

    kind: PostKind
    detail: str


async def post(
    store: Store,
    event: Event[Any],
    *,
    sender: Literal["client", "timer"],
    approval_id: str = "",
    plan_digest: str = "",
    vote: bool = False,
) -> Posted:
    """Deliver ``event`` where the flow sends it when it comes from ``sender``.

    With ``approval_id`` the letter is refused as ``closed`` unless that approval is open; with ``vote`` also
    when its deadline has passed on the server's clock.
    """
    header: dict[str, Any] = {"r": event.subject, "from": sender, "id": event.id, "ty": event.type}
    if approval_id:
        header |= {"apr": approval_id, "vote": vote}
    if plan_digest:
        header["digest"] = plan_digest
    prefix = orjson.dumps({"agent": sender, "worker": event.source})[:-1] + b',"event":'
    kind, detail = await store.run("post", event.partition, orjson.dumps(header), event.to_bytes(), prefix)
    return Posted(text(kind), text(detail))  # type: ignore[arg-type]
