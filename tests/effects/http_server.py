"""A real HTTP/1.1 server on loopback whose answers a test scripts byte by byte; it keeps every request."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

Script = Callable[["Seen", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """Answers each request by the next script of its path; the last one stays."""

    scripts: dict[str, list[Script]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    port: int = 0
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    def on(self, path: str, *scripts: Script) -> None:
        self.scripts[path] = list(scripts)

    def url(self, path: str, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def keys(self) -> list[str]:
        return [one.headers.get("idempotency-key", "") for one in self.seen]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = {}
            for line in head[1:-2]:
                name, _, value = line.partition(": ")
                headers[name.lower()] = value
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            seen = Seen(method, target, headers, body)
            self.seen.append(seen)
            waiting = self.scripts.get(target.partition("?")[0], [answer(404)])
            script = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            await script(seen, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def answer(status: int, body: Any = None, **headers: str) -> Script:
    """A whole answer; ``body`` as JSON, bytes as they are."""

    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        fields = {"Content-Type": "application/json"} if not isinstance(body, bytes) else {}
        fields |= {"Content-Length": str(len(content)), "Connection": "close"}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + content)
        await writer.drain()

    return script


def echo() -> Script:
    """200 and the request's headers as JSON."""

    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await answer(200, {"headers": seen.headers, "target": seen.target})(seen, writer)

    return script


def hang_up() -> Script:
    """The connection breaks once the request has arrived."""

    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    return script


def silence(seconds: float = 5.0) -> Script:
    """No answer for a long time."""

    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)

    return script


def drip(pause: float = 0.05) -> Script:
    """A 201 whose body comes byte by byte and never ends."""

    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 201 X\r\nContent-Type: text/plain\r\nContent-Length: 10000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(pause)

    return script
