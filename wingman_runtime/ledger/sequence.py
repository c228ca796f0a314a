"""Sorting out what the log holds: the next number, a gap, a number seen before, a server that went back.

Pure but for the look-up of stored records it is handed. The log's numbers are gapless from 1; the store is
the memory of which were seen. An entry whose number was seen before is one of three things:

- the same content: read again after a failure; nothing new;
- other content, and the log goes on from there: the server was restored and has numbered anew, so a new
  incarnation begins;
- other content, standing alone: somebody else than the commit script wrote it; noted as an anomaly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from wingman_runtime.contracts.canonical import canonical
from wingman_runtime.ledger.chain import body_digest
from wingman_runtime.ledger.record import GAP, NEW_INCARNATION, Draft, Record
from wingman_runtime.ledger.source import LogEntry
from wingman_runtime.ledger.store import anomaly

_INT64 = 2**63


class Position(NamedTuple):
    """How far a partition is stored: the incarnation, and the number that comes next."""

    partition: int
    incarnation: int
    next_n: int


def sort_out(
    position: Position,
    entries: Sequence[LogEntry],
    *,
    find: Callable[[int, int], Record | None],
    head: int,
) -> tuple[Position, list[Draft]]:
    """Drafts for the entries of one read, and the position after them.

    Args:
        position: how far the store is.
        entries: oldest first, as read.
        find: the stored record with a number (partition, n), of its latest incarnation.
        head: the last number the server has given out, asked for after the read.
    """
    drafts: list[Draft] = []
    fresh: dict[int, Draft] = {}  # of this read, not yet in the store
    for index, entry in enumerate(entries):
        if not _fits(entry, head):
            drafts.append(_anomaly(position, entry, "an entry of the log that no commit can have written"))
            continue
        if entry.n < position.next_n:
            known = fresh.get(entry.n) or find(position.partition, entry.n)
            if same(known, entry):
                continue
            if not _goes_on(entries, index, head):
                stored = body_digest(known.body).hex() if known is not None else ""
                what = "a number of the log stands on a second entry with other content"
                drafts.append(_anomaly(position, entry, what, stored))
                continue
            position, draft = new_incarnation(
                position,
                at_ms=entry.at_ms,
                starts_at=entry.n,
                reason="the server gave out numbers again with other content: it was restored or emptied",
            )
            drafts.append(draft)
            fresh.clear()
        elif entry.n > position.next_n:
            position, draft = _gap(position, entry)
            drafts.append(draft)
        draft = _draft(position, entry)
        position = Position(position.partition, position.incarnation, entry.n + 1)
        drafts.append(draft)
        fresh[entry.n] = draft
    return position, drafts


def new_incarnation(position: Position, *, at_ms: int, starts_at: int, reason: str) -> tuple[Position, Draft]:
    """Begin to count anew: the record that says so has number 0 of the new incarnation."""
    body = {
        "incarnation": position.incarnation + 1,
        "partition": position.partition,
        "previous": position.incarnation,
        "stored_n": position.next_n - 1,
        "starts_at": starts_at,
        "reason": reason,
    }
    incarnation = position.incarnation + 1
    draft = Draft(position.partition, incarnation, 0, at_ms, NEW_INCARNATION, "", canonical(body), starts_at)
    return Position(position.partition, incarnation, starts_at), draft


def _gap(position: Position, entry: LogEntry) -> tuple[Position, Draft]:
    """The record of missing numbers stands in the place of the first of them."""
    body = {"partition": position.partition, "from": position.next_n, "to": entry.n - 1}
    draft = Draft(
        position.partition,
        position.incarnation,
        position.next_n,
        entry.at_ms,
        GAP,
        "",
        canonical(body),
        entry.n,
    )
    return Position(position.partition, position.incarnation, entry.n), draft


def _draft(position: Position, entry: LogEntry) -> Draft:
    return Draft(
        position.partition,
        position.incarnation,
        entry.n,
        entry.at_ms,
        _clean(entry.kind),
        _clean(entry.request_id),
        entry.body,
        entry.n + 1,
    )


def _anomaly(position: Position, entry: LogEntry, what: str, stored: str = "") -> Draft:
    return anomaly(
        what,
        partition=position.partition,
        n=entry.n,
        at_ms=entry.at_ms,
        kind=_clean(entry.kind),
        request_id=_clean(entry.request_id),
        body=entry.body,
        stored=stored,
    )


def _fits(entry: LogEntry, head: int) -> bool:
    # Kinds the recorder itself writes would let an outsider explain away what is missing.
    return 1 <= entry.n <= head and 0 <= entry.at_ms < _INT64 and entry.kind not in (GAP, NEW_INCARNATION)


def same(known: Record | Draft | None, entry: LogEntry) -> bool:
    """Whether the entry is what is stored already."""
    return known is not None and (known.at_ms, known.kind, known.request_id, known.body) == (
        entry.at_ms,
        _clean(entry.kind),
        _clean(entry.request_id),
        entry.body,
    )


def _goes_on(entries: Sequence[LogEntry], index: int, head: int) -> bool:
    """Whether the log continues from this entry, as it does after a restore."""
    if index + 1 < len(entries):
        return entries[index + 1].n == entries[index].n + 1
    return entries[index].n == head


def _clean(text: str) -> str:
    """SQLite takes no lone surrogates; a log entry must never be able to stop the recorder."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
