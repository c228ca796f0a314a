"""Which network addresses a listed host may have. A name is looked up once; what was checked is called.

Three kinds: *public*; *private* (this machine, local networks), for hosts listed with ``private: true``; and
*special* (link-local, cloud metadata, multicast, reserved, addresses that carry another one inside), for
which the very address must be listed: no name may lead there.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, TypeAlias

from wingman_runtime.effects.web_url import PORTS, WebUrl, parse_url
from wingman_runtime.errors import ToolError
from wingman_runtime.settings import Http, HttpHost

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Looks a name up: all its addresses, or OSError."""

# Lists of our own, not `is_global`: what that says of mapped and translated addresses differs by version.
_PRIVATE: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128",
            "fc00::/7",
        ),
    )
)  # fmt: skip
_SPECIAL: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
            "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
            "100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::/32", "fd20:ce::254/128",  # cloud metadata
            "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",  # tunnels, documentation
        ),
    )
)  # fmt: skip
_GLOBAL6: Final = ipaddress.ip_network("2000::/3")


def kind_of(address: Address) -> Literal["public", "private", "special"]:
    """What may be reached at an address. Mapped and translated IPv4 is special, whatever it carries."""
    if any(address in network for network in _SPECIAL):
        return "special"
    if any(address in network for network in _PRIVATE):
        return "private"
    return "special" if address.version == 6 and address not in _GLOBAL6 else "public"


SAFE: Final = frozenset({"GET", "HEAD"})
"""Methods that change nothing: whatever becomes of the call, nothing was done."""


def repeatable(method: str, url: str, settings: Http) -> bool:
    """May a call be made again with the same key? By its method, or because its host honours the key."""
    if method.upper() in SAFE | {"PUT", "DELETE"}:
        return True
    entry = listed(settings.allow, parse_url(url))
    return entry is not None and entry.idempotency


def listed(allow: Sequence[HttpHost], url: WebUrl) -> HttpHost | None:
    """The first entry that fits: the host, and its port when it names one, else the scheme's own."""
    for entry in allow:
        host, port = _split(entry.host)
        below = host.startswith("*.") and url.host.endswith(host[1:]) and not _is_address(url.host)
        if (below or host == url.host) and url.port == (port or PORTS[url.scheme]):
            return entry
    return None


async def addresses(entry: HttpHost, url: WebUrl, resolve: Resolve) -> list[str]:
    """The addresses to call, all of them checked.

    Raises:
        ToolError: the name is unknown, or one of its addresses may not be reached.
    """
    literal = _is_address(url.host)
    if literal:
        found = [ipaddress.ip_address(url.host)]
    else:
        try:
            found = [ipaddress.ip_address(text) for text in await resolve(url.host, url.port)]
        except (OSError, ValueError) as error:
            raise ToolError(f"the host {url.host} cannot be looked up: {error}", retryable=True) from None
    if not found:
        raise ToolError(f"the host {url.host} has no address", retryable=True)
    for address in found:
        kind = kind_of(address)
        if kind == "public" or (entry.private and (kind == "private" or literal)):
            continue
        hint = "list the host with private: true if it is meant" if kind == "private" or literal else None
        raise ToolError(f"{url.host} is at {address}, a {kind} address", hint=hint)
    return [str(address) for address in dict.fromkeys(found)]


async def look_up(host: str, port: int) -> list[str]:
    """The system's resolver."""
    loop = asyncio.get_running_loop()
    rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(row[4][0]) for row in rows]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _split(pattern: str) -> tuple[str, int | None]:
    """Host and port of an entry; the host in the one spelling that `parse_url` gives it."""
    host, port = pattern, None
    head, colon, tail = pattern.rpartition(":")
    if colon and tail.isdecimal() and (head.endswith("]") or ":" not in head):
        host, port = head, int(tail)
    host = host.strip("[]")
    return (str(ipaddress.IPv6Address(host)) if ":" in host else host), port
