"""A service that sentinels watch: its address, and the question where its primary is.

``redis+sentinel://user:password@host:26379,host:26379/service/0``, or ``rediss+sentinel://`` for TLS to
sentinels and servers alike. User and password are those of the servers; the sentinels have their own or none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, AuthorizationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as LinkError

SCHEMES = ("redis+sentinel", "rediss+sentinel")
EXAMPLE = "redis+sentinel://user:password@host-1:26379,host-2:26379,host-3:26379/service/0"
_PORT = 26379
_PLACE = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^:\[\]/]+))(?::(?P<port>[0-9]{1,5}))?")
_TIMEOUT = 1.0
"""Seconds for a sentinel; another is asked when one is silent."""

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Watched:
    """What such a URL says."""

    places: tuple[Place, ...]
    service: str
    database: int
    username: str | None
    password: str | None
    tls: bool


def parse_watched(url: str) -> Watched:
    """Read a URL of one of `SCHEMES`.

    Raises:
        ValueError: it is none; says what is missing.
    """
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    places = []
    for item in hosts.split(","):
        match = _PLACE.fullmatch(item.strip())
        if match is None:
            raise ValueError(f"{item!r} is no host:port of a sentinel")
        places.append((match["six"] or match["host"], int(match["port"] or _PORT)))
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError("the name of the service is missing behind the hosts")
    if database and not database.isdecimal():
        raise ValueError(f"{database!r} is no database number")
    user, _, password = login.partition(":")
    return Watched(
        places=tuple(places),
        service=unquote(service),
        database=int(database or 0),
        username=unquote(user) or None,
        password=unquote(password) or None,
        tls=parts.scheme.lower().startswith("rediss"),
    )


class Sentinels:
    """Asks the sentinels of a service, the one that answered last first.

    Args:
        options: how a connection to a sentinel is made, login included.
    """

    def __init__(self, watched: Watched, options: Mapping[str, Any]) -> None:
        self._service = watched.service
        quick = {**options, "socket_timeout": _TIMEOUT, "socket_connect_timeout": _TIMEOUT}
        self._clients = [Redis(host=host, port=port, **quick) for host, port in watched.places]
        self._last: Place | None = None

    def moved_from(self, place: tuple[Any, Any]) -> bool:
        """Whether the last answer named another primary."""
        return self._last is not None and place != self._last

    async def primary(self) -> Place:
        """Where the primary is now.

        Raises:
            redis.exceptions.ConnectionError: no sentinel answers, or none of them knows the service.
            redis.exceptions.AuthenticationError: they refuse our login.
        """
        said = []
        for client in list(self._clients):
            try:
                found: Any = await client.execute_command(  # type: ignore[no-untyped-call]
                    "SENTINEL GET-MASTER-ADDR-BY-NAME", self._service
                )
            except (AuthenticationError, AuthorizationError):
                raise
            except ResponseError as error:
                if str(error).startswith(("NOAUTH", "NOPERM", "WRONGPASS")):
                    raise
                said.append(str(error))
            except (RedisError, OSError) as error:
                said.append(str(error))
            else:
                if found:
                    self._clients.remove(client)
                    self._clients.insert(0, client)
                    host = found[0].decode() if isinstance(found[0], bytes) else str(found[0])
                    self._last = (host, int(found[1]))
                    return self._last
                said.append("it does not know the service")
        told = "; ".join(dict.fromkeys(said))
        raise LinkError(f"no sentinel names a primary of {self._service!r}: {told}")

    async def aclose(self) -> None:
        """Close the connections to the sentinels."""
        for client in self._clients:
            await client.aclose()
