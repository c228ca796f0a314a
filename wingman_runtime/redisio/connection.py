"""The way to the server: two pools, a probe, and nothing that repeats a command behind our back.

- ``commands``: short commands and scripts. Callers queue for a free connection; ten thousand waiting
  requests do not need a connection each.
- ``readers``: blocking reads of at most `MAX_BLOCK_MS`, with a socket timeout above it and never none, so
  that a dead server is noticed. A reader that finds no free connection fails at once: waiting for one would
  be silence.

No command is repeated by the library: a commit whose answer was lost is repeated by the worker, which knows
how. RESP2, chosen: replies have one shape on every server version and in fakeredis, and no push message can
arrive between two replies. Replies are bytes.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from wingman_runtime.errors import UsageError
from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded
from wingman_runtime.redisio.faults import backend_errors, first_errors, translate
from wingman_runtime.redisio.links import LedTcpLink, LedTlsLink, TcpLink, TlsLink, UnixLink
from wingman_runtime.redisio.probe import Probe, probe_server, require_durable, require_version
from wingman_runtime.redisio.sentinels import EXAMPLE, SCHEMES, Sentinels, Watched, parse_watched

__all__ = [
    "MAX_BLOCK_MS",
    "Backend",
    "Probe",
    "Tls",
    "backend_errors",
    "open_backend",
    "redact",
    "require_durable",
    "translate",
]

MAX_BLOCK_MS = 2_000
"""The longest BLOCK of a read."""
READ_TIMEOUT = 6.0
"""Seconds a reader waits for its socket: the block, and time for the server to be late."""
COMMAND_TIMEOUT = 10.0
"""Seconds for a command; generous, since a batch may wait for a slow disk's fsync."""
CONNECT_TIMEOUT = 5.0
POOL_TIMEOUT = 10.0
"""Seconds a command queues for a free connection."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Files for a ``rediss://`` server.

    Args:
        ca: certificate authority the server's certificate is signed by; default the system's.
        cert: client certificate, with ``key``, when the server asks for one.
        key: its private key.
        check_hostname: the certificate must name the host of the URL.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    check_hostname: bool = True


@dataclass(slots=True)
class Backend:
    """An open way to a server; close it with `aclose` or ``async with``.

    Args:
        commands: for everything that answers at once.
        readers: for blocking reads, ``block`` at most `MAX_BLOCK_MS`.
        probe: what the server is.
        where: its URL without the password, for messages.
        server: the embedded server behind it, when we started or attached one.
    """

    commands: Redis
    readers: Redis
    probe: Probe
    where: str
    server: EmbeddedServer | None = None
    _stops: bool = field(default=False, repr=False)
    _sentinels: Sentinels | None = field(default=None, repr=False)

    def errors(self) -> backend_errors:
        """``async with backend.errors():`` turns the library's errors into ours, naming this server."""
        return backend_errors(self.where)

    async def aclose(self) -> None:
        """Close both pools; stop the embedded server if this backend started it."""
        await self.commands.aclose()
        await self.readers.aclose()
        if self._sentinels is not None:
            await self._sentinels.aclose()
        if self._stops and self.server is not None:
            await self.server.astop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def open_backend(
    url: str | None,
    *,
    embedded: Path | EmbeddedServer | None = None,
    username: str | None = None,
    password: str | None = None,
    tls: Tls | None = None,
    sentinel_username: str | None = None,
    sentinel_password: str | None = None,
    strict: bool = False,
    command_connections: int = 16,
    reader_connections: int = 64,
    client_name: str | None = None,
) -> Backend:
    """Connect to a server, look at it, refuse it or give both pools.

    Args:
        url: ``redis://``, ``rediss://``, ``unix://`` or one of `sentinels`, user and password in it or beside
            it; None: embedded.
        embedded: without a URL, the running server to use, or the data directory of the one to start or
            attach to.
        username: ACL user; wins over the URL's.
        password: wins over the URL's.
        tls: files for ``rediss://``.
        sentinel_username: ACL user of the sentinels, which have logins of their own.
        sentinel_password: and its password.
        strict: refuse a server that is not durable (`require_durable`).
        command_connections: size of the commands pool; more callers queue.
        reader_connections: size of the readers pool; one blocking reader each.
        client_name: shown in CLIENT LIST; what a server takes in no name becomes a ``-``.

    Raises:
        UsageError: the URL is none, or not one of a server.
        BackendRefusedError: wrong password, missing right, too old, not durable though strict.
        BackendUnreachableError: nobody answers.
    """
    server, stops = None, False
    if url is None:
        if embedded is None:
            raise UsageError("no server: neither a URL nor a directory for an embedded one")
        if isinstance(embedded, EmbeddedServer):
            server = embedded
        else:
            server = await asyncio.to_thread(start_embedded, embedded)
            stops = server.owned
        url = server.url
    where = redact(url)
    options = _options(url, where, username=username, password=password, tls=tls, client_name=client_name)
    sentinels = _led(options, sentinel_username, sentinel_password)
    commands = Redis.from_pool(
        BlockingConnectionPool(
            max_connections=command_connections,
            timeout=POOL_TIMEOUT,
            socket_timeout=COMMAND_TIMEOUT,
            **options,
        )
    )
    readers = Redis.from_pool(
        ConnectionPool(max_connections=reader_connections, socket_timeout=READ_TIMEOUT, **options)
    )
    try:
        certificate = tls is not None and tls.cert is not None
        secured = where.lower().startswith("rediss")
        async with first_errors(where, certificate=certificate) if secured else backend_errors(where):
            probe = await probe_server(commands, where)
        require_version(probe, where, led=sentinels is not None)
        if strict:
            require_durable(probe, where)
    except BaseException:
        await commands.aclose()
        await readers.aclose()
        if sentinels is not None:
            await sentinels.aclose()
        if stops and server is not None:
            await server.astop()
        raise
    return Backend(commands, readers, probe, where, server, stops, sentinels)


