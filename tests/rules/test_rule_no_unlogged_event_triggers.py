"""Rule: no unlogged event triggers. What no commit delivered triggers nothing; its refusal is on record."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.arena import Arena, Fields, Grounds, open_arena
from wingman_runtime.contracts.ids import derive
from wingman_runtime.ledger.verify import verify


async def _original(arena: Arena, agent: str) -> Fields:
    """A real entry, as it was delivered: caught in the inbox of a paused agent, which then does its work."""
    await arena.client.pause(f"agent:{agent}", reason="caught")
    request = await arena.submit()
    _, fields = await arena.waiting(agent, request)
    await arena.client.resume(f"agent:{agent}", reason="seen")
    assert (await arena.ended(request)).outcome == "completed"
    return fields


@pytest.mark.parametrize("agent", ["permission", "executor"])
async def test_a_copy_of_an_entry_under_another_id_triggers_nothing(
    valkey_url: str, tmp_path: Path, agent: str
) -> None:
    """A real event with a new id, XADDed while its request runs, is quarantined with a record."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        await arena.client.pause(f"agent:{agent}", reason="hold it")
        request = await arena.submit()
        _, fields = await arena.waiting(agent, request)
        other = derive("evt", "another")
        body = fields[b"b"].replace(fields[b"id"], other.encode())
        await arena.client.resume(f"agent:{agent}", reason="go")
        await arena.inject(agent, fields, id=other, b=body)
        assert (await arena.ended(request)).outcome == "completed"
        await arena.expect("anomaly", other)
        assert len(await arena.told("effect_intent")) == 1


async def test_a_copy_under_the_same_id_triggers_nothing(valkey_url: str, tmp_path: Path) -> None:
    """The same event twice in an inbox, while the first one waits: one effect, and a record of the copy."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        await arena.client.pause("agent:executor", reason="hold it")
        request = await arena.submit()
        _, fields = await arena.waiting("executor", request)
        for _ in range(3):
            await arena.inject("executor", fields)
        await arena.client.resume("agent:executor", reason="go")
        assert (await arena.ended(request)).outcome == "completed"
        await arena.expect("anomaly")
        await arena.quiet()
        assert len(await arena.told("effect_intent")) == 1


@pytest.mark.parametrize("agent", ["dispatcher", "handshake", "executor", "audit"])
async def test_a_replay_of_an_old_event_triggers_nothing(valkey_url: str, tmp_path: Path, agent: str) -> None:
    """A real entry of a request that has ended, sent again: no new event, and a record of the copy."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        fields = await _original(arena, agent)
        before = len(await arena.log())
        await arena.inject(agent, fields)
        await arena.expect("anomaly", fields[b"id"].decode())
        await arena.quiet()
        new = (await arena.log())[before:]
        assert {one.kind for one in new} <= {"anomaly"}


@pytest.mark.parametrize(("source", "target"), [("proposal", "permission"), ("executor", "audit")])
async def test_an_event_in_the_wrong_inbox_triggers_nothing(
    valkey_url: str, tmp_path: Path, source: str, target: str
) -> None:
    """A real event moved to an agent that the flow does not send it to is refused on the record."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        fields = await _original(arena, source)
        before = len(await arena.log())
        await arena.inject(target, fields)
        await arena.expect("anomaly", target)
        await arena.quiet()
        assert {one.kind for one in (await arena.log())[before:]} == {"anomaly"}


async def test_a_copy_with_a_higher_phase_gets_past_no_rule(valkey_url: str, tmp_path: Path) -> None:
    """Settling and closing have privileges; claiming their phase in a forged entry brings none of them."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        await arena.client.pause("agent:executor", reason="hold it")
        request = await arena.submit()
        _, fields = await arena.waiting("executor", request)
        await arena.client.pause("agent:handshake", reason="so that only copies are about")
        await arena.client.resume("agent:executor", reason="go")
        for phase in (1, 2):
            await arena.inject("executor", fields, ph=phase)
        assert (await arena.ended(request)).outcome == "completed"
        await arena.expect("anomaly")
        assert len(await arena.told("effect_intent")) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {b"foo": b"bar"},
        {b"id": b"evt_x", b"r": b"", b"ty": b"ExecutionApproved", b"b": b"{}"},
        {b"id": b"evt_x", b"r": b"req_p0_00", b"ty": b"Nonsense", b"b": b"\xff\xfe", b"n": b"99"},
        {b"id": b"evt_x", b"r": b"../control", b"ty": b"ExecutionApproved", b"b": b'{"a":NaN}'},
    ],
)
async def test_nonsense_is_buried_with_a_record(valkey_url: str, tmp_path: Path, fields: Fields) -> None:
    """What is no event at all goes to the dead letters, says so in the log, and stops nobody."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        await arena.inject("executor", fields)
        await arena.expect("anomaly", "executor")
        assert await arena.raw.xlen(arena.keys.dead("executor")) == 1
        assert (await arena.ended(await arena.submit())).outcome == "completed"


async def test_a_forged_request_is_admitted_by_nobody(valkey_url: str, tmp_path: Path) -> None:
    """A request XADDed to the dispatcher, past admission, has no state and goes nowhere."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        request = "req_p0_0123456789abcdef0123456789abcdef"
        work = {"request": {"intent": "note.write", "params": {"title": "x", "body": "y"}}}
        forged = arena.forged(request, "UserRequestReceived", derive("evt", request), work)
        await arena.inject("dispatcher", forged)
        await arena.expect("anomaly", request)
        await arena.quiet()
        assert arena.effects() == []


