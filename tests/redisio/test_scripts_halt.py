"""What a halt says had begun: the index of effects in flight, kept by intent and end."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.redisio.harness import House
from tests.redisio.test_scripts_effects import effect, hands
from wingman_runtime.contracts.control import ControlMode, ControlRule, ControlTarget, Held
from wingman_runtime.contracts.work import EffectStatus
from wingman_runtime.redisio import control

TARGETS = ("all", "agent:b", "event:Next", "flow:story", "tenant:demo", "request:")
OTHERS = ("agent:a", "event:Other", "flow:other", "tenant:other", "request:req_p0_" + "0" * 32)


async def halt(house: House, target: str) -> Held:
    rule = ControlRule(target=ControlTarget.parse(target), mode=ControlMode.HALT, reason="a test", by="ops")
    return await control.hold(house.store, rule)


async def flying(house: House, target: str = "all") -> list[str]:
    found, _ = await control.in_flight(house.store, ControlTarget.parse(target))
    return [one.effect_id for one in found]


async def record_of(house: House, held: Held) -> dict[str, Any]:
    """The log's record at the place the acknowledgement names."""
    [body] = [body for n, _, _, body in await house.log() if n == held.positions[0]]
    record: dict[str, Any] = orjson.loads(body)
    return record


@pytest.mark.parametrize("target", TARGETS)
async def test_a_halt_lists_what_had_begun(house: House, target: str) -> None:
    """With an intent and no end, of what the target covers: in the answer, and in the record that it names;
    the rule stands in the same step, so nothing can begin between list and rule.
    """
    h = await hands(house)
    ended, begun = effect(h.entry, "1"), effect(h.entry, "2")
    await h.intend(ended)
    await h.record(ended, EffectStatus.DONE)
    await h.intend(begun)
    target = target if target != "request:" else f"request:{h.entry.request_id}"
    held = await halt(house, target)
    [one] = held.in_flight
    assert (one.effect_id, one.request_id, one.tool) == (begun.effect_id, h.entry.request_id, "note.write")
    assert (one.agent, one.worker, one.kind, one.attempt) == ("b", "w1", "apply", 1)
    assert one.since_ms <= held.at_ms < one.deadline_ms
    record = await record_of(house, held)
    assert (record["action"], record["by"], record["in_flight_count"]) == ("halt", "ops", 1)
    assert record["in_flight"] == [one.model_dump()]
    assert await h.refusal(effect(h.entry, "3")) == "held"
    await h.record(begun, EffectStatus.UNCERTAIN)
    assert await house.call("ZCARD", house.store.keys(0).inflight) == 0


@pytest.mark.parametrize("target", OTHERS)
async def test_a_halt_of_something_else_lists_nothing(house: House, target: str) -> None:
    """The effect is not covered; the record says that none was."""
    h = await hands(house)
    begun = effect(h.entry)
    await h.intend(begun)
    held = await halt(house, target)
    assert held.in_flight == ()
    assert (await record_of(house, held))["in_flight"] == []
    assert await flying(house) == [begun.effect_id]


async def test_an_effect_that_was_taken_over_is_in_flight_once(house: House) -> None:
    """The second attempt's deadline counts; its end takes it out."""
    h = await hands(house)
    begun = effect(h.entry)
    await h.intend(begun)
    await h.overdue(begun)
    assert (await h.intend(begun)).kind == "go"
    assert await flying(house) == [begun.effect_id]
    await h.record(begun, EffectStatus.DONE)
    assert await flying(house) == []


async def test_an_effect_whose_request_is_gone_is_not_in_flight(house: House) -> None:
    """The index follows the ledger: what is no longer in it is taken out when somebody looks."""
    h = await hands(house)
    await h.intend(effect(h.entry))
    ended = effect(h.entry, "2")
    await h.intend(ended)
    await h.record(ended, EffectStatus.DONE)
    keys = house.store.keys(0)
    await house.call("ZADD", keys.inflight, 1, f"{ended.effect_id} {h.entry.request_id}")
    await house.call("ZADD", keys.inflight, 1, "eff_gone req_p0_" + "0" * 32, 2, "nonsense")
    assert len(await flying(house)) == 1
    assert await house.call("ZCARD", keys.inflight) == 1
    await house.call("ZADD", keys.inflight, 1, "eff_gone req_p0_" + "0" * 32)
    await house.fire()
    assert await house.call("ZCARD", keys.inflight) == 1
