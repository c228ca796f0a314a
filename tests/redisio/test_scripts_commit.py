"""The commit: what it records, what it refuses, and that a refusal writes nothing."""

from __future__ import annotations

import asyncio

import pytest

from tests.redisio.harness import (
    House,
    an_approval,
    done,
    emission,
    forwarded,
    open_house,
    park,
    quarantine,
    retry,
)
from wingman_runtime.contracts.ids import derive
from wingman_runtime.contracts.work import ApprovalStatus
from wingman_runtime.errors import BackendError
from wingman_runtime.redisio import commit, control, inbox
from wingman_runtime.redisio.commit import ApprovalChange


async def three(house: House) -> list[inbox.Entry]:
    for _ in range(3):
        await house.admit()
    await house.forward()
    return await house.fetch("a")


async def test_a_step_is_recorded_whole(house: House) -> None:
    """One commit acknowledges the input, deletes it, delivers the next event, logs it and keeps the
    receipt.
    """
    request_id, entry = await house.started()
    [verdict] = await house.commit(done(entry, "Next"))
    assert verdict.kind == "committed"
    keys = house.store.keys(0)
    assert await house.call("XLEN", keys.inbox("a")) == 0
    assert await house.pending("a") == 0
    following = await house.take("b")
    assert following.event_id == emission(entry, "Next").event_id
    assert following.body == emission(entry, "Next").body
    assert await house.kinds(request_id) == ["event", "routed", "event"]
    assert (
        await house.call("HGET", keys.steps(request_id), f"{entry.event_id}>a") == following.event_id.encode()
    )


async def test_a_refused_message_leaves_its_neighbours_alone(house: House) -> None:
    """Of three messages the middle one is refused: the others are committed, and of it nothing is written."""
    entries = await three(house)
    verdicts = await house.commit(
        done(entries[0], "Next"), done(entries[1], "Next", "Undeclared"), done(entries[2], "Next")
    )
    assert [verdict.kind for verdict in verdicts] == ["committed", "refused_emit", "committed"]
    assert verdicts[1].detail == "Undeclared"
    following = await house.fetch("b")
    assert {entry.request_id for entry in following} == {entries[0].request_id, entries[2].request_id}
    assert await house.kinds(entries[1].request_id) == ["event", "routed"]
    assert (await house.state(entries[1].request_id)).open_branches == 1
    # It is still ours, and may be answered properly.
    assert [verdict.kind for verdict in await house.commit(done(entries[1], "Next"))] == ["committed"]


async def test_a_repeated_commit_answers_with_the_receipt(house: House) -> None:
    """A commit whose reply was lost is repeated: it says so, with the recorded ids, and writes nothing
    again.
    """
    _, entry = await house.started()
    [first] = await house.commit(done(entry, "Next"))
    before = await house.snapshot()
    [again] = await house.commit(done(entry, "Next"))
    assert again == ("already_committed", first.detail)
    assert first.detail == emission(entry, "Next").event_id
    assert await house.snapshot() == before


async def test_a_zombie_is_fenced(house: House) -> None:
    """Once another worker has reclaimed the entry, the first one's commit writes nothing; the other's
    counts.
    """
    _, entry = await house.started()
    [taken] = await inbox.reclaim(house.store, 0, "a", "w2", idle_ms=0, count=10)
    before = await house.snapshot()
    assert await house.commit(done(entry, "Next")) == [("fenced", "w2")]
    for result in (park(entry), retry(entry, 1)):
        assert (await house.commit(result))[0].kind == "fenced"
    assert await house.snapshot() == before
    assert (await house.commit(done(taken, "Next"), worker="w2"))[0].kind == "committed"
    # Too late, but what happened is told.
    assert (await house.commit(done(entry, "Finished")))[0].kind == "already_committed"


async def test_the_same_entry_twice_in_a_batch_is_written_once(house: House) -> None:
    """A batch that names an entry twice records it once."""
    request_id, entry = await house.started()
    verdicts = await house.commit(done(entry, "Next"), done(entry, "Next"))
    assert [verdict.kind for verdict in verdicts] == ["committed", "already_committed"]
    assert len(await house.fetch("b")) == 1
    assert (await house.state(request_id)).open_branches == 1


async def test_two_steps_of_one_request_in_a_batch(house: House) -> None:
    """Steps of the same request in one batch see each other's writes: a cut made by the first holds for the
    second.
    """
    request_id, _ = await fan(house)
    [b] = await house.fetch("b")
    [verdict] = await house.commit(done(b, "Next"))
    assert verdict.kind == "committed"
    entries = await house.fetch("c")
    assert len(entries) == 2
    verdicts = await house.commit(done(entries[0], "Broke"), done(entries[1], "Next"))
    assert [verdict.kind for verdict in verdicts] == ["committed", "committed"]
    assert "cut" in await house.kinds(request_id)
    assert await house.fetch("b") == []


