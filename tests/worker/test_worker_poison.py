"""Events that kill their worker, or cannot be read: out of the way after so many tries, and none else harmed.

Workers here are processes of their own, each replaced when it dies, as a supervisor would.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.worker.projects import COMPLETE, END, REFERENCE, Agent, Site, Spec, load, site, until, write
from wingman_runtime.redisio.dead import DeadLetter

RETRY = "retry: {attempts: 3, base: 0.01, cap: 0.02}\n"
KILLS = "if event.data.request.intent == 'bad':\n    mark('deaths')\n    os._exit(9)\n"
ROUTES = {"UserRequestReceived": "work", **END}


@dataclass
class Crew:
    """Worker processes, one after the other; ``ends`` are the exit codes of those that died."""

    root: Path
    url: str
    ends: list[int] = field(default_factory=list)
    process: asyncio.subprocess.Process | None = None

    async def keep(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WINGMAN_")}
        environment |= {
            "PYTHONPATH": str(REFERENCE),
            "WINGMAN_REDIS_URL": self.url,
            "WINGMAN_TIMES__CLAIM_IDLE": "0.5",
            "WINGMAN_TIMES__BLOCK": "0.2",
        }
        with (self.root / "worker.log").open("ab") as log:
            while True:
                self.process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "wingman_runtime", "worker", "--project", str(self.root),
                    env=environment, stdout=log, stderr=log, process_group=0,
                )  # fmt: skip
                self.ends.append(await self.process.wait())


@contextlib.asynccontextmanager
async def crewed(root: Path, url: str) -> AsyncIterator[Crew]:
    crew = Crew(root, url)
    keeper = asyncio.create_task(crew.keep())
    try:
        yield crew
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        if crew.process is not None and crew.process.returncode is None:
            crew.process.kill()
            await crew.process.wait()


async def _letters(place: Site, count: int) -> list[DeadLetter]:
    found = await place.client.dead_letters.listed()
    return found if len(found) >= count else []


async def test_an_event_that_kills_each_worker_is_out_of_the_way(tmp_path: Path, valkey_url: str) -> None:
    """Three deliveries, three dead workers; the fourth is not handed to the agent but buried. Its request
    fails, and those that were in hand beside it are done."""
    agent = Agent(KILLS + COMPLETE, emits=["ExecutionComplete"], extra=RETRY)
    root = write(tmp_path / "p", Spec({"work": agent}, ROUTES))
    async with site(load(root, valkey_url), workers=0) as place:
        good = [await place.submit() for _ in range(4)]
        bad = await place.submit("bad")
        good += [await place.submit() for _ in range(4)]
        async with crewed(root, valkey_url) as crew:
            assert (await bad.result(60)).outcome == "failed"
            assert {(await one.result(20)).outcome for one in good} == {"completed"}
            assert (await (await place.submit()).result(20)).outcome == "completed"
        assert (root / "deaths").read_text() == "xxx"
        assert crew.ends == [9, 9, 9]
        [letter] = await _letters(place, 1)
        assert (letter.request_id, letter.agent, letter.stray) == (bad.id, "work", False)
        assert "its worker died or hung" in letter.error
        assert letter.attempts == 4


async def test_the_same_when_it_would_follow_at_once(tmp_path: Path, valkey_url: str) -> None:
    """An agent that has answered promptly is asked early. What it does then is charged to the step before,
    once; from then on it is delivered by itself, and counted by itself."""
    first = Agent("return Emit(Passed(note=event.data.request.intent))", emits=["Passed"], extra=RETRY)
    kills = "if event.data.note == 'bad':\n    mark('deaths')\n    os._exit(9)\n"
    second = Agent(kills + COMPLETE, consumes=["Passed"], emits=["ExecutionComplete"], extra=RETRY)
    spec = Spec(
        {"first": first, "second": second}, {"UserRequestReceived": "first", "Passed": "second", **END}
    )
    root = write(tmp_path / "p", spec)
    async with site(load(root, valkey_url), workers=0) as place, crewed(root, valkey_url) as crew:
        assert (await (await place.submit()).result(20)).outcome == "completed"
        bad = await place.submit("bad")
        assert (await bad.result(60)).outcome == "failed"
        assert (await (await place.submit()).result(20)).outcome == "completed"
        [letter] = await _letters(place, 1)
        assert (letter.agent, letter.event_type, letter.request_id) == ("second", "Passed", bad.id)
        assert set(crew.ends) == {9}
        assert len(crew.ends) in (3, 4)


async def test_what_cannot_be_read_costs_no_worker(tmp_path: Path, valkey_url: str) -> None:
    """Garbage, a body far past any limit, JSON too deep: buried at the first look, shown, discarded."""
    agent = Agent(COMPLETE, emits=["ExecutionComplete"], extra=RETRY)
    root = write(tmp_path / "p", Spec({"work": agent}, ROUTES))
    async with site(load(root, valkey_url), workers=0) as place, crewed(root, valkey_url) as crew:
        assert (await (await place.submit()).result(20)).outcome == "completed"
        stream = place.store.keys(0).inbox("work")
        bodies = (b"\xff\x00" * 50, b"x" * 40_000_000, b"[" * 2_000_000, b'{"specversion":"1.0"}')
        for body in bodies:
            await place.store.call("XADD", stream, "*", "ty", "UserRequestReceived", "b", body)
        letters = await until(lambda: _letters(place, len(bodies)), 30)
        assert all(letter.stray for letter in letters)
        assert sorted(len(letter.body) for letter in letters) == sorted(map(len, bodies))
        assert (await (await place.submit()).result(20)).outcome == "completed"
        for letter in letters:
            await place.client.dead_letters.discard(letter.letter_id, reason="noise")
        assert await place.client.dead_letters.listed() == []
        assert crew.ends == []
