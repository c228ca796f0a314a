"""The handshake: policy approves, people are asked, votes count or do not, the deadline passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.agents.agents_fakes import REQUEST, FakeApprovals, FakePolicy, a_plan, envelope
from wingman_runtime.sdk import (
    Approval,
    ApprovalExpired,
    ApprovalGiven,
    ApprovalRequested,
    ApprovalStatus,
    ApprovalTimedOut,
    ApprovalVoteCast,
    Done,
    Emit,
    EventModel,
    ExecutionApproved,
    ExecutionBlocked,
    ExecutionPlanProposed,
    Grant,
    Outcome,
    Ref,
    Refuse,
    UserRequestReceived,
    Vote,
    VoteRefused,
    Wait,
    WorkRequest,
    derive,
)

Handler = Callable[[str], Any]
PLAN = a_plan()
GRANTS = (Grant(tool="file.write", resource="file:notes/*"),)
OPEN = Approval(
    approval_id="apr_1",
    request_id=REQUEST,
    tenant="demo",
    requester="alice",
    plan=PLAN,
    plan_digest=PLAN.digest(),
    roles=("approver",),
    quorum=1,
    expires_in=60,
    version=7,
)
APPROVERS = FakePolicy(
    {("approve", "bob"), ("approve", "carol")}, users={"bob": ("approver",), "carol": ("approver", "guest")}
)


def proposed(**changes: Any) -> ExecutionPlanProposed:
    return ExecutionPlanProposed(**{"plan": PLAN, "plan_digest": PLAN.digest(), "grants": GRANTS, **changes})


def cast(voter: str = "bob", verdict: str = "approve", **changes: Any) -> ApprovalVoteCast:
    vote = {"voter": voter, "verdict": verdict, "plan_digest": PLAN.digest(), **changes}
    return ApprovalVoteCast(approval_id="apr_1", vote=Vote.model_validate(vote))


@pytest.fixture
def shake(handler: Handler) -> Callable[..., Any]:
    async def run(
        data: EventModel,
        policy: FakePolicy = APPROVERS,
        record: Approval | None = OPEN,
        approvals: FakeApprovals | None = None,
    ) -> Any:
        held = approvals or FakeApprovals({"apr_1": record} if record else {})
        return await handler("handshake")(envelope(data), policy=policy, approvals=held)

    return run


async def test_policy_may_approve_alone(shake: Callable[..., Any]) -> None:
    """Permitted for the handshake itself: approved at once, bound to plan and policies, nobody asked."""
    policy = FakePolicy({("approve", "handshake")})
    answer = await shake(proposed(), policy)
    assert isinstance(answer, Emit)
    (event,) = answer.events
    assert isinstance(event, ExecutionApproved)
    assert event.granted_by == "policy:approve-allow"
    assert answer.approval is not None
    assert answer.approval.status is ApprovalStatus.APPROVED
    assert answer.approval.granted_by == event.granted_by
    assert answer.approval.approval_id == event.approval_id
    assert event.approval_id == derive("apr", PLAN.digest(), envelope(proposed()).id)
    assert (answer.approval.plan_digest, answer.approval.version) == (PLAN.digest(), 0)
    ((_, principal, resource, attributes, context),) = policy.asked
    assert (principal, resource) == (Ref("Agent", "handshake"), Ref("Plan", "pln_1"))
    assert attributes["within_grants"] is True
    assert context == {"requester": "alice"}


async def test_forbidden_is_blocked_and_nobody_is_asked(shake: Callable[..., Any]) -> None:
    """An explicit forbid blocks the plan; roles are not asked."""
    policy = FakePolicy({"approve"}, {("approve", "handshake")})
    answer = await shake(proposed(), policy)
    assert isinstance(answer, Refuse)
    assert isinstance(answer.event, ExecutionBlocked)
    assert answer.event.outcome is Outcome.BLOCKED
    assert answer.event.policies == ("approve-forbid",)
    assert answer.event.plan == PLAN
    assert len(policy.asked) == 1


async def test_roles_that_may_approve_are_asked(shake: Callable[..., Any]) -> None:
    """Not permitted, not forbidden: the roles that may approve are asked and the branch waits."""
    answer = await shake(proposed(), FakePolicy({("approve", "approver")}))
    assert isinstance(answer, Wait)
    assert isinstance(answer.event, ApprovalRequested)
    assert answer.event.roles == answer.approval.roles == ("approver",)
    assert (answer.event.quorum, answer.event.expires_in) == (1, 60)
    assert answer.approval.status is ApprovalStatus.OPEN
    assert answer.event.approval_id == answer.approval.approval_id


@pytest.mark.parametrize(
    ("configured", "annotated", "quorum"), [(1, "2", 2), (3, "2", 3), (2, "", 2), (1, "many", 1)]
)
async def test_quorum_is_the_stricter_of_configuration_and_policy(
    shake: Callable[..., Any], configured: int, annotated: str, quorum: int
) -> None:
    """The policy's @quorum can raise what the configuration asks for, not lower it."""
    policy = FakePolicy({("approve", "approver")}, quorum=annotated)
    answer = await shake(proposed(), policy, approvals=FakeApprovals(quorum=configured))
    assert answer.approval.quorum == answer.event.quorum == quorum


async def test_nobody_who_may_approve_is_blocked(shake: Callable[..., Any]) -> None:
    """Without a permitted role there is nobody to wait for: blocked."""
    answer = await shake(proposed(), FakePolicy())
    assert isinstance(answer, Refuse)
    assert isinstance(answer.event, ExecutionBlocked)
    assert answer.event.reasons[-1] == "no role may approve it"


