"""Eager steps: answers that came along with the one before them leave what they would leave one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import orjson
import pytest

from tests.redisio.chains import (
    REQUEST,
    STAMP,
    Move,
    anew,
    at_once,
    chain,
    facts,
    file,
    following,
    says,
    told,
)
from tests.redisio.harness import (
    House,
    a_plan,
    an_approval,
    bury,
    done,
    emission,
    forwarded,
    park,
    retry,
)
from wingman_runtime.redisio import admission
from wingman_runtime.redisio.commit import ApprovalChange, Emission, StepResult
from wingman_runtime.redisio.inbox import Entry


def _passes_on(entry: Entry) -> StepResult:
    """Forwards what came in, and claims other bytes for it."""
    sent = Emission(entry.event_id, entry.event_type, b'{"not":"it"}', b'{"agent":"b"}', 0, kind="routed")
    return done(entry, sent, receipt=entry.event_id)


def _undone(entry: Entry) -> StepResult:
    return done(entry, emission(entry, "Compensated", outcome="failed"))


def _asks(entry: Entry) -> StepResult:
    return done(entry, "Noted", approval=ApprovalChange(an_approval(entry.request_id)), starve=None)


def _judged(entry: Entry) -> StepResult:
    return done(entry, emission(entry, "Judged", outcome="denied"))


START: Move = ("dispatcher", forwarded)
ALONG: Move = ("a", says("Next"))
FORK: Move = ("a", says("Forked"))
BREAK: Move = ("a", says("Broke"))
STORIES: dict[str, tuple[int, Sequence[Move]]] = {
    # How many moves are told one by one, and the whole story.
    "two": (1, [START, ALONG, ("b", says("Next"))]),
    "three": (1, [START, ALONG, ("b", says("Next")), ("c", says("Next"))]),
    "from the door": (0, [START, ALONG, ("b", says("Next"))]),
    "to the end": (0, [START, ALONG, ("b", says("Finished")), STAMP]),
    "refused": (1, [START, ALONG, ("b", says("Refused")), STAMP]),
    "outcome in a field": (1, [START, ("a", _judged), STAMP]),
    "broken": (1, [START, ALONG, ("b", says("Broke")), ("rollback", _undone), STAMP]),
    "undone in two steps": (1, [START, BREAK, ("rollback", says("Planned")), ("e", _undone), STAMP]),
    "starved": (1, [START, ALONG, ("b", says()), ("rollback", _undone), STAMP]),
    "starved while settling": (1, [START, BREAK, ("rollback", says()), STAMP]),
    "no stamp": (1, [START, ("a", says("Finished")), ("audit", says())]),
    "one branch of three": (1, [START, FORK, ("b", says("Part"))]),
    "the last one of a join": (
        4,
        [START, FORK, *((agent, says("Part")) for agent in "bce"), ("d", says("Finished")), STAMP],
    ),
    "waits for people": (1, [START, ALONG, ("b", _asks)]),
    "fails once": (1, [START, ALONG, ("b", lambda entry: retry(entry, 0))]),
    "passed on": (1, [START, ALONG, ("b", _passes_on), ("c", says("Next"))]),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
async def test_a_chain_leaves_what_its_steps_would_leave(house: House, story: str) -> None:
    """Log, receipts, state, budgets, approvals, timers, outcome: the same, record by record."""
    before, moves = STORIES[story]
    await house.admit(identity=REQUEST)
    entries = await told(house, moves)
    expected = await facts(house)
    await anew(house)
    await house.admit(identity=REQUEST)
    await told(house, moves[:before])
    filed = await at_once(house, moves[before:], entries[before:])
    assert [verdict.kind for verdict in filed.verdicts] == ["committed"]
    assert filed.steps == len(moves) - before
    assert await facts(house) == expected


async def test_a_chain_can_end_a_request(house: House) -> None:
    """From the door to the stamp in one commit: one outcome, every record, no entry anywhere."""
    request_id = await house.admit()
    head = forwarded(await house.take("dispatcher"))
    first = following(head, "a", says("Next"))
    last = following(first, "b", says("Finished"))
    closing = replace(following(last, "audit", says("Stamped"), phase=2), foreseen="completed")
    filed = await file(house, replace(head, eager=(first, last, closing)))
    assert filed.steps == 4
    await house.ended(request_id, "completed")
    assert await house.kinds(request_id) == ["event", "routed", "event", "event", "event"]


async def test_a_step_that_is_passed_on_keeps_its_bytes(house: House) -> None:
    """What is forwarded early is what was sent, whatever the one who forwards says it was."""
    _, entry = await house.started()
    head = done(entry, "Next")
    await file(house, chain(head, ("b", _passes_on)))
    assert (await house.take("c")).body == head.emissions[0].body


async def test_a_repeated_commit_records_no_step_twice(house: House) -> None:
    """The reply was lost: the head answers with its receipt, nothing is written; nor ever."""
    request_id, entry = await house.started()
    whole = chain(done(entry, "Next"), ("b", says("Next")))
    await file(house, whole)
    before = await house.snapshot()
    for worker in ("w1", "w2"):
        filed = await file(house, whole, worker=worker)
        assert ([verdict.kind for verdict in filed.verdicts], filed.steps) == (["already_committed"], 0)
        assert await house.snapshot() == before
    await house.step("c", "Finished")
    await file(house, whole)
    await house.close(request_id, "completed")


async def test_an_early_failure_is_tried_again_and_counted(house: House) -> None:
    """Its timer is in the same commit; the next delivery is the second."""
    request_id, entry = await house.started()
    filed = await file(house, chain(done(entry, "Next"), ("b", lambda early: retry(early, 0))))
    assert filed.steps == 2
    assert await house.kinds(request_id) == ["event", "routed", "event", "retry"]
    assert await house.fetch("b") == []
    assert (await house.fire()).delivered == 1
    again = await house.take("b")
    assert again.deliveries == 2
    assert (await house.commit(done(again, "Finished")))[0].kind == "committed"
    await house.close(request_id, "completed")


async def test_a_closing_that_is_not_due_is_left_out(house: House) -> None:
    """A sibling's branch is open: the outcome stands, its stamp waits for it, and comes by the inbox."""
    request_id, entry = await house.started()
    await house.commit(done(entry, "Forked"))
    branch = await house.take("b")
    filed = await file(house, chain(done(branch, "Finished"), STAMP))
    assert filed.steps == 1
    assert await house.fetch("audit") == []
    for agent in ("c", "e"):
        await house.step(agent, "Part")
    await house.close(request_id, "completed")


