"""Many commands in one write: order, errors in place, and a connection that never answers for another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as LateError

from wingman_runtime.redisio.pipeline import pipelined

NOBODY = "test-pipeline:nobody-pushes-here"


@pytest.fixture
async def client(valkey_url: str) -> AsyncIterator[Redis]:
    """One connection, so that what one call leaves behind is what the next one finds; half a second each."""
    pool = BlockingConnectionPool.from_url(valkey_url, max_connections=1, socket_timeout=0.5, protocol=2)
    client = Redis.from_pool(pool)
    yield client
    await client.aclose()


async def test_replies_stand_in_the_order_of_their_commands(client: Redis) -> None:
    """Five hundred at once, each answered in its place."""
    replies = await pipelined(client, [("ECHO", str(number)) for number in range(500)])
    assert replies == [str(number).encode() for number in range(500)]


async def test_an_error_stands_in_its_place_and_the_rest_is_answered(client: Redis) -> None:
    """A refused command is a value among the others, raised by nobody."""
    first, wrong, last = await pipelined(client, [("ECHO", "a"), ("NO-SUCH-COMMAND",), ("ECHO", "b")])
    assert (first, last) == (b"a", b"b")
    assert isinstance(wrong, ResponseError)


async def test_replies_have_the_shape_that_single_commands_give(client: Redis) -> None:
    """Callers read both alike."""
    shaped = await client.execute_command("INFO", "server")  # type: ignore[no-untyped-call]
    (reply,) = await pipelined(client, [("INFO", "server")])
    assert reply["run_id"] == shaped["run_id"]


async def test_what_comes_too_late_is_never_taken_for_the_next_reply(client: Redis) -> None:
    """Out of time, the connection is given up: the one after it begins with its own reply."""
    with pytest.raises(LateError):
        await pipelined(client, [("BLPOP", NOBODY, 2), ("ECHO", "late")])
    assert await pipelined(client, [("ECHO", "mine")]) == [b"mine"]


async def test_a_cancelled_call_leaves_no_reply_behind(client: Redis) -> None:
    """As with time running out."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await pipelined(client, [("BLPOP", NOBODY, 2), ("ECHO", "late")])
    assert await pipelined(client, [("ECHO", "mine")]) == [b"mine"]
