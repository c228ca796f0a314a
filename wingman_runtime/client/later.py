"""When a request is to begin, as a caller says it."""

from __future__ import annotations

from datetime import datetime, timedelta

from wingman_runtime.errors import ContractError, UsageError
from wingman_runtime.redisio.admission import Start

LONGEST = timedelta(days=366)


def start_of(at: datetime | None, delay: timedelta | float | None) -> Start | None:
    """Checked; None: at once. That a moment is past is for the server's clock to say: it then begins at once.

    Raises:
        UsageError: both are given, or one is of another type, or a moment lacks its offset from UTC.
        ContractError: a negative delay, or one longer than `LONGEST`.
    """
    if at is not None and delay is not None:
        raise UsageError("a request begins at a moment or after a delay, not both", hint="give at or delay")
    if at is not None:
        if not isinstance(at, datetime):
            raise UsageError(
                f"{at!r:.60} is no datetime", where="at", hint="datetime.fromisoformat reads text"
            )
        if at.tzinfo is None:
            hint = "give it a zone, as in datetime.now(UTC) + timedelta(hours=1)"
            raise UsageError(f"{at} has no offset from UTC: whose time is it?", where="at", hint=hint)
        if at - datetime.now(at.tzinfo) > LONGEST:
            raise ContractError(
                f"{at} is too far off", where="at", hint=f"at most {LONGEST.days} days from now"
            )
        return Start(at_ms=round(at.timestamp() * 1000))
    if delay is None:
        return None
    if not isinstance(delay, int | float | timedelta):
        raise UsageError(f"{delay!r:.60} is no delay", where="delay", hint="give seconds, or a timedelta")
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if not 0 <= seconds <= LONGEST.total_seconds():
        raise ContractError(
            f"a delay of {seconds:g} s is no delay", where="delay", hint=f"from 0 to {LONGEST.days} days"
        )
    return Start(delay_ms=round(seconds * 1000))


def told_start(start: Start | None) -> dict[str, int]:
    """What an idempotency key's body says of it: the same request for another time is another request."""
    return {} if start is None else {"at": start.at_ms, "delay": start.delay_ms}
