"""Threads for synchronous tools: used again when a call ends, never waited for when one hangs.

Not an executor: a bounded pool lets a few hung tools hold up all others, and its threads hold up the end of
the process. Starting a thread a call costs the event loop a millisecond each; so idle ones are kept.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

_KEPT = 32
Work = Callable[[], None]


class ToolThreads:
    """Daemon threads; at most `_KEPT` of them idle."""

    def __init__(self) -> None:
        self._idle: list[queue.SimpleQueue[Work]] = []
        self._lock = threading.Lock()

    def run(self, work: Work) -> None:
        """Start ``work`` at once, in an idle thread or a new one. It must not raise."""
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = queue.SimpleQueue()
            threading.Thread(target=self._serve, args=(inbox,), name="tool", daemon=True).start()
        inbox.put(work)

    def _serve(self, inbox: queue.SimpleQueue[Work]) -> None:
        while True:
            inbox.get()()
            with self._lock:
                if len(self._idle) >= _KEPT:
                    return
                self._idle.append(inbox)


TOOL_THREADS = ToolThreads()
"""Shared by all performers of a process; it holds nothing but idle threads."""
