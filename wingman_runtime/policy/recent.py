"""A memory of bounded size that forgets what was used longest ago; shared between threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class Recent(Generic[KeyT, ValueT]):
    """Args: size: how many entries are kept."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[KeyT, ValueT] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def peek(self, key: KeyT) -> ValueT | None:
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
            return known

    def put(self, key: KeyT, value: ValueT) -> None:
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def get(self, key: KeyT, make: Callable[[], ValueT]) -> ValueT:
        """The remembered value, or a made one. Two threads may both make it: what is made must be pure."""
        known = self.peek(key)
        if known is None:
            known = make()
            self.put(key, known)
        return known
