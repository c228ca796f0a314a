"""Settling: a person's word on an uncertain effect is a request of its own, and passes today's gates."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.worker.projects import REFERENCE, Site, load, site
from wingman_runtime.client import Request
from wingman_runtime.client.effects import told_late
from wingman_runtime.contracts.claims import Claim
from wingman_runtime.contracts.compensation import plan_compensation
from wingman_runtime.contracts.settling import EffectLine
from wingman_runtime.contracts.work import EffectStatus, StepRequest
from wingman_runtime.errors import ConflictError, NotFoundError
from wingman_runtime.redisio.effects import RedisEffects

TOOL = '''
from wingman_runtime.sdk import ToolContext, ToolError, tool

@tool("bank.pay", risk="low", timeout=5, compensation="bank.refund", resource="bank:{name}")
async def pay(name: str) -> str:
    """Pay; the line goes dead before the answer."""
    if name == "refused":
        raise ToolError("no such account")
    raise RuntimeError("the line went dead")

@tool("bank.refund", risk="low", timeout=5, idempotent=True, irreversible=True, undo_only=True,
    resource="bank:{name}")
async def refund(name: str) -> str:
    """Pay back."""
    return name
'''
SCOPE = """
  bank:
    purpose: payments
    intents: [bank.pay]
    tenants: [demo]
    planner: steps
    tools:
      bank.pay: ["bank:*"]
"""


def project(root: Path) -> Path:
    for part in ("policies", "config", "tools"):
        shutil.copytree(REFERENCE / part, root / part)
    (root / "tools" / "bank.py").write_text(TOOL)
    with (root / "config" / "scopes.yaml").open("a") as out:
        out.write(SCOPE)
    return root


async def uncertain(place: Site, name: str = "rent", actor: str = "alice") -> tuple[Request, EffectLine]:
    """A request that ended uncertain, and its effect."""
    steps = [{"tool": "bank.pay", "args": {"name": name}}]
    request = await place.submit("bank.pay", flow="request", steps=steps, actor=actor)
    assert (await request.result(20)).outcome == "uncertain"
    [line] = await place.client.effects.of(request.id)
    assert line.in_doubt
    return request, line


async def settled(place: Site, request: Request, line: EffectLine, status: Any, **more: Any) -> Any:
    asked = await place.client.effects.settle(
        request.id, line.effect.effect_id, status, **{"reason": "the bank says so", "by": "bob", **more}
    )
    return await asked.result(20)


async def test_an_uncertain_effect_is_settled_as_done_and_can_be_undone(
    tmp_path: Path, valkey_url: str
) -> None:
    """The ledger says who settled it, why and by which request; a compensation can be planned from it; the
    first request keeps its outcome; both trails have it. A second word is a conflict.
    """
    async with site(load(project(tmp_path / "p"), valkey_url)) as place:
        request, line = await uncertain(place)
        end = await settled(place, request, line, "done", result={"receipt": 7})
        assert end.outcome == "completed"
        [now] = await place.client.effects.of(request.id)
        assert now.effect.status is EffectStatus.DONE
        assert now.effect.result == {"receipt": 7}
        assert now.effect.undo == StepRequest(tool="bank.refund", args={"name": "rent"})
        assert now.settled is not None
        assert (now.settled.by, now.settled.reason) == ("bob", "the bank says so")
        assert now.settled.request_id == end.request_id
        plan = plan_compensation([now.effect], request.id, "evt_x")
        assert [step.undoes for step in plan.steps] == [line.effect.effect_id]
        assert (await request.state()).outcome == "uncertain"
        records = [one.record for one in await place.trail(request) if one.kind == "effect_result"]
        assert records[-1]["action"] == "effect_settled"
        assert (records[-1]["by"], records[-1]["settled_by_request"]) == ("bob", end.request_id)
        first = (await place.trail(place.client.request(end.request_id)))[0].record["event"]
        assert (first["causationid"], first["actor"]) == (request.id, "bob")
        with pytest.raises(ConflictError, match="settled by bob"):
            await settled(place, request, line, "failed")


async def test_settled_as_failed_there_is_nothing_to_undo(tmp_path: Path, valkey_url: str) -> None:
    """The effect counts as not done, with the reason as its error."""
    async with site(load(project(tmp_path / "p"), valkey_url)) as place:
        request, line = await uncertain(place)
        assert (await settled(place, request, line, "failed")).outcome == "completed"
        [now] = await place.client.effects.of(request.id)
        assert now.effect.status is EffectStatus.FAILED
        assert "the bank says so" in now.effect.error
        assert plan_compensation([now.effect], request.id, "evt_x").steps == ()


@pytest.mark.parametrize("who", ["mallory", "alice", "sam", "nobody"])
async def test_who_may_not_settle_is_refused_and_nothing_changes(
    tmp_path: Path, valkey_url: str, who: str
) -> None:
    """Without the right, or for an effect of one's own, the request is refused by policy."""
    root = project(tmp_path / "p")
    with (root / "config" / "principals.yaml").open() as file:
        text = file.read()
    # Alice may settle, though not what she asked for herself.
    text = text.replace("alice: {roles: [requester]", "alice: {roles: [requester, approver]")
    (root / "config" / "principals.yaml").write_text(text)
    async with site(load(root, valkey_url)) as place:
        request, line = await uncertain(place)
        assert (await settled(place, request, line, "done", by=who)).outcome in ("denied", "rejected")
        [now] = await place.client.effects.of(request.id)
        assert now == line


