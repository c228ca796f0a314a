"""Whatever order workers, operators and clients come in: one outcome a request, nothing lost, nothing twice.

A Hypothesis state machine drives three workers, an operator and a client against the embedded server, and
holds what the server has against a small model. Workers bring eager steps along, right and wrong ones.
The same examples every time (`derandomize`), so that a failure is the change's and not the day's;
`--hypothesis-profile=long` takes new ones, and many (conftest).
On two shared cores the usual run takes 15 s and the long one, by that measure, 20 minutes;
stopped with SIGINT (`timeout -s INT 290 pytest ...`) a long one has looked for trouble until then.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.redisio.chains import came_along, chained, file
from tests.redisio.harness import AGENTS, House, bury, done, emission, forwarded, open_house, park, retry
from wingman_runtime.contracts.event import Event
from wingman_runtime.contracts.events import UserRequestReceived
from wingman_runtime.redisio import admission, inbox, wire
from wingman_runtime.redisio.commit import StepResult, Verdict
from wingman_runtime.redisio.embedded import EmbeddedServer
from wingman_runtime.redisio.inbox import Entry
from wingman_runtime.redisio.store import text

CI = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
WORKERS = ("w1", "w2", "w3")
ANSWERS = {
    "dispatcher": ("forward",),
    "a": ("Forked", "Finished", "Broke", "Next", "Forked+Next", ""),
    "b": ("Part", "Next", "Broke", "Finished", ""),
    "c": ("Part", "Broke", "Refused", ""),
    "d": ("Finished", "Broke"),
    "e": ("Part", "Broke", "Compensated", ""),
    "rollback": ("Compensated", "Planned", "RequestFailed", ""),
    "audit": ("Stamped", "Stamped+Stamped", ""),
}
USUAL = {
    "dispatcher": "forward", "a": "Finished", "b": "Part", "c": "Part", "d": "Finished",
    "e": "Part", "rollback": "Compensated", "audit": "Stamped",
}  # fmt: skip


def answer(entry: Entry, name: str) -> StepResult:
    """What the agent of ``entry`` says."""
    if name == "forward":
        return forwarded(entry)
    if entry.agent == "e" and entry.phase == 1 and name == "Part":
        name = "Compensated"  # the second step of settling
    events = [part for part in name.split("+") if part]
    return done(
        entry,
        *(
            emission(entry, event, position, outcome="failed" if event == "Compensated" else "")
            for position, event in enumerate(events)
        ),
    )


class Scripts(RuleBasedStateMachine):
    """See the module. The model knows who holds which entry and which steps are done."""

    server: EmbeddedServer

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.house: House
        self.requests: dict[str, Event[UserRequestReceived]] = {}
        self.outcomes: dict[str, tuple[str, bytes]] = {}
        self.hands: list[tuple[str, Entry]] = []  # what workers believe they hold
        self.owner: dict[tuple[str, str], str] = {}  # (agent, entry id) -> who does
        self.receipts: dict[tuple[str, str], str] = {}  # (event id, agent) -> receipt
        self.past: list[tuple[str, StepResult]] = []
        self.held: set[str] = set()
        self.logged = 0

    def run(self, awaitable: Any) -> Any:
        async def waited() -> Any:
            return await awaitable

        return self.loop.run(waited())

    @initialize(need=st.sampled_from((1, 2, 3)), count=st.integers(1, 3))
    def begin(self, need: int, count: int) -> None:
        wire.ask(self.server.socket, "FLUSHALL", "ASYNC", password=self.server.password)
        self.house = self.run(
            self.stack.enter_async_context(open_house(self.server.url, need=need, events=30))
        )

        for _ in range(count):
            self.submit()
        self.run(self.house.forward())

    # A client

    @rule()
    def submit(self) -> None:
        if len(self.requests) < 5:
            # Hypothesis replays: the same steps must give the same ids, and so the same orders.
            event = self.house.request(identity=f"req_p0_{len(self.requests):032x}")
            self.requests[event.subject] = event
            assert self.admit(event) == event.subject

    def admit(self, event: Event[UserRequestReceived]) -> str:
        return str(self.run(admission.admit(self.house.store, event, rules=self.house.rules)))

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def submit_again(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(sorted(self.requests.values(), key=lambda event: event.subject)))
        before = self.run(self.house.log())
        assert self.admit(event) == event.subject
        assert self.run(self.house.log()) == before

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), late=st.booleans())
    def cancel(self, data: st.DataObject, late: bool) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.requests)))
        kind = self.run((self.house.expire if late else self.house.cancel)(request_id))
        assert kind in ("posted", "duplicate", "decided", "ended")
        assert (kind == "ended") == (request_id in self.outcomes)

    # Three workers

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), worker=st.sampled_from(WORKERS), count=st.integers(1, 4))
    def fetch(self, data: st.DataObject, worker: str, count: int) -> None:
        self.fetched(self.busy(data), worker, count)

    def busy(self, data: st.DataObject) -> str:
        """An agent that has something in its inbox, where there is one."""
        lengths = self.run(self.lengths())
        return str(data.draw(st.sampled_from([agent for agent in AGENTS if lengths[agent]] or AGENTS)))

    async def lengths(self) -> dict[str, int]:
        keys = self.house.store.keys(0)
        found = await asyncio.gather(*(self.house.call("XLEN", keys.inbox(agent)) for agent in AGENTS))
        return dict(zip(AGENTS, found, strict=True))

    def fetched(self, agent: str, worker: str, count: int) -> list[Entry]:
        entries: list[Entry] = self.run(self.house.fetch(agent, worker, count=count))
        for entry in entries:
            assert (agent, entry.entry_id) not in self.owner
            self.take(worker, entry)
        return entries

    def take(self, worker: str, entry: Entry) -> None:
        self.owner[entry.agent, entry.entry_id] = worker
        self.hands.append((worker, entry))

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), worker=st.sampled_from(WORKERS), steps=st.integers(2, 6))
    def work(self, data: st.DataObject, worker: str, steps: int) -> None:
        """The usual case, so that requests come far: fetch and answer at once. No pause outlasts it."""
        for _ in range(steps):
            for entry in self.fetched(self.busy(data), worker, 4):
                self.committed(worker, self.result(data, entry))
        for target in sorted(self.held):
            self.resume_one(target)

    @precondition(lambda self: self.owner)
    @rule(data=st.data(), worker=st.sampled_from(WORKERS), count=st.integers(1, 4))
    def reclaim(self, data: st.DataObject, worker: str, count: int) -> None:
        agent, _ = data.draw(st.sampled_from(sorted(self.owner)))
        taken = self.run(inbox.reclaim(self.house.store, 0, agent, worker, idle_ms=0, count=count))
        for entry in taken:
            assert self.owner[agent, entry.entry_id] != worker
            self.take(worker, entry)

    @precondition(lambda self: self.hands)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        """One worker commits what it believes to hold of one agent: its own, and what others took from it."""
        worker, first = data.draw(st.sampled_from(self.hands))
        mine = [entry for who, entry in self.hands if who == worker and entry.agent == first.agent]
        batch = data.draw(st.lists(st.sampled_from(mine), min_size=1, max_size=4))
        self.committed(worker, *(self.result(data, entry) for entry in batch))

    def committed(self, worker: str, *results: StepResult) -> None:
        filed = self.run(file(self.house, *results, worker=worker))
        recorded = 0
        for result, verdict in zip(results, filed.verdicts, strict=True):
            self.filed(worker, result, verdict)
            if verdict.kind == "committed":
                recorded += 1 + self.came_along(result)
        assert filed.steps == recorded

    def came_along(self, result: StepResult) -> int:
        recorded: list[StepResult]
        recorded, tried_again = self.run(came_along(self.house, result))
        for step in recorded:
            self.receipts[step.entry.event_id, step.entry.agent] = step.receipt
        return len(recorded) + int(tried_again)

    def result(self, data: st.DataObject, entry: Entry) -> StepResult:
        """What is said to ``entry``, with a chain of early answers now and then."""
        return chained(data, self.said(data, entry), lambda early: self.said(data, early))

    def said(self, data: st.DataObject, entry: Entry) -> StepResult:
        how = data.draw(st.sampled_from(("done",) * 6 + ("retry", "bury", "park")))
        if how == "retry":
            time.sleep(0.002)  # timers due in the same millisecond would come in another order
            return retry(entry, 0)
        if how == "bury":
            return bury(entry)
        if how == "park":
            return park(entry)
        return answer(entry, data.draw(st.sampled_from(ANSWERS[entry.agent])))

    def filed(self, worker: str, result: StepResult, verdict: Verdict) -> None:
        entry = result.entry
        key, step = (entry.agent, entry.entry_id), (entry.event_id, entry.agent)
        if step in self.receipts:
            assert verdict == ("already_committed", self.receipts[step])
        elif self.owner.get(key) != worker:
            assert verdict.kind == "fenced"
        elif verdict.kind == "committed":
            del self.owner[key]
            self.past.append((worker, result))
            if result.disposition in ("done", "bury"):
                self.receipts[step] = verdict.detail
        elif verdict.kind == "stale_control":
            assert self.held
            return
        else:
            assert verdict.kind in ("refused_emit", "over_budget"), verdict
            return
        self.hands = [(who, held) for who, held in self.hands if (who, held) != (worker, entry)]

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def commit_again(self, data: st.DataObject) -> None:
        """The reply to an earlier commit was lost."""
        worker, result = data.draw(st.sampled_from(self.past))
        step = (result.entry.event_id, result.entry.agent)
        before = self.run(self.house.log())
        [verdict] = self.run(self.house.commit(result, worker=worker))
        if step in self.receipts:
            assert verdict == ("already_committed", self.receipts[step])
        else:
            assert verdict.kind == "fenced"
        assert self.run(self.house.log()) == before

    @precondition(lambda self: self.hands)
    @rule(data=st.data(), verb=st.sampled_from(("release", "renew")))
    def give_back_or_renew(self, data: st.DataObject, verb: str) -> None:
        worker, entry = data.draw(st.sampled_from(self.hands))
        call = inbox.release if verb == "release" else inbox.renew
        got = self.run(call(self.house.store, 0, entry.agent, worker, [entry.entry_id]))
        ours = self.owner.get((entry.agent, entry.entry_id)) == worker
        if verb == "release":
            assert got == int(ours)
            if ours:
                del self.owner[entry.agent, entry.entry_id]
            self.hands.remove((worker, entry))
        else:
            assert got == ([] if ours else [entry.entry_id])

    @rule()
    def fire(self) -> None:
        self.run(self.house.fire())

    # An operator

    @precondition(lambda self: self.requests and not self.held)
    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        targets = ["all", "flow:story", "tenant:demo", "event:Next", *(f"agent:{agent}" for agent in AGENTS)]
        targets += [f"request:{request_id}" for request_id in sorted(self.requests)]
        target = data.draw(st.sampled_from(targets))
        self.run(self.house.hold(target))
        self.held.add(target)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        self.resume_one(data.draw(st.sampled_from(sorted(self.held))))

    def resume_one(self, target: str) -> None:
        self.run(self.house.resume(target))
        self.held.remove(target)

    @invariant()
    def nothing_stays_parked_without_a_rule(self) -> None:
        if self.requests and not self.held:
            keys = self.house.store.keys(0)
            lengths = [self.run(self.house.call("XLEN", keys.parked(agent))) for agent in AGENTS]
            assert not any(lengths)

    # What always holds

    @invariant()
    def outcomes_are_final(self) -> None:
        """A request that has ended keeps its outcome and its stamp."""
        for request_id in self.requests:
            found = self.run(self.house.state(request_id))
            if request_id in self.outcomes:
                assert (found.outcome, found.final) == self.outcomes[request_id]
                assert found.status == "ended"
            elif found.ended:
                assert found.outcome
                self.outcomes[request_id] = (found.outcome, found.final)

    @invariant()
    def every_open_branch_is_somewhere(self) -> None:
        """A request's open branches are its steps under way, and each of those waits where it says."""
        if self.requests:
            self.run(self.check_steps())

    async def check_steps(self) -> None:
        house, keys = self.house, self.house.store.keys(0)
        places: list[str] = []
        for request_id in self.requests:
            flat = await house.call("HGETALL", keys.steps(request_id))
            steps = {text(name): text(value) for name, value in flat.items()}
            waiting = {name: at for name, at in steps.items() if at.startswith("@")}
            found = await house.state(request_id)
            assert found.open_branches == len(waiting), (request_id, steps)
            assert found.ended or waiting
            for name, at in waiting.items():
                where, agent = at.removeprefix("@").split(" "), name.split(">")[1]
                places.append(f"timer {name}" if where == ["timer"] else f"{agent} {' '.join(where)}")
        real = [f"timer {text(name)}" for name in await house.call("HKEYS", f"{keys.anchor}:timer")]
        for agent in AGENTS:
            rows = await house.call("XRANGE", keys.inbox(agent), "-", "+")
            real += [f"{agent} {text(entry)}" for entry, _ in rows]
            rows = await house.call("XRANGE", keys.parked(agent), "-", "+")
            real += [f"{agent} parked {text(entry)}" for entry, _ in rows]
        assert sorted(real) == sorted(places)

    @invariant()
    def the_log_has_no_gap(self) -> None:
        if not hasattr(self, "house"):
            return
        numbers = [n for n, *_ in self.run(self.house.log())]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= self.logged
        self.logged = len(numbers)

    # The end: everything goes on, somebody works it off

    def teardown(self) -> None:
        try:
            if hasattr(self, "house"):
                self.run(self.drained())
        finally:
            self.loop.run(self.stack.aclose())
            self.loop.close()

    async def drained(self) -> None:
        house = self.house
        for target in sorted(self.held):
            await house.resume(target)
        busy = True
        while busy:
            busy = (await house.fire()).delivered > 0
            for agent in AGENTS:
                entries = await inbox.reclaim(house.store, 0, agent, "last", idle_ms=0, count=100)
                entries += await house.fetch(agent, "last")
                for entry in entries:
                    busy = True
                    [verdict] = await house.commit(answer(entry, USUAL[agent]), worker="last")
                    if verdict.kind in ("over_budget", "refused_emit"):
                        [verdict] = await house.commit(done(entry, "RequestFailed"), worker="last")
                    assert verdict.kind == "committed", verdict
        await self.check_end()

    async def check_end(self) -> None:
        house, keys = self.house, self.house.store.keys(0)
        rows = await house.call("XRANGE", keys.outcomes, "-", "+")
        ended = [text(fields[b"r"]) for _, fields in rows]
        assert sorted(ended) == sorted(self.requests), "one terminal outcome for each request"
        for request_id in self.requests:
            found = await house.state(request_id)
            assert (found.status, found.open_branches) == ("ended", 0)
            if request_id in self.outcomes:
                assert (found.outcome, found.final) == self.outcomes[request_id]
        for agent in AGENTS:
            assert await house.call("XLEN", keys.inbox(agent)) == 0
            assert await house.call("XLEN", keys.parked(agent)) == 0
            assert await house.pending(agent) == 0
        assert await house.call("EXISTS", keys.open, keys.timers, f"{keys.anchor}:timer") == 0


def test_no_order_of_events_breaks_a_promise(valkey: EmbeddedServer) -> None:
    """Random interleavings of submit, fetch, commit, zombie and repeated commit, reclaim, release, retry,
    pause, resume and cancel keep every invariant, and in the end every request has exactly one outcome.
    """

    class OnThisServer(Scripts):
        server = valkey

    long = settings.get_current_profile_name() == "long"
    chosen = settings.default if long else CI
    run_state_machine_as_test(OnThisServer, settings=chosen)
