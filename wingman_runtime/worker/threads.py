"""Threads for the sync functions of one agent.

Daemon threads, unlike those of `concurrent.futures`: a function that never returns must not keep the process
from ending after SIGTERM. One set per agent: what is slow in one agent takes no thread from another. A thread
whose call was given up on is replaced, up to as many again, so that a few hung calls do not stop the agent.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

_IDLE_SECONDS = 30.0


class AgentThreads:
    """At most ``limit`` calls at once, and as many again that were given up on and still run."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._busy = 0
        self._lost: set[Future[Any]] = set()

    @property
    def lost(self) -> int:
        """Calls that were given up on and have not returned."""
        with self._lock:
            return len(self._lost)

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Call it in a thread, with the context of the caller."""
        future: Future[Any] = Future()
        context = contextvars.copy_context()
        with self._lock:
            self._busy += 1
            allowed = self._limit + min(len(self._lost), self._limit)
            start = self._threads < min(self._busy, allowed)
            self._threads += start
            # Under the lock: a thread that is about to leave for want of work must see it.
            self._calls.put((future, lambda: context.run(call)))
        if start:
            threading.Thread(target=self._serve, name=f"agent-{self._name}", daemon=True).start()
        return future

    def give_up(self, future: Future[Any]) -> None:
        """Nobody waits for this call any more."""
        with self._lock:
            if not future.cancel() and not future.done():
                self._lost.add(future)

    def _serve(self) -> None:
        while True:
            try:
                item = self._calls.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                item = None
            with self._lock:
                # Looked at under the lock: a call that came in meanwhile counts on this thread.
                if item is None and self._calls.empty():
                    self._threads -= 1
                    return
            if item is not None:
                self._call(*item)

    def _call(self, future: Future[Any], call: Callable[[], Any]) -> None:
        try:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = call()
            except BaseException as error:  # even a sys.exit() is only this call's
                future.set_exception(error)
            else:
                future.set_result(result)
        finally:
            with self._lock:
                self._busy -= 1
                self._lost.discard(future)
