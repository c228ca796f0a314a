"""A proxy between the processes and the server, over unix sockets: what a network does, done on purpose.

It understands nothing but chunks. A fault sets `Proxy.tap`; without one everything goes through untouched.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Direction = Literal["request", "reply"]
_CHUNK = 1 << 16


@dataclass(eq=False, slots=True)
class Link:
    """One connection through the proxy. ``number`` counts from 1."""

    number: int
    near: asyncio.StreamWriter
    far: asyncio.StreamWriter

    def reset(self) -> None:
        """Cut it, both sides, whatever is on its way."""
        for side in (self.near, self.far):
            side.transport.abort()


class Tap(Protocol):
    """What a fault does to the traffic."""

    async def through(self, link: Link, direction: Direction, chunk: bytes) -> bytes | None:
        """What goes on in place of the chunk; None: nothing does. May wait, may `Link.reset`."""
        ...


@dataclass(slots=True)
class Proxy:
    """Listens on ``path``, connects to ``target``; refuses (accepts and closes) while the target is away."""

    path: Path
    target: Path
    tap: Tap | None = None
    accepting: bool = True
    links: set[Link] = field(default_factory=set)
    accepted: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    async def start(self) -> None:
        """Listen."""
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._accept, str(self.path), limit=_CHUNK)

    async def stop(self) -> None:
        """Cut everything, listen no more."""
        if self._server is not None:
            self._server.close()
        self.reset_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.path.unlink(missing_ok=True)

    def reset_all(self) -> int:
        """Cut every connection; returns how many there were."""
        count = len(self.links)
        for link in list(self.links):
            link.reset()
        return count

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if not self.accepting:
                raise ConnectionRefusedError
            far_reader, far = await asyncio.open_unix_connection(str(self.target), limit=_CHUNK)
        except OSError:
            writer.close()
            return
        self.accepted += 1
        link = Link(self.accepted, writer, far)
        self.links.add(link)
        try:
            pumps = [
                asyncio.create_task(self._pump(link, "request", reader, far)),
                asyncio.create_task(self._pump(link, "reply", far_reader, writer)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            self.links.discard(link)
            for side in (writer, far):
                side.close()

    async def _pump(
        self, link: Link, direction: Direction, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await source.read(_CHUNK):
                tap = self.tap
                passed = chunk if tap is None else await tap.through(link, direction, chunk)
                if passed:
                    sink.write(passed)
                    await sink.drain()
