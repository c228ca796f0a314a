"""Faults of the network between processes and server; they strike at those that go through the proxy."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.chaos.fault import Facts, Fault
from tests.chaos.proxy import Direction, Link, Proxy, Tap

if TYPE_CHECKING:
    from tests.chaos.house import House


@dataclass
class _Losing:
    """A reply that is lost takes its connection with it, at once or after a silence."""

    rng: random.Random
    share: float
    lost: int = 0
    _dead: set[int] = field(default_factory=set)

    async def through(self, link: Link, direction: Direction, chunk: bytes) -> bytes | None:
        if link.number in self._dead:
            return None
        if direction == "request" or self.rng.random() >= self.share:
            return chunk
        self.lost += 1
        # In a stream nothing that comes after a hole can be made sense of.
        self._dead.add(link.number)
        asyncio.get_running_loop().call_later(self.rng.choice((0.0, self.rng.uniform(0.0, 1.0))), link.reset)
        return None


@dataclass
class _Silent:
    """Nothing comes through, either way, and nobody is told."""

    held: int = 0

    async def through(self, link: Link, direction: Direction, chunk: bytes) -> bytes | None:
        assert chunk, (link, direction)
        self.held += 1
        return None


@dataclass
class _Slow:
    """Every chunk is late; their order stays."""

    rng: random.Random
    longest: float
    delayed: int = 0

    async def through(self, link: Link, direction: Direction, chunk: bytes) -> bytes | None:
        assert direction in ("request", "reply"), link
        self.delayed += 1
        await asyncio.sleep(self.rng.uniform(0.02, self.longest))
        return chunk


class _Tapped(Fault):
    """A tap on the proxy for a while."""

    touches = frozenset({"proxy"})
    needs_proxy = True
    lasts: tuple[float, float] = (2.0, 6.0)
    """Seconds, drawn between the two."""

    async def tapped(self, proxy: Proxy, tap: Tap, seconds: float) -> None:
        proxy.tap = tap
        try:
            await asyncio.sleep(seconds)
        finally:
            proxy.tap = None


class LostReplies(_Tapped):
    """Commands arrive and are done; the answer to some never comes back, and the connection ends."""

    name = "lost-replies"
    share = 0.2

    async def strike(self, house: House) -> Facts:
        tap = _Losing(house.rng, self.share)
        await self.tapped(house.proxy, tap, house.rng.uniform(*self.lasts))
        return {"lost": tap.lost}


class Resets(_Tapped):
    """Every connection is reset, again and again."""

    name = "resets"

    async def strike(self, house: House) -> Facts:
        cut, end = 0, asyncio.get_running_loop().time() + house.rng.uniform(*self.lasts)
        while asyncio.get_running_loop().time() < end:
            cut += house.proxy.reset_all()
            await asyncio.sleep(house.rng.uniform(0.05, 1.0))
        return {"reset": cut}


class Refused(_Tapped):
    """Connections are cut and no new one is taken, as when a host is gone."""

    name = "refused"

    async def strike(self, house: House) -> Facts:
        proxy = house.proxy
        proxy.accepting = False
        try:
            cut = proxy.reset_all()
            await asyncio.sleep(house.rng.uniform(*self.lasts))
        finally:
            proxy.accepting = True
        return {"reset": cut}


class HalfOpen(_Tapped):
    """Connections look alive and carry nothing, longer than our time limits; in the end they are reset."""

    name = "half-open"
    lasts = (7.0, 13.0)

    async def strike(self, house: House) -> Facts:
        tap, proxy = _Silent(), house.proxy
        try:
            await self.tapped(proxy, tap, house.rng.uniform(*self.lasts))
        finally:
            # What was swallowed has left holes in every stream.
            cut = proxy.reset_all()
        return {"swallowed": tap.held, "reset": cut}


class Delays(_Tapped):
    """Everything is late by up to a second, each way."""

    name = "delays"
    longest = 1.0

    async def strike(self, house: House) -> Facts:
        tap = _Slow(house.rng, self.longest)
        await self.tapped(house.proxy, tap, house.rng.uniform(*self.lasts))
        return {"delayed": tap.delayed}
