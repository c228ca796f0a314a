"""Replies of names and values, as a server, the library's parsers and a pipeline give them."""

from __future__ import annotations

import pytest

from wingman_runtime.redisio.store import mapped


@pytest.mark.parametrize(
    "reply",
    [{b"a": b"1", b"b": b"2"}, [b"a", b"1", b"b", b"2"], (b"a", b"1", b"b", b"2")],
    ids=["mapping", "list", "tuple"],
)
def test_a_reply_is_read_by_name_whatever_its_shape(reply: object) -> None:
    """A mapping and a flat list say the same."""
    assert dict(mapped(reply)) == {b"a": b"1", b"b": b"2"}


def test_an_empty_reply_has_no_names() -> None:
    """A key that is not there answers with an empty list."""
    assert dict(mapped([])) == {}


def test_a_name_without_a_value_is_refused() -> None:
    """Half a pair is no reply of names and values: nothing is made up for it."""
    with pytest.raises(ValueError, match="zip"):
        mapped([b"a", b"1", b"b"])
