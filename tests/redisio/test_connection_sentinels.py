"""The URL of a service that sentinels watch: what it says, what it hides, and what is wrong with it."""

from __future__ import annotations

import time

import pytest

from wingman_runtime.errors import BackendUnreachableError, UsageError
from wingman_runtime.redisio.connection import open_backend, redact
from wingman_runtime.redisio.sentinels import parse_watched
from wingman_runtime.settings import redacted

URL = "redis+sentinel://app:p%40ss@one:1,[::1]:2,three/main/3"


def test_a_url_names_sentinels_service_login_and_database() -> None:
    """Ports default to the usual one; user and password are decoded, and are the servers'."""
    found = parse_watched(URL)
    assert found.places == (("one", 1), ("::1", 2), ("three", 26379))
    assert (found.service, found.database, found.tls) == ("main", 3, False)
    assert (found.username, found.password) == ("app", "p@ss")
    bare = parse_watched("rediss+sentinel://one/main")
    assert (bare.username, bare.password, bare.database, bare.tls) == (None, None, 0, True)


def test_its_password_is_not_shown() -> None:
    """Neither in messages nor where settings are listed."""
    assert redact(URL) == "redis+sentinel://app:***@one:1,[::1]:2,three/main/3"
    assert redacted(URL) == "redis+sentinel://one:1,[::1]:2,three/main/3"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+sentinel://one:1", "service is missing"),
        ("redis+sentinel:///main", "no host:port"),
        ("redis+sentinel://one:x/main", "no host:port"),
        ("redis+sentinel://one:1,,two/main", "no host:port"),
        ("redis+sentinel://one/main/first", "no database number"),
        ("sentinel://one/main", "must begin with"),
    ],
)
async def test_a_wrong_url_is_refused_with_an_example(url: str, words: str) -> None:
    """Before anything is asked; the hint shows how it is written."""
    with pytest.raises(UsageError, match=words) as caught:
        await open_backend(url)
    assert "://user:password@" in str(caught.value)


async def test_sentinels_that_are_not_there_are_unreachable() -> None:
    """All of them are asked, soon; the error says what to look at."""
    began = time.monotonic()
    with pytest.raises(BackendUnreachableError, match="where the primary is") as caught:
        await open_backend("redis+sentinel://127.0.0.1:1,127.0.0.1:2/main")
    assert "service's name" in str(caught.value)
    assert time.monotonic() - began < 3.0
