"""A site over HTTP for as long as a test lasts, and a bare request to it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wingman_runtime.documents.site.server import SiteServer


def nothing() -> dict[str, Any]:
    return {"up": False, "error": "the server is away"}


@contextmanager
def served(folder: Path, live: Callable[[], dict[str, Any]] = nothing, **how: Any) -> Iterator[SiteServer]:
    server = SiteServer(folder, live, **how)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def ask(
    server: SiteServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """A bare request, its path sent as it stands."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()
