"""A web address in its one spelling: what a plan may name, what policies judge, what is called.

Two spellings of one address would let a call past a policy about the other; so what has a second spelling is
put into the first, and what cannot be is refused. Pure: no name is looked up here.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from wingman_runtime.errors import ContractError

PORTS: Final = {"http": 80, "https": 443}
LENGTH: Final = 2000
_SHAPE = re.compile(r"^(https?)://([^/?#]*)(/[^?#]*)?(\?[^#]*)?$", re.IGNORECASE)
_PLAIN = re.compile(r"^[!$-;=?-Z\[\]_a-z~]*$")  # visible ASCII that needs no escaping, and %
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"^(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*$")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})|%")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")


@dataclass(frozen=True, slots=True)
class WebUrl:
    """One address, in its one spelling.

    Attributes:
        host: lower case; an IPv6 address without brackets.
        path: starts with a slash.
        query: without the question mark; None when there is none.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str | None = None

    @property
    def origin(self) -> tuple[str, str, int]:
        return (self.scheme, self.host, self.port)

    @property
    def netloc(self) -> str:
        """``host``, with the port unless it is the scheme's own: the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """Path and query: the first line of a request."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    @property
    def resource(self) -> str:
        """``host/path`` for policies. Only https leaves its port out, so that http never looks like it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        plain = self.scheme == "https" and self.port == PORTS["https"]
        return (host if plain else f"{host}:{self.port}") + self.target

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"


def parse_url(text: str) -> WebUrl:
    """An address as a plan writes it.

    Raises:
        ContractError: it is no http or https address, or could be read in two ways.
    """
    if len(text) > LENGTH:
        raise ContractError(f"longer than {LENGTH} characters", where="url")
    if not text.isascii():
        raise ContractError(
            "has letters outside ASCII", where="url", hint="write a host as xn--..., the rest as %XX"
        )
    if "#" in text:
        raise ContractError("a fragment is never sent", where="url", hint="leave out # and what follows")
    if not _PLAIN.match(text):
        raise ContractError('has a space, a control character or one of \\ " < > ^ ` { | }', where="url")
    match = _SHAPE.match(text)
    if match is None:
        raise ContractError("is no http:// or https:// address", where="url")
    scheme = match[1].lower()
    host, port = _authority(match[2], PORTS[scheme])
    query = None if match[4] is None else _escapes(match[4][1:], "query", keep="")
    return WebUrl(scheme, host, port, _path(match[3] or "/"), query)


def join_url(base: WebUrl, location: str) -> WebUrl:
    """Where a redirect leads. Raises ContractError for what is no address or could be read in two ways."""
    location = location.strip().partition("#")[0]
    if location.startswith("//"):
        return parse_url(f"{base.scheme}:{location}")
    if location.startswith("/"):
        return parse_url(f"{base.scheme}://{base.netloc}{location}")
    return parse_url(location)


def _authority(text: str, default: int) -> tuple[str, int]:
    if "@" in text:
        raise ContractError(
            "carries a user name or password", where="url", hint="list the secret's variable in http.allow"
        )
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?", text)
    named = re.fullmatch(r"([^:\[\]]+)(?::([0-9]{1,5}))?", text)
    found = bracketed or named
    if found is None:
        raise ContractError(f"{text[:100]!r} is no host", where="url")
    port = default if found[2] is None else int(found[2])
    if not 0 < port < 2**16 or (found[2] or "").startswith("0"):
        raise ContractError(f"{found[2]} is no port", where="url")
    host = found[1].lower()
    if bracketed:
        try:
            return str(ipaddress.IPv6Address(host)), port
        except ValueError:
            raise ContractError(f"{text[:100]!r} is no IPv6 address", where="url") from None
    # Resolvers read 2130706433, 017700000001 and 0x7f.1 as addresses; so whatever ends in a number is one.
    if re.fullmatch(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", host):
        try:
            return str(ipaddress.IPv4Address(host)), port
        except ValueError:
            raise ContractError(
                f"{host[:100]!r} is no IPv4 address", where="url", hint="write four decimal numbers"
            ) from None
    if not _NAME.match(host):
        hint = "letters, digits, - and dots, none at its end"
        raise ContractError(f"{host[:100]!r} is no host name", where="url", hint=hint)
    return host, port


def _path(text: str) -> str:
    path = _escapes(text, "path", keep="/\\%")
    segments = path.split("/")[1:]
    if any(segment in (".", "..") for segment in segments) or "" in segments[:-1]:
        raise ContractError("has . or .. or // in its path", where="url", hint="write the path it leads to")
    return path


def _escapes(text: str, part: str, *, keep: str) -> str:
    """Escapes in upper case; refused where the plain letter would do, or where they hide structure."""

    def one(match: re.Match[str]) -> str:
        if match[1] is None:
            raise ContractError(f"has a lone % in its {part}", where="url", hint="write %25")
        letter = chr(int(match[1], 16))
        if letter < " " or letter == "\x7f" or letter in keep or _UNRESERVED.match(letter):
            raise ContractError(f"{match[0]} may not stand in its {part}", where="url")
        return match[0].upper()

    if "[" in text or "]" in text:
        raise ContractError(f"has a bracket in its {part}", where="url", hint="write %5B and %5D")
    return _ESCAPE.sub(one, text)
