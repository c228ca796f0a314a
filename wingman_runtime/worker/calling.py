"""One call of one agent: with its ports, within its time, in a thread if it is no coroutine function."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

from wingman_runtime.contracts.event import Event
from wingman_runtime.contracts.outcome import AgentOutcome
from wingman_runtime.contracts.work import Outcome
from wingman_runtime.project.agents import MountedAgent
from wingman_runtime.redisio.inbox import Entry
from wingman_runtime.worker.begun import Begun
from wingman_runtime.worker.ports import PortRack, StepPolicy
from wingman_runtime.worker.threads import AgentThreads

CLOSING = 2
"""The phase in which a request is closed: its outcome is decided."""


class NotAtOnceError(Exception):
    """An agent that was asked early had to wait."""


class Caller:
    """Calls one agent of one worker, and knows which events it has always answered at once."""

    def __init__(self, agent: MountedAgent, rack: PortRack, threads: AgentThreads) -> None:
        self._agent = agent
        self._manifest = agent.manifest
        self._rack = rack
        self._threads = threads
        self._prompt: dict[str, bool] = {}

    def prompt(self, event_type: str) -> bool:
        """Whether it has answered such an event before, and never waited for anything then."""
        return self._prompt.get(event_type, False)

    async def call(
        self,
        entry: Entry,
        event: Event[Any],
        policy: StepPolicy,
        *,
        early: bool = False,
        foreseen: Outcome | None = None,
    ) -> AgentOutcome:
        """Its answer. What it raises is raised, but for what only a worker may: that is a RuntimeError.

        Args:
            early: it may not wait.
            foreseen: the outcome its request is about to have, if that is known.

        Raises:
            NotAtOnceError: it was asked early, and waits.
            TimeoutError: it took longer than its manifest says.
            BackendError: a port could not reach the server.
        """
        if entry.phase == CLOSING and foreseen is None and "ledger" in self._manifest.needs:
            # Asked for on its behalf, so that it need not wait.
            foreseen = await self._rack.decided(entry.request_id)
        ports = self._rack.pick(self._manifest.needs, policy, entry.partition, foreseen)
        call = partial(self._agent.function, event, **ports)
        outcome: AgentOutcome
        try:
            until = asyncio.get_running_loop().time() + self._manifest.timeout.total_seconds()
            begun = Begun(call() if self._agent.is_async else self._in_thread(call))
            self._prompt[entry.event_type] = begun.done and self._prompt.get(entry.event_type, True)
            if begun.done:
                outcome = begun.value
            elif early:
                # Its answer may rest on what it is about to read, before what it answers to is on record.
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(0):
                        await begun
                raise NotAtOnceError
            else:
                async with asyncio.timeout_at(until):
                    outcome = await begun
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Raised by the agent itself: taken for a cancellation of ours, it would leave the entry in hand.
            raise RuntimeError("the agent raised CancelledError") from error
        except Exception:
            raise
        except BaseException as error:  # SystemExit, a group with one in it, a class of its own
            raise RuntimeError(f"the agent raised {type(error).__name__}") from error
        return outcome

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        future = self._threads.submit(call)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self._threads.give_up(future)
            raise
