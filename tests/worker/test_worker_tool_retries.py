"""A tool that asks for patience: a long pause is a durable timer's, a short one the worker's own."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

from tests.worker.projects import Site, load, site
from wingman_runtime.client import Request
from wingman_runtime.project.init import init_project
from wingman_runtime.redisio.effects import RedisEffects

TOOL = '''
from pathlib import Path
from wingman_runtime.sdk import Result, RetryPolicy, ToolContext, ToolError, tool

CALLS = Path({calls!r})


@tool("greeting.send", risk="low", timeout=5, compensation="greeting.take_back", resource="greeting:{{to}}",
      retry=RetryPolicy({policy}))
def send(to: str, text: str, context: ToolContext) -> Result:
    """Write a greeting."""
    with CALLS.open("a") as out:
        out.write(to + " ")
    {deed}
    return Result({{"to": to}}, undo={{"to": to, "kept": "", "left": ""}})


@tool("greeting.take_back", idempotent=True, undo_only=True)
def take_back(to: str, kept: str, left: str, context: ToolContext) -> dict[str, bool]:
    """Take a greeting back."""
    return {{"restored": True}}
'''
BUSY = 'raise ToolError("busy", retryable=True, retry_after={after})'


def _project(root: Path, deed: str, policy: str = "") -> Path:
    init_project(root)
    body = TOOL.format(calls=str(root / "calls"), policy=policy, deed=textwrap.dedent(deed))
    (root / "tools" / "greeting.py").write_text(body)
    return root


def _once(after: float) -> str:
    return f'if to == "ada" and CALLS.read_text().count("ada") < 2: {BUSY.format(after=after)}'


async def _greet(place: Site, to: str) -> Request:
    return await place.client.submit(
        "greeting.send", {"to": to, "text": "hello"}, actor="alice", tenant="demo"
    )


async def test_a_long_pause_holds_no_worker_and_ends_done(tmp_path: Path, valkey_url: str) -> None:
    """With one slot others go on meanwhile; the intent is taken back, and made anew in its time."""
    root = _project(tmp_path / "p", _once(2))
    async with site(load(root, valkey_url), slots=1) as place:
        began = time.monotonic()
        later = await _greet(place, "ada")
        while not (root / "calls").exists():
            assert (await (await _greet(place, "bob")).result(10)).outcome == "completed"
        assert (await (await _greet(place, "bob")).result(10)).outcome == "completed"
        waited = time.monotonic() - began
        ledger = RedisEffects(place.store)
        if waited < 2:
            assert await ledger.of_request(later.id) == ()
        assert (await later.result(20)).outcome == "completed"
        assert time.monotonic() - began >= 2
        [effect] = await ledger.of_request(later.id)
        assert (effect.status, effect.attempt) == ("done", 1)
        trail = await place.trail(later)
        [failed] = [one for one in trail if one.type == "AttemptFailed"]
        assert failed.data["retry_in"] >= 2
        assert failed.data["error"] == "busy"
        assert (root / "calls").read_text().count("ada") == 2


async def test_a_short_pause_is_waited_for_in_place(tmp_path: Path, valkey_url: str) -> None:
    """Below a second nothing goes back to the server between two tries."""
    root = _project(tmp_path / "p", _once(0.2))
    async with site(load(root, valkey_url)) as place:
        request = await _greet(place, "ada")
        assert (await request.result(20)).outcome == "completed"
        assert "AttemptFailed" not in [one.type for one in await place.trail(request)]
        assert (root / "calls").read_text().split() == ["ada", "ada"]


async def test_a_tool_that_stays_busy_fails_after_its_tries(tmp_path: Path, valkey_url: str) -> None:
    """The declared tries are counted over the long pauses; then it is known that nothing was done."""
    root = _project(tmp_path / "p", BUSY.format(after=1), "attempts=2, base=0")
    async with site(load(root, valkey_url)) as place:
        request = await _greet(place, "ada")
        response = await request.result(20)
        assert response.outcome == "failed"
        assert (root / "calls").read_text().split() == ["ada", "ada"]
        [effect] = await RedisEffects(place.store).of_request(request.id)
        assert effect.status == "failed"


async def test_a_request_cancelled_while_a_tool_waits_has_nothing_to_undo(
    tmp_path: Path, valkey_url: str
) -> None:
    """What was put off was not done: it ends as cancelled, not as uncertain, and does not wait."""
    root = _project(tmp_path / "p", BUSY.format(after=60))
    async with site(load(root, valkey_url)) as place:
        request = await _greet(place, "ada")
        async for event in request.events():
            if event.type == "AttemptFailed":
                break
        await request.cancel(reason="enough", by="alice")
        response = await request.result(20)
        assert response.outcome == "cancelled"