async def fan(house: House) -> tuple[str, inbox.Entry]:
    request_id, entry = await house.started()
    await house.commit(done(entry, "Forked"))
    return request_id, entry


async def test_an_event_put_there_from_outside_is_unlogged(house: House) -> None:
    """An event that no commit delivered is refused; its burial touches no request and is logged as an
    anomaly.
    """
    request_id, entry = await house.started()
    keys = house.store.keys(0)
    forged = derive("evt", "forged")
    await house.call(
        "XADD", keys.inbox("b"), "*", "id", forged, "r", request_id, "ty", "Next", "f", "story", "b", "{}"
    )
    stray = await house.take("b")
    before = await house.snapshot()
    assert await house.commit(done(stray, "Finished")) == [("unlogged", forged)]
    assert await house.snapshot() == before
    assert (await house.commit(quarantine(stray)))[0].kind == "committed"
    assert await house.anomalies() == [{"anomaly": "stray"}]
    [letter] = await house.call("XRANGE", keys.dead("b"), "-", "+")
    assert letter[1][b"id"] == forged.encode()
    after = await house.state(request_id)
    assert (after.open_branches, after.status) == (1, "open")
    assert (await house.commit(done(entry, "Next")))[0].kind == "committed"


async def test_a_copy_of_a_logged_event_is_unlogged(house: House) -> None:
    """A copy put beside the real entry, same id and another body, cannot stand in for it; the real one
    still can.
    """
    request_id, entry = await house.started()
    await house.call(
        "XADD", house.store.keys(0).inbox("a"), "*", "id", entry.event_id, "r", request_id,
        "ty", entry.event_type, "f", "story", "fd", entry.flow_digest, "t", "demo",
        "ph", 0, "n", 0, "b", '{"forged":true}',
    )  # fmt: skip
    copy = await house.take("a")
    assert copy.event_id == entry.event_id
    assert (await house.commit(done(copy, "Finished")))[0].kind == "unlogged"
    assert (await house.commit(done(entry, "Next")))[0].kind == "committed"
    # Once the step is done, what is left of the copy goes, and is on record.
    assert (await house.commit(done(copy, "Finished")))[0].kind == "already_committed"
    assert (await house.anomalies())[0]["anomaly"] == "copied_entry"
    assert await house.call("XLEN", house.store.keys(0).inbox("a")) == 0
    assert (await house.state(request_id)).decided == ""


async def test_an_entry_of_no_request_is_gone(house: House) -> None:
    """Entries whose request has no state, or that name none, are told apart and can be buried."""
    request_id, entry = await house.started()
    inbox_key = house.store.keys(0).inbox("b")
    unknown = "req_p0_" + "0" * 32
    for request in (unknown, "", f"{request_id}:log", "nonsense"):
        await house.call("XADD", inbox_key, "*", "id", "evt_x", "r", request, "b", "{}")
    await house.call("XADD", inbox_key, "*", "junk", b"\xff\x00")
    strays = await house.fetch("b")
    verdicts = await house.commit(*(done(stray, "Next") for stray in strays))
    assert {verdict.kind for verdict in verdicts} == {"gone"}
    verdicts = await house.commit(*(quarantine(stray) for stray in strays))
    assert {verdict.kind for verdict in verdicts} == {"committed"}
    assert await house.call("XLEN", house.store.keys(0).dead("b")) == 5
    assert (await house.commit(done(entry, "Next")))[0].kind == "committed"


async def test_a_verdict_under_an_old_bundle_is_stale(house: House) -> None:
    """What was judged under another bundle than the active one is refused, naming the active one; no bundle
    passes.
    """
    _, entry = await house.started()
    await control.activate_policy(house.store, "sha256:new", by="ops", reason="test")
    before = await house.snapshot()
    assert await house.commit(done(entry, "Next", policy="sha256:old")) == [("stale_policy", "sha256:new")]
    assert await house.snapshot() == before
    assert (await house.commit(done(entry, "Next", policy="sha256:new")))[0].kind == "committed"


async def test_an_approval_changes_by_compare_and_set(house: House) -> None:
    """Of two votes that read the same version one wins, in one batch as in two; the loser writes nothing."""
    request_id, approval = await house.ask()
    assert approval.version == 1
    for name in ("1", "2", "3"):
        assert await house.vote(request_id, approval, name) == "posted"
    votes = await house.fetch("a")
    verdicts = await house.commit(
        done(votes[0], "Noted", approval=ApprovalChange(approval)),
        done(votes[1], "Noted", approval=ApprovalChange(approval)),
    )
    assert [verdict.kind for verdict in verdicts] == ["committed", "conflict"]
    assert (await house.commit(done(votes[2], "Noted", approval=ApprovalChange(approval))))[
        0
    ].kind == "conflict"
    now = await house.approval(approval.approval_id)
    assert now.version == 2
    fresh = done(
        votes[1],
        "Finished",
        approval=ApprovalChange(now.model_copy(update={"status": ApprovalStatus.APPROVED})),
    )
    assert (await house.commit(fresh))[0].kind == "committed"
    assert (await house.commit(done(votes[2])))[0].kind == "committed"
    await house.close(request_id, "completed")
    assert (await house.approval(approval.approval_id)).status is ApprovalStatus.APPROVED


