"""Eager steps at a real worker: who is asked early, what shares a commit, who pays for what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.worker.projects import COMPLETE, END, Agent, Site, Spec, load, site, until, write
from wingman_runtime import bootstrap
from wingman_runtime.client import Request
from wingman_runtime.redisio import commit, workers
from wingman_runtime.redisio.commit import StepResult
from wingman_runtime.testing.crash import CrashPoint, CrashStore
from wingman_runtime.worker import lane

SECOND = "mark('second')\nreturn Emit(Seconded())"
QUICK = "retry: {attempts: 3, base: 0.01, cap: 0.01}\n"
ROUTES = {
    "UserRequestReceived": "first",
    "Firsted": "second",
    "Seconded": "third",
    **END,
}
WHOLE = ("dispatcher", "first", "second", "third")


def _spec(second: str = SECOND, *, first: str = "", **more: Any) -> Spec:
    """dispatcher -> first -> second -> third -> audit; ``more`` is said of `second`."""
    return Spec(
        {
            "first": Agent(f"{first}\nreturn Emit(Firsted())", emits=["Firsted"], extra=QUICK),
            "second": Agent(second, ["Firsted"], ["Seconded"], **{"extra": QUICK, **more}),
            "third": Agent(COMPLETE, ["Seconded"], ["ExecutionComplete"], extra=QUICK),
        },
        ROUTES,
    )


class Commits:
    """The commits of all workers: which agents answered in each, and a place to step in between."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, ...]] = []
        self.real = commit.commit

    async def __call__(
        self, store: Any, partition: int, agent: str, worker: str, results: Sequence[StepResult]
    ) -> Any:
        for result in results:
            await self.before(result)
        filed = await self.real(store, partition, agent, worker, results)
        self.sent += [(agent, *(step.entry.agent for step in result.eager)) for result in results]
        return filed

    async def before(self, result: StepResult) -> None:
        """Something that happens between an answer and its commit."""

    def early(self, agent: str) -> int:
        return sum(agent in sent[1:] for sent in self.sent)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    counting = Commits()
    monkeypatch.setattr(lane, "commit", counting)
    return counting


async def _warm(place: Site, commits: Commits) -> None:
    """Each agent has answered once, so that it is known which ones do so at once."""
    assert (await (await place.submit()).result(10)).outcome == "completed"
    commits.sent.clear()


async def _steps(place: Site, request: Request) -> list[tuple[str, str, int]]:
    """(agent, record, attempt) for each record of the request that an agent has made."""
    trail = await place.trail(request)
    return [(one.agent, one.type, one.record["attempt"]) for one in trail if "attempt" in one.record]


def _calls(root: Path, name: str = "second") -> int:
    return len((root / name).read_text())


async def test_agents_that_answer_at_once_share_a_commit(
    tmp_path: Path, valkey_url: str, commits: Commits
) -> None:
    """The first request learns who does; the next one is recorded as it, in a third of the commits."""
    async with site(load(write(tmp_path / "p", _spec()), valkey_url)) as place:
        first = await place.submit()
        assert (await first.result(10)).outcome == "completed"
        assert commits.sent == [(agent,) for agent in (*WHOLE, "audit")]
        commits.sent.clear()
        second = await place.submit()
        assert (await second.result(10)).outcome == "completed"
        assert commits.sent == [WHOLE, ("audit",)]
        assert await _steps(place, second) == await _steps(place, first)
        assert _calls(tmp_path / "p") == 2


async def test_agents_in_workers_of_their_own_are_not_asked(
    tmp_path: Path, valkey_url: str, commits: Commits
) -> None:
    """A worker that has not got the next agent leaves its event in the inbox."""
    async with site(load(write(tmp_path / "p", _spec()), valkey_url), workers=0) as place:
        await place.start("dispatcher", "first", "third", "audit")
        await place.start("second")
        await _warm(place, commits)
        await _warm(place, commits)
        assert (await (await place.submit()).result(10)).outcome == "completed"
        assert commits.sent == [("dispatcher", "first"), ("second",), ("third",), ("audit",)]


