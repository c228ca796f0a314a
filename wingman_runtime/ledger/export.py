"""The trail as text, for somebody who trusts neither us nor our programs: every record with its hashes.

Export of everything keeps the chain whole; a filtered one keeps each record's own hash checkable. The
script in ``docs/audit.md`` checks either with nothing but Python's standard library.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import orjson

from wingman_runtime.ledger.query import Filter, select
from wingman_runtime.ledger.record import StoredRecord

FIELDS = (
    "partition",
    "incarnation",
    "n",
    "at_ms",
    "kind",
    "request_id",
    "event_type",
    "agent",
    "body",
    "body_base64",
    "prev_hash",
    "hash",
)


def export(
    path: Path, which: Filter | None = None, *, form: Literal["jsonl", "csv"] = "jsonl"
) -> Iterator[str]:
    """Lines of text, each with its line end, in constant memory; oldest first.

    Raises:
        NotFoundError: there is no store.
    """
    return export_records(select(path, which), form=form)


def export_records(
    records: Iterable[StoredRecord], *, form: Literal["jsonl", "csv"] = "jsonl"
) -> Iterator[str]:
    """As `export`, for records at hand. A CSV record may hold line ends inside quotes."""
    if form == "jsonl":
        for record in records:
            yield orjson.dumps(plain(record)).decode() + "\n"
        return
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, FIELDS, lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow(plain(record))
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def plain(record: StoredRecord) -> dict[str, Any]:
    """One record as plain data: the body word for word, or as base64 when it is no UTF-8; hashes as hex."""
    try:
        body, coded = record.body.decode(), ""
    except UnicodeDecodeError:
        body, coded = "", base64.b64encode(record.body).decode()
    return {
        "partition": record.partition,
        "incarnation": record.incarnation,
        "n": record.n,
        "at_ms": record.at_ms,
        "kind": record.kind,
        "request_id": record.request_id,
        "event_type": record.event_type,
        "agent": record.agent,
        "body": body,
        "body_base64": coded,
        "prev_hash": record.prev_hash.hex(),
        "hash": record.hash.hex(),
    }
