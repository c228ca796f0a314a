"""A primary, a replica and a sentinel of Debian's Redis, each with a login of its own; for failovers.

The application is an ACL user of the servers; the sentinel has a password of its own. The link of primary
and replica can be stalled: the replica lives on, answers, is fit to be promoted, and hears of nothing new.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.chaos.waiting import until
from wingman_runtime.redisio.embedded_files import free_port

SERVICE = "house"
_SECRET, _OWN, _ASKED = "between-servers", "of-the-application", "of-the-sentinel"
_SERVER = f"""
bind 127.0.0.1
appendonly yes
appendfsync always
save ""
repl-diskless-sync-delay 0
shutdown-timeout 0
requirepass {_SECRET}
masterauth {_SECRET}
user app on >{_OWN} ~* &* +@all
"""


@dataclass(slots=True)
class Node:
    """One process, on a loopback port and a folder of its own."""

    folder: Path
    port: int
    password: str
    sentinel: bool = False
    process: asyncio.subprocess.Process | None = None

    async def start(self, config: str) -> None:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / "node.conf"
        path.write_text(f'port {self.port}\ndir "{self.folder}"\n{config}')
        program = shutil.which("redis-server")
        assert program is not None, "needs redis-server: apt install redis-server"
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                program, str(path), *(["--sentinel"] if self.sentinel else []), stdout=log, stderr=log
            )
        await until(self.answers, 20.0)

    def ask(self, *words: str) -> object:
        """One command.

        Raises:
            RedisError: it does not answer, or with an error.
        """
        with Redis(port=self.port, password=self.password, socket_timeout=2.0, protocol=2) as client:
            return client.execute_command(*words)

    def answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except RedisError:
            return False

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGKILL)
            await self.process.wait()


@dataclass(slots=True)
class Watched:
    """The three; ``url`` is what an application is given."""

    primary: Node
    replica: Node
    sentinel: Node

    @property
    def url(self) -> str:
        # The first sentinel is one that is not there: the next is asked.
        return f"redis+sentinel://app:{_OWN}@127.0.0.1:1,127.0.0.1:{self.sentinel.port}/{SERVICE}/0"

    @property
    def password(self) -> str:
        """Of the sentinel."""
        return _ASKED

    async def caught_up(self) -> None:
        """The replica has all that was written so far."""
        await until(lambda: bool(self.primary.ask("WAIT", "1", "500")), 20.0)

    async def stall(self) -> None:
        """Whatever the primary writes from now on, the replica does not hear of; of all before, it has."""
        await self.caught_up()
        self.replica.ask("CONFIG", "SET", "masterauth", "wrong")
        self.primary.ask("CLIENT", "KILL", "TYPE", "replica")
        await until(lambda: b"connected_slaves:0" in self._told(self.primary), 10.0)

    async def fail_over(self) -> None:
        """`kill -9` of the primary; returns once the replica is the primary."""
        await self.primary.kill()
        await until(lambda: b"role:master" in self._told(self.replica), 30.0)

    async def revive(self) -> None:
        """The old primary comes back; the sentinel makes it a replica of the new one."""
        await self.primary.start(_SERVER)
        await until(lambda: b"connected_slaves:1" in self._told(self.replica), 40.0)

    def _told(self, node: Node) -> bytes:
        with Redis(port=node.port, password=node.password, socket_timeout=2.0, protocol=2) as client:
            client.set_response_callback("INFO", lambda reply, **_: reply)
            reply = client.execute_command("INFO", "replication")
            assert isinstance(reply, bytes)
            return reply


@asynccontextmanager
async def watched(where: Path) -> AsyncIterator[Watched]:
    """All three run, and the sentinel knows the replica."""
    made = Watched(
        Node(where / "primary", free_port(), _SECRET),
        Node(where / "replica", free_port(), _SECRET),
        Node(where / "sentinel", free_port(), _ASKED, sentinel=True),
    )
    nodes = (made.primary, made.replica, made.sentinel)
    try:
        await made.primary.start(_SERVER)
        await made.replica.start(f"{_SERVER}replicaof 127.0.0.1 {made.primary.port}\n")
        await until(lambda: b"state=online" in made._told(made.primary), 20.0)
        await made.sentinel.start(
            f"bind 127.0.0.1\nrequirepass {_ASKED}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {made.primary.port} 1\n"
            f"sentinel auth-pass {SERVICE} {_SECRET}\n"
            f"sentinel down-after-milliseconds {SERVICE} 600\n"
            f"sentinel failover-timeout {SERVICE} 5000\n"
        )
        await until(lambda: bool(made.sentinel.ask("SENTINEL", "REPLICAS", SERVICE)), 20.0)
        yield made
    finally:
        for node in nodes:
            await node.kill()
