"""Rule: no invisible cascades. Nothing spreads further than its flow declares; what tries is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.rules.arena import Arena, Grounds, open_arena
from wingman_runtime.contracts.work import Response

FLOW = "config/flows/request.yaml"
LIMITS = "limits: {depth: 16, events: 256, fan_out: 16}"


def _sneaky(
    grounds: Grounds, body: str, *, limits: str = LIMITS, routes: str = "Noticed: []", **more: Any
) -> None:
    """An agent beside `permission` that sends `Noticed`."""
    code = f"from .events import Noticed\n\ndef handle(event):\n    {body}\n"
    fields = {"consumes": "RequestValidated", "emits": "Noticed", "events": "Noticed"} | more
    grounds.agent("sneaky", code, **fields)
    grounds.edit(
        FLOW, "  RequestValidated: permission", f"  {routes}\n  RequestValidated: [permission, sneaky]"
    )
    grounds.edit(FLOW, LIMITS, limits)


async def _stopped(arena: Arena, what: str) -> Response:
    """The request fails for going past a limit; nothing is left in any inbox."""
    response = await arena.ended(await arena.submit())
    assert response.outcome == "failed", response
    assert response.stamp is not None
    await arena.expect("event", what)
    await arena.quiet()
    return response


async def test_an_answer_wider_than_the_fan_out_is_refused_whole(valkey_url: str, tmp_path: Path) -> None:
    """An agent that answers with more events than `limits.fan_out`: none of them is sent."""
    grounds = Grounds(tmp_path / "p")
    _sneaky(grounds, "return Emit(*(Noticed() for _ in range(17)))")
    async with open_arena(valkey_url, grounds) as arena:
        await _stopped(arena, "used up its fan_out")
        assert await arena.told("event", '"type":"Noticed"') == []


async def test_the_number_of_events_is_bounded(valkey_url: str, tmp_path: Path) -> None:
    """A request may send so many events in all; one that would be past them is not sent."""
    grounds = Grounds(tmp_path / "p")
    limits = LIMITS.replace("256", "12")
    _sneaky(grounds, "return Emit(*(Noticed() for _ in range(14)))", limits=limits)
    async with open_arena(valkey_url, grounds) as arena:
        await _stopped(arena, "used up its events")
        assert await arena.told("event", '"type":"Noticed"') == []


async def test_a_declared_circle_ends_at_the_depth(valkey_url: str, tmp_path: Path) -> None:
    """A circle that a flow declares goes round until the depth is reached, not for ever."""
    grounds = Grounds(tmp_path / "p")
    _sneaky(
        grounds,
        "return Emit(Noticed())",
        routes="Noticed: sneaky",
        consumes="RequestValidated, Noticed",
    )
    grounds.edit(FLOW, "joins: {}", "cycles: [[sneaky]]\njoins: {}")
    async with open_arena(valkey_url, grounds) as arena:
        # Waits for people, so the circle has all the time it wants; it may be over before they are asked.
        request = await arena.submit("page.publish", slug="news", title="News", body="b", channel="team")
        assert (await arena.ended(request)).outcome == "failed"
        await arena.expect("event", "used up its depth")
        depths = [one.body["event"]["depth"] for one in await arena.told("event", '"type":"Noticed"')]
        assert max(depths) <= 16


def test_an_undeclared_circle_is_refused(tmp_path: Path) -> None:
    """A flow that goes round without saying so does not load."""
    grounds = Grounds(tmp_path / "p")
    _sneaky(grounds, "return Emit(Noticed())", routes="Noticed: sneaky", consumes="RequestValidated, Noticed")
    assert "flow/undeclared-cycle" in grounds.findings()


def test_an_event_that_goes_nowhere_is_refused(tmp_path: Path) -> None:
    """An agent that declares an event no route names does not load with its flow."""
    grounds = Grounds(tmp_path / "p")
    grounds.agent(
        "sneaky",
        "def handle(event): ...",
        consumes="RequestValidated",
        emits="RequestRejected, Noticed",
        events="Noticed",
    )
    grounds.edit(FLOW, "RequestValidated: permission", "RequestValidated: [permission, sneaky]")
    assert "flow/orphan-event" in grounds.findings()


async def test_an_event_without_a_route_is_not_sent(valkey_url: str, tmp_path: Path) -> None:
    """An agent that sends what the flow does not let it fails the request; the commit script is the judge."""
    grounds = Grounds(tmp_path / "p")
    _sneaky(grounds, "return Emit(Noticed())")
    async with open_arena(valkey_url, grounds) as arena:
        # Somebody changes the stored table while workers still have the old one.
        table = arena.keys.flow(arena.project.flows["request"].digest)
        await arena.raw.hdel(table, "sneaky>Noticed")
        await _stopped(arena, "the flow has no route for Noticed")


async def test_limits_of_the_flow_hold(valkey_url: str, tmp_path: Path) -> None:
    """A tighter depth in the flow stops the chain itself there."""
    grounds = Grounds(tmp_path / "p")
    grounds.edit(FLOW, "depth: 16", "depth: 2")
    async with open_arena(valkey_url, grounds) as arena:
        await _stopped(arena, "used up its depth")
        assert arena.effects() == []
