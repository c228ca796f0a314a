"""Deterministic ids: the same cause gives the same id, so a repeated attempt cannot look like a new fact."""

from __future__ import annotations

import hashlib
import re

from wingman_runtime.errors import ContractError

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 base32, in lower case
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_SHIFTS = tuple(range(120, -1, -10))  # 13 pairs of characters, 130 bits
_REQUEST_ID = re.compile(r"^req_p(\d{1,5})_([0-9a-f]{32})$")


def derive(prefix: str, *cause: str | int) -> str:
    """``prefix_`` and 26 base32 characters (130 bits) of SHA-256 over the cause.

    Parts are length-prefixed, so ("ab", "c") and ("a", "bc") differ.
    """
    digest = hashlib.sha256()
    for part in cause:
        raw = str(part).encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    # As b32encode would, at a fraction of its time: an id is made for every event.
    bits = int.from_bytes(digest.digest()[:17], "big") >> 6
    return f"{prefix}_{''.join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])}"


def event_id(cause_id: str, agent: str, position: int, event_type: str, generation: int = 0) -> str:
    """Id of the event that ``agent`` emits at ``position`` of its answer to ``cause_id``."""
    return derive("evt", cause_id, agent, position, event_type, generation)


def partition_of(request_id: str) -> int:
    """The partition a request lives in; its id says so.

    Raises:
        ContractError: the text is not a request id.
    """
    match = _REQUEST_ID.match(request_id)
    if match is None:
        raise ContractError(
            f"{request_id[:80]!r} is not a request id", hint="a request id looks like req_p0_<32 hex digits>"
        )
    return int(match.group(1))
