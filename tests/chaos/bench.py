"""A house without inhabitants, for trying one fault: its server and its proxy run, nothing else."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.chaos.fault import Fault
from tests.chaos.house import House
from tests.chaos.proxy import Proxy
from wingman_runtime.redisio import wire


@asynccontextmanager
async def bench(where: Path, *faults: Fault, **extra: str) -> AsyncIterator[House]:
    """``extra``: directives of the server."""
    house = House(where, random.Random(7))
    for fault in faults:
        fault.prepare(house)
    house.server_extra.update(extra)
    await house.server.start()
    house.proxy = Proxy(house.server.socket.with_name("proxy.sock"), house.server.socket)
    await house.proxy.start()
    try:
        yield house
    finally:
        await house.proxy.stop()
        await house.server.stop()
        house.faults_log.close()


def figure(house: House, section: str, name: str) -> str:
    """One line of the server's INFO."""
    lines = wire.ask_bytes(house.server.socket, "INFO", section).decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)[name]
