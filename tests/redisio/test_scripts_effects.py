"""Intents before effects: one point of no return, and one end for each intent."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from tests.redisio.harness import House, a_plan, an_approval, done, emission, retry
from wingman_runtime.contracts.claims import Claim, IntentAnswer
from wingman_runtime.contracts.control import ControlMode
from wingman_runtime.contracts.ids import derive
from wingman_runtime.contracts.work import ApprovalStatus, Effect, EffectStatus
from wingman_runtime.redisio import inbox
from wingman_runtime.redisio.commit import ApprovalChange
from wingman_runtime.redisio.effects import RedisEffects
from wingman_runtime.redisio.inbox import Entry


def claim(entry: Entry, worker: str = "w1") -> Claim:
    return Claim(entry.partition, entry.agent, worker, entry.entry_id, entry.event_id, entry.request_id)


def effect(entry: Entry, name: str = "1", **rest: Any) -> Effect:
    fields: dict[str, Any] = {
        "effect_id": derive("eff", entry.request_id, name),
        "request_id": entry.request_id,
        "plan_id": "plan_1",
        "step": 0,
        "tool": "note.write",
        "args": {"text": "x"},
        "deadline_ms": 60_000,
    }
    return Effect(**(fields | rest))


class Hands:
    """The effects ledger of a house, with an approved plan in the hands of ``b``."""

    def __init__(self, house: House, entry: Entry, approval_id: str, digest: str) -> None:
        self.house = house
        self.entry = entry
        self.approval_id = approval_id
        self.digest = digest
        self.ledger = RedisEffects(house.store)

    async def intend(
        self, which: Effect, *, entry: Entry | None = None, worker: str = "w1", **rest: Any
    ) -> IntentAnswer:
        fields: dict[str, Any] = {"approval_id": self.approval_id, "plan_digest": self.digest}
        return await self.ledger.intend(claim(entry or self.entry, worker), which, **(fields | rest))

    async def refusal(self, which: Effect, **rest: Any) -> str:
        """Why it was refused; and that nothing was written."""
        before = await self.house.snapshot()
        answer = await self.intend(which, **rest)
        assert answer.kind == "refused"
        assert await self.house.snapshot() == before
        return answer.reason

    async def record(
        self,
        which: Effect,
        status: EffectStatus,
        *,
        entry: Entry | None = None,
        worker: str = "w1",
        **rest: Any,
    ) -> Effect:
        ended = which.model_copy(update={"status": status, **rest})
        return await self.ledger.record(claim(entry or self.entry, worker), ended)

    async def overdue(self, which: Effect) -> None:
        """As if the deadline of an intent had just passed."""
        key, field = self.house.store.keys(0).effects(which.request_id), f"{which.effect_id}:m"
        kept = orjson.loads(await self.house.call("HGET", key, field))
        await self.house.call("HSET", key, field, orjson.dumps(kept | {"dl": 1}))


async def hands(house: House, **approval: Any) -> Hands:
    request_id, entry = await house.started()
    given = an_approval(request_id, **({"status": ApprovalStatus.APPROVED} | approval))
    [verdict] = await house.commit(done(entry, "Next", approval=ApprovalChange(given)))
    assert verdict.kind == "committed"
    return Hands(house, await house.take("b"), given.approval_id, a_plan(request_id).digest())


async def test_an_effect_goes_intent_then_end(house: House) -> None:
    """Absent: recorded and go. Done: known, with its result. Both are in the request's log."""
    h = await hands(house)
    first = effect(h.entry)
    answer = await h.intend(first)
    assert (answer.kind, answer.effect and answer.effect.attempt) == ("go", 1)
    assert (await h.record(first, EffectStatus.DONE, result={"n": 1})).status is EffectStatus.DONE
    answer = await h.intend(first)
    assert answer.kind == "known"
    assert answer.effect is not None
    assert (answer.effect.status, answer.effect.result) == (EffectStatus.DONE, {"n": 1})
    [kept] = await h.ledger.of_request(h.entry.request_id)
    assert 0 < kept.intent_at_ms <= kept.ended_at_ms
    assert (await house.kinds(h.entry.request_id))[-2:] == ["effect_intent", "effect_result"]


