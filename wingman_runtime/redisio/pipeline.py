"""Many commands in one write, their replies in order, under one time limit.

The library's own pipeline sets a timer for every reply: with short replies as much work as reading them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as LateError

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def pipelined(client: Redis, commands: Sequence[Sequence[Any]]) -> list[Any]:
    """The reply to each command, shaped as the library shapes it, or the ResponseError that it is.

    Args:
        client: of whose pool a connection is used; its ``socket_timeout`` is for all replies together.

    Raises:
        redis.exceptions.RedisError, OSError: of the connection; what was sent may have happened.
    """
    connection = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        try:
            async with asyncio.timeout(connection.socket_timeout):
                await connection.send_packed_command(connection.pack_commands(commands))
                return [await _reply(client, connection, command[0]) for command in commands]
        except BaseException as error:
            # Replies still to come must never be taken for those to the next command.
            await connection.disconnect(nowait=True)
            if isinstance(error, TimeoutError):
                raise LateError(f"{len(commands)} commands were not answered in time") from error
            raise
    finally:
        await client.connection_pool.release(connection)


async def _reply(client: Redis, connection: Any, name: Any) -> Any:
    try:
        reply = await connection.read_response(timeout=math.inf)
    except ResponseError as error:
        return error
    shape = client.response_callbacks.get(name)
    return reply if shape is None else shape(reply)
