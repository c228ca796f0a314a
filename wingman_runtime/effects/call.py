"""One attempt at one tool: run it within its time, and say what is known of the world afterwards.

What an attempt can end in, and what may be said then:

- `Returned`: it was done.
- `Broken`: it was done, but what it returned cannot be kept (not JSON, too large).
- `Refused`: the tool raised ToolError: nothing was done.
- `Unknown`: any other exception, or no answer in time: it may have been done.

- `Later`: as Refused, and the next try is so far off that it is made from a durable timer.

Within one attempt up to three tries are made, or as many as the tool declares, with jitter between them:
after a retryable ToolError for any tool (nothing was done), after an exception for an idempotent one. Once
any try ended unknown, a later "nothing was done" speaks of that try alone, and the attempt stays unknown.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import random
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import structlog
from pydantic import BaseModel

from wingman_runtime.contracts.canonical import canonical, refuse_unrepresentable
from wingman_runtime.contracts.tool import Result, ToolContext
from wingman_runtime.contracts.work import StepRequest
from wingman_runtime.effects.threads import TOOL_THREADS
from wingman_runtime.effects.tool import ToolSpec
from wingman_runtime.errors import ContractError, ToolError

LONG: Final = 1.0
"""Seconds from which on a pause is no longer waited for in the worker, if it can be helped."""
RESULT_LIMIT: Final = 64 * 2**10
"""Bytes of a result, and of the arguments for its undoing."""
ERROR_LIMIT: Final = 2000
_CANCEL_GRACE = 1.0
_DEPTH_LIMIT = 64
_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Returned:
    value: Any
    undo: StepRequest | None


@dataclass(frozen=True, slots=True)
class Broken:
    error: str
    undo: StepRequest | None


@dataclass(frozen=True, slots=True)
class Refused:
    error: str
    retryable: bool = False
    retry_after: float = 0.0
    terminal: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    error: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Unknown:
    error: str
    timed_out: bool = False
    retry_after: float = 0.0
    terminal: bool = False


CallEnd: TypeAlias = Returned | Broken | Refused | Unknown | Later
MakeContext: TypeAlias = Callable[[Callable[[], bool]], ToolContext]
Sleep: TypeAlias = Callable[[float], Awaitable[None]]


async def attempt(
    spec: ToolSpec,
    args: Mapping[str, Any],
    make_context: MakeContext,
    *,
    compensation: ToolSpec | None = None,
    in_doubt: bool = False,
    tried: int | None = None,
    sleep: Sleep = asyncio.sleep,
) -> CallEnd:
    """Run a tool, in at most `spec.timeout` seconds over all tries.

    Args:
        make_context: given a function that says whether the call has been given up, makes its context.
        compensation: the tool that undoes this one; the undo arguments are checked against it.
        in_doubt: an earlier attempt of the same effect ended unknown.
        tried: tries that were put off before; None: a long pause cannot be put off.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + spec.timeout
    doubt = "an earlier attempt may have done it" if in_doubt else ""
    end: CallEnd = Unknown("not run")

    async def one_try() -> CallEnd:
        nonlocal doubt, end
        if loop.time() < until:
            end = await _try(spec, args, make_context, compensation, until)
            if isinstance(end, Unknown):
                doubt = doubt or end.error
        return end

    def again() -> bool:
        if isinstance(end, Refused):
            return end.retryable and not end.terminal
        passing = isinstance(end, Unknown) and not end.timed_out and not end.terminal
        return passing and spec.repeatable(args)

    made = tried or 0
    while True:
        await one_try()
        made += 1
        if made >= spec.retry.attempts or not again():
            break
        pause = _retry_after(end) + spec.retry.delay(made, random.random())  # noqa: S311 - spread, not secrecy
        if isinstance(end, Refused) and tried is not None and not doubt and pause >= LONG:
            return Later(end.error, pause)
        if loop.time() + _retry_after(end) >= until:
            break
        await sleep(pause)
    if isinstance(end, Refused) and doubt:
        return Unknown(f"{end.error} (before that: {doubt})"[:ERROR_LIMIT])
    return end


def _retry_after(end: CallEnd) -> float:
    """Seconds that whoever was called asked to be left alone for."""
    return end.retry_after if isinstance(end, Refused | Unknown) else 0.0


async def _try(
    spec: ToolSpec,
    args: Mapping[str, Any],
    make_context: MakeContext,
    compensation: ToolSpec | None,
    until: float,
) -> CallEnd:
    given_up = _Flag()
    run = _run_async if spec.is_async else _run_in_thread
    context = make_context(given_up.is_raised)
    task = asyncio.create_task(run(spec, args, context))
    try:
        await asyncio.sleep(0)  # what answers at once needs no timer
        if not task.done():
            await asyncio.wait({task}, timeout=until - asyncio.get_running_loop().time())
    finally:
        if not task.done():  # out of time, or we are being cancelled ourselves
            given_up.raised = True
            task.cancel()
    if not task.done():
        # A coroutine that refuses to be cancelled, like a thread, goes on behind our back; we do not wait.
        await asyncio.wait({task}, timeout=_CANCEL_GRACE)
    if given_up.raised:
        return Unknown(f"no answer within {spec.timeout:g} s", timed_out=True)
    if task.cancelled():
        return Unknown("the tool cancelled itself")
    answer = task.result()
    if answer.error is not None:
        _log_raised(answer.error, spec, context)
        return _raised(answer.error, spec)
    return _ended(spec, compensation, args, answer.value)


