"""A TCP server that says of itself what a test wants, or nothing, and remembers what it was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Impostor:
    """Answers INFO with ``info``; to every other command, ``other``: ``silence``, ``hang up`` or a raw reply.

    Args:
        info: lines of INFO, each ``name:value``; empty: treat INFO as any other command.
        other: what to do with other commands.
    """

    info: tuple[str, ...] = ()
    other: str = "-ERR unknown command\r\n"
    seen: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while header := await reader.readline():
                words: list[str] = []
                for _ in range(int(header[1:])):
                    size = int((await reader.readline())[1:])
                    words.append((await reader.readexactly(size + 2))[:-2].decode())
                self.seen.append(" ".join(words))
                if words[0] == "CLIENT":
                    writer.write(b"+OK\r\n")
                elif words[0] == "INFO" and self.info:
                    body = "\r\n".join(("# Server", *self.info)).encode()
                    writer.write(b"$%d\r\n%s\r\n" % (len(body), body))
                elif self.other == "hang up":
                    return
                elif self.other != "silence":
                    writer.write(self.other.encode())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def impostor(
    info: tuple[str, ...] = (), other: str = "-ERR unknown command\r\n"
) -> AsyncIterator[Impostor]:
    """Run one on a free loopback port."""
    made = Impostor(info, other)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
