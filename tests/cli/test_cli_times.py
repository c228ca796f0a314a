"""Moments as a person reads and types them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from wingman_runtime.cli.times import moment, rfc3339, shown, shown_short
from wingman_runtime.errors import UsageError

AT = 1769860800250  # 2026-01-31T12:00:00.250Z


@pytest.fixture(params=["UTC", "Asia/Kolkata", "America/St_Johns"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The local time zone of this process."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_what_is_shown_can_be_typed_back(zone: str) -> None:
    """The long form to the millisecond; the short one, without a year, to the second; RFC 3339, too."""
    now = int(time.time() * 1000)
    for at in (AT, now):
        assert moment(shown(at), "--since") == at
        assert moment(rfc3339(at), "--since") == at
    assert moment(shown_short(now), "--since") == now // 1000 * 1000


def test_times_have_the_local_offset(zone: str) -> None:
    """Local time with its offset for people, UTC for programs."""
    told = {
        "UTC": "2026-01-31T12:00:00.250+00:00",
        "Asia/Kolkata": "2026-01-31T17:30:00.250+05:30",
        "America/St_Johns": "2026-01-31T08:30:00.250-03:30",
    }[zone]
    assert shown(AT) == told
    assert shown_short(AT) == told[5:19] + told[23:]
    assert rfc3339(AT) == "2026-01-31T12:00:00.250Z"


def test_a_day_without_a_year_is_the_last_that_has_begun() -> None:
    """What a narrow terminal showed in December is found in January; far ahead is last year's."""
    ahead = int((time.time() + 40 * 86400) * 1000)
    found = moment(shown_short(ahead), "--since")
    assert found is not None
    assert found < time.time() * 1000


def test_a_time_of_day_alone_is_todays(zone: str) -> None:
    """Of the local day, to the minute or the second."""
    today = time.strftime("%Y-%m-%d")
    assert moment("00:00", "--since") == moment(f"{today}T00:00:00", "--since")
    assert moment("23:59:58", "--until") == moment(f"{today}T23:59:58", "--until")


@pytest.mark.parametrize("said", ["25:00", "yesterday", "13-45T12:00", "2026-02-30", "15 m"])
def test_what_is_no_time_is_refused(said: str) -> None:
    """Nonsense and what no calendar holds; the option and the text are named."""
    with pytest.raises(UsageError, match=f"--until: '{said}' is no time"):
        moment(said, "--until")