async def test_a_word_cannot_be_smuggled_in(tmp_path: Path, valkey_url: str) -> None:
    """Steps of one's own that name another owner, so that one's own effect looks like somebody else's, are
    found out where it is written.
    """
    root = project(tmp_path / "p")
    text = (root / "config" / "principals.yaml").read_text()
    text = text.replace("bob: {roles: [approver]", "bob: {roles: [approver, requester]")
    (root / "config" / "principals.yaml").write_text(text)
    async with site(load(root, valkey_url)) as place:
        request, line = await uncertain(place, actor="bob")
        args = {
            "request": request.id, "effect": line.effect.effect_id, "owner": "alice", "status": "done",
            "reason": "trust me",
        }  # fmt: skip
        steps = [{"tool": "effect.settle", "args": args}]
        end = await (await place.submit("effect.settle", flow="request", steps=steps, actor="bob")).result(20)
        assert end.outcome == "failed"
        assert "somebody else's request" in " ".join(end.reasons)
        assert await place.client.effects.of(request.id) == (line,)


async def test_what_is_known_is_not_settled(tmp_path: Path, valkey_url: str) -> None:
    """An effect that failed, and one that does not exist."""
    async with site(load(project(tmp_path / "p"), valkey_url)) as place:
        steps = [{"tool": "bank.pay", "args": {"name": "refused"}}]
        request = await place.submit("bank.pay", flow="request", steps=steps)
        assert (await request.result(20)).outcome == "failed"
        [line] = await place.client.effects.of(request.id)
        with pytest.raises(ConflictError, match="failed"):
            await settled(place, request, line, "done")
        with pytest.raises(NotFoundError):
            await place.client.effects.settle(request.id, "eff_" + "a" * 26, "done", reason="x", by="bob")


async def test_a_late_result_is_recorded_and_offered(tmp_path: Path, valkey_url: str) -> None:
    """What the worker reports after the end was recorded stands beside it, is offered, and is taken over when
    a person settles it so.
    """
    async with site(load(project(tmp_path / "p"), valkey_url)) as place:
        request, line = await uncertain(place)
        late = line.effect.model_copy(
            update={
                "status": EffectStatus.DONE,
                "result": "paid",
                "undo": StepRequest(tool="bank.refund", args={"name": "rent"}),
            }
        )
        partition = place.store.partition_for("demo", "x")
        claim = Claim(partition, "executor", "gone", "1-0", "evt_1", request.id)
        assert (await RedisEffects(place.store).record(claim, late)).status is EffectStatus.UNCERTAIN
        [now] = await place.client.effects.of(request.id)
        assert told_late(now) == "the tool reported done later: settle as done?"
        assert (await settled(place, request, line, "done")).outcome == "completed"
        [after] = await place.client.effects.of(request.id)
        assert (after.effect.result, after.effect.undo) == ("paid", late.undo)
        assert told_late(after) == ""
