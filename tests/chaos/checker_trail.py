"""I5 and I6: the trail itself, each record of it once, each step by one worker."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

from tests.chaos.history import History, Row, Trail, Violation, Wanted

_OURS = ("client", "runtime")  # whose events are no answer of a worker


def check_trail(history: History, trail: Trail, wanted: Wanted) -> Iterator[Violation]:
    """I5."""
    yield from _chain(trail.rows)
    yield from _numbers(trail.rows)
    ids = Counter(row["data"]["event"]["id"] for row in trail.rows if row["kind"] == "event")
    for id_, count in ids.items():
        if count > 1:
            yield Violation("I5 once", id_, f"in the trail {count} times")
    admitted = {
        row["request_id"]
        for row in trail.rows
        if row["kind"] == "event" and row["data"]["event"]["type"] == "UserRequestReceived"
    }
    for line in history.client:
        if line["do"] == "submit" and line["phase"] == "ack" and line["id"] not in admitted:
            yield Violation("I5 recorded", line["id"], "acknowledged, not in the trail")
    votes = Counter(
        (row["said"]["approval_id"], row["said"]["vote"]["voter"], row["said"]["vote"]["verdict"])
        for request in trail.events
        for row in trail.of_type(request, "ApprovalVoteCast")
    )
    for line in history.client:
        if line["do"] == "vote" and line["phase"] == "ack":
            vote = (line["approval"], line["voter"], line["verdict"])
            if not votes[vote]:
                yield Violation("I5 recorded", line["approval"], f"a vote of {vote[1]} is not in the trail")
    for row in trail.rows:
        kind = row["kind"]
        if kind in ("gap", "new_incarnation") and kind not in wanted.anomalies:
            yield Violation("I5 gapless", f"{row['partition']}:{row['n']}", f"{kind}: {row['body'][:200]}")
        if kind == "anomaly" and row["data"].get("anomaly", "anomaly") not in wanted.anomalies:
            yield Violation("I5 no-anomaly", f"{row['partition']}:{row['n']}", row["body"][:200])


def _chain(rows: list[Row]) -> Iterator[Violation]:
    """As docs/audit.md says it is made; none of the runtime's own code."""
    before: dict[int, bytes] = {}
    for row in rows:
        partition = row["partition"]
        prev = before.get(partition, bytes(32))
        body = row["body"].encode() if not row.get("body_base64") else b""
        digest = hashlib.sha256(body).digest()
        fields = [str(row[f]).encode() for f in ("partition", "incarnation", "n", "at_ms", "kind")]
        fields += [(row["request_id"] or "").encode(), digest]
        made = hashlib.sha256(prev + b"".join(len(f).to_bytes(4, "big") + f for f in fields)).digest()
        where = f"{partition}:{row['n']}"
        if row["prev_hash"] != prev.hex():
            yield Violation("I5 chain", where, "does not follow the record before it")
        elif row["hash"] != made.hex() and not row.get("body_base64"):
            yield Violation("I5 chain", where, "is not what its hash says")
        before[partition] = bytes.fromhex(row["hash"])


def _numbers(rows: list[Row]) -> Iterator[Violation]:
    following: dict[tuple[int, int], int] = {}
    for row in rows:
        if row["kind"] in ("gap", "new_incarnation") or row["n"] is None:
            continue
        place = (row["partition"], row["incarnation"])
        expected = following.get(place, 1)
        if row["n"] != expected:
            yield Violation("I5 gapless", f"{place[0]}:{row['n']}", f"number {expected} was expected")
        following[place] = row["n"] + 1


def check_fencing(trail: Trail) -> Iterator[Violation]:
    """I6: what one worker has committed, no other has; what has ended is not begun again."""
    committed: dict[tuple[str, str, int], set[str]] = {}
    closed: dict[tuple[str, str], int] = {}
    for row in trail.rows:
        if row["kind"] not in ("event", "routed", "wait", "done"):
            continue
        data = row["data"]
        agent, worker = data.get("agent", ""), data.get("worker", "")
        if agent in _OURS or agent.startswith("join:") or not worker:
            continue
        event = data.get("event") or {}
        cause = event.get("causationid") or data.get("event_id", "")
        committed.setdefault((cause, agent, data.get("attempt", 1)), set()).add(worker)
        # The records of one commit stand next to each other: a later one of that input is another commit.
        place = (cause, agent)
        if place in closed and row["n"] != closed[place] + 1:
            yield Violation("I6 one-commit", cause, f"{agent} answered at {closed[place]} and at {row['n']}")
        closed[place] = row["n"]
    for (cause, agent, _), workers in committed.items():
        if len(workers) > 1:
            yield Violation("I6 one-worker", cause, f"{agent} answered as {sorted(workers)}")
    for effect in trail.effects.values():
        if effect.ended_n and effect.intents[-1]["n"] > effect.ended_n:
            yield Violation("I6 no-intent-after-end", effect.id, f"ended, and begun again by {effect.owner}")
