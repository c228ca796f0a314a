"""The checker finds what is wrong: a history broken in one place for each clause of each invariant."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from tests.chaos.history import History
from tests.chaos.made_history import Made, good

Break = Callable[[Made], None]


def _later(made: Made, kind: str, **words: str) -> None:
    """That record once more, at the end."""
    made.rows.append(copy.deepcopy(made.find(kind, **words)))


def _without(made: Made, kind: str, **words: str) -> None:
    made.rows.remove(made.find(kind, **words))


def _client_without(made: Made, **words: str) -> None:
    made.client[:] = [line for line in made.client if any(line.get(w) != v for w, v in words.items())]


def _approved_of(made: Made, request: str) -> dict[str, object]:
    found: dict[str, object] = made.find("event", id=_id_of(made, "ExecutionApproved", request))["body"][
        "event"
    ]
    return found


def _id_of(made: Made, type_: str, request: str) -> str:
    for row in made.rows:
        if row["event_type"] == type_ and row["request_id"] == request:
            return str(row["body"]["event"]["id"])
    raise LookupError((type_, request))


def _set(made: Made, kind: str, words: dict[str, str], **values: object) -> None:
    row = made.find(kind, **words)
    (row["body"].get("effect") or row["body"]["event"]).update(values)


# Each breaks one thing, and is named by what must be found.


def never_ends(made: Made) -> None:
    _client_without(made, do="end", id="r1")


def ends_late(made: Made) -> None:
    for line in made.client:
        if line["do"] == "end" and line["id"] == "r1":
            line["at"] += 10**12


def changes_its_outcome(made: Made) -> None:
    made.client.append(made.told("r1", "failed"))


def is_stamped_twice(made: Made) -> None:
    made.event("r1", "AuditStamped", "evt_other", "audit", {"response": {"outcome": "completed"}})


def is_never_stamped(made: Made) -> None:
    _without(made, "event", id=_id_of(made, "AuditStamped", "r1"))


def is_stamped_otherwise(made: Made) -> None:
    made.find("event", id=_id_of(made, "AuditStamped", "r1"))["body"]["event"]["data"]["response"][
        "outcome"
    ] = "failed"


def one_key_two_requests(made: Made) -> None:
    made.client.append({"at": made.now(), "do": "submit", "phase": "ack", "key": "key-r1", "id": "r2"})


def two_keys_one_request(made: Made) -> None:
    made.client.append({"at": made.now(), "do": "submit", "phase": "ack", "key": "key-other", "id": "r1"})


def admitted_twice(made: Made) -> None:
    made.event("r9", "UserRequestReceived", "", "client", {"request": {"params": {"name": "key-r1"}}})
    made.ended("r9", "denied", "evt_r9")


def done_and_never_at_the_sink(made: Made) -> None:
    made.sink[:] = [call for call in made.sink if call["key"] != "eff_r1_apply_0"]


def done_twice_at_the_sink(made: Made) -> None:
    made.call("eff_r1_apply_0", "put", "r1")


def uncertain_and_twice_at_the_sink(made: Made) -> None:
    made.call("eff_r4_apply_0", "vanish", "r4")


def failed_and_yet_at_the_sink(made: Made) -> None:
    next(call for call in made.sink if call["mode"] == "fail")["applied"] = 1


def called_without_an_intent(made: Made) -> None:
    made.call("eff_unknown", "put", "r1")


def a_result_without_an_intent(made: Made) -> None:
    body = {"worker": "w1", "event_id": "e", "effect": {"effect_id": "eff_x", "status": "done"}}
    made.add("effect_result", "r1", body)


def anothers_key(made: Made) -> None:
    made.sink[0]["request"] = "r2"


def completed_with_a_step_undone(made: Made) -> None:
    made.find("event", type="ExecutionComplete")["body"]["event"]["data"]["plan"]["steps"].append(
        {"index": 1}
    )


def completed_in_doubt(made: Made) -> None:
    _set(made, "effect_result", {"effect_id": "eff_r1_apply_0"}, status="uncertain")


def completed_without_a_result(made: Made) -> None:
    _without(made, "effect_result", effect_id="eff_r1_apply_0")


def denied_and_done(made: Made) -> None:
    cause = made.approved("r5", "evt", ("sink.put",))
    made.effect("r5", cause, 0, "sink.put", "done")


def uncertain_for_no_reason(made: Made) -> None:
    _set(made, "effect_result", {"effect_id": "eff_r4_apply_0"}, status="done")


def without_an_approval(made: Made) -> None:
    _without(made, "event", id=_id_of(made, "ExecutionApproved", "r1"))


def before_the_approval(made: Made) -> None:
    row = made.find("event", id=_id_of(made, "ExecutionApproved", "r1"))
    made.rows.remove(row)
    made.rows.append(row)


def another_plan(made: Made) -> None:
    _set(made, "effect_intent", {"effect_id": "eff_r1_apply_0"}, args={"name": "something else"})


def another_digest(made: Made) -> None:
    made.find("event", type="ApprovalRequested")["body"]["event"]["data"]["plan_digest"] = "digest_other"


def an_approval_used_twice(made: Made) -> None:
    _later(made, "effect_intent", effect_id="eff_r1_apply_0")
    made.rows[-1]["body"]["event_id"] = "evt_other"


def after_expiry(made: Made) -> None:
    made.find("event", type="ApprovalRequested")["body"]["event"]["data"]["expires_in"] = 0.5


def after_it_was_said_to_have_expired(made: Made) -> None:
    row = made.find("event", id=_id_of(made, "ExecutionApproved", "r1"))
    made.event("r1", "ApprovalExpired", "evt_t", "handshake", {"approval_id": "apr_r1"})
    made.rows.insert(made.rows.index(row), made.rows.pop())


def nobody_voted(made: Made) -> None:
    _client_without(made, do="vote", phase="send")


def an_own_plan(made: Made) -> None:
    _approved_of(made, "r3")["actor"] = "bob"


def policy_for_people(made: Made) -> None:
    made.find("event", id=_id_of(made, "ExecutionApproved", "r3"))["body"]["event"]["data"]["granted_by"] = (
        "policy:low"
    )


def undoes_nothing(made: Made) -> None:
    _set(made, "effect_intent", {"effect_id": "eff_r2_compensate_0"}, undoes="eff_unknown")


def undoes_what_failed(made: Made) -> None:
    _set(made, "effect_intent", {"effect_id": "eff_r2_compensate_0"}, undoes="eff_r2_apply_2")


def undoes_at_the_sink_what_never_was(made: Made) -> None:
    next(call for call in made.sink if call["mode"] == "take")["of"] = "eff_unknown"


def undone_twice_at_the_sink(made: Made) -> None:
    made.call("eff_other", "take", "r2", of="eff_r2_apply_0")


def undone_twice_on_record(made: Made) -> None:
    made.effect("r2", "evt", 2, "sink.take", "done", undoes="eff_r2_apply_0")


def undone_in_order(made: Made) -> None:
    for n in (0, 1):
        _set(made, "effect_intent", {"effect_id": f"eff_r2_compensate_{n}"}, undoes=f"eff_r2_apply_{n}")


def completed_and_undone(made: Made) -> None:
    made.effect("r1", "evt", 0, "sink.take", "done", undoes="eff_r1_apply_0")


def left_standing(made: Made) -> None:
    _set(made, "effect_result", {"effect_id": "eff_r2_compensate_1"}, status="failed")
    next(c for c in made.sink if c["key"] == "eff_r2_compensate_1")["applied"] = 0


def recorded_twice(made: Made) -> None:
    _later(made, "event", type="PermissionDenied")


def never_recorded(made: Made) -> None:
    made.client.append({"at": made.now(), "do": "submit", "phase": "ack", "key": "key-r9", "id": "r9"})


def a_vote_never_recorded(made: Made) -> None:
    _without(made, "event", type="ApprovalVoteCast")


def a_gap(made: Made) -> None:
    made.add("gap", "", {})


def an_anomaly(made: Made) -> None:
    made.add("anomaly", "", {"anomaly": "lost_step"})


def two_workers_answer(made: Made) -> None:
    cause = made.find("event", type="PermissionDenied")["body"]["event"]["causationid"]
    made.event("r5", "PermissionDenied", cause, "permission", {}, worker="w2")


def one_worker_answers_twice(made: Made) -> None:
    cause = made.find("event", type="PermissionDenied")["body"]["event"]["causationid"]
    made.add("done", "r5", {"agent": "permission", "worker": "w1", "attempt": 2, "event_id": cause})


def begun_again_after_its_end(made: Made) -> None:
    _later(made, "effect_intent", effect_id="eff_r1_apply_0")


def begun_under_a_halt(made: Made) -> None:
    row = made.find("effect_intent", effect_id="eff_r1_apply_0")
    made.rows.remove(row)
    made.rows.insert(made.rows.index(made.find("control", action="halt")) + 1, row)


def compensated_under_a_halt(made: Made) -> None:
    row = made.find("effect_intent", effect_id="eff_r2_compensate_0")
    made.rows.remove(row)
    made.rows.insert(made.rows.index(made.find("control", action="halt")) + 1, row)


def called_under_a_halt(made: Made) -> None:
    halted = next(line["at"] for line in made.client if line["do"] == "hold")
    next(call for call in made.sink if call["key"] == "eff_r1_apply_0")["at"] = halted + 1
    row = made.find("effect_intent", effect_id="eff_r1_apply_0")
    made.rows.remove(row)
    made.rows.append(row)


def a_halt_nobody_recorded(made: Made) -> None:
    _without(made, "control", action="halt")


def no_fault_fired(made: Made) -> None:
    made.faults.clear()


def a_fault_that_never_ended(made: Made) -> None:
    made.faults.pop()


def too_few_completed(made: Made) -> None:
    for line in made.client:
        if line["do"] == "end" and line["id"] == "r1":
            line["outcome"] = "denied"


def an_outcome_never_seen(made: Made) -> None:
    for line in made.client:
        if line["do"] == "end" and line["id"] == "r2":
            line["outcome"] = "denied"


BROKEN: dict[str, tuple[Break, ...]] = {
    "I1 ends": (never_ends, never_recorded),
    "I1 bounded": (ends_late,),
    "I1 immutable": (changes_its_outcome,),
    "I1 one-outcome": (is_stamped_twice, is_never_stamped),
    "I1 same-outcome": (is_stamped_otherwise,),
    "I1 one-request-a-key": (one_key_two_requests, two_keys_one_request),
    "I1 admitted-once": (admitted_twice,),
    "I2 done-once": (done_and_never_at_the_sink, done_twice_at_the_sink),
    "I2 at-most-once": (done_twice_at_the_sink, uncertain_and_twice_at_the_sink),
    "I2 failed-none": (failed_and_yet_at_the_sink,),
    "I2 absent-none": (called_without_an_intent, a_result_without_an_intent),
    "I2 same-effect": (anothers_key,),
    "I2 completed-all": (completed_with_a_step_undone, completed_in_doubt, completed_without_a_result),
    "I2 doubt-shows": (completed_in_doubt, completed_without_a_result),
    "I2 refused-none": (denied_and_done,),
    "I2 uncertain-why": (uncertain_for_no_reason,),
    "I3 approved": (without_an_approval, before_the_approval, another_plan),
    "I3 same-plan": (another_digest,),
    "I3 single-use": (an_approval_used_twice,),
    "I3 unexpired": (after_expiry, after_it_was_said_to_have_expired),
    "I3 by-people": (nobody_voted, an_own_plan, policy_for_people),
    "I4 only-applied": (undoes_nothing, undoes_what_failed, undoes_at_the_sink_what_never_was),
    "I4 once": (undone_twice_at_the_sink, undone_twice_on_record),
    "I4 in-reverse": (undone_in_order,),
    "I4 only-failed": (completed_and_undone,),
    "I4 all-or-person": (left_standing,),
    "I5 once": (recorded_twice,),
    "I5 recorded": (never_recorded, a_vote_never_recorded),
    "I5 gapless": (a_gap,),
    "I5 no-anomaly": (an_anomaly,),
    "I6 one-worker": (two_workers_answer,),
    "I6 one-commit": (one_worker_answers_twice,),
    "I6 no-intent-after-end": (begun_again_after_its_end,),
    "I7 no-intent": (begun_under_a_halt, compensated_under_a_halt),
    "I7 no-call": (called_under_a_halt,),
    "I7 recorded": (a_halt_nobody_recorded,),
    "I8 faults": (no_fault_fired, a_fault_that_never_ended),
    "I8 successes": (too_few_completed,),
    "I8 outcomes": (an_outcome_never_seen,),
}


def test_a_good_history_has_no_violation() -> None:
    """What is right is not called wrong: everything below starts from here."""
    assert not good().clauses()


@pytest.mark.parametrize(
    ("clause", "broken"),
    [pytest.param(c, b, id=f"{c}: {b.__name__}") for c, bs in BROKEN.items() for b in bs],
)
def test_a_broken_history_is_found(clause: str, broken: Break) -> None:
    """Broken in one place, the clause that forbids it is reported."""
    made = good()
    broken(made)
    assert clause in made.clauses()


def _cut(history: History) -> None:
    del history.audit[3]


def _altered(history: History) -> None:
    history.audit[3]["body"] = history.audit[3]["body"].replace('"w1"', '"w2"')


def _last_cut(history: History) -> None:
    del history.audit[-1]


@pytest.mark.parametrize(
    ("clause", "change"),
    [("I5 chain", _cut), ("I5 gapless", _cut), ("I5 chain", _altered), ("I1 one-outcome", _last_cut)],
)
def test_a_trail_that_was_tampered_with_is_found(clause: str, change: Callable[[History], None]) -> None:
    """A record taken out, altered, or cut off at the end does not go unseen."""
    assert clause in good().clauses(change)


def test_every_clause_of_the_checker_is_broken_here() -> None:
    """A clause nobody breaks on purpose may be one that finds nothing."""
    import re
    from pathlib import Path

    written = {
        found
        for file in Path(__file__).parent.glob("checker*.py")
        for found in re.findall(r'Violation\(\s*"(I\d [a-z-]+)"', file.read_text())
    }
    assert written == {*BROKEN, "I5 chain"}
