"""Faults of what the server holds: no memory left, and letters that nobody of ours wrote."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.chaos.fault import Facts, Fault, NotStruckError
from wingman_runtime.redisio import wire

if TYPE_CHECKING:
    from tests.chaos.house import House

Fields = tuple[str | bytes, ...]

POISON: dict[str, Fields] = {
    "empty": ("x", ""),
    "no text": ("id", b"\xff\xfe", "r", b"\xc3\x28", "ty", b"\x80", "b", b"\xff" * 100),
    "no json": ("id", "evt_x", "r", "req_p0_" + "0" * 32, "ty", "UserRequestReceived", "b", "{"),
    "other json": ("ty", "ExecutionApproved", "b", "[1,2,3]"),
    "deep json": ("ty", "UserRequestReceived", "b", "[" * 50_000),
    "unknown event": ("ty", "NobodyKnows", "b", "{}"),
    "no number": ("ph", "nan", "n", "-1e9", "ty", "UserRequestReceived"),
    "large": ("ty", "UserRequestReceived", "b", "x" * 2_000_000),
    "nul": ("id", "\0", "r", "\0", "ty", "\0", "b", "\0"),
}
"""Fields of entries that no commit ever wrote, by what is wrong with them."""


class MemorySqueeze(Fault):
    """maxmemory below what is in use: the server refuses whatever would take more."""

    name = "maxmemory"
    touches = frozenset({"memory"})
    lasts: tuple[float, float] = (1.0, 5.0)

    async def strike(self, house: House) -> Facts:
        server = house.server
        try:
            answer = server.ask("CONFIG", "GET", "maxmemory")
            lines = wire.ask_bytes(server.socket, "INFO", "memory").decode().splitlines()
            used = int(next(line for line in lines if line.startswith("used_memory:")).partition(":")[2])
            limit = used * 3 // 4
            server.ask("CONFIG", "SET", "maxmemory", str(limit))
        except (OSError, wire.ReplyError) as error:
            raise NotStruckError(f"another fault has taken the server: {error}") from error
        assert isinstance(answer, list)
        before = answer[1]
        assert isinstance(before, bytes)
        try:
            await asyncio.sleep(house.rng.uniform(*self.lasts))
        finally:
            # One that was restarted meanwhile has its old limit again, one that is away will have.
            with contextlib.suppress(OSError, wire.ReplyError):
                server.ask("CONFIG", "SET", "maxmemory", before.decode())
        return {"used": used, "limit": limit}


class Poison(Fault):
    """Entries from outside, of every kind of wrong, put straight into inboxes."""

    name = "poison"
    touches = frozenset({"inboxes"})
    anomalies = frozenset({"stray"})
    agents = ("dispatcher", "scope_filter", "permission", "proposal", "handshake", "executor", "audit")

    async def strike(self, house: House) -> Facts:
        put = {}
        for agent in house.rng.sample(self.agents, 3):
            kind = house.rng.choice(sorted(POISON))
            with contextlib.suppress(OSError, wire.ReplyError):
                wire.ask(house.server.socket, "XADD", f"wm:{{p0}}:in:{agent}", "*", *POISON[kind])
                put[agent] = kind
        return {"put": put}
