"""The hash chain: each record's hash covers its fields, the digest of its body, and the hash before it.

    hash = SHA-256( prev_hash ‖ for each field: 4-byte big-endian length ‖ bytes )
    fields: partition, incarnation, n, at_ms, kind, request_id (text, UTF-8), SHA-256(body) (32 bytes)

Every partition has its own chain, from `GENESIS`; it runs on through incarnations. Pure functions.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

GENESIS = bytes(32)
_DIGEST_LENGTH = len(GENESIS).to_bytes(4, "big")


def body_digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def link(
    prev_hash: bytes,
    *,
    partition: int,
    incarnation: int,
    n: int,
    at_ms: int,
    kind: str,
    request_id: str,
    digest: bytes,
) -> bytes:
    """The hash of one record, given the hash before it and the digest of its body."""
    covered = (
        prev_hash,
        _often(str(partition)),
        _often(str(incarnation)),
        _field(str(n)),
        _field(str(at_ms)),
        _often(str(kind)),
        _field(str(request_id)),
        _DIGEST_LENGTH if len(digest) == len(GENESIS) else len(digest).to_bytes(4, "big"),
        digest,
    )
    return hashlib.sha256(b"".join(covered)).digest()


def _field(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(4, "big") + raw


_often = lru_cache(maxsize=256)(_field)  # few values stand in very many records
