"""`config/schedules.yaml`: what is wrong with it is told with file, line and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.schedules.schedules_place import DAILY, SPEC, rewrite
from tests.worker.projects import REFERENCE, write
from wingman_runtime.project.load import Project


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("schedules") / "p", SPEC)


@pytest.mark.parametrize(
    ("was", "becomes", "line", "says", "hint"),
    [
        ('cron: "0 6 * * *"', 'cron: "0 25 * * *"', 4, "bad hour", "hour 0-23"),
        ("Europe/Berlin", "Europe/Berln", 5, "no time zone", "did you mean 'Europe/Berlin'?"),
        ("note.write", "note.wrote", 6, "no intent 'note.wrote'", "did you mean 'note.write'?"),
        ("tenant: demo", "tenant: dem", 8, "no tenant 'dem'", "did you mean 'demo'?"),
        ("actor: alice", "actor: alicia", 9, "no actor 'alicia'", "did you mean 'alice'?"),
        ("actor: alice", "actor: alice\n  flow: reqest", 10, "no flow 'reqest'", "did you mean 'request'?"),
        ("actor: alice", "actor: alice\n  catch_up: all", 10, "no way to catch up", "one, none, or all(N)"),
        ("actor: alice", "actor: alice\n  catch_up: all(101)", 10, "no way to catch up", "1 to 100"),
        ("actor: alice", "actor: alice\n  every: day", 10, "every", "known keys"),
        ("title: t", "title: .nan", 7, "no JSON form", "finite number"),
        ("  purpose: a test\n", "", 2, "purpose", "add the key 'purpose'"),
    ],
)
def test_a_mistake_is_told_at_its_line(
    root: Path, was: str, becomes: str, line: int, says: str, hint: str
) -> None:
    """One finding, at the line that is wrong, with the reason and what to write."""
    assert was in DAILY
    rewrite(root, DAILY.replace(was, becomes))
    [finding] = Project.check_at(root)
    assert finding.where.endswith(f"config/schedules.yaml:{line}")
    assert says in finding.message
    assert hint in (finding.hint or "")


def test_a_name_written_twice_is_refused(root: Path) -> None:
    """Both lines are named."""
    rewrite(root, DAILY + DAILY)
    [finding] = Project.check_at(root)
    assert "written twice" in finding.message


def test_somebody_of_another_tenant_cannot_answer_for_it(root: Path) -> None:
    """An actor outside the schedule's tenant would be denied every time: told at load."""
    rewrite(root, DAILY)
    people = root / "config" / "principals.yaml"
    before = people.read_text()
    people.write_text(before.replace("demo: the tenant", "other: another\n  demo: the tenant"))
    rewrite(root, DAILY.replace("tenant: demo", "tenant: other"))
    try:
        [finding] = Project.check_at(root)
    finally:
        people.write_text(before)
    assert "alice is not of the tenant 'other'" in finding.message


def test_without_the_file_there_are_no_schedules(root: Path) -> None:
    """The file is optional; a sound one loads with its defaults."""
    rewrite(root, DAILY)
    [one] = Project.find(root).load().schedules.schedules.values()
    assert (one.catch_up, one.kept, one.enabled, one.flow) == ("one", 1, True, "request")
    (root / "config" / "schedules.yaml").unlink()
    assert Project.find(root).load().schedules.schedules == {}


def test_the_example_of_the_page_is_sound(root: Path) -> None:
    """What docs/schedules.md shows can be copied as it is."""
    page = (REFERENCE / "docs" / "schedules.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]
    (root / "config" / "schedules.yaml").write_text(example)
    assert Project.check_at(root) == []
    (root / "config" / "schedules.yaml").unlink()