async def test_a_branch_that_was_cut_takes_no_early_step(house: House) -> None:
    """A sibling has failed: what the branch sends is recorded as cut, and nobody's answer to it is."""
    request_id, entry = await house.started()
    await house.commit(done(entry, "Forked"))
    await house.step("b", "Broke")
    branch = await house.take("c")
    assert (await file(house, chain(done(branch, "Next"), ("b", says("Next"))))).steps == 1
    assert (await house.kinds(request_id))[-1] == "cut"
    assert await house.fetch("b") == []


async def test_a_request_that_ended_takes_no_early_step(house: House) -> None:
    """A branch that comes after the end is recorded as cut, alone."""
    request_id, entry = await house.started()
    await house.commit(done(entry, "Forked"))
    await house.step("b", "Stamped")
    branch = await house.take("c")
    assert (await file(house, chain(done(branch, "Next"), ("b", says("Next"))))).steps == 1
    assert (await house.kinds(request_id))[-1] == "cut"
    assert (await house.state(request_id)).status == "ended"


async def test_the_budget_counts_the_whole_batch(house: House) -> None:
    """Two branches of one request in one batch: an early step may not spend what its neighbour's head has."""
    await anew(house, events=5)
    _, entry = await house.started()
    await house.commit(done(entry, "Forked", emission(entry, "Next", 1)))
    first, second = await house.fetch("b")
    whole = chain(done(first, "Next"), ("c", says("Next")))
    # One is spent at the door, one by being passed on, two by the fork: one is left for two.
    verdicts = (await file(house, whole, done(second, "Next"))).verdicts
    assert [verdict.kind for verdict in verdicts] == ["committed", "over_budget"]
    await anew(house, events=6)
    _, entry = await house.started()
    await house.commit(done(entry, "Forked", emission(entry, "Next", 1)))
    first, second = await house.fetch("b")
    filed = await file(house, chain(done(first, "Next"), ("c", says("Next"))), done(second, "Next"))
    assert [verdict.kind for verdict in filed.verdicts] == ["committed", "committed"]
    assert filed.steps == 2
    assert (await house.state(entry.request_id)).events == 6
    assert sorted(each.event_type for each in await house.fetch("c")) == ["Forked", "Next", "Next"]


