"""The server of one run: empty, of its own, and durable, whoever runs on it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded

PAYLOAD = "x" * 960
"""With its field names and an id, 1 KB of JSON."""


@contextmanager
def fresh_server() -> Iterator[tuple[EmbeddedServer, Path]]:
    """A server that syncs its append-only file before it answers, and an empty folder for the contestant."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        room = Path(folder) / "room"
        room.mkdir()
        with start_embedded(Path(folder) / "data", extra={"appendfsync": "always"}) as server:
            yield server, room
