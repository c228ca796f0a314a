"""What a person sees while a command waits: one line on the terminal, gone when the waiting is over.

Only on a terminal, and only on stderr: a pipe, a file and ``--json`` get none of it. That the server is away
is told everywhere, once, since otherwise waiting looks the same as hanging.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from wingman_runtime.cli.common import called
from wingman_runtime.cli.out import console, note
from wingman_runtime.errors import BackendUnreachableError, WingmanError

if TYPE_CHECKING:
    from rich.status import Status

    from wingman_runtime.client.request import Request

_LOOK = 0.5
_PATIENCE = 2.0
"""Seconds without an answer until it is told: a server that restarts is back before that."""


@asynccontextmanager
async def telling(request: Request, *, as_json: bool, beside_data: bool = False) -> AsyncIterator[None]:
    """Tell how far a request has come, and whether the server is away, for as long as the block waits.

    Args:
        beside_data: lines of data come meanwhile; on one terminal they go above the line that tells.
    """
    with contextlib.ExitStack() as stack:
        line: Status | None = None
        # Data that goes elsewhere must not pass through what paints the terminal.
        alone = sys.stdout.isatty() or not beside_data
        if sys.stderr.isatty() and alone and not as_json:
            line = stack.enter_context(console(stderr=not beside_data).status("handed in"))
        task = asyncio.create_task(_tell(request, line))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _tell(request: Request, line: Status | None) -> None:
    from rich.text import Text

    began = answered = time.monotonic()
    away = False
    step = "handed in"
    while True:
        try:
            if line is not None:
                step = await _step(request)
            else:
                await request.state()
            if away:
                note("the server is back")
            answered, away = time.monotonic(), False
        except BackendUnreachableError as error:
            if not away and time.monotonic() - answered > _PATIENCE:
                away = True
                note(f"the server is away, waiting for it: {error.message}")
            step = "the server is away"
        except WingmanError:
            return  # whoever waits will hear of it
        if line is not None:
            seconds = f"{time.monotonic() - began:.0f} s"
            room = shutil.get_terminal_size().columns - len(seconds) - 5
            line.update(Text.assemble(step[:room], "  ", (seconds, "dim")))
        await asyncio.sleep(_LOOK)


async def _step(request: Request) -> str:
    waiting = await request.approvals()
    if waiting:
        return f"waits for people: {called()} approval show {waiting[0].approval_id}"
    last = await request.latest()
    if last is None:
        return "handed in"
    return f"{last.type or last.kind} by {last.agent}" if last.agent else last.type or last.kind
