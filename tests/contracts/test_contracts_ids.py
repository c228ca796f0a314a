"""Ids: the same cause gives the same id, other causes give others."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wingman_runtime.contracts.ids import derive, event_id, partition_of
from wingman_runtime.errors import ContractError


@given(st.lists(st.text(max_size=20), max_size=4))
def test_an_id_is_the_base32_of_the_hash_of_its_cause(cause: list[str]) -> None:
    """26 characters, the first 130 bits of SHA-256 over the length-prefixed parts."""
    raw = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in cause)
    expected = base64.b32encode(hashlib.sha256(raw).digest()).decode().lower()[:26]
    assert derive("evt", *cause) == f"evt_{expected}"


def test_parts_do_not_run_together() -> None:
    """("ab", "c") and ("a", "bc") are two causes."""
    assert derive("x", "ab", "c") != derive("x", "a", "bc")


def test_position_type_and_generation_make_other_events() -> None:
    """Two events of one answer, or of two generations of it, are two events."""
    ids = {event_id("evt_a", "audit", n, kind, gen) for n in (0, 1) for kind in "AB" for gen in (0, 1)}
    assert len(ids) == 8


@pytest.mark.parametrize("text", ["", "req_0_" + "a" * 32, "req_p0_abc", "req_p0_" + "g" * 32, "REQ"])
def test_what_is_no_request_id_is_refused(text: str) -> None:
    """With a word on what one looks like."""
    with pytest.raises(ContractError, match="req_p0_"):
        partition_of(text)


def test_a_request_id_says_its_partition() -> None:
    """So that whoever has the id knows where to look."""
    assert partition_of("req_p12_" + "0" * 32) == 12
