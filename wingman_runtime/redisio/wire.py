"""The few words of RESP2 that the launcher says over a unix socket, before any client library is needed.

Synchronous, one request per connection: PING until the server is up, INFO, SHUTDOWN. Everything else goes
through `wingman_runtime.redisio.connection`.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import BinaryIO

Reply = bytes | int | list["Reply"] | None


class ReplyError(Exception):
    """The server answered with an error; the text begins with its code (LOADING, NOAUTH, ERR …)."""


def ask(
    path: Path, *words: str | bytes, username: str = "", password: str = "", timeout: float = 5.0
) -> Reply:
    """Send one command over a unix socket and read its reply.

    Args:
        path: the server's unix socket.
        words: the command and its arguments.
        username: of the ACL user; empty for the default one.
        password: sent with AUTH first, when not empty.
        timeout: seconds for connecting and for each read.

    Raises:
        OSError: nobody listens, or the server closed the connection.
        ReplyError: the server answered with an error.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        with connection.makefile("rb") as stream:
            if password:
                connection.sendall(_encode(("AUTH", username, password) if username else ("AUTH", password)))
                _read(stream)
            connection.sendall(_encode(words))
            return _read(stream)


def ask_bytes(path: Path, *words: str | bytes, password: str = "") -> bytes:
    """`ask` for a command whose reply is a string.

    Raises:
        OSError: nobody listens.
        ReplyError: the server answered with an error, or with something else than a string.
    """
    reply = ask(path, *words, password=password)
    if not isinstance(reply, bytes):
        raise ReplyError(f"expected a string, got {type(reply).__name__}")
    return reply


def info(path: Path, *, password: str = "") -> dict[str, str]:
    """INFO server as a mapping.

    Raises:
        OSError: nobody listens.
        ReplyError: the server answered with an error.
    """
    text = ask_bytes(path, "INFO", "server", password=password).decode(errors="replace")
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _encode(words: tuple[str | bytes, ...]) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        raw = word.encode() if isinstance(word, str) else word
        parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    return b"".join(parts)


def _read(stream: BinaryIO) -> Reply:
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionResetError("the server closed the connection")
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest
    if kind == b"-":
        raise ReplyError(rest.decode(errors="replace"))
    if kind == b":":
        return int(rest)
    size = int(rest)
    if size < 0:
        return None
    if kind == b"$":
        return stream.read(size + 2)[:-2]
    return [_read(stream) for _ in range(size)]
