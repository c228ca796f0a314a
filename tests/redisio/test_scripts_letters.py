"""Letters into a request under way: votes, timeouts, cancellation, expiry; and the approvals they decide."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.redisio.harness import (
    House,
    TimedOut,
    VoteCast,
    an_approval,
    done,
    emission,
    park,
    retry,
    status_of,
)
from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.work import ApprovalStatus
from wingman_runtime.redisio import approvals
from wingman_runtime.redisio.commit import ApprovalChange


class Unknown(EventModel):
    """A letter that no flow knows."""


class Decided(EventModel):
    """A letter whose route would take the outcome from the event, which a letter cannot carry."""


async def settled(house: House, outcome: str) -> None:
    entry = await house.take("rollback")
    assert entry.event_type in ("RequestCancelled", "RequestExpired")
    await house.commit(done(entry, emission(entry, "Compensated", outcome=outcome)))


async def test_waiting_holds_the_branch_and_no_worker(house: House) -> None:
    """An open approval counts as an open branch; no entry is pending for it."""
    request_id, approval = await house.ask()
    assert (await house.state(request_id)).open_branches == 1
    assert await house.pending("a") == 0
    assert await approvals.open_ids(house.store) == [(0, approval.approval_id)]
    assert (approval.status, approval.version) == (ApprovalStatus.OPEN, 1)
    assert approval.expires_at_ms > 0


async def test_a_vote_goes_where_the_flow_says(house: House) -> None:
    """A vote is logged, counted and delivered; the approval it decides closes the wait."""
    request_id, approval = await house.ask()
    assert await house.vote(request_id, approval) == "posted"
    assert (await house.state(request_id)).open_branches == 2
    entry = await house.take("a")
    assert entry.event_type == "VoteCast"
    await house.commit(done(entry, "Finished", approval=status_of(approval, ApprovalStatus.APPROVED)))
    assert await approvals.open_ids(house.store) == []
    assert await house.vote(request_id, approval, "2") == "decided"
    await house.close(request_id, "completed")
    assert await house.vote(request_id, approval, "3") == "ended"


async def test_a_letter_is_posted_once(house: House) -> None:
    """The same letter again is a duplicate, even after it has been read; nothing is delivered twice."""
    request_id, approval = await house.ask()
    assert await house.vote(request_id, approval) == "posted"
    assert await house.vote(request_id, approval) == "duplicate"
    await house.step("a", "Noted")
    before = await house.snapshot()
    assert await house.vote(request_id, approval) == "duplicate"
    assert await house.snapshot() == before


async def test_a_vote_for_another_plan_or_another_request_is_refused(house: House) -> None:
    """A vote is for one exact plan of one request; unknown ones and foreign ones move nothing."""
    request_id, approval = await house.ask()
    other, _ = await house.started()
    before = await house.snapshot()
    assert await house.vote(request_id, approval, plan_digest="sha256:other") == "other_plan"
    assert await house.vote(other, approval) == "missing"
    stranger = approval.model_copy(update={"approval_id": "apr_unknown"})
    assert await house.vote(request_id, stranger) == "missing"
    assert await house.vote("req_p0_" + "0" * 32, approval) == "missing"
    assert await house.snapshot() == before
    assert await house.vote(request_id, approval, plan_digest=approval.plan_digest) == "posted"


async def test_letters_the_flow_does_not_know_are_refused(house: House) -> None:
    """No route, the wrong sender, or a route that needs what a letter cannot bring: refused, nothing
    written.
    """
    request_id, _ = await house.ask()
    before = await house.snapshot()
    assert await house.post(request_id, Unknown()) == "refused_emit"
    assert await house.post(request_id, VoteCast(), by="timer") == "refused_emit"
    assert await house.post(request_id, Decided()) == "refused_emit"
    assert await house.snapshot() == before


async def test_a_vote_after_the_deadline_is_refused_by_the_servers_clock(house: House) -> None:
    """Past its deadline an approval takes no vote, whether or not anybody has noticed; its timeout still
    comes.
    """
    request_id, approval = await house.ask(expires_in=0.03)
    await asyncio.sleep(0.05)
    assert await house.vote(request_id, approval) == "closed"
    assert (await house.fire()).approvals == (approval.approval_id,)
    letter = {"by": "timer", "approval_id": approval.approval_id}
    assert await house.post(request_id, TimedOut(), **letter) == "posted"
    # Named again only after a minute: a sweep every second posts one letter, not sixty.
    assert (await house.fire()).approvals == ()
    assert await house.post(request_id, TimedOut(), **letter) == "duplicate"
    entry = await house.take("a")
    await house.commit(done(entry, "Refused", approval=status_of(approval, ApprovalStatus.EXPIRED)))
    assert await house.post(request_id, TimedOut(), name="2", **letter) == "decided"
    await house.close(request_id, "denied")


async def test_a_timeout_of_a_decided_approval_is_closed(house: House) -> None:
    """The timer's letter comes too late for an approval that people have decided: nothing is delivered."""
    request_id, approval = await house.ask()
    await house.vote(request_id, approval)
    await house.step("a", "Next", approval=status_of(approval, ApprovalStatus.APPROVED))
    assert await house.post(request_id, TimedOut(), by="timer", approval_id=approval.approval_id) == "closed"
    assert await house.fetch("a") == []


