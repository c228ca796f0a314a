"""Handshake (P-04): policy approves, asks people, or blocks; votes or the deadline settle what was asked.

1. a plan arrives: `_propose`; 2. a vote arrives: `_vote`; 3. the deadline passed: `_time_out`.
Every answer that changes an approval hands back the record it read; the commit writes it only if nobody
else did meanwhile, else this runs again. Votes carry no signature yet: the field is reserved.
"""

from __future__ import annotations

from typing import Any

from wingman_runtime.sdk import (
    AgentOutcome,
    Approval,
    ApprovalExpired,
    ApprovalGiven,
    ApprovalRequested,
    Approvals,
    ApprovalStatus,
    ApprovalTimedOut,
    ApprovalVoteCast,
    Decision,
    Done,
    Emit,
    Event,
    ExecutionApproved,
    ExecutionBlocked,
    ExecutionPlanProposed,
    Outcome,
    Plan,
    Policy,
    Ref,
    Refuse,
    VoteRefused,
    Wait,
    because,
    derive,
    plan_attributes,
)


async def handle(event: Event[Any], policy: Policy, approvals: Approvals) -> AgentOutcome:
    match event.data:
        case ExecutionPlanProposed() as proposed:
            return _propose(event, proposed, policy, approvals)
        case ApprovalVoteCast() as cast:
            return _vote(event, cast, policy, await approvals.read(cast.approval_id))
        case ApprovalTimedOut() as timed_out:
            return _time_out(event, await approvals.read(timed_out.approval_id))
        case other:
            return Done(f"{type(other).__name__} is nothing a handshake answers")


def _propose(
    event: Event[Any], proposed: ExecutionPlanProposed, policy: Policy, approvals: Approvals
) -> AgentOutcome:
    plan, plan_digest = proposed.plan, proposed.plan.digest()
    if plan_digest != proposed.plan_digest:
        return _blocked(plan, ("the plan is not the one its digest was made of",))
    facts = plan_attributes(plan, requester=event.actor, tenant=event.tenant, grants=proposed.grants)

    def ask(principal: Ref) -> Decision:
        plan_ref, context = Ref("Plan", plan.plan_id), {"requester": event.actor}
        return policy.judge("approve", principal, plan_ref, attributes=facts, context=context)

    verdict = ask(Ref("Agent", "handshake"))
    if verdict.forbidden:
        return _blocked(plan, because(verdict), verdict.policies)
    quorum, expires_in = approvals.terms(plan)
    granted = _granted(f"policy:{','.join(verdict.policies)}") if verdict.allow else {}
    record = Approval(
        approval_id=derive("apr", plan_digest, event.id),
        request_id=event.request_id,
        tenant=event.tenant,
        requester=event.actor,
        plan=plan,
        plan_digest=plan_digest,
        quorum=quorum,
        expires_in=expires_in,
        **granted,
    )
    if verdict.allow:
        return _approved(record, because(verdict))
    answers = {role: ask(Ref("Role", role)) for role in sorted(policy.roles())}
    roles = tuple(role for role, answer in answers.items() if answer.allow)
    if not roles:
        return _blocked(plan, (*because(verdict), "no role may approve it"), verdict.policies)
    quorum = max(quorum, *(_quorum(answers[role]) for role in roles))
    asked = ApprovalRequested(
        approval_id=record.approval_id,
        plan_digest=plan_digest,
        roles=roles,
        quorum=quorum,
        expires_in=expires_in,
        reasons=tuple(dict.fromkeys(reason for role in roles for reason in because(answers[role]))),
    )
    return Wait(asked, record.model_copy(update={"roles": roles, "quorum": quorum}))


def _vote(event: Event[Any], cast: ApprovalVoteCast, policy: Policy, record: Approval | None) -> AgentOutcome:
    vote = cast.vote
    if record is None or record.request_id != event.request_id:
        return _refused(cast, "this request has no such approval")
    if record.status is not ApprovalStatus.OPEN:
        return _refused(cast, f"the approval is {record.status.value}")
    if vote.plan_digest != record.plan_digest:
        return _refused(cast, "the vote is about another plan")
    if vote.voter == record.requester:
        return _refused(cast, "nobody votes on a request of their own")
    if any(earlier.voter == vote.voter for earlier in record.votes):
        return _refused(cast, f"{vote.voter} has voted already")
    if not set(record.roles) & set(policy.roles_of(vote.voter)):
        return _refused(cast, f"{vote.voter} has none of the roles {', '.join(record.roles)}")
    voted = record.model_copy(update={"votes": (*record.votes, vote)})
    if vote.verdict == "deny":
        denied = voted.model_copy(update={"status": ApprovalStatus.DENIED})
        reason = f"{vote.voter} denied it" + (f": {vote.reason}" if vote.reason else "")
        blocked = ExecutionBlocked(
            outcome=Outcome.DENIED, reasons=(reason,), plan=record.plan, approval_id=record.approval_id
        )
        return Emit(blocked, approval=denied)
    # The policies of today decide, not those of the day the question was asked.
    decision = policy.judge(
        "approve",
        Ref("User", vote.voter),
        Ref("Plan", record.plan.plan_id),
        attributes=plan_attributes(record.plan, requester=record.requester, tenant=record.tenant),
        context={"requester": record.requester},
    )
    if not decision.allow:
        return _refused(cast, *because(decision))
    remaining = max(record.quorum, _quorum(decision)) - len(voted.votes)
    if remaining > 0:
        given = ApprovalGiven(approval_id=record.approval_id, vote=vote, remaining=remaining)
        return Emit(given, approval=voted)
    voters = ",".join(counted.voter for counted in voted.votes)
    return _approved(voted.model_copy(update=_granted(f"people:{voters}")), because(decision))


def _time_out(event: Event[Any], record: Approval | None) -> AgentOutcome:
    if record is None or record.request_id != event.request_id:
        return Done("this request has no such approval")
    if record.status is not ApprovalStatus.OPEN:
        return Done(f"the approval is {record.status.value}, so its deadline means nothing")
    reason = f"{len(record.votes)} of {record.quorum} votes within {record.expires_in:g} s"
    expired = ApprovalExpired(approval_id=record.approval_id, reasons=(reason,), plan=record.plan)
    return Emit(expired, approval=record.model_copy(update={"status": ApprovalStatus.EXPIRED}))


def _granted(by: str) -> dict[str, Any]:
    return {"status": ApprovalStatus.APPROVED, "granted_by": by}


def _approved(record: Approval, reasons: tuple[str, ...]) -> Emit:
    approved = ExecutionApproved(
        plan=record.plan,
        plan_digest=record.plan_digest,
        approval_id=record.approval_id,
        granted_by=record.granted_by,
        reasons=reasons,
    )
    return Emit(approved, approval=record)


def _blocked(plan: Plan, reasons: tuple[str, ...], policies: tuple[str, ...] = ()) -> Refuse:
    return Refuse(ExecutionBlocked(outcome=Outcome.BLOCKED, reasons=reasons, policies=policies, plan=plan))


def _refused(cast: ApprovalVoteCast, *reasons: str) -> Emit:
    return Emit(VoteRefused(approval_id=cast.approval_id, voter=cast.vote.voter, reasons=reasons))


def _quorum(decision: Decision) -> int:
    """The policies' ``@quorum("2")``; 1 where none says so. Cedar cannot count, so the handshake does."""
    text = decision.annotations.get("quorum", "")
    return max(1, int(text)) if text.isdecimal() else 1
