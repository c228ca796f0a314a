"""What kind of server this is: product, version, durability; and the two refusals that follow from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from wingman_runtime.errors import BackendRefusedError, BackendUnreachableError
from wingman_runtime.redisio.binary import MINIMUM
from wingman_runtime.redisio.store import mapped

NEEDED = "Redis >= 7.0 or Valkey >= 8.0"


@dataclass(frozen=True, slots=True)
class Probe:
    """What the server said about itself when we connected.

    Args:
        product: ``redis`` or ``valkey``; anything else is refused.
        version: as it reports it, ``9.1.2``. Valkey's own, not the Redis version it is compatible with.
        durable: append-only file on, and synced before each answer; None: it does not let us see.
        appendonly: the append-only file is on.
        appendfsync: ``always``, ``everysec``, ``no``; empty when it does not let us see.
        maxmemory: bytes; 0: no limit.
        maxmemory_policy: what happens past it; all but ``noeviction`` would drop our keys.
        cluster: cluster mode is on.
        role: ``master`` or ``slave``.
        run_id: changes with each start of the server.
    """

    product: str
    version: str
    durable: bool | None
    appendonly: bool
    appendfsync: str
    maxmemory: int
    maxmemory_policy: str
    cluster: bool
    role: str
    run_id: str

    def __str__(self) -> str:
        return f"{self.product} {self.version}"


async def probe_server(client: Redis, where: str | None = None) -> Probe:
    """Ask the server what it is.

    Args:
        client: any client of it.
        where: the server, without its password, for the error.

    Raises:
        BackendRefusedError: the ACL user may not use INFO.
        RedisError: anything else; the caller translates.
    """
    try:
        info = _parse(await _call(client, "INFO"))
    except NoPermissionError as error:
        raise BackendRefusedError(
            "the ACL user may not ask the server for its version",
            where=where,
            hint="grant it +info (ACL SETUSER <user> +info)",
        ) from error
    appendonly = info.get("aof_enabled") == "1"
    fsync = await _appendfsync(client)
    durable = False if not appendonly or fsync in {"everysec", "no"} else None if not fsync else True
    product, version = _product(info)
    return Probe(
        product=product,
        version=version,
        durable=durable,
        appendonly=appendonly,
        appendfsync=fsync,
        maxmemory=int(info.get("maxmemory", "0")),
        maxmemory_policy=info.get("maxmemory_policy", "noeviction"),
        cluster=info.get("cluster_enabled") == "1" or info.get("redis_mode") == "cluster",
        role=info.get("role", "master"),
        run_id=info.get("run_id", ""),
    )


def require_version(probe: Probe, where: str | None = None, *, led: bool = False) -> None:
    """Refuse a server that is too old, of an unknown kind, or a replica.

    Args:
        led: sentinels named it, who may be about to name another: a replica is no lasting fault.

    Raises:
        BackendRefusedError: names the version found and the one needed.
        BackendUnreachableError: sentinels named a replica; ask them again.
    """
    least = MINIMUM.get(probe.product)
    found = tuple(int(part) for part in re.findall(r"\d+", probe.version)[:3])
    if least is None or found < least:
        raise BackendRefusedError(
            f"the server is {probe}; needed: {NEEDED}",
            where=where,
            hint="use a newer server, or set no URL: an embedded one is started",
        )
    if probe.role != "master" and led:
        raise BackendUnreachableError(
            "the sentinels name a server that is a replica",
            where=where,
            hint="a failover is under way; try again",
        )
    if probe.role != "master":
        raise BackendRefusedError(
            "the server is a read-only replica", where=where, hint="point the URL to the primary"
        )


def require_durable(probe: Probe, where: str | None = None) -> None:
    """Refuse a server that could forget what it accepted; for ``durability: strict``.

    Raises:
        BackendRefusedError: not durable, or it cannot be seen, or it may evict keys.
    """
    if probe.durable is None:
        raise BackendRefusedError(
            "durability is strict, but the ACL user may not see `appendfsync`",
            where=where,
            hint="grant +config|get, or set `durability: relaxed` if you know that the server syncs always",
        )
    if not probe.durable:
        state = f"appendonly {'yes' if probe.appendonly else 'no'}"
        if probe.appendfsync:
            state += f", appendfsync {probe.appendfsync}"
        raise BackendRefusedError(
            f"durability is strict, but the server may lose what it accepted ({state})",
            where=where,
            hint="run CONFIG SET appendonly yes, CONFIG SET appendfsync always, CONFIG REWRITE; "
            "or set `durability: relaxed`",
        )
    if probe.maxmemory and probe.maxmemory_policy != "noeviction":
        raise BackendRefusedError(
            f"durability is strict, but the server drops keys when full ({probe.maxmemory_policy})",
            where=where,
            hint="run CONFIG SET maxmemory-policy noeviction, CONFIG REWRITE",
        )


async def _appendfsync(client: Redis) -> str:
    try:
        reply = await _call(client, "CONFIG", "GET", "appendfsync")
    except ResponseError:  # denied by the ACL, or a hosted server without CONFIG
        return ""
    found = {_text(name): _text(value) for name, value in mapped(reply).items()}
    return found.get("appendfsync", "")


async def _call(client: Redis, *words: str) -> Any:
    return await client.execute_command(*words)  # type: ignore[no-untyped-call]


def _product(info: Mapping[str, str]) -> tuple[str, str]:
    if "valkey_version" in info:
        return "valkey", info["valkey_version"]
    for other in ("dragonfly_version", "keydb_version", "garnet_version", "kvrocks_version"):
        if other in info:
            return other.removesuffix("_version"), info[other]
    return "redis", info.get("redis_version", "0")


def _parse(reply: object) -> dict[str, str]:
    if isinstance(reply, Mapping):
        return {_text(name): _text(value) for name, value in reply.items()}
    return dict(line.split(":", 1) for line in _text(reply).splitlines() if ":" in line)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
