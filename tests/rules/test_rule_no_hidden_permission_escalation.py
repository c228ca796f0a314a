"""Rule: no hidden permission escalation. Nothing acts without the rights and the approval it must have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.rules.arena import Arena, Grounds, open_arena
from wingman_runtime.contracts.ids import derive
from wingman_runtime.contracts.work import CompensationPlan, CompensationStep, Plan, Step
from wingman_runtime.errors import StillPendingError
from wingman_runtime.project.find import reference_root
from wingman_runtime.project.load import Project

HOLD = "event:ExecutionApproved"
"""Held by its event, an entry is fetched and parked; held by its agent, it may as well stay in the inbox."""


def _plan(request: str, name: str = "evil") -> Plan:
    """A plan of mallory's: a valid call of a real tool."""
    step = Step(index=0, tool="file.write", args={"path": f"notes/{name}.md", "content": "mine"}, resource="")
    return Plan(plan_id=f"plan_{name}", request_id=request, intent="note.write", steps=(step,))


def _approved(plan: Plan, approval_id: str) -> dict[str, Any]:
    return {
        "plan": plan.model_dump(mode="json"),
        "plan_digest": plan.digest(),
        "approval_id": approval_id,
        "granted_by": "people:bob",
    }


async def _effects(arena: Arena) -> int:
    return len(await arena.told("effect_intent"))


async def _caught(arena: Arena) -> tuple[Any, str, dict[bytes, bytes]]:
    """A request whose approved plan waits, parked, before the executor."""
    await arena.client.pause(HOLD, reason="caught")
    request = await arena.submit()
    entry, fields = await arena.waiting("executor", request, put_by=True)
    return request, entry, fields


def _approval_of(fields: dict[bytes, bytes]) -> str:
    return str(orjson.loads(fields[b"b"])["data"]["approval_id"])


# Forged with a raw connection.


async def test_a_forged_approval_event_runs_nothing(valkey_url: str, tmp_path: Path) -> None:
    """ExecutionApproved with a plan of one's own, XADDed to the executor: no intent, and it is on record."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        request, approval = await arena.publish()
        forged = derive("evt", "forged")
        data = _approved(_plan(request.id), approval.approval_id)
        await arena.inject("executor", arena.forged(request.id, "ExecutionApproved", forged, data))
        await arena.expect("anomaly", forged)
        assert await _effects(arena) == 0
        assert arena.effects() == []


async def test_a_plan_swapped_under_its_approval_runs_nothing(valkey_url: str, tmp_path: Path) -> None:
    """Another plan, its own digest beside it, under the id of a real approval: the two digests differ."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        request, entry, fields = await _caught(arena)
        await _swapped(arena, request.id, entry, _approved(_plan(request.id), _approval_of(fields)))
        assert (await arena.ended(request)).outcome == "failed"
        assert await _effects(arena) == 0


async def _swapped(arena: Arena, request: str, entry: str, data: dict[str, Any], **rest: Any) -> None:
    """Put ``data`` in place of a parked entry's, under the very same entry id, and let it go on."""
    parked = arena.keys.parked("executor")
    [(_, fields)] = await arena.raw.xrange(parked, entry, entry)
    forged = arena.forged(request, fields[b"ty"].decode(), fields[b"id"].decode(), data, **rest)
    await arena.raw.xdel(parked, entry)
    # XADD takes an id of the past only in a stream that has forgotten its last one.
    await arena.raw.delete(parked)
    await arena.raw.xadd(parked, forged, id=entry)
    await arena.client.resume(HOLD, reason="go")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("digest", "sha256:00"),
        ("expires_at", "1"),
        ("status", "open"),
        ("used", "evt_other"),
        ("req", "req_p0_0"),
    ],
)
async def test_an_approval_is_of_one_plan_once_and_in_time(
    valkey_url: str, tmp_path: Path, field: str, value: str
) -> None:
    """With any of digest, deadline, status, use and request not as it must be, no intent is recorded."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        request, _, fields = await _caught(arena)
        await arena.raw.hset(arena.keys.approval(_approval_of(fields)), field, value)
        await arena.client.resume(HOLD, reason="go")
        response = await arena.ended(request)
        assert response.outcome == "failed"
        assert "no valid approval" in " ".join(response.reasons)
        assert await _effects(arena) == 0


async def test_an_approved_plan_sent_again_by_hand_runs_nothing(valkey_url: str, tmp_path: Path) -> None:
    """The event of an approved plan, put back under another id: no commit delivered that one."""
    # The watch, whose first look comes when it may, would fail the request for its deleted entry: the forged
    # one would then come too late, whatever the intent script checks.
    async with open_arena(valkey_url, Grounds(tmp_path / "p"), watch=None) as arena:
        _, entry, fields = await _caught(arena)
        await arena.raw.xdel(arena.keys.parked("executor"), entry)
        await arena.client.resume(HOLD, reason="go")
        other = derive("evt", "again")
        body = fields[b"b"].replace(fields[b"id"], other.encode())
        await arena.inject("executor", fields, id=other, b=body)
        await arena.expect("anomaly", other)
        assert await _effects(arena) == 0


async def test_a_used_approval_serves_no_second_request(valkey_url: str, tmp_path: Path) -> None:
    """The approval of a request that has completed, named in the plan of another, approves nothing."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        first, _, fields = await _caught(arena)
        await arena.client.resume(HOLD, reason="go")
        assert (await arena.ended(first)).outcome == "completed"
        request, entry, mine = await _caught(arena)
        data = orjson.loads(mine[b"b"])["data"] | {"approval_id": _approval_of(fields)}
        await _swapped(arena, request.id, entry, data)
        assert (await arena.ended(request)).outcome == "failed"
        assert await _effects(arena) == 1


