"""Crash points: where a worker is made to vanish, as `kill -9` would make it.

A point is ``<agent>:<moment>``:

    before_commit   the agent has answered (and performed); neither answer nor last effect's end is recorded
    after_commit    recorded, but the worker never learns that it was
    after_intent    an effect's intent is recorded, its tool was not called
    after_effect    the tool was called, its result is not recorded

All four moments are answers of the server, so that is where this sits: between a worker and its scripts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import orjson

from wingman_runtime.errors import UsageError
from wingman_runtime.redisio.store import Store

Moment = Literal["before_commit", "after_commit", "after_intent", "after_effect"]
_SCRIPTS: dict[str, tuple[tuple[str, ...], bool]] = {
    "before_commit": (("commit",), False),
    "after_commit": (("commit",), True),
    "after_intent": (("intent",), True),
    # The end of a plan's last effect comes with the commit.
    "after_effect": (("result", "commit"), False),
}


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """Where to crash; ``CrashPoint.parse("executor:after_intent")``."""

    agent: str
    moment: Moment

    @classmethod
    def parse(cls, text: str) -> CrashPoint:
        agent, _, moment = text.partition(":")
        if not agent or moment not in get_args(Moment):
            raise UsageError(
                f"{text!r} is no crash point",
                hint="write <agent>:<moment>; moments are " + ", ".join(get_args(Moment)),
            )
        return cls(agent, cast(Moment, moment))

    @property
    def afterwards(self) -> bool:
        """Whether the script that marks the moment has run by then, or is never sent."""
        return _SCRIPTS[self.moment][1]

    def is_hit(self, script: str, args: tuple[Any, ...]) -> bool:
        """Whether running this script with these arguments is the moment."""
        if script not in _SCRIPTS[self.moment][0]:
            return False
        if script == "result":  # only an agent that performs records results
            record = orjson.loads(args[2])
            return bool(record["agent"] == self.agent)
        header = orjson.loads(args[0])
        if self.moment == "after_effect" and not any("fx" in message for message in header["msgs"]):
            return False
        eager = (step["agent"] for message in header.get("msgs", ()) for step in message.get("eager", ()))
        return self.agent in (header["agent"], *eager)


class CrashStore(Store):
    """A store that stops answering for ever at a crash point, once; `crashed` says that it has."""

    def __init__(self, store: Store, point: CrashPoint) -> None:
        # Shares connections and scripts: only the answers to this one worker stop.
        self.__dict__.update(vars(store))
        self.point = point
        self.crashed = asyncio.Event()

    async def run(self, name: str, partition: int, *args: str | bytes | int | float) -> Any:
        hit = self.point.is_hit(name, args)
        if self.crashed.is_set() or (hit and not self.point.afterwards):
            await self._vanish()
        reply = await super().run(name, partition, *args)
        if hit:
            await self._vanish()
        return reply

    async def _vanish(self) -> None:
        self.crashed.set()
        await asyncio.Event().wait()
