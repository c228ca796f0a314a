"""The hash chain: each record's hash covers its fields, the digest of its body, and the hash before it.

    hash = SHA-256( prev_hash ‖ for each field: 4-byte big-endian length ‖ bytes )
    fields: partition, incarnation, n, at_ms, kind, request_id (text, UTF-8), SHA-256(body) (32 bytes)

Every partition has its own chain, from `GENESIS`; it runs on through incarnations. Pure functions.
"""

from __future__ import annotations

import hashlib

GENESIS = bytes(32)


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
    covered = [prev_hash]
    for field in (partition, incarnation, n, at_ms, kind, request_id):
        raw = str(field).encode()
        covered.append(len(raw).to_bytes(4, "big") + raw)
    covered.append(len(digest).to_bytes(4, "big") + digest)
    return hashlib.sha256(b"".join(covered)).digest()
