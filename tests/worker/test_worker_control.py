"""Pausing, policies that change under way, and approvals, with real workers."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.worker.projects import COMPLETE, END, REFERENCE, Agent, Site, Spec, load, site, until, write
from wingman_runtime import bootstrap
from wingman_runtime.errors import ConflictError, StillPendingError

SPEC = Spec(
    {"work": Agent(f"mark('calls')\n{COMPLETE}", emits=["ExecutionComplete"])},
    {"UserRequestReceived": "work", **END},
)
PAGE = ("page.publish", {"slug": "news", "title": "News", "body": "b", "channel": "public"})


@pytest.mark.parametrize("target", ["all", "agent:work", "tenant:demo", "flow:work", "request", "event"])
async def test_a_pause_holds_uncounted_and_a_resume_finishes_everything(
    tmp_path: Path, valkey_url: str, target: str
) -> None:
    """Whatever is covered waits, its deliveries not counted; what is not goes on; then all of it ends."""
    async with site(load(write(tmp_path / "p", SPEC), valkey_url)) as place:
        request = None
        if target == "request":
            await place.client.pause("agent:dispatcher", reason="t")
            request = await place.submit()
            target = f"request:{request.id}"
            await place.client.pause(target, reason="t")
            await place.client.resume("agent:dispatcher", reason="t")
        else:
            target = "event:UserRequestReceived" if target == "event" else target
            await place.client.pause(target, reason="t")
        held = [request] if request else [await place.submit() for _ in range(20)]
        await asyncio.sleep(0.5)
        for one in held:
            assert not (await one.state()).ended
        if request:
            assert (await (await place.submit()).result(5)).outcome == "completed"
        before = len((await place.client.status()).rules)
        assert before == 1
        await place.client.resume(target, reason="t")
        ends = await asyncio.gather(*(one.result(10) for one in held))
        assert {end.outcome for end in ends} == {"completed"}
        for one in held:
            attempts = [r.record["attempt"] for r in await place.trail(one) if "attempt" in r.record]
            assert set(attempts) == {1}
        assert len((tmp_path / "p" / "calls").read_text()) == len(held) + bool(request)


async def test_pausing_and_resuming_in_a_hurry_loses_nothing(tmp_path: Path, valkey_url: str) -> None:
    """Rules that come and go under load, two workers: every request ends, each handled once."""
    async with site(load(write(tmp_path / "p", SPEC), valkey_url), workers=2) as place:
        many: list[Any] = []
        for turn in range(12):
            many += [await place.submit() for _ in range(8)]
            target = ("agent:work", "flow:work", "all")[turn % 3]
            await place.client.pause(target, reason="t")
            many += [await place.submit() for _ in range(3)]
            await place.client.resume(target, reason="t")
        ends = await asyncio.gather(*(one.result(20) for one in many))
        assert {end.outcome for end in ends} == {"completed"}
        status = await place.client.status()
        assert all(agent.parked + agent.pending + agent.waiting == 0 for agent in status.agents)


JUDGED = Spec(
    {
        "work": Agent(
            """
            mark('calls')
            decision = policy.judge("audit", Ref("Agent", "work"), Ref("Request", event.request_id),
                attributes={"tenant": event.tenant, "flow": event.flow, "outcome": "completed"},
                gate="60-audit.cedar")
            while not (ROOT / "applied").exists():
                await asyncio.sleep(0.02)
            """
            + COMPLETE,
            emits=["ExecutionComplete"],
            needs=["policy"],
        )
    },
    {"UserRequestReceived": "work", **END},
)
COMMENT = "\n// edited\n"
PERMIT = (
    '\n@id("edited")\n@reason("edited")\npermit (principal == Wingman::Agent::"work", '
    'action == Wingman::Action::"audit", resource is Wingman::Request);\n'
)


@pytest.mark.parametrize(("edit", "calls"), [(COMMENT, 1), (PERMIT, 2)], ids=["same answers", "another"])
async def test_a_policy_applied_in_flight_judges_the_stored_outcome(
    tmp_path: Path, valkey_url: str, edit: str, calls: int
) -> None:
    """The agent runs again only if an answer it was given has changed; the record names the new bundle."""
    root = write(tmp_path / "p", JUDGED)
    async with site(load(root, valkey_url)) as place:
        request = await place.submit()

        async def called() -> bool:
            return (root / "calls").exists()

        await until(called)
        with (root / "policies" / "60-audit.cedar").open("a") as out:
            out.write(edit)
        edited = load(root, valkey_url)
        assert edited.bundle.digest != place.project.bundle.digest
        await bootstrap.apply_policy(edited, place.store, by="test", reason="t")
        (root / "applied").touch()
        assert (await request.result(10)).outcome == "completed"
        assert (root / "calls").read_text() == "x" * calls
        done = [r for r in await place.trail(request) if r.type == "ExecutionComplete"]
        assert [record.record["policy"] for record in done] == [edited.bundle.digest]


async def test_a_worker_without_the_bundle_stops_and_says_so(tmp_path: Path, valkey_url: str) -> None:
    """It fetches nothing, its heartbeat names what is missing; given the bundle it goes on by itself."""
    root = write(tmp_path / "p", SPEC)
    async with site(load(root, valkey_url)) as place:
        old = place.project.bundle.digest
        elsewhere = tmp_path / "elsewhere"
        shutil.copytree(root, elsewhere)
        with (elsewhere / "policies" / "60-audit.cedar").open("a") as out:
            out.write(COMMENT)
        other = load(elsewhere, valkey_url)
        await bootstrap.apply_policy(other, place.store, by="test", reason="t")

        async def said() -> bool:
            beats = (await place.client.status()).workers
            return any(beat.facts["missing_policy"] == other.bundle.digest for beat in beats)

        await until(said)
        request = await place.submit()
        with pytest.raises(StillPendingError):
            await request.result(0.5)
        assert not (root / "calls").exists()
        other.bundle.save(bootstrap.bundles_dir(place.project.settings))
        assert (await request.result(10)).outcome == "completed"
        assert old != other.bundle.digest


async def _published(place: Site) -> tuple[Any, Any]:
    request = await place.submit(PAGE[0], "request", params=PAGE[1])

    async def waiting() -> Any:
        return await place.client.approvals(request_id=request.id)

    [approval] = await until(waiting)
    return request, approval


def _reference(tmp_path: Path) -> Path:
    root = tmp_path / "p"
    for part in ("config", "policies", "tools"):
        shutil.copytree(REFERENCE / part, root / part)
    principals = root / "config" / "principals.yaml"
    text = principals.read_text().replace(
        "  mallory:", "  carol: {roles: [approver], tenants: [demo]}\n  mallory:", 1
    )
    principals.write_text(text)
    return root


async def test_an_approval_takes_its_quorum_of_others(tmp_path: Path, valkey_url: str) -> None:
    """Not the requester, not who lacks the role, nobody twice; the second of two lets it through."""
    project = load(_reference(tmp_path), valkey_url, approvals__quorum=2, approvals__quorum_high=2)
    async with site(project) as place:
        request, approval = await _published(place)
        for voter in ("alice", "mallory", "nobody"):
            refused = await place.client.vote(approval.approval_id, "approve", voter=voter)
            assert refused.counted is False
            assert refused.reasons
        assert (await place.client.vote(approval.approval_id, "approve", voter="bob")).counted
        assert (await place.client.vote(approval.approval_id, "approve", voter="bob")).counted is False
        assert not (await request.state()).ended
        assert (await place.client.vote(approval.approval_id, "approve", voter="carol")).counted
        response = await request.result(10)
        assert response.outcome == "completed"
        assert response.granted_by == "people:bob,carol"
        with pytest.raises(ConflictError):
            await place.client.vote(approval.approval_id, "deny", voter="bob")


async def test_one_denial_ends_it(tmp_path: Path, valkey_url: str) -> None:
    """Whatever was approved before."""
    project = load(_reference(tmp_path), valkey_url, approvals__quorum=2, approvals__quorum_high=2)
    async with site(project) as place:
        request, approval = await _published(place)
        await place.client.vote(approval.approval_id, "approve", voter="bob")
        await place.client.vote(approval.approval_id, "deny", voter="carol", reason="not now")
        response = await request.result(10)
        assert response.outcome == "denied"
        assert any("carol" in reason for reason in response.reasons)


async def test_an_approval_expires_on_the_servers_clock(tmp_path: Path, valkey_url: str) -> None:
    """Not before its time, once for all workers, and a vote afterwards is a conflict."""
    project = load(_reference(tmp_path), valkey_url, times__approval=0.6)
    async with site(project, workers=2) as place:
        request, approval = await _published(place)
        assert (await request.result(10)).outcome == "expired"
        trail = await place.trail(request)
        types = [record.type for record in trail]
        assert types.count("ApprovalTimedOut") == types.count("ApprovalExpired") == 1
        at = {record.type: record.at_ms for record in trail}
        assert at["ApprovalTimedOut"] - at["ApprovalRequested"] >= 600
        with pytest.raises(ConflictError):
            await place.client.vote(approval.approval_id, "approve", voter="bob")


async def test_votes_and_expiry_race_to_one_end(tmp_path: Path, valkey_url: str) -> None:
    """Cast around the deadline: each request ends approved or expired, and its effects say the same."""
    project = load(_reference(tmp_path), valkey_url, times__approval=0.5)
    async with site(project, workers=2) as place:
        pairs = await asyncio.gather(*(_published(place) for _ in range(6)))

        async def vote(turn: int, approval: Any) -> None:
            await asyncio.sleep(max(0.0, 0.05 * turn))
            try:
                await place.client.vote(approval.approval_id, "approve", voter="bob")
            except ConflictError:
                return

        await asyncio.gather(*(vote(turn, approval) for turn, (_, approval) in enumerate(pairs)))
        for request, _ in pairs:
            response = await request.result(15)
            types = [record.type for record in await place.trail(request)]
            assert ("ExecutionApproved" in types) != ("ApprovalExpired" in types)
            assert (response.outcome == "expired") == ("ApprovalExpired" in types)
            assert bool(response.effects) == ("ExecutionApproved" in types)