@dataclass(slots=True)
class _Flag:
    """Raised once, never lowered; nobody waits for it, so it needs no lock."""

    raised: bool = False

    def is_raised(self) -> bool:
        return self.raised


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a function came back with. An error is a value here: some cannot be raised through a future."""

    value: Any = None
    error: BaseException | None = None


async def _run_async(spec: ToolSpec, args: Mapping[str, Any], context: ToolContext) -> _Answer:
    try:
        return _Answer(value=await spec.call(args, context))
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        return _Answer(error=error)


async def _run_in_thread(spec: ToolSpec, args: Mapping[str, Any], context: ToolContext) -> _Answer:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Answer] = loop.create_future()

    def settle(value: _Answer) -> None:
        if not answer.done():
            answer.set_result(value)

    def run() -> None:
        try:
            value = _Answer(value=_finished(spec.call(args, context)))
        except BaseException as error:
            value = _Answer(error=error)
        try:
            loop.call_soon_threadsafe(settle, value)
        except RuntimeError:
            return  # the loop is closed; nobody waits any more

    carried = contextvars.copy_context()
    TOOL_THREADS.run(partial(carried.run, run))
    return await answer


def _finished(value: Any) -> Any:
    if inspect.iscoroutine(value):
        value.close()
        raise TypeError("the tool returned a coroutine; declare it with async def")
    return value


def _log_raised(error: BaseException, spec: ToolSpec, context: ToolContext) -> None:
    """The traceback of a project's own tool, for its author; the record holds one line of it.

    Rendered here: a log that showed local variables would show what a tool was given.
    """
    if isinstance(error, ToolError) or spec.function.__module__.startswith("wingman_runtime."):
        return
    _LOG.error(
        "a tool raised",
        tool=spec.name,
        effect=context.effect_id,
        request=context.request_id,
        attempt=context.attempt,
        exception="".join(traceback.format_exception(error)).rstrip(),
    )


def _raised(error: BaseException, spec: ToolSpec) -> CallEnd:
    if isinstance(error, ToolError):
        hint = f" → {error.hint}" if error.hint else ""
        text = f"{error.message}{hint}"[:ERROR_LIMIT]
        return Refused(text, error.retryable, error.retry_after, _terminal(error, spec))
    where = ""
    code = getattr(spec.function, "__code__", None)
    for frame in traceback.extract_tb(error.__traceback__):
        if code is not None and frame.filename == code.co_filename:
            where = f" (line {frame.lineno} of {frame.filename.rpartition('/')[2]})"
    after = getattr(error, "retry_after", 0.0)
    asked = float(after) if isinstance(after, int | float) else 0.0
    told = f"{type(error).__name__}: {error}{where}"[:ERROR_LIMIT]
    return Unknown(told, retry_after=asked, terminal=_terminal(error, spec))


def _terminal(error: BaseException, spec: ToolSpec) -> bool:
    """Whether the tool's own declaration rules out another try after this error."""
    named = spec.retry.terminal or spec.retry.retry_on
    return bool(named) and spec.retry.is_terminal(error)


def _ended(spec: ToolSpec, compensation: ToolSpec | None, args: Mapping[str, Any], returned: Any) -> CallEnd:
    if not isinstance(returned, Result):
        returned = Result(returned)
    problems: list[str] = []
    undo: StepRequest | None = None
    if compensation is not None:
        given = returned.undo
        if given is None:
            given = {name: args[name] for name in compensation.parameters if name in args}
        try:
            undo = StepRequest(tool=compensation.name, args=compensation.normalise(_plain(given, "undo")))
            _refuse_large(undo.args, "undo")
        except Exception as error:  # a validator of the tool's author may raise anything
            undo = None
            problems.append(f"cannot be undone by {compensation.name}: {error}")
    try:
        value = _plain(returned.value, "result")
        _refuse_large(value, "result")
    except ContractError as error:
        value = None
        problems.append(str(error))
    if problems:
        return Broken(f"{spec.name} did its work, but {'; '.join(problems)}"[:ERROR_LIMIT], undo)
    return Returned(value, undo)


def _plain(value: Any, path: str, depth: int = 0) -> Any:
    """A copy as plain JSON data; ContractError at the path of what is none."""
    if depth > _DEPTH_LIMIT:
        raise ContractError("nested too deeply", where=path)
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {_key(key, path): _plain(item, f"{path}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    if value is None or type(value) in (bool, int, float, str):
        refuse_unrepresentable(value, path)
        return value
    raise ContractError(f"{type(value).__name__} is not JSON", where=path, hint="return plain data")


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise ContractError(f"key {key!r} is not text", where=path)
    return key


def _refuse_large(value: Any, path: str) -> None:
    try:
        size = len(canonical(value))
    except TypeError as error:  # a lone surrogate
        raise ContractError(str(error), where=path) from None
    if size > RESULT_LIMIT:
        raise ContractError(
            f"{size} bytes, the limit is {RESULT_LIMIT}", where=path, hint="return a reference"
        )