async def test_two_branches_of_a_request_go_on_in_one_batch(house: House) -> None:
    """Each with its own early steps, the join and the stamp of one of them included."""
    request_id, entry = await house.started()
    await house.commit(done(entry, "Forked", emission(entry, "Next", 1)))
    first, second = await house.fetch("b")
    await house.step("e", "Part")
    filed = await file(house, done(first, "Part"), chain(done(second, "Next"), ("c", says("Part"))))
    assert filed.steps == 3
    # One more at `c`, from the fork: the join has had what it needs from `c` by then.
    await house.step("c", "Part")
    await house.step("d", "Finished")
    await house.close(request_id, "completed")


async def test_a_batch_of_every_kind(house: House) -> None:
    """Plain, with early steps, refused early, retried, buried, parked and fenced: each gets its own end."""
    requests = [(await house.admit()) for _ in range(7)]
    await house.forward()
    taken = {entry.request_id: entry for entry in await house.fetch("a")}
    plain, early, refused, failing, poison, held, lost = (taken[request_id] for request_id in requests)
    filed = await file(
        house,
        done(plain, "Next"),
        chain(done(early, "Next"), ("b", says("Next"))),
        chain(done(refused, "Next"), ("b", says("Undeclared"))),
        retry(failing, 0),
        bury(poison),
        park(held),
        chain(done(replace(lost, entry_id="1-1"), "Next"), ("b", says("Next"))),
    )
    kinds = [verdict.kind for verdict in filed.verdicts]
    assert kinds == ["committed"] * 6 + ["fenced"]
    assert filed.steps == 7
    assert {entry.request_id for entry in await house.fetch("b")} == {plain.request_id, refused.request_id}
    assert (await house.take("c")).request_id == early.request_id
    assert (await house.take("rollback")).request_id == poison.request_id
    assert (await house.fire()).delivered == 1


@pytest.mark.parametrize(
    "why", ["fenced", "unlogged", "stale_control", "stale_policy", "refused_emit", "conflict"]
)
async def test_a_head_that_is_refused_takes_its_steps_along(house: House, why: str) -> None:
    """No early step is recorded, delivered or counted when the step before it is not."""
    _, entry = await house.started()
    head = done(entry, "Next")
    worker = "w1"
    if why == "fenced":
        worker = "w2"
    elif why == "unlogged":
        await house.call("HDEL", house.store.keys(0).steps(entry.request_id), f"{entry.event_id}>a")
    elif why == "stale_control":
        await house.hold(f"request:{entry.request_id}")
    elif why == "stale_policy":
        head = replace(head, policy="another")
    elif why == "refused_emit":
        head = done(entry, "Undeclared")
    else:
        change = ApprovalChange(an_approval(entry.request_id).model_copy(update={"version": 3}))
        head = replace(head, approval=change)
    before = await house.snapshot()
    filed = await file(house, chain(head, ("b", says("Next"))), worker=worker)
    assert ([verdict.kind for verdict in filed.verdicts], filed.steps) == ([why], 0)
    assert await house.snapshot() == before


async def test_another_request_does_not_come_along(house: House) -> None:
    """An early step that names another request is nobody's delivery, though that request is there."""
    other = await admission.admit(house.store, house.request(), rules=house.rules)
    await house.forward()
    await house.take("a")
    _, entry = await house.started()
    step = following(done(entry, "Next"), "b", says("Next"))
    before = await house.records(other)
    filed = await file(
        house,
        replace(done(entry, "Next"), eager=(replace(step, entry=replace(step.entry, request_id=other)),)),
    )
    assert filed.steps == 1
    assert (await house.take("b")).request_id == entry.request_id
    assert await house.records(other) == before


async def test_a_plan_of_one_commit_is_written_once(house: House) -> None:
    """Two steps of one commit that write the same approval: the second was made without seeing the first."""
    request_id, entry = await house.started()
    head = done(entry, "Next", approval=ApprovalChange(an_approval(request_id)))
    assert (await file(house, chain(head, ("b", _asks)))).steps == 1
    approval = await house.approval(an_approval(request_id).approval_id)
    assert approval.version == 1
    assert approval.plan_digest == a_plan(request_id).digest()
    assert orjson.loads((await house.take("b")).body)["by"] == "a"


async def test_a_batch_may_open_more_branches_than_lua_takes_arguments(house: House) -> None:
    """Thousands of deliveries of one request in one commit: all of them recorded, none half done."""
    await anew(house, events=9000)
    request_id, entry = await house.started()
    await house.call("HSET", house.store.keys(0).flow(entry.flow_digest), "@fan_out", "9000")
    [verdict] = await house.commit(done(entry, *["Next"] * 5000))
    assert verdict.kind == "committed"
    assert (await house.state(request_id)).open_branches == 5000
    assert await house.call("XLEN", house.store.keys(0).inbox("b")) == 5000