@pytest.mark.parametrize("sync", [False, True], ids=["awaits", "thread"])
async def test_an_agent_that_always_waits_is_never_asked_early(
    tmp_path: Path, valkey_url: str, commits: Commits, sync: bool
) -> None:
    """In a thread, or for something: called once a request, and by its inbox."""
    body = SECOND if sync else f"await asyncio.sleep(0)\n{SECOND}"
    async with site(load(write(tmp_path / "p", _spec(body, sync=sync)), valkey_url)) as place:
        for _ in range(3):
            assert (await (await place.submit()).result(10)).outcome == "completed"
        assert commits.early("second") == 0
        assert commits.early("first") == commits.early("third") == 2
        assert _calls(tmp_path / "p") == 3


async def test_an_agent_that_waits_for_once_is_asked_early_no_more(
    tmp_path: Path, valkey_url: str, commits: Commits
) -> None:
    """Asked early it has to wait: nobody waits for it, and it gets its event by its inbox."""
    body = """
        mark("second")
        while event.actor == "bob" and not (ROOT / "recorded").exists():
            await asyncio.sleep(0.02)
        return Emit(Seconded())
    """
    root = write(tmp_path / "p", _spec(body))
    async with site(load(root, valkey_url)) as place:
        await _warm(place, commits)
        request = await place.submit(actor="bob")

        async def told() -> bool:
            return any(agent == "first" for agent, *_ in await _steps(place, request))

        # What is before it is on the record while it still waits.
        await until(told)
        (root / "recorded").touch()
        assert (await request.result(10)).outcome == "completed"
        assert {attempt for *_, attempt in await _steps(place, request)} == {1}
        assert _calls(root) == 1 + 2
        await _warm(place, commits)
        assert (await (await place.submit()).result(10)).outcome == "completed"
        assert commits.early("second") == 0
        assert _calls(root) == 1 + 2 + 2


async def test_waiting_for_one_event_says_nothing_of_others(
    tmp_path: Path, valkey_url: str, commits: Commits
) -> None:
    """An agent that reads something to answer one event is still asked early for another."""
    first = "return Emit(Othered() if event.actor == 'bob' else Firsted())"
    second = f"if event.type == 'Othered':\n    await asyncio.sleep(0)\n{SECOND}"
    spec = _spec(second)
    agents = {
        **spec.agents,
        "first": Agent(first, emits=["Firsted", "Othered"], extra=QUICK),
        "second": Agent(second, ["Firsted", "Othered"], ["Seconded"], extra=QUICK),
    }
    spec = Spec(agents, {**ROUTES, "Othered": "second"})
    async with site(load(write(tmp_path / "p", spec), valkey_url)) as place:
        await _warm(place, commits)
        for _ in range(2):
            assert (await (await place.submit(actor="bob")).result(10)).outcome == "completed"
        assert commits.early("second") == 0
        assert (await (await place.submit()).result(10)).outcome == "completed"
        assert commits.early("second") == 1


async def test_an_early_answer_does_not_read_past_its_commit(
    tmp_path: Path, valkey_url: str, commits: Commits
) -> None:
    """It would see the server as it was before the step it answers to was recorded."""
    body = """
        if event.actor == "bob":
            await asyncio.sleep(0)
            mark("before" if not (ROOT / "committed").exists() else "after")
        return Emit(Seconded())
    """
    root = write(tmp_path / "p", _spec(body))

    class Marking(Commits):
        async def before(self, result: StepResult) -> None:
            if result.entry.agent == "dispatcher" and not result.eager[1:]:
                (root / "committed").touch()

    async with site(load(root, valkey_url)) as place:
        await _warm(place, commits)
        commits.before = Marking.before.__get__(commits)  # type: ignore[method-assign]
        assert (await (await place.submit(actor="bob")).result(10)).outcome == "completed"
        assert not (root / "before").exists()
        assert (root / "after").read_text() == "x"


async def test_an_early_failure_counts_as_an_attempt(
    tmp_path: Path, valkey_url: str, commits: Commits
) -> None:
    """As many calls as its policy allows, the early one among them; then the dead letters, as ever."""
    body = f"if event.actor == 'bob':\n    mark('failed')\n    raise ValueError('no')\n{SECOND}"
    root = write(tmp_path / "p", _spec(body))
    async with site(load(root, valkey_url)) as place:
        await _warm(place, commits)
        request = await place.submit(actor="bob")
        assert (await request.result(10)).outcome == "failed"
        assert commits.sent[0] == ("dispatcher", "first", "second")
        assert _calls(root, "failed") == 3
        steps = [
            (record, attempt) for agent, record, attempt in await _steps(place, request) if agent == "second"
        ]
        assert steps == [("AttemptFailed", 1), ("AttemptFailed", 2), ("DeadLettered", 3)]


