"""``wingman worker``: one worker process."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common
from wingman_runtime.cli.out import note
from wingman_runtime.errors import UsageError

_NEW_OBJECTS = 20_000
"""Between two looks for garbage among the youngest; Python's own number is 700."""


def worker(
    *,
    agents: Annotated[str, Parameter(help="Only these, and `recorder`, by commas; all when left out.")] = "",
    concurrency: Annotated[int | None, Parameter(help="Events in hand at once, per agent.")] = None,
    until_eof: Annotated[
        bool, Parameter(negative="", help="Stop when standard input ends, as it does when the parent dies.")
    ] = False,
    common: Common = DEFAULT,
) -> int:
    """Run a worker: fetch events, call agents, commit what they answer. Start as many as you like.

    Ends on SIGTERM or Ctrl-C: what is in hand is finished or handed back, nothing is lost. A second
    Ctrl-C ends it at once; then another worker takes over after `times.claim_idle`.

    For example

        wingman worker
        wingman worker --agents executor,audit --concurrency 8
    """
    from wingman_runtime.bootstrap import run_worker
    from wingman_runtime.project.load import Project

    chosen = tuple(name.strip() for name in agents.split(",") if name.strip())
    if agents and not chosen:
        raise UsageError("--agents names nobody", hint="write --agents executor,audit")
    project = Project.find(common.project).load()

    async def until_stopped() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stopping() -> None:
            if stop.is_set():
                raise KeyboardInterrupt
            note("stopping: finishing what is in hand")
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping)
        if until_eof:
            loop.add_reader(sys.stdin.fileno(), lambda: _at_eof(loop, stop))
        await run_worker(project, agents=chosen, concurrency=concurrency, stop=stop)
        await _end_with_what_hangs()

    _spare_the_collector()
    _runner()(until_stopped())
    return 0


def _spare_the_collector() -> None:
    """What is loaded by now lives as long as the process: looking through it for garbage, ever again, was a
    fifth of the work on a request. The rest is looked through less often; a request leaves few cycles behind.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 50)


async def _end_with_what_hangs() -> None:
    """An agent that swallows its cancellation would keep the process for ever: all else has ended by now."""
    from wingman_runtime.redisio.ending import cancelled

    if await cancelled(asyncio.all_tasks() - {asyncio.current_task()}, within=1.0):
        note("an agent did not end when it was told to; leaving it, its work goes to another worker")
        sys.stderr.flush()
        os._exit(1)


def _at_eof(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        loop.remove_reader(sys.stdin.fileno())
        note("stopping: standard input has ended")
        stop.set()


def _runner() -> Callable[[Coroutine[None, None, None]], None]:
    try:
        import uvloop
    except ImportError:  # not on every platform; the loop of the standard library does as well
        return asyncio.run
    return uvloop.run
