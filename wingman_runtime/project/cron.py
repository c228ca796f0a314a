"""When a schedule is due: five cron fields in a time zone, as moments that are the same for every worker.

The rules are those of Debian's cron, by cronsim. A job at a fixed time of day that the clock skips in spring
runs once, right after the gap; one that the clock shows twice in autumn runs once, the first time. A job with
a ``*`` in minutes or hours keeps its pace in real time. Moments are strictly increasing: two wall-clock times
that fall on the same moment are one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from wingman_runtime.errors import ContractError
from wingman_runtime.yamlfile import suggestion

_FIELDS = 5
_HINT = "minute 0-59, hour 0-23, day 1-31, month 1-12, weekday 0-7 (0 and 7: Sunday); each may use * , - /"
_ANY_TIME = datetime(2024, 1, 1, tzinfo=UTC)
# How far back to look for the latest times, nearest first: a job each minute is found in the first hour.
_WINDOWS = tuple(timedelta(hours=hours) for hours in (1, 25, 8 * 24, 32 * 24, 367 * 24, 200 * 366 * 24))


@dataclass(frozen=True, slots=True)
class Cron:
    """A checked expression in its zone; get one from `parse_cron`."""

    expression: str
    zone: tzinfo

    def times(self, after_ms: int) -> Iterator[int]:
        """Every due time later than ``after_ms``, in milliseconds, in order; ends after 50 years of none."""
        last = after_ms
        start = datetime.fromtimestamp(after_ms // 1000, UTC).astimezone(self.zone)
        for found in CronSim(self.expression, start):
            # From within the hour that comes twice cronsim names its first half again: that is past.
            at_ms = int(found.timestamp()) * 1000
            if at_ms > last:
                last = at_ms
                yield at_ms

    def after(self, at_ms: int) -> int | None:
        """The first due time later than ``at_ms``; None: there is none in 50 years."""
        return next(self.times(at_ms), None)

    def latest(self, since_ms: int, until_ms: int, count: int) -> list[int]:
        """The last ``count`` due times from ``since_ms`` to ``until_ms``, both included, oldest first."""
        found: list[int] = []
        for window in _WINDOWS:
            begin = max(since_ms - 1, until_ms - int(window.total_seconds()) * 1000)
            found = []
            for at_ms in self.times(begin):
                if at_ms > until_ms:
                    break
                found.append(at_ms)
            if len(found) >= count or begin < since_ms:
                break
        return found[-count:]


def parse_cron(expression: str, timezone: str) -> Cron:
    """An expression of five fields and an IANA zone.

    Raises:
        ContractError: ``where`` is ``cron`` or ``timezone``, the message the reason.
    """
    zone = zone_of(timezone)
    fields = expression.split()
    if len(fields) != _FIELDS:
        raise ContractError(
            f"a cron expression has {_FIELDS} fields, {expression!r} has {len(fields)}",
            where="cron",
            hint=_HINT,
        )
    try:
        CronSim(expression, _ANY_TIME)
    except CronSimError as error:
        reason = str(error)[:1].lower() + str(error)[1:]
        raise ContractError(
            f"{expression!r} is no cron expression: {reason}", where="cron", hint=_HINT
        ) from None
    cron = Cron(expression, zone)
    if cron.after(int(_ANY_TIME.timestamp()) * 1000) is None:
        raise ContractError(f"{expression!r} never comes", where="cron", hint="no such day in 50 years")
    return cron


def zone_of(name: str) -> tzinfo:
    """Raises ContractError for a name that is no IANA zone of this machine."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = available_timezones()
        by_city = sorted(zone for zone in known if zone.rpartition("/")[2].lower() == name.lower())
        hint = f"did you mean {by_city[0]!r}?" if by_city else suggestion(name, known)
        raise ContractError(
            f"{name!r} is no time zone of this machine",
            where="timezone",
            hint=hint
            or ("an IANA name such as Europe/Berlin" if known else "install the time zones (tzdata)"),
        ) from None
