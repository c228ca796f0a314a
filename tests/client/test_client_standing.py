"""How one target stands: what holds it, what of it is open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.worker.projects import COMPLETE, END, Agent, Site, Spec, load, site, write
from wingman_runtime.errors import NotFoundError, UsageError

SPEC = Spec({"work": Agent(COMPLETE, emits=["ExecutionComplete"])}, {"UserRequestReceived": "work", **END})


@pytest.fixture
async def idle(tmp_path: Path, valkey_url: str) -> AsyncIterator[Site]:
    """A project without a worker: what is admitted stays."""
    async with site(load(write(tmp_path / "p", SPEC), valkey_url), workers=0) as place:
        yield place


async def test_a_request_is_held_by_what_holds_its_tenant_or_flow(idle: Site) -> None:
    """Each rule that covers the request is named; a rule for somebody else is not."""
    request = await idle.submit()
    tenant = (await request.state()).tenant
    for target in (f"tenant:{tenant}", "flow:work", "tenant:somebody-else", "agent:work", "event:Nothing"):
        await idle.client.pause(target, reason="a test", by="tests")
    standing = await idle.client.standing(f"request:{request.id}")
    assert {str(rule.target) for rule in standing.held_by} == {f"tenant:{tenant}", "flow:work"}
    assert [one.request_id for one in standing.requests] == [request.id]
    assert standing.waits_at == ("dispatcher",)
    assert [str(rule.target) for rule in standing.ahead] == ["agent:work"]  # further on in its flow
    await idle.client.pause("agent:dispatcher", reason="a test", by="tests")
    held = (await idle.client.standing(f"request:{request.id}")).held_by
    assert "agent:dispatcher" in {str(rule.target) for rule in held}


async def test_an_agent_stands_with_its_counts(idle: Site) -> None:
    """What waits for the agent is counted; a resume of the rule frees it."""
    await idle.submit()
    await idle.client.pause("agent:dispatcher", reason="a test", by="tests")
    standing = await idle.client.standing("agent:dispatcher")
    assert [(one.name, one.waiting) for one in standing.agents] == [("dispatcher", 1)]
    assert [rule.reason for rule in standing.held_by] == ["a test"]
    await idle.client.resume("agent:dispatcher", reason="done", by="tests")
    assert (await idle.client.standing("agent:dispatcher")).held_by == ()


@pytest.mark.parametrize("target", ["all", "flow:work"])
async def test_open_requests_of_a_target_are_listed(idle: Site, target: str) -> None:
    """Those it covers, and of another flow or tenant none."""
    request = await idle.submit()
    assert [one.request_id for one in (await idle.client.standing(target)).requests] == [request.id]
    assert (await idle.client.standing("flow:other")).requests == ()
    assert (await idle.client.standing("tenant:other")).requests == ()


async def test_what_is_not_there_is_said_so(idle: Site) -> None:
    """Neither an unknown agent nor a request that never was, nor nonsense, looks like "not held"."""
    for target in ("agent:nobody", "request:req_p0_" + "0" * 32):
        with pytest.raises(NotFoundError):
            await idle.client.standing(target)
    with pytest.raises(UsageError):
        await idle.client.standing("nonsense")


async def test_what_is_not_there_cannot_be_held(idle: Site) -> None:
    """A misspelt agent or flow, or an unknown request, is refused with what was meant; nothing is held."""
    for target, hint in (
        ("agent:wrok", "did you mean 'work'?"),
        ("flow:wrk", "did you mean 'work'?"),
        ("request:req_p0_" + "0" * 32, "see `wingman request list`"),
    ):
        with pytest.raises(NotFoundError) as caught:
            await idle.client.pause(target, reason="a test", by="tests")
        assert caught.value.hint == hint
    assert await idle.client.rules() == ()
