"""The body of an answer: read up to a limit, unpacked up to the same, taken over as JSON or text."""

from __future__ import annotations

import asyncio
import re
import zlib
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx
import orjson

from wingman_runtime.contracts.canonical import canonical, refuse_unrepresentable
from wingman_runtime.errors import ContractError

_EXCERPT: Final = 300
_DEPTH: Final = 48
_RECORDED: Final = 56 * 2**10  # below what a tool's result may have, with room for what stands around it


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes, unpacked; or why there are none. Reading never fails: the status has been said already."""

    content: bytes = b""
    problem: str = ""

    def masked(self, secrets: tuple[str, ...], mask: str) -> Body:
        """Without the secrets that were sent, should a server send them back."""
        content = self.content
        for secret in secrets:
            content = content.replace(secret.encode(), mask.encode())
        return replace(self, content=content)

    @property
    def excerpt(self) -> str:
        """The beginning as one line, for an error."""
        return " ".join(self.content[: 4 * _EXCERPT].decode(errors="replace").split())[:_EXCERPT]

    def value(self, media_type: str) -> tuple[Any, tuple[str, ...]]:
        """What is recorded, and ``place: what is wrong`` for what is not."""
        if self.problem:
            return None, (f"body: {self.problem}",)
        if not self.content:
            return None, ()
        value: Any = None
        problems: list[str] = []
        if re.match(r"application/(?:[\w.+-]+\+)?json\b", media_type, re.IGNORECASE):
            try:
                value = orjson.loads(self.content)
                refuse_unrepresentable(value, "body")
                _refuse_deep(value)
            except orjson.JSONDecodeError as error:
                problems.append(f"body:{error.lineno}:{error.colno}: says it is JSON and is not: {error.msg}")
            except (ContractError, RecursionError) as error:
                problems.append(f"body: {error}")
        if problems or value is None:
            value = self.content.decode(errors="replace")
        if len(canonical(value)) > _RECORDED:
            return None, (*problems, f"body: more than {_RECORDED} bytes once written as JSON")
        return value, tuple(problems)


async def read_body(answer: httpx.Response, limit: int, *, until: float) -> Body:
    """Read a body; what is too large, broken or too slow becomes a problem of the body.

    Args:
        limit: bytes, as they come and unpacked.
        until: the loop's time at which it is given up.
    """
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        return Body(problem=f"packed as {encoding[:40]!r}, which was not asked for")
    # Not httpx's own unpacking: it unpacks each piece whole, a thousandfold if need be.
    unpack = None if encoding == "identity" else zlib.decompressobj(16 + zlib.MAX_WBITS)
    content = bytearray()
    raw = 0
    try:
        async with asyncio.timeout_at(until):
            async for piece in answer.aiter_raw(2**13):
                raw += len(piece)
                content += piece if unpack is None else unpack.decompress(piece, limit + 1 - len(content))
                if len(content) > limit or raw > limit + 2**10:
                    return Body(problem=f"larger than {limit} bytes")
    except TimeoutError:
        return Body(problem="was not complete in time")
    except zlib.error as error:
        return Body(problem=f"cannot be unpacked: {error}")
    except httpx.HTTPError as error:
        return Body(problem=f"broke off: {type(error).__name__}")
    if unpack is not None and raw and not unpack.eof:
        return Body(problem="cannot be unpacked: it ends too early")
    return Body(bytes(content))


def _refuse_deep(value: Any, depth: int = 0) -> None:
    if depth > _DEPTH:
        raise ContractError("nested too deeply", where="body")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        _refuse_deep(item, depth + 1)
