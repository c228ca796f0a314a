"""A built site over HTTP on this machine, with the live figures beside it. Read-only.

1. Gives out the files that were built, by their names in a list: no path is ever put together.
2. ``/live.json`` is whatever the given function says at that moment.
3. Answers only who asks by an address or by ``localhost``: a page of another site that has its own name point
   here (DNS rebinding) is refused, and so are its scripts (``Sec-Fetch-Site``, CORP).
"""

from __future__ import annotations

import ipaddress
import mimetypes
import socket
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from wingman_runtime.documents.site.build import built_files
from wingman_runtime.errors import BackendError, UsageError

LIVE = "/live.json"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
_SILENT_S = 30.0


class SiteServer:
    """Serves one folder; bound when made, answering once `run` is called.

    Args:
        folder: a built site.
        live: what the overlay shows now, as plain data; called from any thread.
        host: address to listen at.
        port: 0 takes a free one; `port` says which.
        remote: whether ``host`` may be reached from other machines.
        names: host names, besides addresses and ``localhost``, by which it may be asked for.

    Raises:
        UsageError: ``host`` is no address of this machine alone, and ``remote`` was not said.
        BackendError: the address or the port cannot be had.
    """

    def __init__(
        self,
        folder: Path,
        live: Callable[[], Mapping[str, Any]],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        remote: bool = False,
        names: Iterable[str] = (),
    ) -> None:
        if not remote and not is_loopback(host):
            raise UsageError(
                f"{host} can be reached from other machines, and whoever reaches it reads everything",
                where="--host",
                hint="leave --host out, or say --remote as well",
            )
        files = dict(built_files(folder))
        handler = type(
            "_Handler",
            (_Handler,),
            {"files": files, "live": staticmethod(live), "names": frozenset(map(str.lower, names))},
        )
        family = _Six if ":" in host else ThreadingHTTPServer
        try:
            self._server = family((host, port), handler)
        except (OSError, OverflowError) as error:
            raise BackendError(
                f"cannot listen at {host} port {port}: {getattr(error, 'strerror', '') or error}",
                where="--port",
                hint="take another port; --port 0 takes a free one",
            ) from error
        self._server.daemon_threads = True
        self.host = host

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    def run(self) -> None:
        """Answer until `close` is called from another thread."""
        self._server.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """End `run`, and free the port."""
        self._server.shutdown()
        self._server.server_close()


class _Six(ThreadingHTTPServer):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server_version = "wingman-docs"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = _SILENT_S
    files: Mapping[str, Path]
    live: Callable[[], Mapping[str, Any]]
    names: frozenset[str]

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if not asked_rightly(self.headers.get("Host", ""), self.names):
            self._send(HTTPStatus.MISDIRECTED_REQUEST, b"ask by address or by localhost\n", "text/plain")
            return
        if self.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            self._send(HTTPStatus.FORBIDDEN, b"another site may not read this\n", "text/plain")
            return
        try:
            path = urlsplit(self.path).path
        except ValueError:  # such as http://[
            path = ""
        if path == LIVE:
            self._send(HTTPStatus.OK, orjson.dumps(self.live()), "application/json")
            return
        file = self.files.get("/index.html" if path == "/" else path)
        if file is None:
            self._send(HTTPStatus.NOT_FOUND, b"no such file\n", "text/plain")
            return
        body = file.read_bytes()
        if file.name == "index.html":
            mark = f'<meta name="wingman-live" content="{LIVE}">\n</head>'
            body = body.replace(b"</head>", mark.encode(), 1)
        self._send(HTTPStatus.OK, body, mimetypes.guess_type(file.name)[0] or "text/plain")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        text = kind.startswith("text/") or kind.endswith(("javascript", "json"))
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if text else kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads a line for every two seconds."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def asked_rightly(host: str, names: Iterable[str] = ()) -> bool:
    """Whether a ``Host`` header names an address, ``localhost``, or one of ``names``.

    Somebody else's name that points here is how a page of another site would get in; no name, no way.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name in names:
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
