"""What the records say, checked against each other: stamps against responses, effects against causes."""

from __future__ import annotations

import sqlite3
from typing import Any

from wingman_runtime.contracts.canonical import digest
from wingman_runtime.ledger.record import StoredRecord, body_data
from wingman_runtime.ledger.walk import Finding

_OPEN_REQUESTS = 20_000  # remembered at a time; the store is asked for any other
_EVENT = "evt_"
EARLIER_OF_NONE = "SELECT body FROM records WHERE request_id=? AND seq<? AND kind='event'"
# The index on requests leaves out what belongs to none, and serves only a query that says so, too.
EARLIER = f"{EARLIER_OF_NONE} AND request_id!=''"


class SenseCheck:
    """Steps through the trail in order; reports a wrong stamp as a finding, an unknown cause as a warning."""

    def __init__(
        self, connection: sqlite3.Connection, findings: list[Finding], warnings: list[Finding]
    ) -> None:
        self._connection = connection
        self._findings = findings
        self._warnings = warnings
        self._seen: dict[str, set[str]] = {}

    def step(self, record: StoredRecord, data: dict[str, Any]) -> None:
        event = data.get("event")
        if record.kind != "event" or not isinstance(event, dict):
            return
        cause, own = event.get("causationid"), event.get("id")
        before = self._before(record)
        # Timers and clients name causes of their own kind; only an event's id must be found as an event.
        if isinstance(cause, str) and cause.startswith(_EVENT) and cause not in before:
            detail = f"the trail does not hold its cause {cause} before it"
            self._warnings.append(Finding("cause", record.partition, record.incarnation, record.n, detail))
        if isinstance(own, str):
            before.add(own)
        if event.get("type") == "AuditStamped":
            self._stamp(record, event.get("data"))
            self._seen.pop(record.request_id, None)

    def _before(self, record: StoredRecord) -> set[str]:
        """Ids of the request's events so far; asked of the store once, when the request is met (again)."""
        known = self._seen.get(record.request_id)
        if known is None:
            while len(self._seen) >= _OPEN_REQUESTS:
                self._seen.pop(next(iter(self._seen)))
            statement = EARLIER if record.request_id else EARLIER_OF_NONE
            rows = self._connection.execute(statement, (record.request_id, record.seq))
            known = self._seen[record.request_id] = {str(_event_id(body)) for (body,) in rows}
        return known

    def _stamp(self, record: StoredRecord, data: Any) -> None:
        response = data.get("response") if isinstance(data, dict) else None
        stamp = data.get("stamp") if isinstance(data, dict) else None
        if not isinstance(response, dict) or not isinstance(stamp, dict):
            detail = "the stamp event carries no response or no stamp"
        elif stamp.get("response_digest") not in response_digests(response):
            detail = "the stamp's digest is not that of its response"
        elif response.get("outcome") != stamp.get("outcome"):
            detail = f"the stamp says {stamp.get('outcome')}, the response {response.get('outcome')}"
        else:
            return
        self._findings.append(Finding("stamp", record.partition, record.incarnation, record.n, detail))


def _event_id(body: bytes) -> Any:
    event = body_data(body).get("event")
    return event.get("id") if isinstance(event, dict) else None


def response_digests(response: dict[str, Any]) -> tuple[str, str]:
    """The digests a stamp may carry: over the response without its stamp, written as null or left out."""
    bare = {key: value for key, value in response.items() if key != "stamp"}
    return digest({**bare, "stamp": None}), digest(bare)
