"""From settings to an open server: its URL, or the project's embedded one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from wingman_runtime.errors import AdmissionClosedError, BackendError, WingmanError
from wingman_runtime.redisio.batcher import Quorum
from wingman_runtime.redisio.connection import Backend, Tls, open_backend
from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded
from wingman_runtime.redisio.store import Store
from wingman_runtime.settings import Settings

_LOG = structlog.get_logger(__name__)
_LOOK, _LONGEST_NAP, _STEADY = 0.5, 30.0, 60.0


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
    redis, embedded = settings.redis, None
    if redis.url is None:
        embedded = _Embedded(settings)
        await embedded.start()
    try:
        backend = await _opened(settings, embedded.server if embedded else None, readers)
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
        if embedded is not None:
            await embedded.stop()


class _Embedded:
    """The embedded server for as long as somebody is connected: one that crashes is started again.

    By whoever started it. Its data and its socket are the same, so everybody who waits for it goes on.
    """

    server: EmbeddedServer

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._over = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.server = await self._started()
        if self.server.owned:
            self._keeping = asyncio.create_task(self._keep(), name="keeping the embedded server")

    async def stop(self) -> None:
        self._over.set()
        if self._keeping is not None:
            await self._keeping  # never cancelled: a server just being started would be nobody's
        if self.server.owned:
            await self.server.astop()

    async def _started(self) -> EmbeddedServer:
        # Zero is the server's own word for "no limit".
        embedded = self._settings.embedded
        limit = str(embedded.maxmemory)
        return await asyncio.to_thread(
            start_embedded, self._settings.data_dir, maxmemory=limit, binary=embedded.binary
        )

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        nap, since, crashed = _LOOK, loop.time(), False
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), nap if crashed else _LOOK)
                return
            if not crashed and not self.server.crashed:
                continue
            # One that ends of its own data must not be started as fast as it can end.
            nap = _LOOK if loop.time() - since > _STEADY else min(nap * 2, _LONGEST_NAP)
            since = loop.time()
            _LOG.error("the embedded server ended: starting it again", log=str(self._settings.data_dir))
            await self.server.astop()
            try:
                self.server, crashed = await self._started(), False
            except WingmanError as error:
                crashed = True
                _LOG.error("the embedded server does not start", error=str(error), again_in_s=nap)


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
