"""`wingman schedule`, and `submit --at` and `--in`: what they print, and what they do on the server."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.schedules.schedules_place import DAILY, project, rewrite
from tests.worker.projects import site
from wingman_runtime.cli.app import run
from wingman_runtime.cli.times import duration, upcoming
from wingman_runtime.errors import UsageError


@pytest.fixture
def root(tmp_path: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose schedule is in force; nothing runs."""
    folder = tmp_path / "p"
    loaded = project(folder, valkey_url)

    async def activated() -> None:
        async with site(loaded, workers=0):
            pass

    asyncio.run(activated())
    monkeypatch.setenv("WINGMAN_REDIS_URL", valkey_url)
    monkeypatch.setenv("WINGMAN_PROJECT", str(folder))
    return folder


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert run(words) == code, capsys.readouterr().err
    return capsys.readouterr().out


def test_list_tells_what_is_due_and_what_holds_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next due time, in UTC for programs and local with its offset for people; paused it is held."""
    [row] = json.loads(told(capsys, "schedule", "list", "--json"))
    assert (row["schedule"], row["state"], row["actor"]) == ("nightly", "on", "alice")
    due = datetime.fromisoformat(row["next"])
    assert datetime.now(UTC) < due <= datetime.now(UTC) + timedelta(days=1, hours=1)
    assert due.astimezone().isoformat(timespec="milliseconds") in told(capsys, "schedule", "list")
    told(capsys, "schedule", "pause", "nightly", "--reason", "a test")
    [row] = json.loads(told(capsys, "schedule", "list", "--json"))
    assert (row["state"], row["held_by"][0]["reason"]) == ("held", "a test")
    assert run(["schedule", "run", "nightly", "--reason", "now", "--as", "alice"]) == 7
    told(capsys, "schedule", "resume", "nightly", "--reason", "done")
    assert json.loads(told(capsys, "schedule", "list", "--json"))[0]["state"] == "on"


def test_list_says_when_the_file_is_not_what_is_in_force(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An edit counts once a worker starts; until then the list says so."""
    rewrite(root, DAILY.replace("0 6", "0 7"))
    assert run(["schedule", "list"]) == 0
    assert "says something else" in capsys.readouterr().err


def test_next_shows_due_times_here_and_there(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So many, rising, at six in the schedule's own zone."""
    rows = json.loads(told(capsys, "schedule", "next", "nightly", "-n", "3", "--json"))
    assert [row["there"][11:16] for row in rows] == ["06:00"] * 3
    assert sorted(row["due"] for row in rows) == [row["due"] for row in rows]
    assert run(["schedule", "next", "nightli"]) == 3
    assert "did you mean 'nightly'?" in capsys.readouterr().err


def test_run_hands_in_and_show_says_what_did(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By hand needs a reason; the request is the person's and names the schedule."""
    assert run(["schedule", "run", "nightly", "--as", "alice"]) == 2
    capsys.readouterr()
    handed = json.loads(
        told(capsys, "schedule", "run", "nightly", "--reason", "late", "--as", "alice", "--json")
    )
    seen = json.loads(told(capsys, "request", "show", handed["request_id"], "--json"))
    assert (seen["trigger"], seen["actor"], seen["due"]) == ("run:nightly", "alice", None)


def test_submit_for_later_is_listed_with_its_start(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--in 10m`: open, with its start; `--at` with nonsense, or with `--in`, is refused."""
    submit = ("submit", "note.write", "-p", "title=t", "-p", "body=b", "--as", "alice")
    handed = json.loads(told(capsys, *submit, "--in", "10m", "--json"))
    [row] = json.loads(told(capsys, "request", "list", "--json"))
    assert (row["request_id"], row["state"]) == (handed["request_id"], "open")
    away = datetime.fromisoformat(row["starts"]) - datetime.fromisoformat(row["created"])
    assert away == timedelta(minutes=10)
    assert run([*submit, "--at", "soon"]) == 2
    assert run([*submit, "--at", "2030-01-01T06:00", "--in", "10m"]) == 2
    capsys.readouterr()
    assert len(json.loads(told(capsys, "request", "list", "--json"))) == 1


def test_moments_to_come() -> None:
    """A time of day is the next one; a moment keeps its offset; a duration is a number and a unit."""
    now = datetime.now().astimezone()
    past = (now - timedelta(minutes=2)).strftime("%H:%M")
    assert now < upcoming(past, "--at") <= now + timedelta(days=1, hours=1)
    assert upcoming("2030-01-31T06:00+01:00", "--at") == datetime(2030, 1, 31, 5, tzinfo=UTC)
    assert duration("2h", "--in") == timedelta(hours=2)
    for wrong in ("2", "h", "1.5h", "-1m"):
        with pytest.raises(UsageError):
            duration(wrong, "--in")
