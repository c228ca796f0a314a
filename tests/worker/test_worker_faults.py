"""What goes wrong: slow, broken and poisonous work, and workers that end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.worker.projects import COMPLETE, END, Agent, Site, Spec, load, site, until, write
from wingman_runtime.redisio import commit, inbox, workers
from wingman_runtime.redisio.embedded import EmbeddedServer, start_embedded
from wingman_runtime.worker import lane

RETRY = "retry: {attempts: 5, base: 0.05, cap: 0.1}\n"
ROUTES = {"UserRequestReceived": "work", **END}


def _spec(body: str = COMPLETE, *, extra: str = RETRY, sync: bool = False, settings: str = "") -> Spec:
    agent = Agent(body, emits=["ExecutionComplete"], extra=extra, sync=sync)
    return Spec({"work": agent}, ROUTES, settings=settings)


async def _calm(place: Site) -> bool:
    status = await place.client.status()
    return all(agent.waiting + agent.pending + agent.parked == 0 for agent in status.agents)


async def test_a_timeout_is_retried_by_a_durable_timer_then_dead_lettered(
    tmp_path: Path, valkey_url: str
) -> None:
    """Five deliveries, four of them recorded as failed attempts, then the dead letter and the failure."""
    spec = _spec("mark('calls'); await asyncio.sleep(60)", extra="timeout: 0.1\n" + RETRY)
    async with site(load(write(tmp_path / "p", spec), valkey_url)) as place:
        request = await place.submit()
        response = await request.result(20)
        assert response.outcome == "failed"
        assert (tmp_path / "p" / "calls").read_text() == "x" * 5
        trail = await place.trail(request)
        attempts = [record.data["attempt"] for record in trail if record.type == "AttemptFailed"]
        assert attempts == [1, 2, 3, 4]
        dead = next(record for record in trail if record.type == "DeadLettered")
        assert dead.data["attempts"] == 5
        assert "0.1 s" in dead.data["error"]
        status = await place.client.status()
        assert {agent.name: agent.dead for agent in status.agents}["work"] == 1


@pytest.mark.parametrize(
    "deed",
    [
        "raise asyncio.CancelledError",
        "sys.exit(3)",
        "raise KeyboardInterrupt",
        "raise type('Own', (BaseException,), {})",
        "raise BaseExceptionGroup('two', [KeyboardInterrupt()])",
        "raise ValueError('\\ud800')",
        "return None",
        "return Emit(ExecutionComplete.model_construct(plan=object()))",
        "return Emit('text')",
        "return type('Own', (Emit,), {})(ExecutionComplete(plan=event.data))",
        "return Emit(type('ExecutionComplete', (EventModel,), {'contract': ExecutionComplete.contract})())",
    ],
)
@pytest.mark.parametrize("sync", [False, True], ids=["async", "thread"])
async def test_whatever_an_agent_raises_is_only_its_failure(
    tmp_path: Path, valkey_url: str, deed: str, sync: bool
) -> None:
    """Cancelling itself or leaving the process holds no slot, kills no worker, and is counted."""
    body = f"if event.data.request.intent == 'bad':\n    {deed}\n{COMPLETE}"
    spec = _spec(body, extra="retry: {attempts: 2, base: 0.01, cap: 0.01}\n", sync=sync)
    async with site(load(write(tmp_path / "p", spec), valkey_url), slots=2) as place:
        bad = [await place.submit("bad") for _ in range(3)]
        assert {(await request.result(15)).outcome for request in bad} == {"failed"}
        assert (await (await place.submit()).result(5)).outcome == "completed"


@pytest.mark.parametrize(
    "deed",
    [
        "asyncio.current_task().cancel(); await asyncio.sleep(60)",
        "t = asyncio.get_running_loop().time() + 9\n"
        "    while asyncio.get_running_loop().time() < t:\n"
        "        try: await asyncio.sleep(1)\n"
        "        except BaseException: pass",
    ],
    ids=["cancels itself", "will not be cancelled"],
)
async def test_whatever_an_agent_does_to_its_task_its_request_ends(
    tmp_path: Path, valkey_url: str, deed: str
) -> None:
    """Nobody renews what nobody works on any more: it is delivered again, counted, and buried at last."""
    body = f"if event.data.request.intent == 'bad':\n    {deed}\n{COMPLETE}"
    spec = _spec(
        body,
        extra="timeout: 0.3\nretry: {attempts: 2, base: 0.01, cap: 0.01}\n",
        settings="times: {claim_idle: 0.4}\n",
    )
    async with site(load(write(tmp_path / "p", spec), valkey_url)) as place:
        bad = await place.submit("bad")
        assert (await (await place.submit()).result(5)).outcome == "completed"
        assert (await bad.result(8)).outcome == "failed"


async def test_hung_threads_hold_up_neither_their_agent_nor_the_end(tmp_path: Path, valkey_url: str) -> None:
    """As many calls hang as there are slots: given up in time, the agent goes on, stopping is quick."""
    body = f"if event.data.request.intent == 'hang':\n    time.sleep(8)\n{COMPLETE}"
    spec = _spec(body, extra="timeout: 0.3\nretry: {attempts: 1}\n", sync=True)
    async with site(load(write(tmp_path / "p", spec), valkey_url), slots=2) as place:
        hung = [await place.submit("hang") for _ in range(2)]
        assert {(await request.result(5)).outcome for request in hung} == {"failed"}
        assert (await (await place.submit()).result(3)).outcome == "completed"


async def test_an_answer_too_large_for_the_server_fails_alone(tmp_path: Path, valkey_url: str) -> None:
    """Sent, it would end the connection each time and hold up the lane for ever."""
    big = COMPLETE.replace('granted_by="test"', 'granted_by="x" * (33 * 2**20)')
    body = f"if event.data.request.intent == 'bad':\n    {big}\n{COMPLETE}"
    async with site(load(write(tmp_path / "p", _spec(body)), valkey_url)) as place:
        bad = await place.submit("bad")
        assert (await (await place.submit()).result(5)).outcome == "completed"
        assert (await bad.result(10)).outcome == "failed"


HUGE = b"9" * 5000
GARBAGE: dict[str, list[bytes]] = {
    "empty": [b"x", b""],
    "not utf-8": [b"id", b"\xff\xfe", b"r", b"\xc3\x28", b"ty", b"\x80", b"b", b"\xff" * 100],
    "not json": [b"id", b"evt_x", b"r", b"req_p0_" + b"0" * 32, b"ty", b"UserRequestReceived", b"b", b"{"],
    "wrong json": [b"ty", b"UserRequestReceived", b"b", b"[1,2,3]"],
    "deep json": [b"ty", b"UserRequestReceived", b"b", b"[" * 100_000],
    "unknown type": [b"ty", b"NobodyKnows", b"b", b"{}"],
    "huge number": [b"ph", HUGE, b"n", HUGE, b"ty", b"UserRequestReceived"],
    "no number": [b"ph", b"nan", b"n", b"-1e9", b"ty", b"UserRequestReceived"],
    "huge names": [b"id", b"i" * 100_000, b"r", b"r" * 100_000, b"f", b"f" * 9999, b"t", b"t" * 9999],
    "huge body": [b"ty", b"UserRequestReceived", b"b", b"x" * 3_000_000],
    "nul": [b"id", b"\0", b"r", b"\0", b"ty", b"\0", b"b", b"\0"],
}


async def test_garbage_in_an_inbox_is_buried_and_hurts_nobody(tmp_path: Path, valkey_url: str) -> None:
    """Entries from outside, of every kind: all in the dead letters, on the record, the worker alive."""
    async with site(load(write(tmp_path / "p", _spec()), valkey_url)) as place:
        [running] = [await place.start("work")]
        for fields in GARBAGE.values():
            for agent in ("work", "dispatcher"):
                await place.store.call("XADD", place.store.keys(0).inbox(agent), "*", *fields)
        request = await place.submit()
        assert (await request.result(10)).outcome == "completed"
        await until(lambda: _calm(place), 15)
        dead = {agent.name: agent.dead for agent in (await place.client.status()).agents}
        assert dead["work"] == dead["dispatcher"] == len(GARBAGE)
        assert len(await place.log("anomaly")) >= 2 * len(GARBAGE)
        assert running.alive


async def test_what_a_lost_reply_held_is_found_by_the_only_worker(
    tmp_path: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pending to this worker and in nobody's hand: after the idle time it takes the entry up, counted."""
    real = inbox.fetch
    lost: list[inbox.Entry] = []

    async def losing(*args: Any, **more: Any) -> list[inbox.Entry]:
        entries = await real(*args, **more)
        if entries and entries[0].agent == "work" and not lost:
            lost.extend(entries)
            return []
        return entries

    monkeypatch.setattr(inbox, "fetch", losing)
    async with site(load(write(tmp_path / "p", _spec()), valkey_url)) as place:
        request = await place.submit()
        assert (await request.result(10)).outcome == "completed"
        assert len(lost) == 1
        done = next(record for record in await place.trail(request) if record.agent == "work")
        assert done.record["attempt"] == 2


