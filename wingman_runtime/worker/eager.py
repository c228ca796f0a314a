"""Eager steps: what follows from an answer at once is answered before it is recorded, and recorded with it.

A letter that goes through the inbox of each agent costs a read, a script and a sync a step. Where one worker
has the next agent as well, and that agent answers without waiting and without effects, its answer is ready
before the commit is sent. The commit script checks each step by the same rules and records all of them,
or the first ones; from the first that it refuses on, events are delivered to inboxes as usual.

1. Only a first delivery: what failed once goes step by step, so that each agent's attempts are its own. And
   only between agents that have a second one: it would die of another's fault, or answer twice for its own.
2. Only an answer of one event to one agent, or one that decides the outcome.
3. Never an agent with effects: an intent needs a delivery on record.
4. Never an answer that had to be waited for: it may rest on what was read before the commit.
5. Only what fits one commit together.

See docs/adr/0012. The idea is Temporal's eager dispatch, taken one step further.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wingman_runtime.contracts.outcome import Emit, Forward, Refuse
from wingman_runtime.contracts.work import Outcome
from wingman_runtime.errors import AdmissionClosedError, BackendError
from wingman_runtime.redisio.commit import StepResult
from wingman_runtime.redisio.inbox import Entry
from wingman_runtime.worker.calling import CLOSING
from wingman_runtime.worker.desk import Desk, Finished


class Eager:
    """The desks of one worker, asked one after the other.

    Args:
        desks: by agent.
        limit: the most steps of one commit that belong together.
        limit_bytes: and the most bytes of their events.
    """

    def __init__(self, desks: Mapping[str, Desk], limit: int = 16, limit_bytes: int = 4 * 2**20) -> None:
        self._desks = desks
        self._limit = limit
        self._limit_bytes = limit_bytes

    async def extend(self, finished: Finished) -> Finished:
        """``finished`` with the steps that follow from it, each answered and none recorded yet."""
        if finished.result.entry.deliveries != 1 or finished.step is None or not finished.step.spared:
            return finished
        steps: list[StepResult] = []
        last, size = finished, finished.result.size
        while len(steps) < self._limit:
            following = await self._following(last)
            if following is None or size + following.result.size > self._limit_bytes:
                break
            steps.append(following.result)
            last, size = following, size + following.result.size
        if not steps:
            return finished
        return replace(finished, result=replace(finished.result, eager=tuple(steps), size=size))

    async def _following(self, last: Finished) -> Finished | None:
        entry, outcome, parts = _delivery(last)
        desk = self._desks.get(entry.agent) if entry else None
        if entry is None or desk is None or not desk.eager(entry.event_type):
            return None
        try:
            following = await desk.work(entry, early=True, foreseen=outcome, parts=parts)
        except (BackendError, AdmissionClosedError):
            return None
        if following is None:
            return None
        if following.result.disposition == "retry" or following.outcome is not None:
            dec = outcome.value if outcome else ""
            return replace(following, result=replace(following.result, foreseen=dec))
        return None


def _delivery(last: Finished) -> tuple[Entry | None, Outcome | None, Mapping[str, Any] | None]:
    """The one delivery the commit of ``last`` will make, as far as the flow tells, what it decides, and its
    event's fields."""
    step, result = last.step, last.result
    if step is None or step.flow is None or result.disposition != "done" or len(result.emissions) != 1:
        return None, None, None
    if not isinstance(last.outcome, Emit | Refuse | Forward):
        return None, None, None
    emission, entry = result.emissions[0], result.entry
    route = step.flow.route(step.agent, emission.event_type)
    if route is None or route.settle or route.end or route.join is not None:
        return None, None, None
    outcome, phase = None, entry.phase
    if route.decides and not route.to and step.flow.finally_:
        agent, phase = step.flow.finally_, CLOSING
        try:
            outcome = Outcome(route.outcome or emission.outcome)
        except ValueError:  # the field is a plain text in some older flow: the script has the word
            return None, None, None
    elif len(route.to) == 1 and not route.decides:
        agent = route.to[0]
    else:
        return None, None, None
    delivery = replace(
        entry,
        agent=agent,
        entry_id="",
        event_id=emission.event_id,
        event_type=emission.event_type,
        phase=phase,
        deliveries=1,
        body=emission.body or entry.body,
    )
    return delivery, outcome, emission.parts
