"""When an agent is asked again, how much later, and when it is not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.worker.projects import COMPLETE, END, Agent, Spec, load, site, write
from wingman_runtime.contracts.manifest import LONGEST_DELAY, RetryPolicy
from wingman_runtime.errors import (
    AdmissionClosedError,
    ContractError,
    DeniedError,
    RetryLaterError,
    TerminalError,
    ToolError,
)

ROUTES = {"UserRequestReceived": "work", **END}
QUICK = "base: 0.01, cap: 0.02"


class UnreadableError(OSError):
    """Its advice fails when it is asked for."""

    @property
    def retry_after(self) -> float:
        raise RuntimeError("not now")


class AwayError(OSError):
    """One of a project's own."""


def _spec(body: str, retry: str) -> Spec:
    agent = Agent(body, emits=["ExecutionComplete"], extra=f"retry: {{{retry}}}\n")
    return Spec({"work": agent}, ROUTES)


def test_the_default_retries_what_may_pass() -> None:
    """Errors of others are tried again; ours by what they say of themselves."""
    rules = RetryPolicy()
    for error in (OSError(), ValueError(), TimeoutError(), AwayError(), RetryLaterError("x", retry_after=1)):
        assert not rules.is_terminal(error)
    assert not rules.is_terminal(AdmissionClosedError("x", retry_after=1))
    assert not rules.is_terminal(ToolError("x", retryable=True))
    for ours in (ContractError("x"), DeniedError("x"), TerminalError("x"), ToolError("x")):
        assert rules.is_terminal(ours)


def test_named_errors_and_their_subclasses_are_meant() -> None:
    """By name alone or with the module; `terminal` wins; with `retry_on` nothing else is tried again."""
    assert RetryPolicy(terminal=("OSError",)).is_terminal(AwayError())
    assert RetryPolicy(terminal=(f"{__name__}.AwayError",)).is_terminal(AwayError())
    assert not RetryPolicy(terminal=("other.AwayError",)).is_terminal(AwayError())
    only = RetryPolicy(retry_on=("OSError", "ContractError"), terminal=("AwayError",))
    assert [only.is_terminal(one) for one in (OSError(), ContractError("x"))] == [False, False]
    assert [only.is_terminal(one) for one in (AwayError(), ValueError())] == [True, True]
    with pytest.raises(ValidationError):
        RetryPolicy(terminal=("not a name",))


def test_the_delay_grows_to_its_ceiling_and_is_spread() -> None:
    """Full jitter from 0, equal from half, none exact; what an error asks for is the least, up to a day."""
    full = RetryPolicy(base=1, cap=10)
    assert [full.delay(attempt, 1.0) for attempt in (1, 2, 3, 4, 5)] == [1, 2, 4, 8, 10]
    assert full.delay(3, 0.0) == 0
    assert full.model_copy(update={"jitter": "equal"}).delay(3, 0.0) == 2
    assert full.model_copy(update={"jitter": "none"}).delay(3, 0.0) == 4
    assert full.delay(1, 0.5, RetryLaterError("x", retry_after=60)) == 60.5
    assert full.delay(1, 0.0, RetryLaterError("x", retry_after=1e12)) == LONGEST_DELAY
    assert full.delay(1, 0.0, RetryLaterError("x", retry_after=float("nan"))) == 0
    assert full.delay(1, 0.0, RetryLaterError("x", retry_after=10**400)) == 0
    assert full.delay(1, 0.0, UnreadableError()) == 0


@pytest.mark.parametrize(
    ("deed", "retry", "calls"),
    [
        ("raise ValueError('x')", QUICK, 5),
        ("raise ValueError('x')", "terminal: [ValueError]", 1),
        ("raise KeyError('x')", "terminal: [LookupError]", 1),
        ("raise ValueError('x')", "retry_on: [OSError]", 1),
        ("raise OSError('x')", f"attempts: 3, retry_on: [OSError], {QUICK}", 3),
        ("raise TerminalError('x')", QUICK, 1),
        ("raise ContractError('x')", QUICK, 1),
        ("raise ContractError('x')", f"attempts: 2, retry_on: [ContractError], {QUICK}", 2),
    ],
)
async def test_a_terminal_error_is_dead_at_once(
    tmp_path: Path, valkey_url: str, deed: str, retry: str, calls: int
) -> None:
    """The manifest, or the error itself, says that no further attempt will help."""
    root = write(tmp_path / "p", _spec(f"mark('calls')\n{deed}", retry))
    async with site(load(root, valkey_url)) as place:
        request = await place.submit()
        assert (await request.result(15)).outcome == "failed"
        assert (root / "calls").read_text() == "x" * calls
        [letter] = await place.client.dead_letters.listed()
        assert letter.attempts == calls
        assert ("terminal" in letter.error) == (calls == 1)


async def test_an_agent_says_when_to_come_back_and_holds_nobody_up(tmp_path: Path, valkey_url: str) -> None:
    """With one slot, the request that waits is out of the way; it is asked again when its time has come."""
    body = (
        "if event.data.request.intent == 'later' and not (ROOT / 'seen').exists():\n"
        "    mark('seen')\n"
        "    raise RetryLaterError('busy', retry_after=1.5)\n"
    )
    root = write(tmp_path / "p", _spec(body + COMPLETE, QUICK))
    async with site(load(root, valkey_url), slots=1) as place:
        began = time.monotonic()
        later = await place.submit("later")
        for _ in range(3):
            assert (await (await place.submit()).result(5)).outcome == "completed"
        assert time.monotonic() - began < 1.5
        assert (await later.result(10)).outcome == "completed"
        assert time.monotonic() - began >= 1.5
        [failed] = [one for one in await place.trail(later) if one.type == "AttemptFailed"]
        assert failed.data["retry_in"] >= 1.5
        assert "busy" in failed.data["error"]