async def test_an_event_of_a_deleted_request_triggers_nothing(valkey_url: str, tmp_path: Path) -> None:
    """What waits for an agent while somebody deletes its request's state is quarantined with a record."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        await arena.client.pause("agent:permission", reason="hold it")
        request = await arena.submit()
        _, fields = await arena.waiting("permission", request)
        await arena.raw.delete(arena.keys.request(request.id))
        await arena.client.resume("agent:permission", reason="go")
        told = await arena.expect("anomaly", fields[b"id"].decode())
        assert told.body["anomaly"] == "gone"
        await arena.quiet()
        assert await arena.told("event", '"type":"PermissionsVerified"') == []


async def _everything(arena: Arena) -> None:
    """One of each way a request can go, and an administrator's acts."""
    await arena.ended(await arena.submit())
    await arena.ended(await arena.submit(actor="mallory"))
    await arena.ended(await arena.submit("record.update", record="protected/1", field="x", value=1))
    request, approval = await arena.publish("one", "archive")
    await arena.client.vote(approval.approval_id, "approve", voter="bob")
    await arena.ended(request)
    request, _ = await arena.publish("two")
    await request.cancel(reason="changed my mind")
    await arena.ended(request)
    await arena.client.pause("agent:executor", reason="lunch")
    await arena.client.resume("agent:executor", reason="back")


async def test_whatever_happens_has_a_numbered_record(valkey_url: str, tmp_path: Path) -> None:
    """Each delivery is of an event in the log, each receipt names logged events, each act of an operator and
    each refusal is there, and no number is missing.
    """
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        await _everything(arena)
        log = await arena.log()
        assert [one.n for one in log] == list(range(1, len(log) + 1))
        logged = {one.body["event"]["id"] for one in log if "event" in one.body}
        for key in await arena.raw.keys("*:steps"):
            for step, receipt in (await arena.raw.hgetall(key)).items():
                assert step.decode().split(">")[0] in logged
                assert receipt[:1] != b"@"
        kinds = {one.kind for one in log}
        assert {"admin", "event", "routed", "effect_intent", "effect_result", "control"} <= kinds
        refused = [one.body["event"]["type"] for one in log if one.body.get("refusal")]
        assert {"PermissionDenied", "RequestRejected"} <= {*refused}
        control = [one.body["action"] for one in log if one.kind == "control"]
        assert control == ["pause", "resume"]


@pytest.mark.parametrize("how", ["xdel", "xtrim"])
async def test_a_record_deleted_from_the_log_is_a_gap_with_a_name(
    valkey_url: str, tmp_path: Path, how: str
) -> None:
    """What somebody deletes before the recorder has it is found by its number, and verify says which."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        await arena.ended(await arena.submit())
        rows = await arena.raw.xrange(arena.keys.log)
        gone = rows[3:5]
        if how == "xdel":
            await arena.raw.xdel(arena.keys.log, *(entry for entry, _ in gone))
        else:
            gone = rows[:5]
            await arena.raw.xtrim(arena.keys.log, maxlen=len(rows) - 5)
        numbers = [int(fields[b"n"]) for _, fields in gone]
    async with open_arena(valkey_url, Grounds(tmp_path / "q"), recorder=True) as arena:
        await arena.ended(await arena.submit())
    verified = verify(arena.project.settings.audit_store)
    told = [one.detail for one in verified.warnings]
    assert f"the log did not hold numbers {numbers[0]} to {numbers[-1]}" in told, verified
