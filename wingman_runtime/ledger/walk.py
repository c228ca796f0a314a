"""One partition's chain, walked record by record: what does not fit is named, and the walk goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wingman_runtime.ledger.chain import GENESIS, body_digest, link
from wingman_runtime.ledger.record import (
    ANOMALY,
    GAP,
    NEW_INCARNATION,
    NOTES,
    StoredRecord,
    body_data,
    columns_of,
)
from wingman_runtime.ledger.store import Head

_SUSPECTS_KEPT = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (or noteworthy), and where.

    ``what`` is one of: edited, replaced, deleted, truncated, inserted, reordered, head, anchor, damaged,
    unguarded, stamp; as a warning: gap, new_incarnation, anomaly, cause.
    """

    what: str
    partition: int | None
    incarnation: int | None
    n: int | None
    detail: str

    def __str__(self) -> str:
        if self.partition is None:
            return f"{self.what}: {self.detail}"
        place = "recorder notes" if self.partition == NOTES else f"partition {self.partition}"
        again = f", incarnation {self.incarnation}" if (self.incarnation or 1) > 1 else ""
        number = f", record {self.n}" if self.n is not None else ""
        return f"{self.what}: {place}{again}{number}: {self.detail}"


class ChainWalk:
    """Walks the records of one partition in the order of (incarnation, n).

    Args:
        head: the partition's row of the heads table, or None when it has none.
        anchor: (incarnation, n, hash) known from elsewhere, or None.
        findings, warnings: where to report.
    """

    def __init__(
        self,
        partition: int,
        head: Head | None,
        anchor: tuple[int, int, bytes] | None,
        findings: list[Finding],
        warnings: list[Finding],
    ) -> None:
        self.partition = partition
        self._head = head
        self._anchor = anchor
        self._findings = findings
        self._warnings = warnings
        self._last: StoredRecord | None = None
        self._incarnation = 1
        self._next = 1
        self._flagged = False  # the record before this one is named already
        self._broken: StoredRecord | None = None  # its link to the one before fails; whose fault is open
        self._before_broken: StoredRecord | None = None
        self._suspects: list[StoredRecord] = []
        self._past_head = 0
        self._count = 0
        self._anchor_met = False
        self._findings_before = len(findings)

    def step(self, record: StoredRecord) -> dict[str, Any]:
        """Check the next record; returns its body as data."""
        self._count += 1
        data = body_data(record.body)
        missing = self._place(record, data)
        flagged = self._types(record) or self._content(record, data)
        self._link(record, missing=missing, flagged=flagged)
        self._ends(record)
        self._last, self._flagged = record, flagged
        return data

    def finish(self) -> None:
        """The end of the partition: is anything missing behind it."""
        self._settle_broken(None)
        self._name_suspects()
        head, last = self._head, self._last
        if head is None and last is not None:
            self._find("head", last, "the partition has records but no head: its row was removed")
        elif head is not None:
            end = (last.incarnation, last.n) if last is not None else (1, 0)
            if end < (head.incarnation, head.n):
                first = self._next if head.incarnation == end[0] else 0
                span = f"records {first} to {head.n} are" if first < head.n else f"record {head.n} is"
                detail = f"the tail was cut off: {span} missing (incarnation {head.incarnation})"
                self._findings.append(
                    Finding("truncated", self.partition, head.incarnation, first or head.n, detail)
                )
            elif not self._past_head and last is not None and last.hash != head.hash and not self._flagged:
                self._find("replaced", last, "it is not the record the store's head was made from")
            elif len(self._findings) == self._findings_before and self._count != head.total:
                detail = f"the head counts {head.total} records, there are {self._count}"
                self._findings.append(Finding("head", self.partition, head.incarnation, head.n, detail))
        if self._anchor is not None and not self._anchor_met:
            incarnation, n, _ = self._anchor
            detail = "the record the anchor names is missing: the trail was cut or rewritten"
            self._findings.append(Finding("anchor", self.partition, incarnation, n, detail))

    def _place(self, record: StoredRecord, data: dict[str, Any]) -> bool:
        """Numbers in sequence. Returns whether records are missing before this one."""
        last = self._last
        if last is not None and record.seq < last.seq:
            self._find("reordered", record, f"it arrived before record {last.n}, which comes before it")
        if record.incarnation != self._incarnation:
            opened = record.kind == NEW_INCARNATION and record.n == 0
            skipped = record.incarnation != self._incarnation + 1
            if not opened or skipped:
                detail = (
                    "the record that begins this incarnation is missing: deleted, or this one was inserted"
                )
                self._find("deleted", record, detail)
            self._incarnation = record.incarnation
            self._next = _number(data.get("starts_at"), record.n + 1) if opened else record.n + 1
            if opened:
                self._warn(record, str(data.get("reason", "the server was restored or emptied")))
            return not opened or skipped
        missing = record.n > self._next
        if missing:
            span = (
                f"records {self._next} to {record.n - 1} are"
                if record.n - 1 > self._next
                else (f"record {self._next} is")
            )
            detail = f"{span} missing, and no gap was recorded"
            self._findings.append(Finding("deleted", self.partition, record.incarnation, self._next, detail))
        elif record.n < self._next:
            self._find("inserted", record, "its number lies where the trail says there is no record")
        self._next = max(self._next, record.n + 1)
        if record.kind == GAP:
            self._next = max(self._next, _number(data.get("to"), record.n) + 1)
            self._warn(record, f"the log did not hold numbers {data.get('from')} to {data.get('to')}")
        elif record.kind == ANOMALY and self.partition == NOTES:
            place = f"(partition {data.get('partition')}, number {data.get('n')})"
            self._warn(record, f"{data.get('what')} {place}")
        return missing

    def _types(self, record: StoredRecord) -> bool:
        """SQLite keeps whatever type it is given. Returns whether the record is named."""
        blobs = (record.body, record.prev_hash, record.hash)
        texts = (record.kind, record.request_id)
        if all(isinstance(x, bytes) for x in blobs) and all(isinstance(x, str) for x in texts):
            return False
        self._find("edited", record, "a column holds a type that no recorder writes there")
        return True

    def _content(self, record: StoredRecord, data: dict[str, Any]) -> bool:
        """Own hash and derived columns. Returns whether the record is named."""
        if not self._fits(record, record.n):
            if len(self._suspects) < _SUSPECTS_KEPT:
                self._suspects.append(record)
            else:
                self._find("edited", record, "its content does not match its hash")
            return True
        event_type, agent = columns_of(data)
        if (record.event_type, record.agent) != (event_type, agent):
            names = [
                name
                for name, there, due in (
                    ("event_type", record.event_type, event_type),
                    ("agent", record.agent, agent),
                )
                if there != due
            ]
            self._find("edited", record, f"column {' and '.join(names)} differs from the body")
            return True
        return False

    def _link(self, record: StoredRecord, *, missing: bool, flagged: bool) -> None:
        prev = self._last.hash if self._last is not None else GENESIS
        if record.prev_hash == prev:
            self._settle_broken(record)
        elif missing or flagged or self._flagged:
            self._settle_broken(None)
        elif self._broken is not None and self._broken is self._last:
            # Both its links fail: the record between them is the stranger.
            self._find("replaced", self._broken, "it follows from no record before it, and none from it")
            self._broken = None
        else:
            self._broken, self._before_broken = record, self._last

    def _settle_broken(self, record: StoredRecord | None) -> None:
        """A link failed and the next one held (or there is no next): the record before it was replaced."""
        if self._broken is None:
            return
        before, broken = self._before_broken, self._broken
        self._broken = None
        if before is None:
            self._find("replaced", broken, "it does not begin the chain as the first record must")
        elif record is None and self._head is not None and self._head.hash != broken.hash:
            self._find("replaced", broken, "it does not follow from the record before it")
        else:
            self._find("replaced", before, f"record {broken.n} does not follow from it")

    def _ends(self, record: StoredRecord) -> None:
        head = self._head
        place = (record.incarnation, record.n)
        if head is not None and place > (head.incarnation, head.n):
            self._past_head += 1
            self._find("inserted", record, f"it lies past the head of the store (record {head.n})")
        if self._anchor is not None and place == self._anchor[:2]:
            self._anchor_met = True
            if record.hash != self._anchor[2]:
                self._find(
                    "anchor", record, "its hash is not the one the anchor holds: the trail was rewritten"
                )

    def _fits(self, record: StoredRecord, n: int) -> bool:
        return (
            link(
                record.prev_hash,
                partition=record.partition,
                incarnation=record.incarnation,
                n=n,
                at_ms=record.at_ms,
                kind=record.kind,
                request_id=record.request_id,
                digest=body_digest(record.body),
            )
            == record.hash
        )

    def _name_suspects(self) -> None:
        """A record that fits another suspect's number was moved; any other was edited."""
        numbers = [record.n for record in self._suspects]
        for record in self._suspects:
            origin = next((n for n in numbers if n != record.n and self._fits(record, n)), None)
            if origin is not None:
                self._find("reordered", record, f"it was record {origin}")
            else:
                self._find("edited", record, "its content does not match its hash")

    def _find(self, what: str, record: StoredRecord, detail: str) -> None:
        self._findings.append(Finding(what, self.partition, record.incarnation, record.n, detail))

    def _warn(self, record: StoredRecord, detail: str) -> None:
        self._warnings.append(Finding(record.kind, self.partition, record.incarnation, record.n, detail))


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) else default