async def test_an_agent_that_may_fail_only_once_is_not_asked_early(
    tmp_path: Path, valkey_url: str, commits: Commits
) -> None:
    """Its failure buries the event in its inbox; early, it would have to be asked there a second time."""
    body = f"if event.actor == 'bob':\n    mark('failed')\n    raise ValueError('no')\n{SECOND}"
    root = write(tmp_path / "p", _spec(body, extra="retry: {attempts: 1}\n"))
    async with site(load(root, valkey_url)) as place:
        await _warm(place, commits)
        assert (await (await place.submit(actor="bob")).result(10)).outcome == "failed"
        assert _calls(root, "failed") == 1
        assert commits.early("second") == 0


class Doomed:
    """A worker that vanishes when `second` has answered, before that is recorded."""

    def __init__(self, place: Site) -> None:
        self.place = place
        self.store = CrashStore(place.store, CrashPoint("nobody", "before_commit"))
        self.worker = bootstrap.make_worker(
            place.project, self.store, bootstrap.chosen_agents(place.project, ())
        )
        self.running = asyncio.create_task(self.worker.run(asyncio.Event()))

    def arm(self) -> None:
        self.store.point = CrashPoint("second", "before_commit")

    async def die(self) -> None:
        try:
            await asyncio.wait_for(self.store.crashed.wait(), 20)
        finally:
            self.worker.abandon()
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)
            # A killed worker does not take its heartbeat away; without one it would be a stranger.
            await workers.beat(self.place.store, self.worker.name, {"agents": self.worker.agents})


async def _doomed(place: Site) -> Doomed:
    """One that knows already which agents answer at once."""
    doomed = Doomed(place)
    for _ in range(2):
        assert (await (await place.submit()).result(10)).outcome == "completed"
    doomed.arm()
    return doomed


@pytest.mark.parametrize("attempts", [1, 2])
async def test_a_worker_that_dies_of_an_agent_costs_the_one_before_no_dead_letter(
    tmp_path: Path, valkey_url: str, attempts: int
) -> None:
    """What was delivered to the dead worker goes step by step; who has one delivery never goes first."""
    spec = _spec(first="await asyncio.sleep(0)")
    more = replace(spec.agents["first"], extra=f"retry: {{attempts: {attempts}, base: 0.01, cap: 0.01}}\n")
    root = write(tmp_path / "p", replace(spec, agents={**spec.agents, "first": more}))
    async with site(load(root, valkey_url), workers=0) as place:
        doomed = await _doomed(place)
        request = await place.submit()
        await doomed.die()
        await place.start()
        assert (await request.result(20)).outcome == "completed"
        charged = {agent: attempt for agent, _, attempt in await _steps(place, request) if attempt > 1}
        assert charged == ({"second": 2} if attempts == 1 else {"first": 2})
        assert {agent.dead for agent in (await place.client.status()).agents} == {0}


async def test_what_was_delivered_before_goes_step_by_step(
    tmp_path: Path, valkey_url: str, commits: Commits
) -> None:
    """Taken over from a dead worker, a letter is answered alone; what it sends is a first delivery again."""
    root = write(tmp_path / "p", _spec())
    async with site(load(root, valkey_url, times__claim_idle=2.0), workers=0) as place:
        doomed = await _doomed(place)
        request = await place.submit()
        await doomed.die()
        await place.start()
        await _warm(place, commits)
        assert (await request.result(20)).outcome == "completed"
        assert commits.sent == [("dispatcher",), WHOLE[1:], ("audit",)]


