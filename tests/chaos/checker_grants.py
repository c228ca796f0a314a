"""I3 and I7: nothing is begun without a yes, nor under a stop."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.history import History, Known, Row, Trail, Violation

_PEOPLE = "people:"
_ASKS = "sink.ask"


def check_approvals(history: History, trail: Trail) -> Iterator[Violation]:
    """I3."""
    cast = {
        (line["approval"], line["voter"])
        for line in history.client
        if line["do"] == "vote" and line["phase"] == "send" and line["verdict"] == "approve"
    }
    used: dict[str, set[str]] = {}
    for effect in trail.effects.values():
        if effect.kind != "apply":
            continue
        for row in effect.intents:
            grant = _grant_of(trail, effect, row)
            if grant is None:
                yield Violation(
                    "I3 approved", effect.id, f"begun at {row['n']} without an approval of its plan"
                )
                continue
            said = grant["said"]
            used.setdefault(said["approval_id"], set()).add(row["data"]["event_id"])
            yield from _valid(trail, effect, row, grant, cast)
    for approval, events in used.items():
        if len(events) > 1:
            yield Violation("I3 single-use", approval, f"used for {sorted(events)}")


def _grant_of(trail: Trail, effect: Known, intent: Row) -> Row | None:
    for row in trail.of_type(effect.request, "ExecutionApproved"):
        plan = row["said"]["plan"]
        if row["n"] < intent["n"] and plan["plan_id"] == effect.plan and effect.step < len(plan["steps"]):
            step = plan["steps"][effect.step]
            if (step["tool"], step["args"]) == (effect.tool, effect.args):
                return row
    return None


def _valid(
    trail: Trail, effect: Known, intent: Row, grant: Row, cast: set[tuple[str, str]]
) -> Iterator[Violation]:
    said = grant["said"]
    approval, by = said["approval_id"], said["granted_by"]
    for row in trail.of_type(effect.request, "ApprovalExpired", "ExecutionBlocked"):
        if row["said"].get("approval_id") == approval and row["n"] < intent["n"]:
            yield Violation("I3 unexpired", effect.id, f"{approval} was {row['event_type']} before")
    if not by.startswith(_PEOPLE):
        if any(step["tool"] == _ASKS for step in said["plan"]["steps"]):
            yield Violation("I3 by-people", effect.id, f"people answer for this plan, not {by}")
        return
    requested = [
        row
        for row in trail.of_type(effect.request, "ApprovalRequested")
        if row["said"]["approval_id"] == approval and row["n"] < grant["n"]
    ]
    if not requested or requested[0]["said"]["plan_digest"] != said["plan_digest"]:
        yield Violation("I3 same-plan", effect.id, f"{approval} was asked for another plan")
        return
    asked = requested[0]
    if intent["at_ms"] > asked["at_ms"] + asked["said"]["expires_in"] * 1000:
        yield Violation("I3 unexpired", effect.id, f"{approval} had expired by {intent['at_ms']}")
    requester = grant["data"]["event"]["actor"]
    for voter in by.removeprefix(_PEOPLE).split(","):
        if (approval, voter) not in cast:
            yield Violation("I3 by-people", effect.id, f"{voter} never voted for {approval}")
        if voter == requester:
            yield Violation("I3 by-people", effect.id, f"{voter} approved an own plan")


def check_holds(history: History, trail: Trail) -> Iterator[Violation]:
    """I7: by the trail's numbers, and by the clock of sink and client, which is one."""
    begun = {effect.id: effect for effect in trail.effects.values()}
    for hold in _holds(history):
        target, mode = hold["target"], hold["mode"]
        spans = _spans(trail, hold["reason"], target)
        if not spans:
            yield Violation("I7 recorded", target, f"the {mode} {hold['reason']!r} is not in the trail")
            continue
        for effect in begun.values():
            for row in effect.intents:
                first, last = spans.get(row["partition"], (0, 0))
                if first < row["n"] < last and _covers(target, effect, trail) and _stops(mode, effect.kind):
                    yield Violation(
                        "I7 no-intent", effect.id, f"begun at {row['n']}, {target} was held at {first}"
                    )
        for call in history.sink:
            if not hold["from"] < call["at"] < hold["until"]:
                continue
            found = begun.get(call["key"])
            if found is None or not _covers(target, found, trail) or not _stops(mode, found.kind):
                continue
            # What was begun before may still arrive; its intent then stands before the hold.
            partition = found.intents[0]["partition"]
            if not any(row["n"] < spans[partition][0] for row in found.intents):
                yield Violation("I7 no-call", call["key"], f"called while {target} was held")


def _holds(history: History) -> list[Row]:
    """Each acknowledged hold with the time from its acknowledgement to the moment its end was asked for."""
    found = []
    for line in history.client:
        if line["do"] != "hold" or line["phase"] != "ack":
            continue
        until = next(
            (
                other["at"]
                for other in history.client
                if other["do"] == "resume" and other["target"] == line["target"] and other["at"] > line["at"]
            ),
            float("inf"),
        )
        found.append({**line, "from": line["at"], "until": until})
    return found


def _spans(trail: Trail, reason: str, target: str) -> dict[int, tuple[int, float]]:
    """Partition to (number of the hold's record, number of the record that ends it)."""
    spans: dict[int, tuple[int, float]] = {}
    for row in trail.rows:
        if row["kind"] != "control" or row["data"].get("target") != target:
            continue
        if row["data"]["action"] != "resume" and row["data"].get("reason") == reason:
            spans[row["partition"]] = (row["n"], float("inf"))
        elif row["partition"] in spans and spans[row["partition"]][1] == float("inf"):
            spans[row["partition"]] = (spans[row["partition"]][0], row["n"])
    return spans


def _covers(target: str, effect: Known, trail: Trail) -> bool:
    scope, _, name = target.partition(":")
    if scope == "all":
        return True
    if scope == "request":
        return effect.request == name
    if scope == "agent":
        return name == "executor"
    envelope = trail.events[effect.request][0]["data"]["event"]
    return bool(scope in ("tenant", "flow") and envelope[scope] == name)


def _stops(mode: str, kind: str) -> bool:
    """A pause lets compensations go on; a halt does not; ``halt_compensate`` lets nothing else."""
    return kind == "apply" or mode == "halt"
