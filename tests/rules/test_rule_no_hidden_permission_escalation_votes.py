"""Rule: no hidden permission escalation, the votes. Only a vote that may count does, once, for one plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.arena import Grounds, open_arena
from wingman_runtime.client.envelope import letter_of
from wingman_runtime.contracts.events import ApprovalVoteCast
from wingman_runtime.contracts.ids import derive
from wingman_runtime.contracts.work import Vote
from wingman_runtime.errors import ConflictError
from wingman_runtime.redisio import letters

# As a user.


@pytest.mark.parametrize("voter", ["alice", "mallory", "sam", "nobody"])
async def test_only_people_with_the_role_vote(valkey_url: str, tmp_path: Path, voter: str) -> None:
    """The requester, people without the role, and people who do not exist are refused, on the record."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        _, approval = await arena.publish()
        result = await arena.client.vote(approval.approval_id, "approve", voter=voter)
        assert not result.counted
        await arena.expect("event", "VoteRefused")
        assert (await arena.client.approval(approval.approval_id)).status == "open"


async def test_a_vote_is_for_the_plan_that_was_seen(valkey_url: str, tmp_path: Path) -> None:
    """A vote with the digest of another plan is refused."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        _, approval = await arena.publish()
        with pytest.raises(ConflictError, match="plan"):
            await arena.client.vote(approval.approval_id, "approve", voter="bob", plan_digest="sha256:00")


async def test_nobody_votes_on_a_request_of_their_own(valkey_url: str, tmp_path: Path) -> None:
    """An approver who asked for something is no approver of it."""
    grounds = Grounds(tmp_path / "p")
    grounds.edit(
        "config/principals.yaml", "alice: {roles: [requester]", "alice: {roles: [requester, approver]"
    )
    async with open_arena(valkey_url, grounds) as arena:
        _, approval = await arena.publish()
        result = await arena.client.vote(approval.approval_id, "approve", voter="alice")
        assert not result.counted
        assert (await arena.client.approval(approval.approval_id)).status == "open"


async def test_nobody_votes_twice(valkey_url: str, tmp_path: Path) -> None:
    """Where two people must agree, one who votes twice is still one."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p"), approvals__quorum=2) as arena:
        _, approval = await arena.publish()
        assert (await arena.client.vote(approval.approval_id, "approve", voter="bob")).counted
        assert not (await arena.client.vote(approval.approval_id, "approve", voter="bob")).counted
        assert (await arena.client.approval(approval.approval_id)).status == "open"


async def test_a_vote_that_comes_after_the_decision_counts_nothing(valkey_url: str, tmp_path: Path) -> None:
    """Two votes under way at once where one is enough: the plan is approved once, the other is refused."""
    grounds = Grounds(tmp_path / "p")
    grounds.edit("config/principals.yaml", "mallory: {", "mallory: {roles: [approver], ")
    async with open_arena(valkey_url, grounds) as arena:
        request, approval = await arena.publish()
        await arena.client.pause("agent:handshake", reason="so that both are posted while it is open")
        for voter in ("bob", "mallory"):
            await arena.client.vote(approval.approval_id, "approve", voter=voter, wait=0)
        await arena.client.pause("agent:executor", reason="so that it does not end before the second")
        await arena.client.resume("agent:handshake", reason="go")
        await arena.expect("event", "the approval is approved")
        await arena.client.resume("agent:executor", reason="go")
        await arena.ended(request)
        assert len(await arena.told("event", '"type":"ExecutionApproved"')) == 1


# Forged with a raw connection.


async def test_a_forged_vote_in_the_inbox_counts_nothing(valkey_url: str, tmp_path: Path) -> None:
    """A vote XADDed to the handshake, even in the name of an approver, is no vote."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        request, approval = await arena.publish()
        forged = derive("evt", "vote")
        vote = {"voter": "bob", "verdict": "approve", "plan_digest": approval.plan_digest}
        data = {"approval_id": approval.approval_id, "vote": vote}
        await arena.inject("handshake", arena.forged(request.id, "ApprovalVoteCast", forged, data))
        await arena.expect("anomaly", forged)
        assert (await arena.client.approval(approval.approval_id)).votes == ()


async def test_a_vote_for_another_plan_posted_by_hand_counts_nothing(valkey_url: str, tmp_path: Path) -> None:
    """The post script compares the digest it is told; the handshake the one that the vote itself holds."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        request, approval = await arena.publish()
        vote = Vote(voter="bob", verdict="approve", plan_digest="sha256:00")
        cast = ApprovalVoteCast(approval_id=approval.approval_id, vote=vote)
        event = letter_of(
            cast, derive("evt", "by hand"), request.id, actor="alice", tenant="demo", flow="request"
        )
        await letters.post(
            arena.client.store,
            event,
            sender="client",
            approval_id=approval.approval_id,
            plan_digest=approval.plan_digest,
            vote=True,
        )
        await arena.expect("event", "VoteRefused")
        assert (await arena.client.approval(approval.approval_id)).votes == ()