@pytest.mark.parametrize("status", [EffectStatus.FAILED, EffectStatus.UNCERTAIN])
async def test_an_end_is_an_end(house: House, status: EffectStatus) -> None:
    """What failed or is uncertain is known by its end and never run again; the first end stays."""
    h = await hands(house)
    first = effect(h.entry)
    await h.intend(first)
    await h.record(first, status, error="broke")
    answer = await h.intend(first, takeover=True)
    assert (answer.kind, answer.effect and answer.effect.status) == ("known", status)
    assert (await h.record(first, EffectStatus.DONE)).status is status


async def test_a_lost_reply_to_an_intent_is_asked_again(house: House) -> None:
    """The same claim asking again goes, as the same attempt; the order of intents does not change."""
    h = await hands(house)
    first, second = effect(h.entry), effect(h.entry, "2", step=1)
    for which in (first, second, first):
        answer = await h.intend(which)
        assert (answer.kind, answer.effect and answer.effect.attempt) == ("go", 1)
    assert [each.step for each in await h.ledger.of_request(h.entry.request_id)] == [0, 1]


async def test_another_claimant_waits_out_the_deadline(house: House) -> None:
    """After a crash the intent is in doubt until the tool's deadline; then it can be taken over."""
    h = await hands(house)
    first = effect(h.entry)
    await h.intend(first)
    [taken] = await inbox.reclaim(house.store, 0, "b", "w2", idle_ms=0, count=1)
    answer = await h.intend(first, entry=taken, worker="w2")
    assert answer.kind == "in_doubt"
    assert 0 < answer.wait_ms <= first.deadline_ms
    assert (await h.intend(first, entry=taken, worker="w2", takeover=True)).kind == "in_doubt"
    await h.overdue(first)
    answer = await h.intend(first, entry=taken, worker="w2")
    assert (answer.kind, answer.wait_ms) == ("in_doubt", 0)
    answer = await h.intend(first, entry=taken, worker="w2", takeover=True)
    assert (answer.kind, answer.effect and answer.effect.attempt) == ("go", 2)
    # The first owner is out, with its intents as with its results.
    assert (await h.intend(effect(h.entry, "2"))).reason == "fenced"
    late = await h.record(first, EffectStatus.DONE, result="late")
    assert late.status is EffectStatus.INTENT
    assert (
        await h.record(first, EffectStatus.DONE, entry=taken, worker="w2", result="mine")
    ).result == "mine"
    [kept] = await h.ledger.of_request(h.entry.request_id)
    assert (kept.result, kept.attempt) == ("mine", 2)


async def test_the_record_of_an_intent_tells_its_attempt(house: House) -> None:
    """A takeover's is one more than the intent it takes over; the same claim's own count is believed."""
    h = await hands(house)
    first = effect(h.entry)
    await h.intend(first)
    await h.intend(first.model_copy(update={"attempt": 2}))
    await h.overdue(first)
    [taken] = await inbox.reclaim(house.store, 0, "b", "w2", idle_ms=0, count=1)
    await h.intend(first, entry=taken, worker="w2", takeover=True)
    intents = [each for each in await house.records(h.entry.request_id) if each.kind == "effect_intent"]
    told = [orjson.loads(each.body)["effect"] for each in intents]
    assert [each["attempt"] for each in told] == [1, 2, 3]
    assert [(each["effect_id"], each["args"]) for each in told] == [(first.effect_id, first.args)] * 3


async def test_an_intent_of_an_ended_request_is_given_up_at_its_deadline(house: House) -> None:
    """Not before, for its call may be under way; nothing new begins there, and it may be run no more."""
    h = await hands(house)
    first = effect(h.entry)
    await h.intend(first)
    await house.call("HSET", house.store.keys(0).request(h.entry.request_id), "status", "ended")
    [taken] = await inbox.reclaim(house.store, 0, "b", "w2", idle_ms=0, count=1)
    assert (await h.intend(first, entry=taken, worker="w2", takeover=True)).kind == "in_doubt"
    assert await h.refusal(effect(h.entry, "2"), entry=taken, worker="w2") == "cut"
    await h.overdue(first)
    assert await h.refusal(first, entry=taken, worker="w2", takeover=True) == "cut"
    ended = await h.record(first, EffectStatus.UNCERTAIN, entry=taken, worker="w2")
    assert ended.status is EffectStatus.UNCERTAIN