async def test_a_result_that_cannot_be_committed_ends_alone(
    tmp_path: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One result of a batch breaks the commit itself: it is buried, its neighbours are recorded."""
    real = commit.commit
    bad: list[str] = []

    async def breaking(store: Any, partition: int, agent: str, worker: str, results: Any) -> Any:
        if any(one.disposition == "done" and one.entry.request_id in bad for one in results):
            raise TypeError("Integer exceeds 64-bit range")
        return await real(store, partition, agent, worker, results)

    monkeypatch.setattr(lane, "commit", breaking)
    async with site(load(write(tmp_path / "p", _spec()), valkey_url), workers=0) as place:
        many = [await place.submit() for _ in range(10)]
        bad.append(many[4].id)
        running = await place.start()
        ends = [(await request.result(10)).outcome for request in many]
        assert ends == ["completed"] * 4 + ["failed"] + ["completed"] * 5
        assert running.alive


async def test_liveness_is_progress(tmp_path: Path, valkey_url: str) -> None:
    """A handler that does not come to an end shows as its age in the heartbeat, though the worker beats."""
    spec = _spec(f"while not (ROOT / 'go').exists(): await asyncio.sleep(0.02)\n{COMPLETE}")
    root = write(tmp_path / "p", spec)
    async with site(load(root, valkey_url)) as place:
        request = await place.submit()

        async def stuck() -> bool:
            beats = (await place.client.status()).workers
            return any(beat.alive and beat.facts["oldest_s"] > 0.7 for beat in beats)

        await until(stuck)
        (root / "go").touch()
        assert (await request.result(5)).outcome == "completed"


async def test_readers_nobody_declared_are_put_on_the_record(tmp_path: Path, valkey_url: str) -> None:
    """Another group on an inbox, and a stranger in ours that holds entries."""
    async with site(load(write(tmp_path / "p", _spec()), valkey_url)) as place:
        await (await place.submit()).result(5)
        stream = place.store.keys(0).inbox("work")
        await place.store.call("XGROUP", "CREATE", stream, "spies", "0")

        async def told() -> bool:
            anomalies = await place.log("anomaly")
            return any(entry.get("anomaly") == "undeclared_group" for entry in anomalies)

        await until(told, 5)
        assert sum(e.get("anomaly") == "undeclared_group" for e in await place.log("anomaly")) == 1


async def test_scaling_while_running_loses_nothing(tmp_path: Path, valkey_url: str) -> None:
    """Workers come and go under load: every request ends, nothing is left, the last one's consumer alone."""
    spec = _spec(f"mark('calls'); await asyncio.sleep(0.02)\n{COMPLETE}")
    async with site(load(write(tmp_path / "p", spec), valkey_url)) as place:
        many: list[Any] = []

        async def feed() -> None:
            for _ in range(150):
                many.append(await place.submit())
                await asyncio.sleep(0.01)

        feeding = asyncio.create_task(feed())
        for _ in range(4):
            extra = await place.start(slots=4)
            await asyncio.sleep(0.3)
            await extra.stop()
        await feeding
        ends = await asyncio.gather(*(request.result(30) for request in many))
        assert {end.outcome for end in ends} == {"completed"}
        await until(lambda: _calm(place))
        assert len((tmp_path / "p" / "calls").read_text()) == 150
        readers = await workers.readers(place.store, 0, "work")
        assert len(readers) == 1


async def test_a_graceful_stop_gives_back_uncounted(tmp_path: Path, valkey_url: str) -> None:
    """What does not end within the grace is released at once, its delivery not counted, its consumer gone."""
    spec = _spec(
        "mark('calls')\nif len((ROOT / 'calls').read_text()) == 1:\n    await asyncio.sleep(60)\n" + COMPLETE
    )
    project = load(write(tmp_path / "p", spec), valkey_url, times__claim_idle=60.0)
    async with site(project, "dispatcher", "audit") as place:
        first = await place.start("work", times={"grace": 0.2})
        request = await place.submit()

        async def called() -> bool:
            return (tmp_path / "p" / "calls").exists()

        await until(called)
        await first.stop()
        assert await workers.readers(place.store, 0, "work") == []
        await place.start("work")
        assert (await request.result(5)).outcome == "completed"
        done = next(record for record in await place.trail(request) if record.agent == "work")
        assert done.record["attempt"] == 1


def _process(root: Path, url: str, *agents: str) -> Any:
    env = {
        **os.environ,
        "WINGMAN_REDIS__URL": url,
        "WINGMAN_TIMES__CLAIM_IDLE": "1s",
        "WINGMAN_TIMES__GRACE": "5s",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    command = [sys.executable, "-m", "wingman_runtime", "worker", "--project", str(root)]
    if agents:
        command += ["--agents", ",".join(agents)]
    return asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )


async def test_a_killed_process_is_taken_over_and_the_work_done_once(tmp_path: Path, valkey_url: str) -> None:
    """`kill -9` in the middle of a handler: another worker reclaims, the outcome is recorded once."""
    spec = _spec(
        "mark('calls')\nif len((ROOT / 'calls').read_text()) == 1:\n    await asyncio.sleep(60)\n" + COMPLETE
    )
    root = write(tmp_path / "p", spec)
    async with site(load(root, valkey_url), "dispatcher", "audit") as place:
        process = await _process(root, valkey_url, "work")
        try:
            request = await place.submit()

            async def called() -> bool:
                return (root / "calls").exists()

            await until(called, 20)
        finally:
            process.kill()
            await process.wait()
        await place.start("work")
        assert (await request.result(15)).outcome == "completed"
        types = [record.type for record in await place.trail(request)]
        assert types.count("ExecutionComplete") == 1
        assert (root / "calls").read_text() == "xx"


async def test_sigterm_finishes_what_is_in_hand(tmp_path: Path, valkey_url: str) -> None:
    """The process ends by itself with status 0 once its entry is committed."""
    spec = _spec(f"mark('calls'); time.sleep(1)\n{COMPLETE}", sync=True)
    root = write(tmp_path / "p", spec)
    async with site(load(root, valkey_url), "dispatcher", "audit") as place:
        process = await _process(root, valkey_url, "work")
        try:
            request = await place.submit()

            async def called() -> bool:
                return (root / "calls").exists()

            await until(called, 20)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert (await request.result(5)).outcome == "completed"
        assert (root / "calls").read_text() == "x"
        assert await workers.readers(place.store, 0, "work") == []


async def test_a_killed_server_comes_back_and_so_does_the_worker(tmp_path: Path) -> None:
    """The server dies and starts again on its data: worker and client go on, nothing is lost."""
    data = tmp_path / "data"
    server: EmbeddedServer = await asyncio.to_thread(start_embedded, data)
    spec = _spec(f"await asyncio.sleep(0.3)\n{COMPLETE}")
    try:
        async with site(load(write(tmp_path / "p", spec), server.url)) as place:
            assert (await (await place.submit()).result(5)).outcome == "completed"
            many = [await place.submit() for _ in range(10)]
            waiting = asyncio.gather(*(request.result(30) for request in many))
            await asyncio.sleep(0.1)
            os.kill(server.pid, signal.SIGKILL)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(server.stop)
            server = await asyncio.to_thread(start_embedded, data)
            assert {response.outcome for response in await waiting} == {"completed"}
            began = time.monotonic()
            assert (await (await place.submit()).result(10)).outcome == "completed"
            assert time.monotonic() - began < 5
    finally:
        await asyncio.to_thread(server.stop)
