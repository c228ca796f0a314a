"""Where events go: fan-out and joins, settling and cutting, and the one terminal outcome."""

from __future__ import annotations

import orjson
import pytest

from tests.redisio.harness import House, bury, done, emission, open_house, retry
from wingman_runtime.redisio.inbox import Entry


async def forked(house: House) -> tuple[str, dict[str, Entry]]:
    """A request forked to b, c and e, each in hand."""
    request_id, entry = await house.started()
    await house.commit(done(entry, "Forked"))
    return request_id, {agent: await house.take(agent) for agent in ("b", "c", "e")}


@pytest.mark.parametrize(("need", "fires_at"), [(3, 3), (2, 2), (1, 1)], ids=["all", "quorum", "any"])
async def test_a_join_fires_with_the_last_input_it_needs(backend_url: str, need: int, fires_at: int) -> None:
    """All, a quorum or any: the joined event goes out once, inputs in the join's order; a late one is no
    more.
    """
    async with open_house(backend_url, need=need) as house:
        request_id, hands = await forked(house)
        for count, agent in enumerate(("e", "c", "b"), start=1):
            assert (await house.commit(done(hands[agent], "Part")))[0].kind == "committed"
            assert await house.call("XLEN", house.store.keys(0).inbox("d")) == (1 if count >= fires_at else 0)
        joined = await house.take("d")
        assert joined.event_type == "BranchesJoined"
        order = [agent for agent in ("b", "c", "e") if agent in ("e", "c", "b")[:need]]
        assert [part["by"] for part in orjson.loads(joined.body)["inputs"]] == order
        # Late contributions are on record all the same.
        assert (await house.kinds(request_id)).count("event") == 6
        assert (await house.state(request_id)).open_branches == 1
        await house.commit(done(joined, "Finished"))
        await house.close(request_id, "completed")


async def test_a_branch_contributes_once(house: House) -> None:
    """A branch that contributes twice does not stand in for another one."""
    _, hands = await forked(house)
    await house.commit(done(hands["b"], "Part", emission(hands["b"], "Part", 1)))
    await house.commit(done(hands["c"], "Part"))
    assert await house.fetch("d") == []
    await house.commit(done(hands["e"], "Part"))
    await house.take("d")


async def test_a_request_is_pinned_to_the_flow_it_was_admitted_under(house: House) -> None:
    """Another version of the flow, activated meanwhile, is for new requests; those under way keep theirs."""
    old, hands = await forked(house)
    await house.activate(need=1)
    await house.commit(done(hands["b"], "Part"))
    assert await house.fetch("d") == []
    new, fresh = await forked(house)
    await house.commit(done(fresh["b"], "Part"))
    assert (await house.take("d")).request_id == new
    await house.commit(done(hands["c"], "Part"))
    await house.commit(done(hands["e"], "Part"))
    assert (await house.take("d")).request_id == old


async def test_a_starved_join_fails_the_request(house: House) -> None:
    """When the last branch ends and the join never came together, the request settles instead of hanging."""
    request_id, hands = await forked(house)
    await house.commit(done(hands["b"], "Part"))
    await house.commit(done(hands["c"]))
    await house.commit(done(hands["e"]))
    settling = await house.take("rollback")
    assert settling.event_type == "RequestFailed"
    await house.commit(done(settling, emission(settling, "Compensated", outcome="failed")))
    await house.close(request_id, "failed")


async def test_without_anyone_to_settle_a_starved_request_is_closed_as_failed(backend_url: str) -> None:
    """A flow without a failure agent decides at once; a flow without a closing agent ends at once."""
    async with open_house(backend_url, failure=False) as house:
        request_id, entry = await house.started()
        await house.commit(done(entry))
        await house.close(request_id, "failed")
    async with open_house(backend_url, failure=False, final=False) as house:
        request_id, entry = await house.started()
        await house.commit(done(entry))
        assert (await house.ended(request_id, "failed")).final != b""


async def test_a_step_that_starves_unprepared_ends_the_request_anyway(house: House) -> None:
    """No open branch and no terminal means failed, even if the worker brought no event to say so."""
    request_id, entry = await house.started()
    await house.commit(done(entry, starve=None))
    await house.ended(request_id, "failed")
    assert (await house.anomalies())[0]["anomaly"] == "starved"


async def test_a_failure_cuts_the_other_branches(house: House) -> None:
    """After one branch breaks, the others' next events are recorded as cut and go nowhere; rollback waits
    for all.
    """
    request_id, hands = await forked(house)
    await house.commit(done(hands["b"], "Broke"))
    assert await house.fetch("rollback") == []
    await house.commit(done(hands["c"], "Next"))
    await house.commit(done(hands["e"], "Broke"))
    assert await house.fetch("b") == []
    assert (await house.kinds(request_id)).count("cut") == 2
    settling = await house.take("rollback")
    assert settling.event_id == emission(hands["b"], "Broke").event_id
    assert settling.phase == 1
    await house.commit(done(settling, emission(settling, "Compensated", outcome="failed")))
    await house.close(request_id, "failed")


async def test_settling_may_take_several_steps(house: House) -> None:
    """Rollback's plan goes through another agent, within the settling phase, to its outcome."""
    request_id, entry = await house.started()
    await house.commit(done(entry, "Broke"))
    await house.step("rollback", "Planned")
    performing = await house.take("e")
    assert performing.phase == 1
    await house.commit(done(performing, emission(performing, "Compensated", outcome="failed")))
    await house.close(request_id, "failed")


