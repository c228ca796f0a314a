"""The Lua scripts behind typed functions: loading, calling by digest, and the shebang.

On a real server a script begins with ``#!lua``: without it a cluster silently writes an undeclared key of
another slot. fakeredis cannot parse that line, so it is left out there. Scripts that only let work in flight
drain carry ``allow-oom``; admission does not, so a full server refuses new requests and finishes old ones.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError, ResponseError

from wingman_runtime.redisio.batcher import Batcher, Quorum
from wingman_runtime.redisio.faults import translate

if TYPE_CHECKING:
    from redis.asyncio import Redis

_PARTS: dict[str, tuple[str, ...]] = {
    "admit": ("common", "line", "tenants", "state", "scheduled", "replays", "admit"),
    "pile": ("common", "pile"),
    "discard": ("common", "replays", "discard"),
    "commit": ("common", "line", "tenants", "state", "ended", "commit"),
    "post": ("common", "line", "tenants", "state", "post"),
    "intent": ("common", "line", "tenants", "state", "intent"),
    "result": ("common", "ended", "result"),
    "settle": ("common", "settle"),
    "claims": ("common", "claims"),
    "control": ("common", "inflight", "control"),
    "unpark": ("common", "unpark"),
    "fire": ("common", "fire"),
    "reconcile": ("common", "line", "tenants", "state", "reconcile"),
    "activate": ("common", "activate"),
    "note": ("common", "note"),
    "schedule": ("common", "scheduled", "schedule"),
    "beat": ("common", "beat"),
}
_MAY_DRAIN = frozenset(_PARTS) - {"admit", "activate"}
NAMES = tuple(_PARTS)
_CONFIRMED = frozenset(_PARTS) - {"claims", "unpark", "fire", "reconcile", "note", "beat", "pile"}
"""Scripts that answer only once the quorum has what they wrote. What the others lose is done again anyway."""


@dataclass(frozen=True, slots=True)
class Source:
    text: str
    sha: str


@cache
def source(name: str, *, shebang: bool = True) -> Source:
    """A script's whole text and its SHA-1, as the server will know it."""
    folder = files("wingman_runtime.redisio").joinpath("lua")
    text = "\n".join(folder.joinpath(f"{part}.lua").read_text("utf-8") for part in _PARTS[name])
    if shebang:
        text = f"#!lua{' flags=allow-oom' if name in _MAY_DRAIN else ''}\n{text}"
    return Source(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class Scripts:
    """Calls scripts on one server.

    Args:
        client: a command client without automatic retries.
        shebang: False only for fakeredis.
        quorum: replicas that must have what a script wrote; None: none.
    """

    def __init__(self, client: Redis, *, shebang: bool = True, quorum: Quorum | None = None) -> None:
        self.batcher = Batcher(client, quorum)
        self._shebang = shebang

    async def run(self, name: str, anchor: str, *args: str | bytes | int | float) -> Any:
        """Run a script on the partition ``anchor`` names.

        Raises:
            UnconfirmedError: it ran, and too few replicas have what it wrote; run it again.
            BackendError: unreachable, or the server refused; the script either ran whole or not at all.
        """
        script = source(name, shebang=self._shebang)
        # The control record is read five times a second, and nothing is done on the strength of one reading.
        confirmed = name in _CONFIRMED and args[:1] not in (("read",), ("in_flight",))
        try:
            return await self.batcher.call("EVALSHA", script.sha, 1, anchor, *args, confirmed=confirmed)
        except NoScriptError:
            # A restarted server has forgotten its scripts; nothing ran, so sending the text is no repeat.
            pass
        except ResponseError as error:
            raise translate(error) from error
        try:
            return await self.batcher.call("EVAL", script.text, 1, anchor, *args, confirmed=confirmed)
        except ResponseError as error:
            raise translate(error) from error
