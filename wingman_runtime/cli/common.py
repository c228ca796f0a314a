"""What every command takes and most commands need: the project, the output, a connected client."""

from __future__ import annotations

import gc
import getpass
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from wingman_runtime.cli.out import Out

if TYPE_CHECKING:
    from wingman_runtime.client import Client
    from wingman_runtime.project.load import Project
    from wingman_runtime.redisio.workers import WorkerBeat
    from wingman_runtime.settings import Settings

T = TypeVar("T")
Count = Annotated[int, Parameter(validator=Number(gte=1, lte=1_000_000))]
"""How many of something to show."""
_EVERYWHERE = Group("Everywhere", sort_key=100)


@Parameter(name="*", group=_EVERYWHERE)
@dataclass(frozen=True, slots=True)
class Common:
    """Options of every command."""

    project: Annotated[
        Path | None,
        Parameter(help="The project's folder; else WINGMAN_PROJECT, else the nearest parent that is one."),
    ] = None
    json: Annotated[
        bool, Parameter(negative="", show_default=False, help="JSON on stdout, NDJSON when streaming.")
    ] = False

    def out(self) -> Out:
        return Out(self.json)

    def found(self) -> Project:
        """The project; raises NotFoundError where there is none."""
        from wingman_runtime.project.load import Project

        return Project.find(self.project)


DEFAULT = Common()


def called() -> str:
    """How to type this command in the shell it was started from: hints are there to be copied."""
    import shlex
    import shutil
    import sys

    beside = Path(sys.executable).parent / "wingman"
    return "wingman" if shutil.which("wingman") or not beside.is_file() else shlex.quote(str(beside))


def actor_of(settings: Settings, given: str) -> str:
    """Who acts: ``--as``, else the setting `actor`, else the login name."""
    return given or settings.actor or getpass.getuser()


def changed_since(workers: Iterable[WorkerBeat], root: Path) -> str:
    """What to say when living workers run other files than those on disk; empty when they do not."""
    from wingman_runtime.project.digest import files_digest

    known = {beat.facts.get("project") for beat in workers if beat.alive} - {None, ""}
    if not known - {files_digest(root)}:
        return ""
    return "files changed since the workers started: restart `wingman dev` (or the workers) to use them"


def with_client(common: Common, work: Callable[[Client], Awaitable[T]]) -> T:
    """Run ``work`` with a client connected to the project's server.

    Raises:
        BackendUnreachableError: no server answers.
    """
    import asyncio

    from wingman_runtime.client import Client

    settings = common.found().settings

    async def connected() -> T:
        async with Client(settings) as client:
            return await work(client)

    return asyncio.run(connected())


@contextmanager
def uncollected() -> Iterator[None]:
    """Without looking for cyclic garbage: for work that keeps nearly all it makes, and then the command ends.

    Of a check of a thousand events the collector took a third, and found next to nothing.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