def redact(url: str) -> str:
    """The URL with its password replaced by three stars; safe to log."""
    try:
        parts = urlsplit(url)
    except ValueError:  # not even the brackets match: show nothing that could be a password
        return "(unreadable URL)"
    parts = parts._replace(query=re.sub(r"((?:^|&)password=)[^&]*", r"\1***", parts.query))
    if "@" not in parts.netloc:
        return urlunsplit(parts)
    login, host = parts.netloc.rsplit("@", 1)
    user = login.split(":", 1)[0]
    return urlunsplit(parts._replace(netloc=f"{user}:***@{host}"))


def _options(
    url: str,
    where: str,
    *,
    username: str | None,
    password: str | None,
    tls: Tls | None,
    client_name: str | None,
) -> dict[str, Any]:
    """Keyword arguments of a pool, from the URL and what was given beside it."""
    scheme = url.partition("://")[0].lower()
    if scheme not in {"redis", "rediss", "unix", *SCHEMES}:
        raise UsageError(
            "the server's URL must begin with redis://, rediss://, unix:// or redis+sentinel://",
            where=where,
            hint="for example redis://user:password@host:6379/0 or unix:///run/redis/redis.sock",
        )
    example = EXAMPLE if scheme in SCHEMES else "redis://user:password@host:6379/0"
    try:
        options = _watched_options(parse_watched(url)) if scheme in SCHEMES else _parsed(url, scheme)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"the server's URL cannot be read: {error}",
            where=where,
            hint=f"write it as {example}; percent-encode special characters",
        ) from error
    for ours in ("socket_timeout", "max_connections", "timeout"):  # a query string does not overrule us
        options.pop(ours, None)
    if username:
        options["username"] = username
    if password:
        options["password"] = password
    if scheme.startswith("rediss"):
        options |= _tls_options(tls or Tls(), where)
    if client_name:
        # A server refuses spaces and anything that is not ASCII; a project may be called so.
        options["client_name"] = re.sub(r"[^!-~]", "-", client_name)
    if scheme != "unix":
        options["socket_keepalive"] = True
    return options | {
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "retry_on_timeout": False,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "health_check_interval": 0,
        "decode_responses": False,
        "driver_info": None,  # two commands less for every connection
    }


_LINKS: dict[Any, type] = {SSLConnection: TlsLink, UnixDomainSocketConnection: UnixLink}


def _parsed(url: str, scheme: str) -> dict[str, Any]:
    options: dict[str, Any] = dict(parse_url(url))
    # The library takes a database that is no number for database 0.
    database = urlsplit(url).path.strip("/") if scheme != "unix" else ""
    if database and not database.isdecimal():
        raise ValueError(f"{database!r} is no database number")
    return options | {"connection_class": _LINKS.get(options.get("connection_class"), TcpLink)}


def _watched_options(watched: Watched) -> dict[str, Any]:
    login = {"username": watched.username, "password": watched.password}
    return {
        **{name: value for name, value in login.items() if value},
        "db": watched.database,
        "connection_class": LedTlsLink if watched.tls else LedTcpLink,
        "watched": watched,
    }


_SERVERS_OWN = frozenset(
    {"connection_class", "db", "username", "password", "client_name", "socket_connect_timeout"}
    | {"retry_on_timeout"}  # has a default that is the same, and warns when it is given to a client
)


def _led(options: dict[str, Any], username: str | None, password: str | None) -> Sentinels | None:
    """The sentinels of ``options``, which get them in place of what the URL said; None without any."""
    watched = options.pop("watched", None)
    if watched is None:
        return None
    asking = {name: value for name, value in options.items() if name not in _SERVERS_OWN}
    login = {"username": username, "password": password}
    asking |= {name: value for name, value in login.items() if value} | {"ssl": watched.tls}
    options["sentinels"] = Sentinels(watched, asking)
    return options["sentinels"]  # type: ignore[no-any-return]


def _tls_options(tls: Tls, where: str) -> dict[str, Any]:
    for path in (tls.ca, tls.cert, tls.key):
        if path is not None and not path.is_file():
            raise UsageError("no such certificate file", where=str(path), hint=f"it is needed for {where}")
    if (tls.cert is None) != (tls.key is None):
        raise UsageError("a client certificate needs its key, and a key its certificate", where=where)
    return {
        "ssl_ca_certs": str(tls.ca) if tls.ca else None,
        "ssl_certfile": str(tls.cert) if tls.cert else None,
        "ssl_keyfile": str(tls.key) if tls.key else None,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": tls.check_hostname,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
    }