async def test_who_kills_each_worker_is_the_one_that_is_buried(tmp_path: Path, valkey_url: str) -> None:
    """`second` takes each worker along: its own deliveries spent, it is given up, nobody before it."""
    spec = _spec(extra="retry: {attempts: 2, base: 0.01, cap: 0.01}\n")
    async with site(load(write(tmp_path / "p", spec), valkey_url), workers=0) as place:
        doomed = await _doomed(place)
        request = await place.submit()
        await doomed.die()
        for _ in range(2):
            doomed = Doomed(place)
            doomed.arm()
            await doomed.die()
        await place.start()
        assert (await request.result(20)).outcome == "failed"
        dead = {agent.name: agent.dead for agent in (await place.client.status()).agents if agent.dead}
        assert dead == {"second": 1}


@pytest.mark.parametrize("target", ["agent:second", "event:Firsted", "agent:third"])
@pytest.mark.parametrize("when", ["known", "in between"])
async def test_a_pause_holds_a_request_before_what_it_covers(
    tmp_path: Path, valkey_url: str, commits: Commits, target: str, when: str
) -> None:
    """Known to the worker or set after it has all answers: what comes before is recorded, the rest waits."""
    async with site(load(write(tmp_path / "p", _spec()), valkey_url)) as place:
        await _warm(place, commits)

        async def pause(_: StepResult) -> None:
            commits.before = Commits.before.__get__(commits)  # type: ignore[method-assign]
            await place.client.pause(target, reason="t")

        if when == "known":
            await place.client.pause(target, reason="t")
        else:
            commits.before = pause  # type: ignore[method-assign, assignment]
        request = await place.submit()
        held = "third" if target == "agent:third" else "second"

        async def waits() -> bool:
            agents = {agent.name: agent for agent in (await place.client.status()).agents}
            return agents[held].waiting + agents[held].parked == 1

        await until(waits)
        told = {agent for agent, *_ in await _steps(place, request)}
        assert told == set(WHOLE[: WHOLE.index(held)])
        await place.client.resume(target, reason="t")
        assert (await request.result(10)).outcome == "completed"
        assert {attempt for *_, attempt in await _steps(place, request)} == {1}


async def test_policies_applied_in_between_judge_every_step(
    tmp_path: Path, valkey_url: str, commits: Commits
) -> None:
    """Answers under the old bundle are not recorded under the new one: all of them are judged again."""
    root = write(tmp_path / "p", _spec())
    async with site(load(root, valkey_url)) as place:
        await _warm(place, commits)
        with (root / "policies" / "80-emit.cedar").open("a") as out:
            out.write('\n@id("more")\n@reason("m")\nforbid (principal, action, resource) when { false };\n')
        edited = load(root, valkey_url)

        async def apply(_: StepResult) -> None:
            commits.before = Commits.before.__get__(commits)  # type: ignore[method-assign]
            await bootstrap.apply_policy(edited, place.store, by="test", reason="t")

        commits.before = apply  # type: ignore[method-assign, assignment]
        request = await place.submit()
        assert commits.early("second") == 0
        assert (await request.result(10)).outcome == "completed"
        judged = {one.record["policy"] for one in await place.trail(request) if "policy" in one.record}
        assert judged == {edited.bundle.digest}


async def test_an_early_answer_that_cannot_be_committed_costs_only_its_agent(
    tmp_path: Path, valkey_url: str, commits: Commits
) -> None:
    """The commit breaks on what came along: the steps before go without it, and only it is buried."""

    async def breaking(result: StepResult) -> None:
        for step in (result, *result.eager):
            if step.entry.agent == "second" and step.disposition == "done":
                raise TypeError("Integer exceeds 64-bit range")

    async with site(load(write(tmp_path / "p", _spec()), valkey_url)) as place:
        await _warm(place, commits)
        commits.before = breaking  # type: ignore[method-assign]
        request = await place.submit()
        assert (await request.result(10)).outcome == "failed"
        dead = {agent.name: agent.dead for agent in (await place.client.status()).agents if agent.dead}
        assert dead == {"second": 1}


async def test_large_answers_go_one_by_one(tmp_path: Path, valkey_url: str, commits: Commits) -> None:
    """What would not fit one commit together is not sent as one."""
    big = SECOND.replace("Seconded()", "Seconded(note='x' * (5 * 2**20))")
    async with site(load(write(tmp_path / "p", _spec(big)), valkey_url)) as place:
        await _warm(place, commits)
        assert (await (await place.submit()).result(10)).outcome == "completed"
        assert commits.early("second") == 0
        assert commits.sent[0] == ("dispatcher", "first")
