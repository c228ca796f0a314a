"""The checker: what four observers saw, to what is wrong with it. Pure; knows no server and no clock.

    I1  each acknowledged request has exactly one terminal outcome, in bounded time
    I2  per effect key: recorded done ⇒ exactly one at the sink; absent or failed ⇒ none;
        uncertain ⇒ none or one; completed ⇒ all its keys done
    I3  each effect follows a valid, unexpired, unused approval of that very plan
    I4  compensations cover only what was applied or uncertain, in reverse, once, or wait for a person
    I5  each event is in the audit store exactly once, and the chain verifies
    I6  no commit by a fenced worker
    I7  no intent after an acknowledged hold, nothing lost on resume
    I8  not vacuous: the faults fired, the successes were reached

`check` trusts none of the four alone: the trail is held against the sink, the client's log against the trail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.checker_effects import check_compensations, check_effects
from tests.chaos.checker_grants import check_approvals, check_holds
from tests.chaos.checker_trail import check_fencing, check_trail
from tests.chaos.history import History, Row, Trail, Violation, Wanted

_SECOND = 1_000_000_000


def check(history: History, wanted: Wanted) -> list[Violation]:
    """Every violation found, in the order of the invariants."""
    trail = Trail(history.audit)
    outcomes = outcomes_of(history)
    return [
        *check_outcomes(history, trail, wanted),
        *check_effects(history, trail, outcomes),
        *check_approvals(history, trail),
        *check_compensations(history, trail, outcomes),
        *check_trail(history, trail, wanted),
        *check_fencing(trail),
        *check_holds(history, trail),
        *check_not_vacuous(history, wanted),
    ]


def outcomes_of(history: History) -> dict[str, str]:
    """Request to the outcome the client was told first."""
    found: dict[str, str] = {}
    for line in history.client:
        if line["do"] == "end":
            found.setdefault(line["id"], line["outcome"])
    return found


def check_outcomes(history: History, trail: Trail, wanted: Wanted) -> Iterator[Violation]:
    """I1."""
    acknowledged: dict[str, Row] = {}
    ids_of_key: dict[str, set[str]] = {}
    keys_of_id: dict[str, set[str]] = {}
    for line in history.client:
        if line["do"] == "submit" and line["phase"] == "ack":
            acknowledged.setdefault(line["id"], line)
            ids_of_key.setdefault(line["key"], set()).add(line["id"])
            keys_of_id.setdefault(line["id"], set()).add(line["key"])
    for key, ids in ids_of_key.items():
        if len(ids) > 1:
            yield Violation("I1 one-request-a-key", key, f"admitted as {sorted(ids)}")
    for id_, keys in keys_of_id.items():
        if len(keys) > 1:
            yield Violation("I1 one-request-a-key", id_, f"acknowledged for keys {sorted(keys)}")

    ends: dict[str, list[Row]] = {}
    for line in history.client:
        if line["do"] == "end":
            ends.setdefault(line["id"], []).append(line)
    quiet = max((f["at"] for f in history.faults if f["phase"] == "ended"), default=0)
    for id_, ack in acknowledged.items():
        if id_ not in ends:
            yield Violation("I1 ends", id_, f"acknowledged ({ack.get('kind')}), never ended")
            continue
        told = {line["outcome"] for line in ends[id_]}
        if len(told) > 1:
            yield Violation("I1 immutable", id_, f"told to be {sorted(told)}")
        took = (ends[id_][0]["at"] - max(quiet, ack["at"])) / _SECOND
        if took > wanted.within:
            yield Violation("I1 bounded", id_, f"ended {took:.0f} s after the last fault")
    admitted = {row["request_id"] for row in trail.rows if _is(row, "UserRequestReceived")}
    names = Counter(
        row["data"]["event"]["data"]["request"]["params"].get("name", row["request_id"])
        for row in trail.rows
        if _is(row, "UserRequestReceived")
    )
    for name, count in names.items():
        if count > 1:
            yield Violation("I1 admitted-once", name, f"in the trail as {count} requests")
    for id_ in admitted | set(acknowledged):
        stamps = [row["said"]["response"]["outcome"] for row in trail.of_type(id_, "AuditStamped")]
        unstamped = any(line.get("stamped") is False for line in ends.get(id_, ()))
        if len(stamps) != 1 and not (unstamped and not stamps):
            yield Violation("I1 one-outcome", id_, f"stamped {len(stamps)} times: {stamps}")
        if stamps and id_ in ends and stamps[0] != ends[id_][0]["outcome"]:
            told_as = ends[id_][0]["outcome"]
            yield Violation("I1 same-outcome", id_, f"{stamps[0]} in the trail, {told_as} to the client")


def check_not_vacuous(history: History, wanted: Wanted) -> Iterator[Violation]:
    """I8."""
    outcomes = Counter(outcomes_of(history).values())
    if outcomes["completed"] < wanted.completed:
        yield Violation(
            "I8 successes", "the run", f"{outcomes['completed']} completed of {wanted.completed} at least"
        )
    for outcome in sorted(wanted.outcomes - set(outcomes)):
        yield Violation("I8 outcomes", outcome, "no request ended so")
    struck = Counter(line["fault"] for line in history.faults if line["phase"] == "ended")
    for name, least in wanted.faults.items():
        if struck[name] < least:
            yield Violation("I8 faults", name, f"fired {struck[name]} times of {least} at least")


def _is(row: Row, event_type: str) -> bool:
    return bool(row["kind"] == "event" and row["data"]["event"]["type"] == event_type)
