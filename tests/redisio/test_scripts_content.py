"""What travels is opaque: the scripts change no byte of it, wherever it passes through."""

from __future__ import annotations

import orjson
import pytest

from tests.redisio.harness import House, done, emission, park, retry
from wingman_runtime.contracts.events import UserRequestReceived
from wingman_runtime.contracts.ids import derive
from wingman_runtime.contracts.work import WorkRequest
from wingman_runtime.redisio import admission, inbox

BODIES = {
    "quotes": orjson.dumps({"q": "\"'\\/`$(){}[]", "lines": "\r\n\t\x0b\x7f"}),
    "nul": b'{"nul":"a\\u0000b","lone":"\\ud800"}',
    "utf8": orjson.dumps({"s": "é漢😀\u2028\ufeff"}),
    "large": orjson.dumps({"s": "x" * (256 * 1024 - 8)}),
    "numbers": b'{"a":9007199254740993,"b":-9223372036854775808,"c":0.1,"d":1e400,"e":1.0,"f":-0}',
    "not json": b"\x00\xff\xfe{'\r\n*3\r\n$3\r\nSET",
    "nested": b"[" * 2000 + b"]" * 2000,
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_arrives_as_it_was_sent(house: House, name: str) -> None:
    """Through delivery, timer, parking, release, reclaim, dead letter and log: the same bytes."""
    body = BODIES[name]
    request_id, entry = await house.started()
    sent = emission(entry, "Next", body=body)
    await house.commit(done(entry, sent))
    entry = await house.take("b")
    assert entry.body == body
    await house.commit(retry(entry, 0))
    await house.fire()
    entry = await house.take("b")
    assert entry.body == body
    await house.hold("agent:b")
    await house.commit(park(entry))
    await house.resume("agent:b")
    entry = await house.take("b")
    await inbox.release(house.store, 0, "b", "w1", [entry.entry_id])
    await house.take("b", "w2")
    [entry] = await inbox.reclaim(house.store, 0, "b", "w1", idle_ms=0, count=1)
    assert entry.body == body
    logged = [record.body for record in await house.records(request_id) if record.kind == "event"]
    assert logged[-1] == sent.prefix + body + b"}"
    await house.commit(done(entry, emission(entry, "Finished", body=body)))
    closing = await house.take("audit")
    assert closing.body == body
    await house.commit(done(closing, emission(closing, "Stamped", body=body)))
    assert (await house.ended(request_id, "completed")).final == body


async def test_bodies_are_joined_as_they_were(house: House) -> None:
    """The joined event holds its inputs byte for byte, large numbers included."""
    _, entry = await house.started()
    await house.commit(done(entry, "Forked"))
    bodies = {"b": BODIES["numbers"], "c": BODIES["nul"], "e": BODIES["utf8"]}
    for agent, body in bodies.items():
        part = await house.take(agent)
        await house.commit(done(part, emission(part, "Part", body=body)))
    joined = await house.take("d")
    assert joined.body.endswith(b'"inputs":[' + b",".join(bodies.values()) + b"]}")


async def test_odd_names_pass(house: House) -> None:
    """Tenants, actors, reasons and receipts with quotes, NULs and emoji come back as they were."""
    odd = "a\"'\\\n\x00é😀:{p1}>*"
    identity = admission.new_request_id(0)
    data = UserRequestReceived(request=WorkRequest(intent=odd, params={odd: odd}))
    event = house.request().model_copy(
        update={"subject": identity, "id": derive("evt", identity), "tenant": odd, "actor": odd, "data": data}
    )
    await admission.admit(house.store, event, rules=house.rules, idempotency=(odd.replace("\x00", ""), "d"))
    found = await house.state(identity)
    assert (found.tenant, found.actor, found.intent) == (odd, odd, odd)
    entry = await house.take("dispatcher")
    assert entry.tenant == odd
    assert orjson.loads(entry.body)["data"]["request"]["params"] == {odd: odd}
    await house.hold(f"tenant:{odd}")
    assert (await house.commit(done(entry)))[0].kind == "stale_control"
    await house.resume(f"tenant:{odd}")
    await house.commit(done(entry, receipt=odd))
    assert (await house.commit(done(entry)))[0] == ("already_committed", odd)
