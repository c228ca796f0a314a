"""What a run says of itself, for people."""

from __future__ import annotations

from collections import Counter

from tests.chaos.checker import outcomes_of
from tests.chaos.checker_effects import uncertain
from tests.chaos.history import Trail
from tests.chaos.mix import Result, struck

_SHOWN = 40


def report(result: Result) -> str:
    """Requests, outcomes, effects, uncertain ones, faults by kind, violations."""
    history, trail = result.history, Trail(result.history.audit)
    outcomes = Counter(outcomes_of(history).values())
    statuses = Counter(f"{effect.kind} {effect.status}" for effect in trail.effects.values())
    doubts = uncertain(trail)
    vanished = sum(doubt["tool"] == "sink.vanish" for doubt in doubts)
    fired = struck(history)
    records = Counter(row["kind"] for row in trail.rows if row["kind"] not in ("event", "routed"))
    acks = sum(line["do"] == "submit" and line["phase"] == "ack" for line in history.client)
    errors = sum(line.get("phase") == "error" for line in history.client)
    lines = [
        f"seed {result.seed}, {result.seconds:g} s of load and faults, {result.took:.0f} s in all",
        f"requests   {sum(outcomes.values())} ended; {acks} acknowledged, {errors} failed calls of clients",
        "outcomes   " + _counts(outcomes),
        f"effects    {len(trail.effects)}: {_counts(statuses)}; {len(history.sink)} calls at the sink",
        f"uncertain  {len(doubts)}, of which {vanished} by a tool that never answers",
        f"trail      {len(trail.rows)} records; besides events: {_counts(records)}",
        f"faults     {sum(fired.values())}: {_counts(fired)}",
    ]
    missed = Counter(line["fault"] for line in history.faults if line["phase"] == "missed")
    if missed:
        lines.append("missed     " + _counts(missed))
    if result.ok:
        lines.append("violations none")
    else:
        lines.append(
            f"violations {len(result.violations)}: {_counts(Counter(v.clause for v in result.violations))}"
        )
        lines += [f"  {violation}" for violation in result.violations[:_SHOWN]]
    return "\n".join(lines)


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