@pytest.mark.parametrize("how", ["cancelled", "expired"])
async def test_cancelling_withdraws_what_waits(house: House, how: str) -> None:
    """A request that waits for people and is cancelled, or expires, settles at once: the wait no longer
    counts.
    """
    request_id, approval = await house.ask()
    assert await (house.cancel(request_id) if how == "cancelled" else house.expire(request_id)) == "posted"
    assert (await house.approval(approval.approval_id)).status is ApprovalStatus.CANCELLED
    assert await approvals.open_ids(house.store) == []
    assert (await house.state(request_id)).open_branches == 1
    assert await house.vote(request_id, approval) == "decided"
    await settled(house, how)
    await house.close(request_id, how)


async def test_cancelling_waits_for_the_step_in_hand(house: House) -> None:
    """The step in hand is cut at its commit, and then, not before, the request settles."""
    request_id, entry = await house.started()
    assert await house.cancel(request_id) == "posted"
    assert await house.cancel(request_id) == "duplicate"
    assert await house.fetch("rollback") == []
    await house.commit(done(entry, "Finished"))
    assert "cut" in await house.kinds(request_id)
    await settled(house, "cancelled")
    await house.close(request_id, "cancelled")


async def test_a_deciding_step_withdraws_the_wait_beside_it(house: House) -> None:
    """When a parallel branch decides the outcome, an open approval is withdrawn; a vote read by then is
    cut.
    """
    request_id, entry = await house.started()
    await house.commit(done(entry, "Forked"))
    hands = {agent: await house.take(agent) for agent in ("b", "c", "e")}
    await house.commit(
        done(hands["b"], "Noted", approval=ApprovalChange(an_approval(request_id)), starve=None)
    )
    [(_, approval_id)] = await approvals.open_ids(house.store)
    approval = await house.approval(approval_id)
    await house.vote(request_id, approval)
    vote = await house.take("a")
    await house.commit(done(hands["c"], "Refused"))
    await house.commit(done(hands["e"], "Part"))
    assert (await house.approval(approval_id)).status is ApprovalStatus.CANCELLED
    current = await house.approval(approval_id)
    await house.commit(done(vote, "Finished", approval=status_of(current, ApprovalStatus.APPROVED)))
    assert (await house.approval(approval_id)).status is ApprovalStatus.CANCELLED
    await house.close(request_id, "denied")


async def test_an_overdue_request_is_named_until_it_settles(house: House) -> None:
    """Past its deadline a request is named by each sweep; once it settles, only once an hour."""
    house.rules = replace(house.rules, deadline_ms=1)
    request_id, entry = await house.started()
    await asyncio.sleep(0.01)
    assert (await house.fire()).requests == (request_id,)
    assert await house.expire(request_id) == "posted"
    assert (await house.fire()).requests == (request_id,)
    assert await house.expire(request_id) == "decided"
    assert (await house.fire()).requests == ()
    await house.commit(done(entry))
    await settled(house, "expired")
    await house.close(request_id, "expired")
    assert (await house.fire()).requests == ()


async def test_an_overdue_request_without_state_is_forgotten(house: House) -> None:
    """An open request whose state was deleted from outside is not named for ever."""
    keys = house.store.keys(0)
    lost = "req_p0_" + "0" * 32
    await house.call("ZADD", keys.open, 1, lost)
    assert (await house.fire()).requests == (lost,)
    assert await house.expire(lost) == "missing"
    assert (await house.fire()).requests == ()


@pytest.mark.parametrize("phase", [0, 1, 2])
async def test_a_request_ends_though_its_entry_was_deleted_from_outside(house: House, phase: int) -> None:
    """The deadline closes branches that nobody can ever work on again, says so, and the request ends."""
    request_id, entry = await house.started()
    agent = ("a", "rollback", "audit")[phase]
    if phase == 1:
        await house.commit(done(entry, "Broke"))
    elif phase == 2:
        await house.commit(done(entry, "Finished"))
    if phase:
        entry = await house.take(agent)
    await house.call("XDEL", house.store.keys(0).inbox(agent), entry.entry_id)
    assert await house.expire(request_id) == ("posted" if phase == 0 else "decided")
    if phase == 0:
        await settled(house, "expired")
        await house.close(request_id, "expired")
    else:
        await house.ended(request_id, "rollback_incomplete" if phase == 1 else "completed")
    assert {"anomaly": "lost_step", "step": f"{entry.event_id}>{agent}"} in await house.anomalies()


async def test_the_deadline_takes_nothing_from_what_waits(house: House) -> None:
    """Entries in an inbox, in hand, parked or on a timer are not lost; only what is nowhere is."""
    request_id, entry = await house.started()
    await house.commit(done(entry, "Forked"))
    hands = {agent: await house.take(agent) for agent in ("b", "c", "e")}
    await house.commit(retry(hands["c"], 60_000))
    await house.hold("agent:e")
    await house.commit(park(hands["e"]))
    assert await house.expire(request_id) == "posted"
    assert await house.expire(request_id) == "decided"
    assert (await house.state(request_id)).open_branches == 3
    assert await house.anomalies() == []