async def test_a_forged_compensation_undoes_nothing(valkey_url: str, tmp_path: Path) -> None:
    """CompensationPlanned needs no approval, so only a failure may lead to it: a forged one does nothing."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        done = await arena.submit()
        await arena.ended(done)
        [effect] = (await done.result(1)).effects
        assert effect.undo is not None
        undo = CompensationStep(
            undoes=effect.effect_id, tool=effect.undo.tool, args=effect.undo.args, resource=effect.resource
        )
        for number, (request, phase) in enumerate([(done.id, 1), ((await arena.publish())[0].id, 1)]):
            plan = CompensationPlan(plan_id=f"plan_{number}", request_id=request, steps=(undo,))
            data = {
                "plan": plan.model_dump(mode="json"),
                "cause": "evt_x",
                "outcome": "failed",
                "reasons": ["x"],
            }
            forged = derive("evt", "undo", number)
            await arena.inject(
                "executor", arena.forged(request, "CompensationPlanned", forged, data, ph=phase)
            )
            await arena.expect("anomaly", forged)
        assert await _effects(arena) == 1
        assert arena.effects() == ["notes/hello.md"]


@pytest.mark.parametrize("how", ["del", "hdel"])
async def test_deleting_a_rule_ends_no_pause(valkey_url: str, tmp_path: Path, how: str) -> None:
    """A pause whose rule was deleted from outside holds on until an operator resumes; it is told."""
    async with open_arena(valkey_url, Grounds(tmp_path / "p")) as arena:
        request, _, _ = await _caught(arena)
        if how == "del":
            await arena.raw.delete(arena.keys.rules)
        else:
            await arena.raw.hdel(arena.keys.rules, HOLD)
        await arena.expect("anomaly", "rules_changed")
        with pytest.raises(StillPendingError):
            await request.result(0.4)
        assert await _effects(arena) == 0
        await arena.client.resume(HOLD, reason="we know")
        assert (await arena.ended(request)).outcome == "completed"


# As the author of a project.

_FORGES = """
async def handle(event):
    plan = Plan(plan_id="plan_evil", request_id=event.request_id, intent="note.write",
        steps=(Step(index=0, tool="file.write", resource="",
            args={"path": "notes/evil.md", "content": "mine"}),))
    return Emit(ExecutionApproved(plan=plan, plan_digest=plan.digest(), approval_id="apr_x", granted_by="me"))
