"""Verification of a whole store: is every record there, unchanged, in its place, and does it make sense.

What a chain can and cannot show: somebody who may write the file can change a record and recompute every
hash after it, and the heads. Only something kept elsewhere shows that: an anchor (`anchor_of`), an export, a
response's stamp. Everything short of that is found here, and named.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from wingman_runtime.errors import ContractError, IntegrityError, UsageError
from wingman_runtime.ledger import schema
from wingman_runtime.ledger.query import COLUMNS, heads
from wingman_runtime.ledger.record import StoredRecord
from wingman_runtime.ledger.sense import SenseCheck
from wingman_runtime.ledger.store import Head
from wingman_runtime.ledger.walk import ChainWalk, Finding

FINDINGS_KEPT = 1000
_PROGRESS_EVERY = 2000


@dataclass(frozen=True, slots=True)
class Verification:
    """The result. ``findings`` say that the trail was tampered with or damaged; ``warnings`` what it says of
    itself: gaps, new incarnations, anomalies, causes it does not hold. At most `FINDINGS_KEPT` of each."""

    records: int
    heads: tuple[Head, ...]
    findings: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        return not self.findings


def anchor_of(path: Path) -> str:
    """The store's heads as one line of text, to be kept where whoever may write the store may not write."""
    return " ".join(f"{head.partition}:{head.incarnation}:{head.n}:{head.hash.hex()}" for head in heads(path))


def parse_anchor(text: str) -> dict[int, tuple[int, int, bytes]]:
    """Anchor text as partition → (incarnation, n, hash).

    Raises:
        UsageError: it is no anchor.
    """
    try:
        parts = [part.split(":") for part in text.split()]
        return {int(p): (int(i), int(n), bytes.fromhex(value)) for p, i, n, value in parts}
    except ValueError:
        raise UsageError(
            f"{text[:80]!r} is no anchor", hint="an anchor is what `wingman audit verify` prints as such"
        ) from None


def verify(
    path: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
    anchor: Mapping[int, tuple[int, int, bytes]] | None = None,
) -> Verification:
    """Check every record of a store, in constant memory.

    Args:
        path: the store's file; a recorder may be running.
        progress: called with (records checked, records there) now and then.
        anchor: heads known from elsewhere (`parse_anchor`): the trail must contain them.

    Raises:
        NotFoundError: there is no store.
    """
    began = time.monotonic()
    findings: list[Finding] = []
    warnings: list[Finding] = []
    stored: tuple[Head, ...] = ()
    checked = 0
    try:
        with closing(schema.open_reader(path)) as connection, schema.translated(path):
            connection.execute("BEGIN")  # one snapshot for all that follows
            stored = _heads(connection)
            checked = _walk(
                connection, stored, findings, warnings, progress=progress, anchor=dict(anchor or {})
            )
            _file(connection, findings)
    except IntegrityError as error:
        findings.append(Finding("damaged", None, None, None, error.message))
    return Verification(
        checked,
        stored,
        tuple(findings[:FINDINGS_KEPT]),
        tuple(warnings[:FINDINGS_KEPT]),
        time.monotonic() - began,
    )


def _heads(connection: sqlite3.Connection) -> tuple[Head, ...]:
    rows = connection.execute(
        "SELECT partition, incarnation, n, next_n, entry_id, hash, total FROM heads ORDER BY partition"
    )
    return tuple(Head(*row) for row in rows)


def _walk(
    connection: sqlite3.Connection,
    stored: tuple[Head, ...],
    findings: list[Finding],
    warnings: list[Finding],
    *,
    progress: Callable[[int, int], None] | None,
    anchor: dict[int, tuple[int, int, bytes]],
) -> int:
    total = int(connection.execute("SELECT COUNT(*) FROM records").fetchone()[0])
    expected = {head.partition: head for head in stored}
    walk: ChainWalk | None = None
    sense = SenseCheck(connection, findings, warnings)
    checked = 0
    rows = connection.execute(f"SELECT {COLUMNS} FROM records ORDER BY partition, incarnation, n")  # noqa: S608
    for row in rows:
        record = StoredRecord(*row)
        if walk is None or walk.partition != record.partition:
            if walk is not None:
                walk.finish()
            walk = ChainWalk(
                record.partition,
                expected.pop(record.partition, None),
                anchor.pop(record.partition, None),
                findings,
                warnings,
            )
        try:
            data = walk.step(record)
            sense.step(record, data)
        except (TypeError, ValueError, AttributeError, ContractError) as error:
            # A column holds what no recorder writes there, e.g. text for a number.
            what = f"the record cannot be read: {error}"
            findings.append(Finding("edited", record.partition, record.incarnation, record.n, what))
        checked += 1
        if progress is not None and checked % _PROGRESS_EVERY == 0:
            progress(checked, total)
    if walk is not None:
        walk.finish()
    for partition, head in expected.items():
        ChainWalk(partition, head, anchor.pop(partition, None), findings, warnings).finish()
    for partition, known in anchor.items():
        ChainWalk(partition, None, known, findings, warnings).finish()
    if progress is not None:
        progress(checked, total)
    return checked


def _file(connection: sqlite3.Connection, findings: list[Finding]) -> None:
    """The file itself: indexes that answer for every row, and the triggers that guard it."""
    for (line,) in connection.execute("PRAGMA integrity_check(20)"):
        if line != "ok":
            findings.append(Finding("damaged", None, None, None, f"SQLite's integrity check: {line}"))
    there = {row[0]: row[1] for row in connection.execute("SELECT name, sql FROM sqlite_master")}
    for name in schema.TRIGGERS:
        if "RAISE(ABORT" not in (there.get(name) or ""):
            what = f"the trigger {name}, which refuses changes, is missing: somebody removed it"
            findings.append(Finding("unguarded", None, None, None, what))
