"""The recorder on a real server's log: drained while it is written, trimmed, and aware of a flush."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.ledger.ledger_fakes import event_body
from wingman_runtime.ledger.query import select
from wingman_runtime.ledger.record import NEW_INCARNATION
from wingman_runtime.ledger.recorder import Recorder
from wingman_runtime.ledger.store import AuditStore
from wingman_runtime.ledger.verify import verify
from wingman_runtime.redisio.connection import open_backend
from wingman_runtime.redisio.log import RedisLog
from wingman_runtime.redisio.store import Store

REQUEST = "req_p0_" + "c" * 32


async def write(store: Store, partition: int, count: int, *, day: int = 0) -> None:
    """Numbered entries as the scripts write them."""
    keys = store.keys(partition)
    for _ in range(count):
        n = await store.commands.incr(keys.logseq)
        body = event_body(f"evt_{partition}_{n}", "RequestValidated", "scope_filter")
        entry = {
            "n": n,
            "at": 1_700_000_000_000 + day * 86_400_000 + n,
            "k": "event",
            "req": REQUEST,
            "b": body,
        }
        await store.commands.xadd(keys.log, entry)  # type: ignore[arg-type]


async def test_a_server_s_log_is_stored_whole_and_let_go(backend_url: str, tmp_path: Path) -> None:
    """Entries written while the recorder runs are all stored in order; the streams end empty; a flushed
    server begins a new incarnation."""
    path = tmp_path / "audit.db"
    async with await open_backend(backend_url) as backend:
        server = Store(backend.commands, backend.readers, partitions=2)
        stop = asyncio.Event()
        with AuditStore(path) as store:
            recorder = Recorder(RedisLog(server), store, batch=50, block_ms=100)
            task = asyncio.create_task(recorder.run(stop))
            await asyncio.gather(write(server, 0, 300), write(server, 1, 200))
            stop.set()
            await asyncio.wait_for(task, 20)
            assert recorder.health().ok
        assert [r.n for r in select(path) if r.partition == 0] == list(range(1, 301))
        assert [r.n for r in select(path) if r.partition == 1] == list(range(1, 201))
        assert [await backend.commands.xlen(server.keys(p).log) for p in (0, 1)] == [0, 0]
        assert not verify(path).warnings

        await backend.commands.flushall()
        await write(server, 0, 2, day=1)
        with AuditStore(path) as store:
            stop = asyncio.Event()
            stop.set()
            await Recorder(RedisLog(server), store).run(stop)
        again = [(r.incarnation, r.n, r.kind) for r in select(path) if r.partition == 0][300:]
        assert again == [(2, 0, NEW_INCARNATION), (2, 1, "event"), (2, 2, "event")]
    assert verify(path).ok