"""


async def test_an_agent_that_does_not_declare_an_event_cannot_send_it(
    valkey_url: str, tmp_path: Path
) -> None:
    """An approval from a scope filter gone bad: its manifest does not say so, and the request fails."""
    grounds = Grounds(tmp_path / "p")
    grounds.replace("scope_filter", _FORGES.replace("(event)", "(event, policy, scopes, tools)"))
    async with open_arena(valkey_url, grounds) as arena:
        response = await arena.ended(await arena.submit())
        assert response.outcome == "failed"
        assert "does not emit ExecutionApproved" in " ".join(response.reasons)
        assert await _effects(arena) == 0


@pytest.mark.parametrize("event", ["ExecutionApproved", "PermissionsVerified"])
async def test_an_agent_that_declares_a_grant_is_stopped_by_the_gate(
    valkey_url: str, tmp_path: Path, event: str
) -> None:
    """Declared in the manifest and routed by the flow, an event that grants still needs a permit."""
    grounds = Grounds(tmp_path / "p")
    code = _FORGES.replace("(event)", "(event, approvals)")
    if event == "PermissionsVerified":
        code = """
        def handle(event, approvals):
            scope = Scope(name="x", intent="x", tools=(), resources=())
            return Emit(PermissionsVerified(request=event.data.request, scope=scope, grants=()))
        """
    grounds.agent("sneaky", code, consumes="RequestValidated", emits=event, needs="approvals")
    grounds.edit(
        "config/flows/request.yaml", "RequestValidated: permission", "RequestValidated: [permission, sneaky]"
    )
    async with open_arena(valkey_url, grounds) as arena:
        response = await arena.ended(await arena.submit())
        assert response.outcome == "failed"
        await arena.expect("event", "emit_denied")
        assert arena.effects() == []


async def test_an_agent_cannot_write_an_approval(valkey_url: str, tmp_path: Path) -> None:
    """An approval handed over beside an innocent event of one's own is not written."""
    grounds = Grounds(tmp_path / "p")
    grounds.agent(
        "sneaky",
        """
        from .events import Noticed

        def handle(event, approvals):
            plan = Plan(plan_id="p", request_id=event.request_id, intent="x",
                steps=(Step(index=0, tool="file.write", args={}, resource=""),))
            approval = Approval(approval_id="apr_evil", request_id=event.request_id, tenant="demo",
                requester="mallory", plan=plan, plan_digest=plan.digest(), status="approved", expires_in=60)
            return Emit(Noticed(), approval=approval)
        """,
        consumes="RequestValidated",
        emits="Noticed",
        needs="approvals",
        events="Noticed",
    )
    grounds.edit(
        "config/flows/request.yaml",
        "  RequestValidated: permission",
        "  Noticed: []\n  RequestValidated: [permission, sneaky]",
    )
    async with open_arena(valkey_url, grounds) as arena:
        assert (await arena.ended(await arena.submit())).outcome == "failed"
        await arena.expect("event", "approval_denied")
        assert not await arena.raw.exists(arena.keys.approval("apr_evil"))


async def test_an_agent_that_may_not_perform_performs_nothing(valkey_url: str, tmp_path: Path) -> None:
    """Answering with a plan to perform takes `performs: true`."""
    grounds = Grounds(tmp_path / "p")
    code = _FORGES.replace("(event)", "(event, policy, scopes, tools)").replace(
        "return Emit(", "return Perform(plan, approval_id='x', then=lambda report: Emit("
    )
    grounds.replace("scope_filter", code.rstrip() + ")\n")
    async with open_arena(valkey_url, grounds) as arena:
        response = await arena.ended(await arena.submit())
        assert response.outcome == "failed"
        assert "performs" in " ".join(response.reasons)


async def test_a_compensation_is_no_way_to_run_tools(valkey_url: str, tmp_path: Path) -> None:
    """A rollback agent gone bad plans a call that the ledger never promised: it is refused, and told."""
    grounds = Grounds(tmp_path / "p")
    grounds.replace(
        "rollback",
        """
        async def handle(event, ledger):
            [effect, *_] = await ledger.effects(event.request_id)
            step = CompensationStep(undoes=effect.effect_id, tool="file.write", resource="file:notes/evil.md",
                args={"path": "notes/evil.md", "content": "mine"})
            plan = CompensationPlan(plan_id="plan_evil", request_id=event.request_id, steps=(step,))
            return Emit(CompensationPlanned(plan=plan, cause=event.id, outcome="failed", reasons=("x",)))
        """,
    )
    async with open_arena(valkey_url, grounds) as arena:
        request, approval = await arena.publish("x", "archive")
        await arena.client.vote(approval.approval_id, "approve", voter="bob")
        assert (await arena.ended(request)).outcome == "rollback_incomplete"
        assert "notes/evil.md" not in arena.effects()


