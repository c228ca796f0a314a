"""Connections that leave a server which is no longer the one to write to.

After a failover the old primary lives on as a replica. A connection to it is worth nothing: it would refuse
every write for ever, or answer reads with what is old. So the first refusal ends the connection, and the next
one goes where the name, or the sentinels, say the primary is now.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as LinkError
from redis.exceptions import MasterDownError, ReadOnlyError, ResponseError

from wingman_runtime.redisio.sentinels import Sentinels

_UNBLOCKED = "UNBLOCKED"
"""Said to a blocked read when its server becomes a replica."""


class _Leaving:
    """Ends itself when the server says that it is a replica now."""

    async def read_response(self, *args: Any, **more: Any) -> Any:
        try:
            return await super().read_response(*args, **more)  # type: ignore[misc]
        except ResponseError as error:
            demoted = isinstance(error, ReadOnlyError | MasterDownError) or str(error).startswith(_UNBLOCKED)
            if not demoted:
                raise
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]
            # Of the connection, not of the command: what else was sent here has no answer either.
            raise LinkError(f"READONLY {error}") from error


class TcpLink(_Leaving, Connection):
    """To a host and port."""


class TlsLink(_Leaving, SSLConnection):
    """The same over TLS."""


class UnixLink(_Leaving, UnixDomainSocketConnection):
    """To a unix socket."""


class _Led:
    """Goes to the primary that the sentinels name, and leaves it when a later answer names another."""

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(**options)
        self._sentinels = sentinels

    async def _connect(self) -> None:
        self.host, self.port = await self._sentinels.primary()
        await super()._connect()  # type: ignore[misc]

    async def send_packed_command(self, *args: Any, **more: Any) -> None:
        # A primary that hangs would otherwise cost each pooled connection a time limit of its own.
        if self.is_connected and self._sentinels.moved_from((self.host, self.port)):  # type: ignore[attr-defined]
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]
        await super().send_packed_command(*args, **more)  # type: ignore[misc]


class LedTcpLink(_Led, TcpLink):
    """To the primary of a service that sentinels watch."""


class LedTlsLink(_Led, TlsLink):
    """The same over TLS."""
