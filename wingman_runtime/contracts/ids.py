"""Deterministic ids: the same cause gives the same id, so a repeated attempt cannot look like a new fact."""

from __future__ import annotations

import hashlib
import re

from wingman_runtime.errors import ContractError

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 base32, in lower case
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_FORTY = 2**40 - 1
_REQUEST_ID = re.compile(r"^req_p(\d{1,5})_([0-9a-f]{32})$")


def derive(prefix: str, *cause: str | int) -> str:
    """``prefix_`` and 26 base32 characters (130 bits) of SHA-256 over the cause.

    Parts are length-prefixed, so ("ab", "c") and ("a", "bc") differ.
    """
    covered = bytearray()
    for part in cause:
        raw = str(part).encode()
        covered += len(raw).to_bytes(4, "big")
        covered += raw
    # As b32encode would, at a fraction of its time: an id is made for every event. Written out, and in pieces
    # of 40 bits, since shifting is quick in small numbers.
    bits, pairs = int.from_bytes(hashlib.sha256(covered).digest()[:17], "big") >> 6, _PAIRS
    high, middle, low = bits >> 80, bits >> 40 & _FORTY, bits & _FORTY
    return (
        f"{prefix}_{pairs[high >> 40]}{pairs[high >> 30 & 1023]}{pairs[high >> 20 & 1023]}"
        f"{pairs[high >> 10 & 1023]}{pairs[high & 1023]}"
        f"{pairs[middle >> 30]}{pairs[middle >> 20 & 1023]}{pairs[middle >> 10 & 1023]}{pairs[middle & 1023]}"
        f"{pairs[low >> 30]}{pairs[low >> 20 & 1023]}{pairs[low >> 10 & 1023]}{pairs[low & 1023]}"
    )


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
