"""Pause and halt: what a rule covers is kept, not counted, and goes on when the rule is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.redisio.harness import House, done, emission, park
from wingman_runtime.contracts.control import ControlMode
from wingman_runtime.errors import AdmissionClosedError, ConflictError
from wingman_runtime.redisio import commit, control, inbox

SCOPES = ("all", "agent:a", "event:UserRequestReceived", "flow:story", "tenant:demo", "request:")


@pytest.mark.parametrize("target", SCOPES)
async def test_a_rule_holds_the_commit_of_what_it_covers(house: House, target: str) -> None:
    """For each scope: the commit is refused with the rule, writes nothing, and passes after the resume."""
    request_id, entry = await house.started()
    target = target if target != "request:" else f"request:{request_id}"
    await house.hold(target)
    before = await house.snapshot()
    [verdict] = await house.commit(done(entry, "Next"))
    assert verdict.kind == "stale_control"
    assert '"reason":"a test"' in verdict.detail
    assert await house.snapshot() == before
    await house.resume(target)
    assert (await house.commit(done(entry, "Next")))[0].kind == "committed"


@pytest.mark.parametrize(
    "target",
    [
        "agent:b",
        "event:Next",
        "flow:other",
        "tenant:other",
        "request:req_p0_00000000000000000000000000000000",
    ],
)
async def test_a_rule_holds_nothing_else(house: House, target: str) -> None:
    """A rule about something else does not touch the step."""
    _, entry = await house.started()
    await house.hold(target)
    assert (await house.commit(done(entry, "Next")))[0].kind == "committed"


async def test_ten_pauses_count_no_delivery(house: House) -> None:
    """Parked and resumed ten times, the entry is still at its first delivery: a pause is no poison."""
    request_id, _ = await house.started()
    await house.hold("agent:a")
    entry = (await inbox.mine(house.store, 0, "a", "w1", count=1))[0]
    for _round in range(10):
        assert (await house.commit(park(entry)))[0].kind == "committed"
        assert await house.fetch("a") == []
        assert await house.resume("agent:a") == 1
        entry = await house.take("a")
        assert entry.deliveries == 1
        await house.hold("agent:a")
    await house.resume("agent:a")
    await house.commit(done(entry, "Finished"))
    await house.close(request_id, "completed")


async def test_parking_after_the_resume_keeps_nothing_behind(house: House) -> None:
    """A worker that parks on yesterday's rule, after the resume, does not leave its entry where nobody
    looks.
    """
    _, entry = await house.started()
    await house.hold("agent:a")
    assert await house.resume("agent:a") == 0
    assert (await house.commit(park(entry)))[0].kind == "committed"
    assert (await house.take("a")).deliveries == 1
    assert await house.call("XLEN", house.store.keys(0).parked("a")) == 0


async def test_resuming_one_rule_leaves_what_another_holds(house: House) -> None:
    """Entries that a second rule still covers stay parked, in order, until that one goes too."""
    mine, entry = await house.started()
    await house.hold("agent:a")
    await house.hold(f"request:{mine}")
    await house.commit(park(entry))
    await house.admit()
    await house.forward()
    other = await house.take("a")
    await house.commit(park(other))
    assert await house.resume("agent:a") == 1
    assert (await house.take("a")).request_id == other.request_id
    assert await house.resume(f"request:{mine}") == 1
    assert (await house.take("a")).request_id == mine


async def test_more_is_parked_than_one_call_moves(house: House) -> None:
    """A resume moves everything, page by page; entries put there from outside do not stop it."""
    keys = house.store.keys(0)
    await house.hold("all")
    for number in range(450):
        await house.store.commands.xadd(keys.parked("b"), {"id": f"evt_{number}", "n": 2})
    await house.call("XADD", keys.parked("b"), "*", "junk", "x")
    assert await house.resume("all") == 451
    entries = await house.fetch("b", count=1000)
    assert len(entries) == 451
    assert {entry.deliveries for entry in entries} == {3, 1}


async def test_every_change_advances_the_epoch_and_is_logged(house: House) -> None:
    """Set, clear and policy advance the epoch, are logged with who and why, and are read back as one
    record.
    """
    assert await house.hold("agent:a") == [1]
    assert await house.hold("all", ControlMode.HALT) == [2]
    record = await control.read(house.store, 0)
    assert record.epoch == 2
    assert {(str(rule.target), rule.mode, rule.by, rule.epoch) for rule in record.rules} == {
        ("agent:a", ControlMode.PAUSE, "ops", 1),
        ("all", ControlMode.HALT, "ops", 2),
    }
    await house.resume("all")
    await house.resume("all")  # twice is the same as once
    await control.activate_policy(house.store, "sha256:p", by="ops", reason="new")
    await control.activate_policy(house.store, "sha256:p", by="ops", reason="again")
    record = await control.read(house.store, 0)
    assert (record.epoch, record.policy, len(record.rules)) == (4, "sha256:p", 1)
    kinds = [kind for _, kind, _, _ in await house.log()]
    assert (kinds.count("control"), kinds.count("admin")) == (
        3,
        2,
    )  # admin: the flow's activation, the policy


async def test_a_pause_does_not_take_the_place_of_a_halt(house: House) -> None:
    """It would open the door again: refused, naming who halted; a halt over a pause is no such thing."""
    await house.hold("all", ControlMode.HALT_COMPENSATE)
    with pytest.raises(ConflictError, match="halted by ops"):
        await house.hold("all")
    record = await control.read(house.store, 0)
    assert (record.epoch, [rule.mode for rule in record.rules]) == (1, [ControlMode.HALT_COMPENSATE])
    await house.resume("all")
    await house.hold("all")
    await house.hold("all", ControlMode.HALT)
    assert [rule.mode for rule in (await control.read(house.store, 0)).rules] == [ControlMode.HALT]


async def test_each_commit_tells_the_epoch(house: House) -> None:
    """A worker learns of a change by its next commit, whatever the verdict."""
    _, entry = await house.started()
    epoch, _, _ = await commit.commit(house.store, 0, "a", "w1", [])
    assert epoch == 0
    await house.hold("all")
    epoch, _, _ = await commit.commit(house.store, 0, "a", "w1", [done(entry, "Next")])
    assert epoch == 1


async def test_a_halt_that_lets_compensations_run(house: House) -> None:
    """Under halt_compensate a step of the settling phase commits, one of the first phase does not."""
    request_id, entry = await house.started()
    await house.commit(done(entry, "Broke"))
    settling = await house.take("rollback")
    _, fresh = await house.started()
    await house.hold("flow:story", ControlMode.HALT_COMPENSATE)
    assert (await house.commit(done(fresh, "Next")))[0].kind == "stale_control"
    assert (await house.commit(done(settling, emission(settling, "Compensated", outcome="failed"))))[
        0
    ].kind == "committed"
    await house.hold("flow:story", ControlMode.HALT)
    closing = await house.take("audit")
    assert (await house.commit(done(closing, "Stamped")))[0].kind == "stale_control"
    assert (await house.state(request_id)).status == "open"


async def test_a_forged_phase_does_not_pass_a_halt(house: House) -> None:
    """An entry that claims to be a compensation in a request that does not settle is held like any other."""
    _, entry = await house.started()
    await house.hold("all", ControlMode.HALT_COMPENSATE)
    assert (await house.commit(done(replace(entry, phase=1), "Next")))[0].kind == "stale_control"


@pytest.mark.parametrize("mode", [ControlMode.HALT, ControlMode.HALT_COMPENSATE])
async def test_a_halt_closes_admission_and_a_pause_does_not(house: House, mode: ControlMode) -> None:
    """While halted nothing is admitted, even behind a pause that covers the request too; paused requests
    queue.
    """
    await house.hold("all")
    request_id = await house.admit()
    await house.hold("tenant:demo", mode)
    with pytest.raises(AdmissionClosedError, match="halted"):
        await house.admit()
    assert await house.admit(tenant="other") != request_id
    await house.resume("tenant:demo")
    await house.admit()