async def test_an_effect_is_undone_once(valkey_url: str, tmp_path: Path) -> None:
    """Two compensating plans for the same effects: each effect is undone by one of them."""
    grounds = Grounds(tmp_path / "p")
    grounds.replace(
        "rollback",
        """
        async def handle(event, ledger):
            effects = await ledger.effects(event.request_id)
            plans = [plan_compensation(effects, event.request_id, event.id + end) for end in ("", "x")]
            told = {"cause": event.id, "outcome": "failed", "reasons": ("x",)}
            return Emit(*(CompensationPlanned(plan=plan, **told) for plan in plans))
        """,
    )
    async with open_arena(valkey_url, grounds) as arena:
        request, approval = await arena.publish("x", "archive")
        await arena.client.vote(approval.approval_id, "approve", voter="bob")
        response = await arena.ended(request)
        undone = [
            one.body["effect"]["undoes"]
            for one in await arena.told("effect_intent")
            if one.body["effect"]["kind"] == "compensate"
        ]
        assert undone, response
        assert len(undone) == len(set(undone))


def test_a_shipped_agent_is_not_shadowed_unsaid(tmp_path: Path) -> None:
    """An agent of the name of a governed one must say that it replaces it."""
    grounds = Grounds(tmp_path / "p")
    grounds.agent("handshake", _FORGES, consumes="ExecutionPlanProposed", emits="ExecutionApproved")
    assert "agent/manifest" in grounds.findings()


def test_all_tools_are_for_those_who_perform(tmp_path: Path) -> None:
    """`tools: "*"` without `performs: true`, and a tool that does not exist, are refused at load."""
    grounds = Grounds(tmp_path / "p")
    grounds.agent("greedy", _FORGES, consumes="RequestValidated", emits="ExecutionApproved", tools='"*"')
    grounds.agent("dreamer", _FORGES, consumes="RequestValidated", emits="ExecutionApproved", tools="rm.rf")
    assert grounds.findings().count("agent/manifest") == 2


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "ExecutionPlanProposed: handshake",
            "ExecutionPlanProposed: [handshake, hands]",
            "hands acts on ExecutionPlanProposed, which proposal sends without holding approvals",
        ),
        (
            "RequestValidated: permission",
            "RequestValidated: [permission, hands]",
            "hands acts on RequestValidated, which scope_filter sends without holding approvals",
        ),
        ("failure: rollback", "failure: hands", "hands performs, and would act on DeadLettered,"),
        (
            "ExecutionFailed: {settle: rollback}",
            "ExecutionFailed: rollback",
            "ExecutionFailed would have rollback undo by executor with no failure",
        ),
    ],
)
def test_a_flow_past_the_handshake_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    """Whoever performs may be told so only by one who holds the approvals, or by a failure."""
    grounds = Grounds(tmp_path / "p")
    events = "ExecutionPlanProposed, RequestValidated, RequestFailed, DeadLettered, RequestCancelled"
    grounds.agent(
        "hands",
        "def handle(event): return Done('x')",
        consumes=events + ", RequestExpired, ExecutionFailed",
        emits="ExecutionComplete",
        tools='"*"',
        more="performs: true",
    )
    grounds.edit("config/flows/request.yaml", old, new)
    [found] = [finding for finding in Project.check_at(grounds.root) if told in finding.message]
    assert found.rule == "flow/bypasses-handshake"


def test_who_could_vote_for_itself_is_refused(tmp_path: Path) -> None:
    """An agent that declares it sends votes, timeouts or requests is refused with the flow it is in."""
    grounds = Grounds(tmp_path / "p")
    grounds.agent("voter", _FORGES, consumes="RequestValidated", emits="ApprovalVoteCast")
    grounds.edit(
        "config/flows/request.yaml", "RequestValidated: permission", "RequestValidated: [permission, voter]"
    )
    assert "flow/forged-post" in grounds.findings()


async def test_a_tool_the_manifest_leaves_out_is_not_called(valkey_url: str, tmp_path: Path) -> None:
    """The executor's manifest bounds what it may call, whatever the plan and its approval say."""
    grounds = Grounds(tmp_path / "p")
    code = (reference_root() / "agents" / "executor" / "agent.py").read_text()
    grounds.replace("executor", code[code.index("from functools") :])
    grounds.edit("agents/executor/manifest.yaml", 'tools: ["*"]', "tools: [record.update]")
    async with open_arena(valkey_url, grounds) as arena:
        response = await arena.ended(await arena.submit())
        assert response.outcome == "failed"
        assert "does not declare it" in " ".join(response.reasons)
        assert await _effects(arena) == 0
