"""I2 and I4: what the trail says was done, held against what the sink did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from tests.chaos.history import History, Known, Row, Trail, Violation

_MODES = {
    "sink.put": "put", "sink.ask": "put", "sink.set": "set", "sink.once": "once", "sink.fail": "fail",
    "sink.vanish": "vanish", "sink.take": "take",
}  # fmt: skip
_UNTOUCHED = ("rejected", "denied", "blocked")
_UNDONE = ("failed", "cancelled", "expired")
_OPEN = ("uncertain", "rollback_incomplete")


def check_effects(history: History, trail: Trail, outcomes: Mapping[str, str]) -> Iterator[Violation]:
    """I2."""
    applied: Counter[str] = Counter()
    for call in history.sink:
        applied[call["key"]] += call["applied"]
        effect = trail.effects.get(call["key"])
        if effect is None:
            yield Violation(
                "I2 absent-none", call["key"], f"called ({call['mode']}) without a recorded intent"
            )
        elif (call["request"], call["mode"]) != (effect.request, _MODES.get(effect.tool, "")):
            yield Violation(
                "I2 same-effect", call["key"], f"{effect.tool} of {effect.request} came as {call}"
            )
    for key, count in applied.items():
        if count > 1:
            yield Violation("I2 at-most-once", key, f"done {count} times")
    for effect in trail.effects.values():
        count = applied[effect.id]
        if effect.status == "done" and count != 1:
            yield Violation("I2 done-once", effect.id, f"recorded done, {count} at the sink")
        if effect.status == "failed" and count:
            yield Violation("I2 failed-none", effect.id, f"recorded failed, {count} at the sink")
        outcome = outcomes.get(effect.request, "")
        if effect.status in ("intent", "uncertain") and outcome and outcome not in _OPEN:
            yield Violation("I2 doubt-shows", effect.id, f"{effect.status}, but the request is {outcome}")
    for row in trail.orphans:
        yield Violation("I2 absent-none", str(row["n"]), "an effect's end without an intent")
    for request, outcome in outcomes.items():
        effects = trail.of_request.get(request, [])
        yield from _as_ended(trail, request, outcome, effects)


def _as_ended(trail: Trail, request: str, outcome: str, effects: list[Known]) -> Iterator[Violation]:
    if outcome == "completed":
        done = {(e.plan, e.step) for e in effects if e.status == "done" and e.kind == "apply"}
        planned = {
            (row["said"]["plan"]["plan_id"], step["index"])
            for row in trail.of_type(request, "ExecutionComplete")
            for step in row["said"]["plan"]["steps"]
        }
        if done != planned or not planned or len(done) != len(effects):
            yield Violation(
                "I2 completed-all",
                request,
                f"planned {sorted(planned)}, done {sorted(done)} of {len(effects)}",
            )
    if outcome in _UNTOUCHED and effects:
        yield Violation("I2 refused-none", request, f"{outcome}, with {len(effects)} effects")
    if outcome == "uncertain" and not any(e.status in ("uncertain", "intent") for e in effects):
        yield Violation("I2 uncertain-why", request, "uncertain, and no effect is")


def check_compensations(history: History, trail: Trail, outcomes: Mapping[str, str]) -> Iterator[Violation]:
    """I4."""
    done_at_sink = {call["key"] for call in history.sink if call["applied"]}
    took: dict[str, set[str]] = {}
    for call in history.sink:
        if call["mode"] == "take" and call["applied"]:
            took.setdefault(call["of"], set()).add(call["key"])
            if call["of"] not in done_at_sink:
                yield Violation(
                    "I4 only-applied", call["key"], f"undid {call['of']}, which the sink never did"
                )
    for of, keys in took.items():
        if len(keys) > 1:
            yield Violation("I4 once", of, f"undone {len(keys)} times at the sink: {sorted(keys)}")
    for request, effects in trail.of_request.items():
        yield from _of_request(trail, request, effects, outcomes.get(request, ""))


def _of_request(trail: Trail, request: str, effects: list[Known], outcome: str) -> Iterator[Violation]:
    undoing = sorted((e for e in effects if e.kind == "compensate"), key=lambda e: e.first_n)
    for one in undoing:
        undone = trail.effects.get(one.undoes)
        if undone is None or undone.request != request or undone.kind != "apply":
            yield Violation(
                "I4 only-applied", one.id, f"undoes {one.undoes or 'nothing'}, no effect of {request}"
            )
        elif undone.status not in ("done", "uncertain") or undone.ended_n > one.first_n:
            yield Violation("I4 only-applied", one.id, f"undoes {undone.id}, which was {undone.status}")
    counts = Counter(e.undoes for e in undoing if e.status == "done")
    for of, count in counts.items():
        if count > 1:
            yield Violation("I4 once", of, f"recorded as undone {count} times")
    order = [trail.effects[e.undoes].first_n for e in undoing if e.undoes in trail.effects]
    first_tries = list(dict.fromkeys(order))
    if first_tries != sorted(first_tries, reverse=True):
        yield Violation("I4 in-reverse", request, f"effects {first_tries} were undone in this order")
    if undoing and outcome == "completed":
        yield Violation("I4 only-failed", request, "completed, and undone")
    if outcome in _UNDONE:
        left = [e.id for e in effects if e.kind == "apply" and e.status == "done" and not counts[e.id]]
        if left:
            yield Violation(
                "I4 all-or-person", request, f"{outcome}, but {left} stand and no person is asked"
            )


def uncertain(trail: Trail) -> list[Row]:
    """Effects nobody can be sure of, for the report."""
    return [
        {"effect": e.id, "tool": e.tool, "late": e.late}
        for e in trail.effects.values()
        if e.status in ("uncertain", "intent")
    ]
