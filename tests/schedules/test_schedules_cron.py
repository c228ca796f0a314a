"""Due times: summer time's two nights, what cron means, and the same answer from wherever one looks."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wingman_runtime.errors import ContractError
from wingman_runtime.project.cron import parse_cron
from wingman_runtime.worker.schedules import ON_TIME_MS, Step, next_step

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
DAY_MS = 86_400_000


def ms(said: str) -> int:
    return round(datetime.fromisoformat(said).timestamp() * 1000)


def told(expression: str, zone: str, after: str, count: int) -> list[str]:
    cron = parse_cron(expression, zone)
    found = islice(cron.times(ms(after)), count)
    return [
        datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(cron.zone).isoformat(timespec="minutes")
        for at_ms in found
    ]


SPRING = [
    # Berlin: 2026-03-29 02:00 becomes 03:00; New York: 2026-03-08 02:00 becomes 03:00.
    (BERLIN, "30 2 * * *", "2026-03-28T12:00+01:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
    (BERLIN, "0,30 2 * * *", "2026-03-28T12:00+01:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
    (BERLIN, "0 2,3 * * *", "2026-03-28T12:00+01:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
    (BERLIN, "30 * * * *", "2026-03-29T00:45+01:00", ["2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00"]),
    (BERLIN, "0 6 * * *", "2026-03-28T12:00+01:00", ["2026-03-29T06:00+02:00", "2026-03-30T06:00+02:00"]),
    (NEW_YORK, "30 2 * * *", "2026-03-07T12:00-05:00", ["2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"]),
    (NEW_YORK, "15 * * * *", "2026-03-08T01:00-05:00", ["2026-03-08T01:15-05:00", "2026-03-08T03:15-04:00"]),
]
AUTUMN = [
    # Berlin: 2026-10-25 03:00 becomes 02:00; New York: 2026-11-01 02:00 becomes 01:00.
    (BERLIN, "30 2 * * *", "2026-10-24T12:00+02:00", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
    (BERLIN, "30 2 * * *", "2026-10-25T02:45+02:00", ["2026-10-26T02:30+01:00"]),
    (BERLIN, "30 2 * * *", "2026-10-25T02:10+01:00", ["2026-10-26T02:30+01:00"]),
    (BERLIN, "0 3 * * *", "2026-10-24T12:00+02:00", ["2026-10-25T03:00+01:00", "2026-10-26T03:00+01:00"]),
    (BERLIN, "30 * * * *", "2026-10-25T02:00+02:00", ["2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"]),
    (NEW_YORK, "30 1 * * *", "2026-10-31T12:00-04:00", ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"]),
    (NEW_YORK, "0 1,2 * * *", "2026-11-01T00:30-04:00", ["2026-11-01T01:00-04:00", "2026-11-01T02:00-05:00"]),
]


@pytest.mark.parametrize(("zone", "expression", "after", "due"), SPRING)
def test_in_spring_a_skipped_time_comes_once_right_after_the_gap(
    zone: str, expression: str, after: str, due: list[str]
) -> None:
    """A fixed time in the gap is due at its end, once, though several fall there; an hourly job goes on."""
    assert told(expression, zone, after, len(due)) == due


@pytest.mark.parametrize(("zone", "expression", "after", "due"), AUTUMN)
def test_in_autumn_a_fixed_time_comes_once_an_hourly_job_each_hour(
    zone: str, expression: str, after: str, due: list[str]
) -> None:
    """Of the hour that comes twice a fixed time takes the first, from wherever one looks."""
    assert told(expression, zone, after, len(due)) == due


@given(
    zone=st.sampled_from([BERLIN, NEW_YORK, "Australia/Lord_Howe", "Africa/Cairo", "UTC"]),
    expression=st.sampled_from(
        [
            "30 2 * * *",
            "0,30 2 * * *",
            "*/20 * * * *",
            "15 1-3 * * *",
            "*/30 2 * * *",
            "0 0 * * *",
            "5 */2 * * 0",
        ]
    ),
    start=st.integers(ms("2026-01-01T00:00+00:00"), ms("2026-12-01T00:00+00:00")),
    inside=st.integers(0, 8 * DAY_MS),
)
def test_due_times_do_not_depend_on_where_one_looks_from(
    zone: str, expression: str, start: int, inside: int
) -> None:
    """They rise; the first after a moment is the same for who began earlier; the latest are the last."""
    cron = parse_cron(expression, zone)
    end = start + 16 * DAY_MS
    every = []
    for at_ms in cron.times(start):
        if at_ms > end:
            break
        every.append(at_ms)
    assert all(one < other for one, other in pairwise(every))
    assert cron.after(start + inside) == next(one for one in every if one > start + inside)
    assert cron.latest(start + 1, end, 3) == every[-3:]


@pytest.mark.parametrize(
    ("expression", "zone", "where", "says"),
    [
        ("61 * * * *", "UTC", "cron", "bad minute"),
        ("0 0 30 2 *", "UTC", "cron", "bad day-of-month"),
        ("@daily", "UTC", "cron", "has 5 fields"),
        ("0 0 6 * * *", "UTC", "cron", "has 5 fields"),
        ("0 6 * * *", "Europe/Berln", "timezone", "no time zone"),
        ("0 6 * * *", "berlin", "timezone", "no time zone"),
    ],
)
def test_what_is_no_schedule_says_which_part_and_why(
    expression: str, zone: str, where: str, says: str
) -> None:
    """A field out of range, six fields, a nickname, a zone nobody has: refused with the reason and a hint."""
    with pytest.raises(ContractError) as told_:
        parse_cron(expression, zone)
    assert told_.value.where == where
    assert says in told_.value.message
    assert told_.value.hint
    if where == "timezone":
        assert "Europe/Berlin" in told_.value.hint


HOUR = 3_600_000
NOON = ms("2026-06-01T12:00+00:00")


@pytest.mark.parametrize(
    ("kept", "due", "now", "step"),
    [
        (1, NOON, NOON - 1, None),
        (1, 0, NOON, None),
        (1, NOON, NOON, Step(fire_ms=NOON)),
        (1, NOON - 3 * HOUR, NOON + 5, Step(skip=True, skip_to_ms=NOON)),
        (0, NOON, NOON + ON_TIME_MS, Step(fire_ms=NOON)),
        (0, NOON, NOON + ON_TIME_MS + 1, Step(skip=True, skip_to_ms=NOON + HOUR)),
        (0, NOON - HOUR, NOON + 5, Step(skip=True, skip_to_ms=NOON)),
        (3, NOON - 2 * HOUR, NOON + 5, Step(fire_ms=NOON - 2 * HOUR)),
        (3, NOON - 3 * HOUR, NOON + 5, Step(skip=True, skip_to_ms=NOON - 2 * HOUR)),
        # A promised time that is none of the cron's any more (newer time zone data) is kept.
        (1, NOON + 60_000, NOON + 120_000, Step(fire_ms=NOON + 60_000)),
    ],
)
def test_what_is_done_about_a_due_time(kept: int, due: int, now: int, step: Step | None) -> None:
    """Not before it is due; the latest, none that is late, or so many, as `catch_up` says."""
    assert next_step(parse_cron("0 * * * *", "UTC"), kept, due, now) == step
