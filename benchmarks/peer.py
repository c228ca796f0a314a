"""The peer: FastStream doing six ungoverned hops. A worker: ``python -m benchmarks.peer MODE URL NAME``.

``docs``: one message a read, a publisher decorator, as its documentation shows. ``tuned``: batches of up to a
hundred, published through one pipeline. Neither validates, records, approves or can undo anything.

Its results come back on a seventh stream, which the submitting process reads plainly, a thousand at a time:
less work than a subscriber of FastStream's would have.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.parser import BinaryMessageFormatV1
from redis.asyncio import Redis

from benchmarks.contestant import WrongAnswerError, end, spawn
from benchmarks.server import PAYLOAD
from wingman_runtime.redisio.embedded import EmbeddedServer

HOPS = 6
BATCH = 100
_DONE = "done"
_CAME_UP = 30.0


def stream(hop: int) -> str:
    """The stream that hop number ``hop`` reads; past the last one, the stream of results."""
    return f"hop{hop}" if hop < HOPS else _DONE


def app_of(mode: str, url: str, name: str) -> FastStream:
    """The six hops as a FastStream application."""
    broker = RedisBroker(url, logger=None)
    for hop in range(HOPS):
        source = {"group": "g", "consumer": name, "last_id": ">"}
        if mode == "docs":
            subscribe = broker.subscriber(stream=StreamSub(stream(hop), **source))
            subscribe(broker.publisher(stream=stream(hop + 1))(_hop(hop)))
        else:
            whole = StreamSub(stream(hop), **source, batch=True, max_records=BATCH)
            broker.subscriber(stream=whole)(_batch_hop(broker, hop))
    return FastStream(broker, logger=None)


def _hop(hop: int) -> Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]:
    async def handle(message: dict[str, Any]) -> dict[str, Any]:
        return message

    handle.__name__ = f"hop{hop}"
    return handle


def _batch_hop(broker: RedisBroker, hop: int) -> Callable[[list[dict[str, Any]]], Awaitable[None]]:
    async def handle(messages: list[dict[str, Any]]) -> None:
        await _publish_all(broker, messages, stream(hop + 1))

    handle.__name__ = f"hop{hop}"
    return handle


async def _publish_all(broker: RedisBroker, messages: Sequence[dict[str, Any]], to: str) -> None:
    async with broker._connection.pipeline(transaction=False) as pipe:
        for message in messages:
            await broker.publish(message, stream=to, pipeline=pipe)
        await pipe.execute()


class Peer:
    """The submitting side; see `benchmarks.contestant.Contestant`."""

    def __init__(self, mode: str, broker: RedisBroker, redis: Redis, processes: dict[str, int]) -> None:
        self.processes = processes
        self._tuned = mode == "tuned"
        self._broker = broker
        self._redis = redis
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._answers: Counter[str] = Counter()
        self._last = 0

    async def submit(self, count: int) -> Sequence[str]:
        ids = [str(self._last + number) for number in range(1, count + 1)]
        self._last += count
        for name in ids:
            self._waiting[name] = asyncio.get_running_loop().create_future()
        messages = [{"id": name, "body": PAYLOAD} for name in ids]
        if self._tuned and count > 1:
            await _publish_all(self._broker, messages, stream(0))
        else:
            await asyncio.gather(*(self._broker.publish(message, stream=stream(0)) for message in messages))
        return ids

    async def result(self, request: str) -> None:
        await self._waiting[request]

    async def settled(self, total: int) -> None:
        wrong = {name: times for name, times in self._answers.items() if times != 1}
        if wrong or len(self._answers) != total or await self._redis.xlen(_DONE) != total:
            raise WrongAnswerError(f"{total} submitted, {len(self._answers)} answered; not once: {wrong}")

    async def listen(self) -> None:
        """Read results and wake who waits for them, until cancelled."""
        cursor: Any = "0"
        while True:
            for _, rows in await self._redis.xread({_DONE: cursor}, count=1000, block=1000) or ():
                for cursor, fields in rows:  # noqa: B007 - the last one is where to go on
                    body, _ = BinaryMessageFormatV1.parse(fields[b"__data__"])
                    message = orjson.loads(body)
                    if message["body"] != PAYLOAD:
                        raise WrongAnswerError(f"request {message['id']} came back changed")
                    self._answers[message["id"]] += 1
                    waiting = self._waiting[message["id"]]
                    if not waiting.done():
                        waiting.set_result(None)


@asynccontextmanager
async def peer(mode: str, server: EmbeddedServer, room: Path, workers: int) -> AsyncIterator[Peer]:
    """FastStream as ``docs`` or ``tuned``, with so many worker processes, ready to work."""
    # RESP2, in which a stream's rows come as a list, whatever FastStream's own connection speaks.
    redis = Redis.from_url(server.url, protocol=2)
    # A steady stream that falls behind for a moment has more than its default of a hundred under way.
    broker = RedisBroker(server.url, logger=None, max_connections=2000)
    for hop in range(HOPS):
        await redis.xgroup_create(stream(hop), "g", "$", mkstream=True)
    names = [f"worker{number}" for number in range(workers)]
    running = [spawn(room, name, "-m", "benchmarks.peer", mode, server.url, name) for name in names]
    processes = {name: process.pid for name, process in zip(names, running, strict=True)}
    contestant = Peer(mode, broker, redis, {**processes, "server": server.pid})
    listening = None
    try:
        await broker.connect()
        async with asyncio.timeout(_CAME_UP):
            # A subscriber that polls shows itself as a consumer of its group.
            while len(await redis.xinfo_consumers(stream(HOPS - 1), "g")) < workers:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        listening = asyncio.create_task(contestant.listen())
        yield contestant
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        end(running)
        await broker.stop()
        await redis.aclose()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(app_of(*sys.argv[1:4]).run())
