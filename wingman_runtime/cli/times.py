"""Moments as a person reads and types them: local time with its offset. What is shown can be typed back."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from wingman_runtime.errors import UsageError

_AGE = re.compile(r"(\d{1,9})([smhd])")
_NO_YEAR = re.compile(r"\d\d-\d\d[T ]\d\d:.*")
_NO_DAY = re.compile(r"\d\d:\d\d(:\d\d)?")


def shown(at_ms: int) -> str:
    """``2026-01-31T13:00:00.250+01:00``: one word, so that it needs no quotes in a shell."""
    return datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat(timespec="milliseconds")


def shown_short(at_ms: int) -> str:
    """``01-31T13:00:00+01:00``, for a narrow terminal."""
    return datetime.fromtimestamp(at_ms // 1000).astimezone().isoformat()[5:]


def rfc3339(at_ms: int) -> str:
    """``2026-01-31T12:00:00.250Z``, for programs."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def age(seconds: float | None) -> str | None:
    """``45 s``, ``12 min``, ``3 h`` or ``5 d``, rounded down; None for None."""
    if seconds is None:
        return None
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def moment(said: str, option: str) -> int | None:
    """Milliseconds of an age such as ``15m``, or of ISO text: local time without an offset.

    Text without a year is the last such day that has begun; ``12:00`` alone is today's. None for empty text.

    Raises:
        UsageError: the text is no time; ``option`` says where it stood.
    """
    if not said:
        return None
    given = said
    try:
        if age := _AGE.fullmatch(said):
            seconds = int(age[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[age[2]]
            return max(0, int((time.time() - seconds) * 1000))
        if _NO_DAY.fullmatch(said):
            said = f"{datetime.now().astimezone().date()}T{said}"
        found = _of_this_year(said) if _NO_YEAR.fullmatch(said) else datetime.fromisoformat(said)
        return max(0, round(found.timestamp() * 1000))
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}: {given!r} is no time",
            hint="write 2026-01-31T12:00, 12:00, an age (15m, 2h, 3d), or what `wingman audit tail` shows",
        ) from None


def upcoming(said: str, option: str) -> datetime:
    """A moment to come: ISO text, local time without an offset; ``06:00`` alone is the next one.

    Raises:
        UsageError: the text is no time; ``option`` says where it stood.
    """
    try:
        if not _NO_DAY.fullmatch(said):
            return datetime.fromisoformat(said).astimezone()
        now = datetime.now().astimezone()
        today = datetime.fromisoformat(f"{now.date()}T{said}")
        # Not 24 hours later: the next such time on the wall.
        return today.astimezone() if today.astimezone() > now else (today + timedelta(days=1)).astimezone()
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}: {said!r} is no time", hint="write 2026-01-31T06:00, 2026-01-31T06:00+01:00 or 06:00"
        ) from None


def duration(said: str, option: str) -> timedelta:
    """``10m`` and the like. Raises UsageError for anything else."""
    if age := _AGE.fullmatch(said):
        return timedelta(seconds=int(age[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[age[2]])
    raise UsageError(f"{option}: {said!r} is no duration", hint="write 30s, 10m, 2h or 1d")


def _of_this_year(said: str) -> datetime:
    # A day ahead is still this year's: the other side of the date line has it already.
    latest = datetime.now().astimezone() + timedelta(days=1)
    found = datetime.fromisoformat(f"{latest.year}-{said}")
    return found if found.astimezone() <= latest else datetime.fromisoformat(f"{latest.year - 1}-{said}")