async def test_giving_up_on_a_doubt_is_for_after_the_deadline(house: House) -> None:
    """Another claimant may record uncertain once the deadline has passed, not before."""
    h = await hands(house)
    first = effect(h.entry)
    await h.intend(first)
    [taken] = await inbox.reclaim(house.store, 0, "b", "w2", idle_ms=0, count=1)
    assert (
        await h.record(first, EffectStatus.UNCERTAIN, entry=taken, worker="w2")
    ).status is EffectStatus.INTENT
    await h.overdue(first)
    assert (await h.record(first, EffectStatus.DONE, entry=taken, worker="w2")).status is EffectStatus.INTENT
    ended = await h.record(first, EffectStatus.UNCERTAIN, entry=taken, worker="w2")
    assert ended.status is EffectStatus.UNCERTAIN


async def test_a_late_result_is_kept_beside_and_offered(house: House) -> None:
    """News of an effect that was given up is logged and can be read; what is recorded stays."""
    h = await hands(house)
    first = effect(h.entry)
    await h.intend(first)
    await h.record(first, EffectStatus.UNCERTAIN)
    late = await h.record(first, EffectStatus.DONE, result="it did happen")
    assert late.status is EffectStatus.UNCERTAIN
    assert [kept.status for kept in await h.ledger.of_request(h.entry.request_id)] == [EffectStatus.UNCERTAIN]
    [news] = await h.ledger.late(h.entry.request_id)
    assert (news.effect_id, news.result) == (first.effect_id, "it did happen")
    assert (await house.kinds(h.entry.request_id)).count("effect_result") == 2
    # The same report again is no news.
    await h.record(first, EffectStatus.UNCERTAIN)
    assert (await house.kinds(h.entry.request_id)).count("effect_result") == 2


async def test_only_the_owner_of_the_step_may_intend(house: House) -> None:
    """A zombie and a stranger are fenced; a copy of the entry put there from outside is unlogged."""
    h = await hands(house)
    first = effect(h.entry)
    assert await h.refusal(first, worker="w2") == "fenced"
    await house.call(
        "XADD", house.store.keys(0).inbox("b"), "*", "id", h.entry.event_id, "r", h.entry.request_id,
        "ty", "Next", "f", "story", "b", "{}",
    )  # fmt: skip
    copy = await house.take("b")
    assert await h.refusal(first, entry=copy) == "unlogged"
    await house.call("XDEL", house.store.keys(0).inbox("b"), copy.entry_id)
    await inbox.reclaim(house.store, 0, "b", "w2", idle_ms=0, count=10)
    assert await h.refusal(first) == "fenced"


async def test_a_step_that_is_done_intends_nothing_more(house: House) -> None:
    """Once the step is committed, or waits to be tried again, its old claim begins no effect."""
    h = await hands(house)
    await house.commit(retry(h.entry, 0))
    assert await h.refusal(effect(h.entry)) == "fenced"
    await house.fire()
    again = await house.take("b")
    assert (await h.intend(effect(h.entry), entry=again)).kind == "go"
    await house.commit(done(again, "Finished"))
    assert await h.refusal(effect(h.entry, "2"), entry=again) == "fenced"


@pytest.mark.parametrize("target", ["all", "agent:b", "event:Next", "flow:story", "tenant:demo", "request:"])
async def test_after_a_halt_no_effect_begins(house: House, target: str) -> None:
    """For each scope: once the rule is acknowledged an intent is refused as held; what had begun may end."""
    h = await hands(house)
    begun = effect(h.entry)
    await h.intend(begun)
    target = target if target != "request:" else f"request:{h.entry.request_id}"
    await house.hold(target, ControlMode.HALT)
    assert await h.refusal(effect(h.entry, "2")) == "held"
    assert (await h.record(begun, EffectStatus.DONE)).status is EffectStatus.DONE
    await house.resume(target)
    assert (await h.intend(effect(h.entry, "2"))).kind == "go"


