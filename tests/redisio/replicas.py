"""A primary and a replica of one product, and the link between them, which can be cut."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.worker.projects import until
from wingman_runtime.redisio import wire
from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded


@dataclass(frozen=True)
class Pair:
    primary: EmbeddedServer
    replica: EmbeddedServer

    def ask(self, server: EmbeddedServer, *words: str) -> wire.Reply:
        return wire.ask(server.socket, *words, password=server.password)

    async def cut(self) -> None:
        """The replica goes on, but hears nothing of the primary any more."""
        self.ask(self.replica, "CONFIG", "SET", "masterauth", "wrong")
        self.ask(self.primary, "CLIENT", "KILL", "TYPE", "replica")
        await until(self._alone)

    async def join(self) -> None:
        """The link is whole again, and the replica has caught up."""
        self.ask(self.replica, "CONFIG", "SET", "masterauth", self.primary.password)
        mark = f"{time.monotonic_ns()}"
        self.ask(self.primary, "SET", "mark", mark)

        async def caught_up() -> bool:
            try:
                return self.ask(self.replica, "GET", "mark") == mark.encode()
            except wire.ReplyError:  # it is loading what it was sent
                return False

        await until(caught_up, 20)

    async def _alone(self) -> bool:
        return self._info()["connected_slaves"] == "0"

    def _info(self) -> dict[str, str]:
        server = self.primary
        lines = wire.ask_bytes(server.socket, "INFO", "replication", password=server.password).decode()
        return dict(line.split(":", 1) for line in lines.splitlines() if ":" in line)


@asynccontextmanager
async def replicated(where: Path, binary: Path | None) -> AsyncIterator[Pair]:
    """Both run, and the replica has what the primary has."""
    quick = {"repl-diskless-sync": "yes", "repl-diskless-sync-delay": "0", "shutdown-timeout": "0"}
    with ExitStack() as stack:
        servers = [
            stack.enter_context(start_embedded(where / name, port=0, binary=binary, extra=quick))
            for name in ("primary", "replica")
        ]
        pair = Pair(*servers)
        pair.ask(pair.replica, "REPLICAOF", "127.0.0.1", str(pair.primary.port))
        await pair.join()
        yield pair
