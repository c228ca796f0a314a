"""The newest ids in the trail, for whoever was given the end of one. Bounded, whatever the trail's length."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from wingman_runtime.ledger import schema

# One step down the index for each id, instead of reading the records of all requests.
_REQUESTS = """
WITH RECURSIVE ids(id, remaining) AS (
  SELECT (SELECT MAX(request_id) FROM records
          WHERE request_id != '' AND request_id > :low AND request_id < :high), :limit
  UNION ALL
  SELECT (SELECT MAX(request_id) FROM records
          WHERE request_id != '' AND request_id > :low AND request_id < ids.id), remaining - 1
  FROM ids WHERE id IS NOT NULL AND remaining > 1
)
SELECT id FROM ids WHERE id IS NOT NULL
"""
_APPROVALS = """
SELECT json_extract(CAST(body AS TEXT), '$.event.data.approval_id') FROM records
WHERE seq > (SELECT COALESCE(MAX(seq), 0) FROM records) - ?
  AND event_type = 'ApprovalRequested' AND json_valid(CAST(body AS TEXT))
ORDER BY seq DESC
"""


def recent_requests(path: Path, limit: int = 1000) -> list[str]:
    """Ids of the newest requests, newest first.

    Raises:
        NotFoundError: no store.
    """
    with closing(schema.open_reader(path)) as connection, schema.translated(path):
        found: list[str] = []
        for (number,) in connection.execute("SELECT partition FROM heads WHERE partition >= 0").fetchall():
            # Within a partition ids sort by time; no hexadecimal digit comes after `f`.
            bounds = {"low": f"req_p{number}_", "high": f"req_p{number}_g", "limit": limit}
            found += [row[0] for row in connection.execute(_REQUESTS, bounds)]
    return sorted(found, key=lambda one: one.rpartition("_")[2], reverse=True)[:limit]


def recent_approvals(path: Path, records: int = 20_000) -> list[str]:
    """Ids of the approvals that were asked for in the last so many ``records``, newest first.

    Raises:
        NotFoundError: no store.
    """
    with closing(schema.open_reader(path)) as connection, schema.translated(path):
        return [row[0] for row in connection.execute(_APPROVALS, (records,)) if row[0]]
