"""What every function of this room needs: the clients, the scripts, and the names of a namespace's keys."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from wingman_runtime.errors import AdmissionClosedError, BackendRefusedError
from wingman_runtime.redisio.batcher import Quorum
from wingman_runtime.redisio.faults import backend_errors
from wingman_runtime.redisio.keys import GROUP, Keys
from wingman_runtime.redisio.scripts import Scripts

if TYPE_CHECKING:
    from redis.asyncio import Redis


class Store:
    """One namespace on one server.

    Args:
        commands: client for everything that answers at once.
        readers: client for blocking reads; each waiting read holds one of its connections.
        namespace: first part of every key.
        partitions: number of partitions; fixed for the life of a namespace.
        shebang: False only for fakeredis.
        quorum: replicas that must have what a script wrote before it answers; None: none.
    """

    def __init__(
        self,
        commands: Redis,
        readers: Redis,
        *,
        namespace: str = "wm",
        partitions: int = 1,
        shebang: bool = True,
        quorum: Quorum | None = None,
    ) -> None:
        self.commands = commands
        self.readers = readers
        self.partitions = partitions
        self.quorum = quorum
        self.scripts = Scripts(commands, shebang=shebang, quorum=quorum)
        self._memory = (0.0, float("-inf"))
        self._keys = tuple(Keys(namespace, number) for number in range(partitions))

    def keys(self, partition: int) -> Keys:
        return self._keys[partition]

    def partition_for(self, tenant: str, idempotency_key: str) -> int:
        """The partition a key always lands in, so that its repeat meets the first one."""
        return zlib.crc32(f"{tenant}\0{idempotency_key}".encode()) % self.partitions

    async def run(self, name: str, partition: int, *args: str | bytes | int | float) -> Any:
        return await self.scripts.run(name, self._keys[partition].anchor, *args)

    async def call(self, *command: Any) -> Any:
        """A single command, coalesced with others of the same loop turn."""
        return await self.scripts.batcher.call(*command)

    async def memory_used(self, max_age: float) -> float:
        """The share of maxmemory in use, as of at most ``max_age`` seconds ago; 0 without a limit."""
        share, at = self._memory
        now = asyncio.get_running_loop().time()
        if now - at >= max_age:
            # Taken before the answer: those who ask meanwhile use the last value instead of asking as well.
            self._memory = (share, now)
            facts: dict[str, Any] = {}
            # Where it may not be asked (a narrow ACL, fakeredis) the server's own limit closes the door.
            with contextlib.suppress(BackendRefusedError):
                async with backend_errors():
                    facts = await self.commands.info("memory")
            limit = int(facts.get("maxmemory", 0))
            share = int(facts.get("used_memory", 0)) / limit if limit else 0.0
            self._memory = (share, now)
        return share

    async def ensure_groups(self, agents: list[str]) -> None:
        """Create the inboxes' consumer group where it is missing; from the start, so nothing is skipped."""
        await asyncio.gather(
            *(self._ensure_group(keys.inbox(agent)) for keys in self._keys for agent in agents)
        )

    async def _ensure_group(self, stream: str) -> None:
        try:
            await self.call("XGROUP", "CREATE", stream, GROUP, "0", "MKSTREAM")
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        except AdmissionClosedError:
            # A full server refuses this before it looks. What is there already may be drained.
            exists = await self.call("EXISTS", stream)
            rows = await self.call("XINFO", "GROUPS", stream) if exists else ()
            if GROUP not in {text(mapped(row)[b"name"]) for row in rows}:
                raise


def mapped(reply: Any) -> Mapping[Any, Any]:
    """A reply of names and values by name. The library's parsers give a mapping, a pipeline a flat list.

    Raises:
        ValueError: a name has no value.
    """
    if isinstance(reply, Mapping):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))


def text(value: Any) -> str:
    """A reply as text; bytes that are no UTF-8 are shown, not raised."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)
