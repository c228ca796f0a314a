"""How a project declares a tool: a mark on a function, and what the function may be handed and give back.

Declaring registers nothing. `effects.registry` finds the marks and checks them; here are only the words, so
that a tool's author needs no other room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from wingman_runtime.contracts.manifest import RetryPolicy
from wingman_runtime.contracts.settling import Settling
from wingman_runtime.contracts.work import Risk

F = TypeVar("F", bound=Callable[..., Any])
Repeatable = Callable[[Mapping[str, Any], Any], bool]
"""Whether a call with these arguments, under these settings, may be run again with the same key."""
ResourceOf = Callable[[Mapping[str, Any]], str]
"""The resource a call with these (normalised) arguments touches."""

TOOL_RETRY = RetryPolicy(attempts=3, base=0.1, cap=2.0)
"""How a tool that declares nothing is tried again, where it may be at all."""
_MARK = "__wingman_tool__"


@dataclass(frozen=True, slots=True)
class ToolMark:
    """What was written at a tool's declaration; checked when its module is loaded, not before."""

    name: str
    purpose: str
    risk: str
    timeout: float | None
    idempotent: bool | Repeatable
    compensation: str | None
    irreversible: bool
    undo_only: bool
    resource: str | ResourceOf
    retry: RetryPolicy | None = None


def tool(
    name: str,
    *,
    purpose: str = "",
    risk: Risk | str = Risk.LOW,
    timeout: float | None = None,
    idempotent: bool | Repeatable = False,
    compensation: str | None = None,
    irreversible: bool = False,
    undo_only: bool = False,
    resource: str | ResourceOf = "",
    retry: RetryPolicy | None = None,
) -> Callable[[F], F]:
    """Declare a function, sync or async, as a tool. Its typed parameters are its argument schema.

    Args:
        name: ``group.verb``, lower case.
        purpose: one line for people who approve plans; the docstring's first line when left out.
        risk: ``low``, ``medium`` or ``high``; policies decide on it.
        timeout: seconds one call may take, at most 600; the project's `times.tool_timeout` when left out.
        idempotent: running it again with the same idempotency key, even while the first call has not quite
            ended, leaves the world as one run would. Say so only when it is true: after a crash the
            runtime believes it. A function of the arguments and the project's settings says so per call.
        compensation: name of the tool that undoes a call.
        irreversible: nothing undoes a call; must be said when ``compensation`` is left out.
        undo_only: only a rollback may call it; a plan cannot.
        resource: what a call touches, with parameters in braces: ``file:{path}``; left out: the tool's name.
            A function of the arguments where they have to be taken apart.
        retry: tries, pauses and terminal errors; `TOOL_RETRY` when left out. It bounds what may be tried
            again anyway: a retryable ToolError, and any exception of an idempotent call.

    Mistakes are reported with file and line when the project loads, not here.
    """
    mark = ToolMark(
        name=name,
        purpose=purpose,
        risk=str(risk),
        timeout=timeout,
        idempotent=idempotent,
        compensation=compensation,
        irreversible=irreversible,
        undo_only=undo_only,
        resource=resource,
        retry=retry,
    )

    def declare(function: F) -> F:
        setattr(function, _MARK, mark)
        return function

    return declare


def tool_mark(value: object) -> ToolMark | None:
    """The mark a function carries, or None."""
    marks = getattr(value, "__dict__", None)
    mark = marks.get(_MARK) if isinstance(marks, Mapping) else None
    return mark if isinstance(mark, ToolMark) else None


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool gives back when its compensation needs more than the call's own arguments.

    Attributes:
        value: the result, plain JSON data.
        undo: arguments of the compensating call. None: the compensation gets those arguments of the call that
            it has parameters for. A tool that returns a bare value means the same.
    """

    value: Any = None
    undo: Mapping[str, Any] | None = None


class Files(Protocol):
    """The workspace as a tool sees it. Paths are relative, with forward slashes; nothing leads outside.

    Every method raises ToolError, with nothing done, for a path that is not inside or a file past the limit.
    """

    def read(self, path: str) -> bytes | None:
        """Content of a file; None: there is none."""
        ...

    def keep(self, path: str) -> str:
        """Keep the file as it is now, for undoing this effect; returns the name for `restore`.

        Only the first call of an effect keeps anything, whichever attempt makes it: a re-run sees what was
        there before the effect, not what its own first attempt left.
        """
        ...

    def kept(self, path: str) -> bytes | None:
        """What `keep` kept: the content before this effect; None: there was no file."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Replace a file in one step, on disk when this returns; folders are made."""
        ...

    def delete(self, path: str) -> bool:
        """Remove a file; False: there was none."""
        ...

    def restore(self, path: str, stash: str, left: str) -> bool:
        """Put back what `keep` kept under that name: content, permissions, or absence.

        Args:
            path: the file; it must be the one that was kept.
            stash: what `keep` returned.
            left: `state` of the file right after the effect.

        Returns:
            False: it is as it was already. Raises ToolError when somebody has changed the file since:
            undoing one request must not undo another's work.
        """
        ...

    def state(self, path: str) -> str:
        """Digest of a file's content, or ``absent``."""
        ...

    def exclusive(self, path: str) -> AbstractContextManager[None]:
        """Nobody else changes the file while this is held. For read-then-write; never nest two of them."""
        ...


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What a server answered, as far as it is recorded.

    Attributes:
        url: where the answer came from, after redirects.
        headers: a few of its headers, names in lower case.
        body: JSON data, or text, or None.
        problems: ``place: what is wrong`` for parts that could not be taken over.
    """

    status: int
    url: str
    headers: Mapping[str, str]
    body: Any = None
    problems: tuple[str, ...] = ()


class Http(Protocol):
    """The web as a tool sees it: only hosts the project's settings list, each address checked."""

    async def send(
        self,
        method: str,
        url: str,
        *,
        key: str,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        gone_is_done: bool = False,
    ) -> HttpReply:
        """Make one call; ``key`` goes along as Idempotency-Key.

        Args:
            gone_is_done: 404 and 410 to a DELETE are as good as 200: it is not there.

        Raises:
            ToolError: nothing was done: it was refused here, never sent, or answered with 4xx.
            Exception: anything else: it may have been done.
        """
        ...

    def undo_problem(self, url: str, method: str, undo_url: str) -> str:
        """Why a call to ``url`` may not be undone by that other call; empty when it may."""
        ...


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a call may know of its errand. A parameter annotated ``ToolContext`` receives it.

    Attributes:
        key: the idempotency key: the same for every attempt of one effect, and never of another.
        attempt: 1 for the first attempt; more when an earlier one ended unknown.
        stopped: True once the runtime has given up waiting for this call. A call that is about to change
            something after a long wait should ask first: what it does now nobody counts on any more.
        http: calls to listed hosts; None where the runtime gives tools none.
        settling: the effects ledger; None for every tool but the runtime's own that settles.
    """

    key: str
    effect_id: str
    request_id: str
    tenant: str
    actor: str
    attempt: int
    files: Files
    stopped: Callable[[], bool]
    http: Http | None = None
    settling: Settling | None = None