@pytest.mark.parametrize("second", ["RequestFailed", "DeadLettered", "nothing"])
async def test_a_second_failure_is_rollback_incomplete(house: House, second: str) -> None:
    """What fails while settling cannot be rolled back again: dead-lettered, failed or starved."""
    request_id, entry = await house.started()
    await house.commit(done(entry, "Broke"))
    settling = await house.take("rollback")
    result = {
        "RequestFailed": done(settling, "RequestFailed"),
        "DeadLettered": bury(settling),
        "nothing": done(settling),
    }
    assert (await house.commit(result[second]))[0].kind == "committed"
    assert (await house.take("audit")).phase == 2
    await house.call("XGROUP", "SETID", house.store.keys(0).inbox("audit"), "workers", "0")
    await house.close(request_id, "rollback_incomplete")


async def test_a_closing_agent_that_fails_leaves_the_outcome_unstamped(house: House) -> None:
    """The outcome stands though audit fails; the state says that it has no stamp, and what decided it."""
    request_id, entry = await house.started()
    await house.commit(done(entry, "Finished"))
    closing = await house.take("audit")
    assert (await house.commit(bury(closing)))[0].kind == "committed"
    found = await house.ended(request_id, "completed")
    assert found.final == b""
    assert found.closing == emission(entry, "Finished").body


async def test_the_first_outcome_wins(house: House) -> None:
    """Of two branches that decide, the first does; the second is cut, and the closing agent is asked once."""
    request_id, hands = await forked(house)
    await house.commit(done(hands["b"], "Refused"))
    await house.commit(done(hands["c"], "Finished"))
    await house.commit(done(hands["e"], "Broke"))
    found = await house.close(request_id, "denied")
    assert found.closing == emission(hands["b"], "Refused").body
    assert (await house.kinds(request_id)).count("cut") == 2


async def test_the_first_of_one_answers_outcomes_wins(house: House) -> None:
    """Within one answer too; and two stamps in one answer end the request once."""
    request_id, entry = await house.started()
    await house.commit(done(entry, "Refused", "Finished"))
    closing = await house.take("audit")
    stamps = emission(closing, "Stamped"), emission(closing, "Stamped", 1)
    await house.commit(done(closing, *stamps))
    found = await house.ended(request_id, "denied")
    assert found.final == stamps[0].body
    assert await house.call("XLEN", house.store.keys(0).outcomes) == 1


async def test_a_terminal_outcome_is_immutable(house: House) -> None:
    """After the end: letters are refused, a straggler is recorded as cut, a late stamp changes nothing."""
    request_id, hands = await forked(house)
    # The stamp of an ill-made flow, while branches are open: it is the end all the same.
    await house.commit(done(hands["b"], "Stamped"))
    before = await house.state(request_id)
    assert (before.status, before.outcome) == ("ended", "failed")
    verdicts = await house.commit(done(hands["c"], "Next"))
    verdicts += await house.commit(done(hands["e"], "Finished"))
    assert [verdict.kind for verdict in verdicts] == ["committed", "committed"]
    assert await house.fetch("b") == []
    assert await house.fetch("audit") == []
    assert (await house.kinds(request_id))[-2:] == ["cut", "cut"]
    assert await house.cancel(request_id) == "ended"
    after = await house.ended(request_id, "failed")
    assert (after.final, after.ended_ms) == (before.final, before.ended_ms)


async def test_an_outcome_can_come_from_the_event(house: House) -> None:
    """A route may take the outcome from a field of the event, which the commit carries along."""
    request_id, entry = await house.started()
    await house.commit(done(entry, emission(entry, "Judged", outcome="blocked")))
    await house.close(request_id, "blocked")


async def test_a_retry_of_a_cut_branch_ends_as_cut(house: House) -> None:
    """A branch that is waiting to be tried again when the request breaks still comes back, and is cut."""
    request_id, hands = await forked(house)
    await house.commit(retry(hands["c"], 0))
    await house.commit(done(hands["b"], "Broke"))
    await house.commit(done(hands["e"], "Part"))
    assert await house.fetch("rollback") == []
    await house.fire()
    again = await house.take("c")
    await house.commit(done(again, "Part"))
    await house.step("rollback", emission(again, "Compensated", outcome="failed"))
    await house.close(request_id, "failed")


async def test_a_dead_letter_keeps_the_event_and_fails_the_request(house: House) -> None:
    """Burying moves the entry to the agent's dead letters with why and its count, and settles the request."""
    request_id, entry = await house.started()
    assert (await house.commit(bury(entry)))[0].kind == "committed"
    [(_, letter)] = await house.call("XRANGE", house.store.keys(0).dead("a"), "-", "+")
    assert (letter[b"id"], letter[b"b"], letter[b"why"], letter[b"n"]) == (
        entry.event_id.encode(),
        entry.body,
        b'{"error":"poison"}',
        b"1",
    )
    assert (await house.commit(bury(entry)))[0] == ("already_committed", "buried")
    settling = await house.take("rollback")
    assert settling.event_type == "DeadLettered"
    await house.commit(done(settling, emission(settling, "Compensated", outcome="failed")))
    await house.close(request_id, "failed")


async def test_the_log_is_gapless_and_each_record_is_in_its_request(house: House) -> None:
    """Numbers run from 1 without a gap; a request's own list holds exactly its records, byte for byte."""
    first, hands = await forked(house)
    second, entry = await house.started()
    await house.commit(done(entry, "Refused"))
    await house.commit(*[done(hands["b"], "Part")])
    await house.close(second, "denied")
    log = await house.log()
    assert [n for n, *_ in log] == list(range(1, len(log) + 1))
    for request_id in (first, second):
        mine = [(n, kind, body) for n, kind, req, body in log if req == request_id]
        assert [(record.n, record.kind, record.body) for record in await house.records(request_id)] == mine
        for _, _, body in mine:
            orjson.loads(body)
    assert await house.call("GET", house.store.keys(0).logseq) == str(len(log)).encode()