async def test_an_approval_of_another_request_cannot_be_changed(house: House) -> None:
    """A step may write only its own request's approvals."""
    _, approval = await house.ask()
    other, entry = await house.started()
    stolen = approval.model_copy(update={"status": ApprovalStatus.APPROVED})
    assert (await house.commit(done(entry, "Noted", approval=ApprovalChange(stolen))))[0].kind == "conflict"
    assert (await house.approval(approval.approval_id)).status is ApprovalStatus.OPEN
    mine = ApprovalChange(an_approval(other))
    assert (await house.commit(done(entry, "Noted", approval=mine)))[0].kind == "committed"


@pytest.mark.parametrize("what", ["undeclared", "outcome", "join"])
async def test_an_event_the_flow_does_not_route_is_refused(house: House, what: str) -> None:
    """An undeclared event, one that lacks the outcome it decides, one that lacks what its join needs:
    refused.
    """
    _, entry = await house.started()
    if what == "join":
        await house.commit(done(entry, "Next"))
        entry = await house.take("b")
    wrong = {
        "undeclared": emission(entry, "Part"),
        "outcome": emission(entry, "Judged"),
        "join": emission(entry, "Part", join=None),
    }[what]
    before = await house.snapshot()
    assert (await house.commit(done(entry, wrong)))[0] == ("refused_emit", wrong.event_type)
    assert await house.snapshot() == before


async def test_depth_and_number_of_events_are_bounded(backend_url: str) -> None:
    """Past the flow's depth or event budget a commit is refused; the system's own events still pass."""
    async with open_house(backend_url, depth=3, events=4) as house:
        request_id, entry = await house.started()  # two events by now
        deep = emission(entry, "Next", depth=4)
        assert await house.commit(done(entry, deep)) == [("over_budget", "depth")]
        assert await house.commit(done(entry, "Noted", "Noted", "Next")) == [("over_budget", "events")]
        assert (await house.commit(done(entry, "Next")))[0].kind == "committed"
        b = await house.take("b")
        assert (await house.commit(done(b, "Next")))[0].kind == "committed"
        c = await house.take("c")
        assert await house.commit(done(c, "Next")) == [("over_budget", "events")]
        assert (await house.commit(done(c, "RequestFailed")))[0].kind == "committed"
        await house.take("rollback")
        assert (await house.state(request_id)).phase == 1


async def test_a_budget_is_not_spent_by_what_is_refused(backend_url: str) -> None:
    """In a batch, a refused message does not use up what its neighbour of the same request needs."""
    async with open_house(backend_url, events=7) as house:
        await fan(house)  # three events
        [b] = await house.fetch("b")
        await house.commit(done(b, "Next"))  # four
        entries = await house.fetch("c")
        verdicts = await house.commit(
            done(entries[0], "Next", "Next", "Next", "Next"), done(entries[1], "Next", "Next", "Next")
        )
        assert [verdict.kind for verdict in verdicts] == ["over_budget", "committed"]


async def test_a_commit_with_a_missing_group_is_an_error_of_ours(house: House) -> None:
    """What the server says comes as BackendError, so that the caller commits again; nothing was written."""
    _, entry = await house.started()
    await house.call("XGROUP", "DESTROY", house.store.keys(0).inbox("a"), "workers")
    with pytest.raises(BackendError, match="NOGROUP"):
        await commit.commit(house.store, 0, "a", "w1", [done(entry, "Next")])


async def test_ids_never_pass_for_open_steps(house: House) -> None:
    """A receipt that is empty or begins with the mark of an open step is stored so that it cannot be taken
    for one.
    """
    _, entry = await house.started()
    await house.commit(done(entry, "Next", receipt=f"@{entry.entry_id}"))
    assert (await house.commit(done(entry, "Next")))[0] == ("already_committed", entry.entry_id)
    b = await house.take("b")
    await house.commit(done(b, "Next", receipt=""))
    assert (await house.commit(done(b, "Next")))[0] == ("already_committed", "-")


async def test_a_batch_larger_than_the_servers_lua_takes_at_once(house: House) -> None:
    """A batch of 1,100 results is acknowledged in chunks, and whole."""
    await asyncio.gather(*(house.admit() for _ in range(1100)))
    entries = await house.fetch("dispatcher", count=1100)
    verdicts = await house.commit(*(forwarded(entry) for entry in entries))
    assert [verdict.kind for verdict in verdicts] == ["committed"] * 1100
    assert await house.pending("dispatcher") == 0
    assert await house.call("XLEN", house.store.keys(0).inbox("a")) == 1100
