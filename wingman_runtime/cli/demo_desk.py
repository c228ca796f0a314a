"""A small ticket desk for the demo: a real HTTP server on loopback, in a thread, its tickets in memory.

It honours Idempotency-Key: the same key again gives the same answer and opens nothing. Not for use: it has
no door.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

TEAMS = ("facilities", "support")


@dataclass
class Book:
    """What the desk knows, and every call it had: method, path, idempotency key, status."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    calls: list[tuple[str, str, str, int]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, method: str, path: str, key: str, body: Any) -> tuple[int, dict[str, Any]]:
        with self.lock:
            answer = self.answers.get(key) if key else None
            if answer is None:
                answer = self._act(method, path, body)
                if key and answer[0] < 400:
                    self.answers[key] = answer
            self.calls.append((method, path, key, answer[0]))
            return answer

    def _act(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        parts = path.strip("/").split("/")
        known = parts == ["tickets"] or (parts[0] == "teams" and parts[2:] == ["assignments"])
        if method == "POST" and known and isinstance(body, dict):
            if parts[0] == "teams" and parts[1] not in TEAMS:
                return 404, {"error": f"no team {parts[1]}"}
            number = len(self.calls) + 1
            self.rows[f"{path}/{number}"] = {"id": number, **body}
            return 201, {"id": number}
        if method == "DELETE" and path in self.rows:
            return 200, {"deleted": self.rows.pop(path)["id"]}
        if method == "GET":
            return 200, {"rows": self.rows}
        return 404, {"error": "nothing is here"}


class Desk:
    """The server, running inside the ``with`` block."""

    def __init__(self) -> None:
        self.book = Book()
        book = self.book

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._take()

            def do_POST(self) -> None:
                self._take()

            def do_DELETE(self) -> None:
                self._take()

            def _take(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                key = self.headers.get("Idempotency-Key", "").strip('"')
                status, answer = book.take(self.command, self.path, key, json.loads(sent or b"null"))
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="demo desk", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Desk:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