async def test_plan_that_is_not_its_digest_is_blocked(shake: Callable[..., Any]) -> None:
    """A plan edited after its digest was made is blocked before any policy is asked."""
    policy = FakePolicy({"approve"})
    answer = await shake(proposed(plan_digest="sha256:other"), policy)
    assert answer.event.outcome is Outcome.BLOCKED
    assert policy.asked == []


async def test_plan_beyond_its_grants_is_told_to_policy(shake: Callable[..., Any]) -> None:
    """within_grants is computed anew from the plan, not believed."""
    policy = FakePolicy({"approve"})
    await shake(proposed(grants=()), policy)
    assert policy.asked[0][3]["within_grants"] is False


async def test_vote_that_reaches_the_quorum_approves(shake: Callable[..., Any]) -> None:
    """The last vote needed: ExecutionApproved by people, the record closed over the version that was read."""
    first = Vote(voter="carol", verdict="approve", plan_digest=PLAN.digest())
    answer = await shake(cast(), record=OPEN.model_copy(update={"quorum": 2, "votes": (first,)}))
    (event,) = answer.events
    assert isinstance(event, ExecutionApproved)
    assert event.granted_by == answer.approval.granted_by == "people:carol,bob"
    assert (event.plan, event.plan_digest) == (PLAN, PLAN.digest())
    assert answer.approval.status is ApprovalStatus.APPROVED
    assert answer.approval.version == 7


async def test_vote_below_the_quorum_is_counted(shake: Callable[..., Any]) -> None:
    """A vote that counts but does not suffice: ApprovalGiven with what is still missing, record open."""
    answer = await shake(cast(), record=OPEN.model_copy(update={"quorum": 3}))
    (event,) = answer.events
    assert isinstance(event, ApprovalGiven)
    assert event.remaining == 2
    assert answer.approval.status is ApprovalStatus.OPEN
    assert [vote.voter for vote in answer.approval.votes] == ["bob"]


async def test_quorum_raised_since_counts_today(shake: Callable[..., Any]) -> None:
    """Policies are asked at the vote: one that asks for more votes today is obeyed."""
    policy = FakePolicy({("approve", "bob")}, users=APPROVERS.users, quorum="2")
    answer = await shake(cast(), policy)
    assert isinstance(answer.events[0], ApprovalGiven)


async def test_one_denial_ends_it(shake: Callable[..., Any]) -> None:
    """A deny vote: ExecutionBlocked as denied, with the voter's words."""
    answer = await shake(
        cast(verdict="deny", reason="not today"), record=OPEN.model_copy(update={"quorum": 2})
    )
    (event,) = answer.events
    assert isinstance(event, ExecutionBlocked)
    assert event.outcome is Outcome.DENIED
    assert event.reasons == ("bob denied it: not today",)
    assert answer.approval.status is ApprovalStatus.DENIED


VOTED = OPEN.model_copy(
    update={"quorum": 2, "votes": (Vote(voter="bob", verdict="approve", plan_digest=PLAN.digest()),)}
)


@pytest.mark.parametrize(
    ("vote", "record", "said"),
    [
        (cast(), None, "no such approval"),
        (cast(), OPEN.model_copy(update={"request_id": "req_p0_" + "1" * 32}), "no such approval"),
        (cast(), OPEN.model_copy(update={"status": ApprovalStatus.EXPIRED}), "the approval is expired"),
        (cast(), OPEN.model_copy(update={"status": ApprovalStatus.APPROVED}), "the approval is approved"),
        (cast(plan_digest="sha256:other"), OPEN, "another plan"),
        (cast("alice"), OPEN, "a request of their own"),
        (cast("alice", "deny"), OPEN, "a request of their own"),
        (cast(), VOTED, "bob has voted already"),
        (cast("mallory"), OPEN, "mallory has none of the roles approver"),
        (cast("mallory", "deny"), OPEN, "mallory has none of the roles approver"),
    ],
)
async def test_votes_that_do_not_count(
    shake: Callable[..., Any], vote: ApprovalVoteCast, record: Approval | None, said: str
) -> None:
    """Each vote without a right: VoteRefused on the record, the approval untouched."""
    answer = await shake(vote, record=record)
    assert isinstance(answer, Emit)
    (event,) = answer.events
    assert isinstance(event, VoteRefused)
    assert said in event.reasons[0]
    assert answer.approval is None


async def test_voter_must_be_permitted_today(shake: Callable[..., Any]) -> None:
    """A role is not enough: the policies are asked about the voter when the vote arrives."""
    answer = await shake(cast(), FakePolicy(users=APPROVERS.users))
    (event,) = answer.events
    assert isinstance(event, VoteRefused)
    assert event.reasons == ("missing: bob approve pln_1",)


async def test_deadline_of_an_open_approval_expires_it(shake: Callable[..., Any]) -> None:
    """Nobody answered in time: ApprovalExpired, which is not a denial."""
    answer = await shake(ApprovalTimedOut(approval_id="apr_1"), record=VOTED)
    (event,) = answer.events
    assert isinstance(event, ApprovalExpired)
    assert event.reasons == ("1 of 2 votes within 60 s",)
    assert answer.approval.status is ApprovalStatus.EXPIRED
    assert answer.approval.version == 7


@pytest.mark.parametrize("record", [None, OPEN.model_copy(update={"status": ApprovalStatus.APPROVED})])
async def test_deadline_of_a_settled_approval_means_nothing(
    shake: Callable[..., Any], record: Approval | None
) -> None:
    """The timer may fire after the votes: the branch ends, saying so."""
    assert isinstance(await shake(ApprovalTimedOut(approval_id="apr_1"), record=record), Done)


async def test_other_events_end_the_branch(shake: Callable[..., Any]) -> None:
    """What the handshake does not consume never passes it."""
    answer = await shake(UserRequestReceived(request=WorkRequest(intent="x")))
    assert isinstance(answer, Done)