@pytest.mark.parametrize("wrong", ["absent", "open", "denied", "expired", "other_plan", "other_request"])
async def test_an_effect_needs_a_valid_approval(house: House, wrong: str) -> None:
    """Absent, undecided, denied, expired on the server's clock, of another plan or request: refused."""
    if wrong == "open":
        h = await hands(house, status=ApprovalStatus.OPEN)
    elif wrong == "denied":
        h = await hands(house, status=ApprovalStatus.DENIED)
    elif wrong == "expired":
        h = await hands(house, expires_in=0.02)
        await asyncio.sleep(0.03)
    else:
        h = await hands(house)
    if wrong == "absent":
        assert await h.refusal(effect(h.entry), approval_id="") == "approval"
        assert await h.refusal(effect(h.entry), approval_id="apr_none") == "approval"
        assert await h.refusal(effect(h.entry), plan_digest="") == "approval"
    elif wrong == "other_plan":
        assert await h.refusal(effect(h.entry), plan_digest="sha256:other") == "approval"
    elif wrong == "other_request":
        other = await hands(house)
        assert (
            await h.refusal(effect(h.entry), approval_id=other.approval_id, plan_digest=other.digest)
            == "approval"
        )
    else:
        assert await h.refusal(effect(h.entry)) == "approval"


async def test_an_approval_is_for_one_event(house: House) -> None:
    """Every step of one performance may use it; another event of the same request may not."""
    request_id, entry = await house.started()
    given = an_approval(request_id, status=ApprovalStatus.APPROVED)
    await house.commit(done(entry, "Forked", approval=ApprovalChange(given)))
    b, e = await house.take("b"), await house.take("e")
    h = Hands(house, b, given.approval_id, given.plan_digest)
    assert (await h.intend(effect(b))).kind == "go"
    assert (await h.intend(effect(b, "2"))).kind == "go"
    await house.commit(done(b, "Next"))
    again = await house.fetch("c")
    assert len(again) == 2
    assert await h.refusal(effect(b, "3"), entry=again[-1]) == "approval"
    # Fan-out hands the same event to several agents: they share the one use.
    assert (await h.intend(effect(b, "4"), entry=e)).kind == "go"


async def test_no_effect_begins_in_a_request_that_settles_or_has_ended(house: House) -> None:
    """After a cancellation, and after the end, an intent is cut; a result of what had begun is still
    recorded.
    """
    h = await hands(house)
    begun = effect(h.entry)
    await h.intend(begun)
    await house.cancel(h.entry.request_id)
    assert await h.refusal(effect(h.entry, "2")) == "cut"
    await h.record(begun, EffectStatus.DONE)
    await house.commit(done(h.entry))
    settling = await house.take("rollback")
    assert await h.refusal(effect(h.entry, "3"), entry=settling) == "cut"
    await house.commit(done(settling, emission(settling, "Compensated", outcome="cancelled")))
    closing = await house.take("audit")
    assert await h.refusal(effect(h.entry, "4"), entry=closing) == "cut"


async def test_a_compensation_marks_what_it_undid(house: House) -> None:
    """Compensating needs the settling phase and a done effect; when it is done, the other is compensated."""
    h = await hands(house)
    first, failed = effect(h.entry), effect(h.entry, "2")
    for which, status in ((first, EffectStatus.DONE), (failed, EffectStatus.FAILED)):
        await h.intend(which)
        await h.record(which, status)
    undo = effect(h.entry, "undo", kind="compensate", undoes=first.effect_id)
    assert await h.refusal(undo) == "cut"
    await house.commit(done(h.entry, "RequestFailed"))
    settling = await house.take("rollback")
    assert (
        await h.refusal(effect(h.entry, "x", kind="compensate", undoes="eff_unknown"), entry=settling)
        == "missing"
    )
    bad = effect(h.entry, "y", kind="compensate", undoes=failed.effect_id)
    assert await h.refusal(bad, entry=settling) == "missing"
    await house.hold("all", ControlMode.HALT)
    assert await h.refusal(undo, entry=settling) == "held"
    await house.hold("all", ControlMode.HALT_COMPENSATE)
    assert (await h.intend(undo, entry=settling)).kind == "go"
    await h.record(undo, EffectStatus.DONE, entry=settling)
    statuses = {each.effect_id: each.status for each in await h.ledger.of_request(h.entry.request_id)}
    assert statuses[first.effect_id] is EffectStatus.COMPENSATED
    assert statuses[undo.effect_id] is EffectStatus.DONE
    again = effect(h.entry, "undo again", kind="compensate", undoes=first.effect_id)
    assert await h.refusal(again, entry=settling) == "missing"
    assert (await h.intend(undo, entry=settling)).kind == "known"


async def test_a_result_without_intent_records_nothing(house: House) -> None:
    """There is no end without a beginning."""
    h = await hands(house)
    before = await house.snapshot()
    await h.record(effect(h.entry), EffectStatus.DONE)
    assert await house.snapshot() == before
