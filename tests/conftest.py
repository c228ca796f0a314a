"""Servers that all tests share: real ones, started once per process, emptied before each test that asks.

- `valkey`, `redis7`: an embedded Valkey, and Debian's Redis 7 under the same launcher (session).
- `cluster`: an embedded Valkey in cluster mode with all slots, for tests of slot-clean keys (session).
- `backend_url`: each test that asks for it runs once on `valkey` and once on `redis7`.
- `valkey_url`, `redis7_url`, `cluster_url`: the same, one of them only.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from wingman_runtime.redisio import wire
from wingman_runtime.redisio.binary import inspect_binary
from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded


@pytest.fixture(autouse=True)
def _logs_as_they_are() -> None:
    """A command that ran in this process has set what is logged; no later test is to depend on that."""
    structlog.reset_defaults()


def _emptied(server: EmbeddedServer) -> str:
    wire.ask(server.socket, "FLUSHALL", "SYNC", password=server.password)
    wire.ask(server.socket, "SCRIPT", "FLUSH", password=server.password)
    return server.url


@pytest.fixture(scope="session")
def redis7_binary() -> Path:
    """The second server that everything is tested on. Missing is a failure, never a skip."""
    found = shutil.which("redis-server")
    binary = inspect_binary(Path(found)) if found else None
    if binary is None or not binary.accepted or binary.product != "redis":
        pytest.fail(
            f"these tests need Redis 7 or newer as the second server, found {binary or 'none'}: "
            "run `apt install redis-server` (Debian) or `brew install redis` (macOS)",
            pytrace=False,
        )
    return binary.path


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """The embedded server as users get it."""
    with start_embedded(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def redis7(tmp_path_factory: pytest.TempPathFactory, redis7_binary: Path) -> Iterator[EmbeddedServer]:
    """Redis 7 from the system, same launcher."""
    with start_embedded(tmp_path_factory.mktemp("redis7"), binary=redis7_binary) as server:
        yield server


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """The embedded server in cluster mode; a plain client works, a script that leaves its slot is refused."""
    with start_embedded(tmp_path_factory.mktemp("cluster"), cluster=True) as server:
        yield server


@pytest.fixture
def valkey_url(valkey: EmbeddedServer) -> str:
    return _emptied(valkey)


@pytest.fixture
def redis7_url(redis7: EmbeddedServer) -> str:
    return _emptied(redis7)


@pytest.fixture
def cluster_url(cluster: EmbeddedServer) -> str:
    return _emptied(cluster)


@pytest.fixture(params=["valkey", "redis7"])
def backend_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty server; the test runs once for each product."""
    server: EmbeddedServer = request.getfixturevalue(request.param)
    return _emptied(server)
