"""From settings to an open server: its URL, or the project's embedded one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from wingman_runtime.errors import AdmissionClosedError, BackendError, WingmanError
from wingman_runtime.redisio.batcher import Quorum
from wingman_runtime.redisio.connection import Backend, Tls, open_backend
from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded
from wingman_runtime.redisio.store import Store
from wingman_runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Connected:
    """An open server and this project's place on it."""

    backend: Backend
    store: Store


@asynccontextmanager
async def connect(settings: Settings, *, readers: int = 64) -> AsyncIterator[Connected]:
    """The project's server: its URL, or the embedded one, started or attached to.

    Args:
        readers: how many blocking reads may wait at once.

    Raises:
        BackendError: it cannot be reached or used, or is not durable though ``durability: strict``.
    """
    redis = settings.redis
    server = None
    if redis.url is None:
        # Zero is the server's own word for "no limit".
        limit = str(settings.embedded.maxmemory)
        server = await asyncio.to_thread(
            start_embedded, settings.data_dir, maxmemory=limit, binary=settings.embedded.binary
        )
    try:
        backend = await _opened(settings, server, readers)
        async with backend:
            store = Store(
                backend.commands,
                backend.readers,
                namespace=settings.namespace,
                partitions=settings.partitions,
                quorum=Quorum.of(redis.commit_quorum, redis.commit_quorum_timeout),
            )
            try:
                yield Connected(backend, store)
            except (BackendError, AdmissionClosedError) as error:
                error.where = error.where or backend.where
                raise
    finally:
        if server is not None and server.owned:
            await server.astop()


async def _opened(settings: Settings, server: EmbeddedServer | None, readers: int) -> Backend:
    redis = settings.redis
    try:
        return await open_backend(
            redis.url.get_secret_value() if redis.url else None,
            embedded=server,
            username=redis.username,
            password=redis.password.get_secret_value() if redis.password else None,
            tls=Tls(redis.ca_file, redis.cert_file, redis.key_file),
            sentinel_username=redis.sentinel_username,
            sentinel_password=redis.sentinel_password.get_secret_value() if redis.sentinel_password else None,
            strict=settings.durability == "strict",
            reader_connections=readers,
            client_name=f"wingman-{settings.name}"[:60],
        )
    except WingmanError as error:
        # The URL is wrong or its server is: the reader needs the place where the URL is written.
        source = settings.source_of("redis.url")
        if server is None and error.where and source != "default":
            error.where = f"{error.where} (from {source})"
        raise
