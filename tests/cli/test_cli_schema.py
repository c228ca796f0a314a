"""`wingman schema`: from a class to a released version, and what is said of a change that is too small."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, create_model

from wingman_runtime.cli.app import run
from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.events import SHIPPED
from wingman_runtime.project.find import reference_root
from wingman_runtime.project.init import init_project
from wingman_runtime.project.load import Project
from wingman_runtime.redisio import workers
from wingman_runtime.redisio.opening import connect
from wingman_runtime.schemas.recordfile import read_record, write_record

Shown = pytest.CaptureFixture[str]
EVENTS = Path("agents/word_count/events.py")
RECORDS = Path("config/schemas/WordsCounted")
TEN_YEARS = "2036-01-31"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh project with one event of its own, which is the working directory."""
    for name in ("WINGMAN_PROJECT", "WINGMAN_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    init_project(tmp_path / "fresh")
    monkeypatch.chdir(tmp_path / "fresh")
    return tmp_path / "fresh"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with WordsCounted 1.0.0 released, to copy."""
    root = tmp_path_factory.mktemp("template") / "fresh"
    init_project(root)
    assert run(["schema", "release", "WordsCounted", "--project", str(root)]) == 0
    return root


@pytest.fixture
def released(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with WordsCounted 1.0.0 released, which is the working directory."""
    for name in ("WINGMAN_PROJECT", "WINGMAN_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(template, tmp_path / "fresh", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path / "fresh")
    return tmp_path / "fresh"


def events(words: str = "words: int", version: str = "") -> None:
    """WordsCounted with other fields, in lines of the class, and another version."""
    lines = [*words.splitlines(), *([f'schema_version = "{version}"'] if version else [])]
    text = EVENTS.read_text(encoding="utf-8")
    head, _, tail = text.partition("class WordsCounted(EventModel):\n")
    rest = tail[tail.index("    contract = ") :]
    head = (
        head
        if "ClassVar" in head
        else head.replace("from wing", "from typing import Any, Literal\n\nfrom wing")
    )
    body = "".join(f"    {line}\n" for line in lines)
    EVENTS.write_text(f"{head}class WordsCounted(EventModel):\n{body}{rest}", encoding="utf-8")


def asked(capsys: Shown, *words: str, code: int = 0) -> Any:
    """What a command answers as JSON."""
    capsys.readouterr()
    assert run([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def own(findings: list[dict[str, Any]], weight: str = "breaking") -> list[str]:
    return [one["rule"] for one in findings if one["event"] == "WordsCounted" and one["weight"] == weight]


def test_a_project_without_records_is_told_and_not_failed(project: Path, capsys: Shown) -> None:
    """Nobody is forced to begin: the check passes and says how one would."""
    assert run(["schema", "check"]) == 0
    shown = capsys.readouterr()
    assert f"{EVENTS}:6: note: WordsCounted: 1.0.0 is not released [version/unreleased]" in shown.out
    assert "wingman schema release --all" in shown.err


def test_three_commands_make_a_released_version(project: Path, capsys: Shown) -> None:
    """Release, check, list: a file, nothing found, and the version beside the event."""
    assert run(["schema", "release", "--all", "--dry-run"]) == 0
    assert not RECORDS.exists()
    assert run(["schema", "release", "--all"]) == 0
    assert "config/schemas/WordsCounted/1.0.0.json" in capsys.readouterr().out
    assert [path.name for path in RECORDS.iterdir()] == ["1.0.0.json"]
    report = asked(capsys, "schema", "check")
    assert (report["clean"], own(report["findings"])) == (True, [])
    row = next(one for one in asked(capsys, "schema", "list") if one["event"] == "WordsCounted")
    assert (row["version"], row["released"], row["status"], row["running"]) == (
        "1.0.0",
        "1.0.0",
        "current",
        [],
    )
    assert run(["schema", "release", "--all"]) == 0
    assert "nothing to release" in capsys.readouterr().err


def test_an_event_without_a_record_fails_where_records_are_kept(released: Path, capsys: Shown) -> None:
    """A second event of the project is not released: the check says how to, and fails."""
    text = EVENTS.read_text(encoding="utf-8")
    EVENTS.write_text(text + text[text.index("\n\nclass ") :].replace("WordsCounted", "LettersCounted"))
    assert run(["schema", "check"]) == 1
    assert "run `wingman schema release LettersCounted`" in capsys.readouterr().out


def test_a_change_is_told_with_the_line_to_write(released: Path, capsys: Shown) -> None:
    """An optional field more is a minor: check and release refuse 1.0.0, and take 1.1.0 once written."""
    events('words: int\nlanguage: str = ""')
    for command in (["check", "WordsCounted"], ["release", "WordsCounted"]):
        assert run(["schema", *command]) == 1
        shown = capsys.readouterr().out
        line = re.search(r'write schema_version = "1\.1\.0" in (\S+):(\d+)', shown)
        assert line is not None
        assert EVENTS.read_text().splitlines()[int(line[2]) - 1].startswith("class WordsCounted")
    assert [path.name for path in RECORDS.iterdir()] == ["1.0.0.json"]
    events('words: int\nlanguage: str = ""', "1.1.0")
    assert own(asked(capsys, "schema", "check", "WordsCounted", code=1)["findings"]) == ["version/unreleased"]
    assert run(["schema", "release", "WordsCounted"]) == 0
    assert run(["schema", "check", "WordsCounted"]) == 0
    rows = asked(capsys, "schema", "history", "WordsCounted")
    assert [(one["version"], one["change"]) for one in rows] == [("1.1.0", "minor"), ("1.0.0", "first")]
    assert [one["what"] for one in rows] == [["/language field-added"], []]
    assert run(["schema", "history", "WordsCounted"]) == 0
    assert "/language field-added" in capsys.readouterr().out


def test_a_breaking_change_shows_whom_it_hurts(released: Path, capsys: Shown) -> None:
    """Path, direction, a document, who acts first, and what to do; the same as annotations of its line."""
    events("count: str", "1.1.0")
    report = asked(capsys, "schema", "check", "WordsCounted", code=1)
    assert "version/understated" in own(report["findings"])
    breaking = [one for one in report["findings"] if one["rule"].startswith("schema/")]
    assert {one["direction"] for one in breaking} == {"backward", "forward"}
    assert all(one["path"] and one["remedy"] and one["act"] and one["against"] == "1.0.0" for one in breaking)
    assert any(one["witness"] is not None for one in breaking)
    standing = next(one for one in report["events"] if one["event"] == "WordsCounted")
    assert (standing["change"], standing["least"]) == ("major", "2.0.0")
    assert run(["schema", "check", "WordsCounted", "--annotations", "github"]) == 1
    rows = capsys.readouterr().out.splitlines()
    assert rows
    for row in rows:
        assert re.fullmatch(r"::(error|warning|notice) file=[^,:]+,line=\d+,title=[\w/-]+::.+", row), row
    assert any(row.startswith(f"::error file={EVENTS},line=") for row in rows)


def test_a_major_is_released_with_its_upcaster(released: Path, capsys: Shown) -> None:
    """Without one it is refused; with one that recorded documents come through it is released."""
    events("count: int", "2.0.0")
    assert "major/no-upcaster" in own(asked(capsys, "schema", "release", "WordsCounted", code=1)["refused"])
    events('count: int\nupcasts = {1: lambda data: {"count": data["wrds"]}}', "2.0.0")
    refused = asked(capsys, "schema", "release", "WordsCounted", code=1)["refused"]
    assert own(refused) == ["major/upcaster-fails"]
    line = int(refused[0]["where"].removeprefix(f"{EVENTS}:"))
    assert "upcasts = " in EVENTS.read_text().splitlines()[line - 1]
    events('count: int\nupcasts = {1: lambda data: {"count": data["words"]}}', "2.0.0")
    assert run(["schema", "release", "WordsCounted"]) == 0
    assert run(["schema", "check", "WordsCounted"]) == 0


def test_a_real_document_is_recorded(project: Path, capsys: Shown) -> None:
    """It lies in the record, and later versions are tried on it; what is no such document is refused."""
    Path("good.json").write_text('{"words": 42}')
    assert run(["schema", "release", "WordsCounted", "--sample", "good.json"]) == 0
    assert json.loads((RECORDS / "1.0.0.json").read_text())["samples"] == [{"words": 42}]
    events("words: int\nnote: str = ''", "1.1.0")
    for text, code in (('{"words": "x", "note": ""}', 1), ('{"words": 1}', 1), ("{", 2), ("", 2)):
        Path("bad.json").write_text(text)
        assert run(["schema", "release", "WordsCounted", "--sample", "bad.json"]) == code
    assert run(["schema", "release", "WordsCounted", "--sample", "none.json"]) == 2
    assert not (RECORDS / "1.1.0.json").exists()
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mutate", "said"),
    [
        (lambda text: text.replace('"type": "integer"', '"type": "number"', 1), "edited after its release"),
        (lambda text: text.replace('"words": 1', '"words": 2', 1), "edited after its release"),
        (lambda text: text[:-20], "not valid JSON"),
        (lambda text: text.replace('"1.0.0"', '"1.0.1"'), "in a file called 1.0.0.json"),
    ],
)
def test_an_edited_record_stops_every_command(released: Path, capsys: Shown, mutate: Any, said: str) -> None:
    """Whatever reads the records refuses one that was changed by hand, at its file and line: exit code 2."""
    path = RECORDS / "1.0.0.json"
    path.write_text(mutate(path.read_text(encoding="utf-8")), encoding="utf-8")
    for words in (["check"], ["history", "WordsCounted"], ["release", "--all"]):
        assert run(["schema", *words]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert re.search(rf"error: {path}:\d+: ", shown.err)
        assert said in shown.err


def test_a_version_filed_twice_is_refused(released: Path, capsys: Shown) -> None:
    """A copy of a record under a higher number is no release."""
    (RECORDS / "1.1.0.json").write_bytes((RECORDS / "1.0.0.json").read_bytes())
    assert run(["schema", "check", "WordsCounted"]) == 2
    assert "1.1.0.json" in capsys.readouterr().err


def test_an_event_whose_class_is_gone_is_told(released: Path, capsys: Shown) -> None:
    """Its documents may still lie in streams: a released event does not just vanish."""
    gone = replace(read_record(RECORDS / "1.0.0.json"), event="OrderPlaced")
    write_record(RECORDS.parent / "OrderPlaced" / "1.0.0.json", gone)
    report = asked(capsys, "schema", "check", code=1)
    breaking = [one for one in report["findings"] if one["weight"] == "breaking"]
    assert [(one["rule"], one["event"]) for one in breaking] == [("version/no-class", "OrderPlaced")]
    assert run(["schema", "show", "OrderPlaced@1.0.0", "--writer"]) == 0
    assert run(["schema", "history", "OrderPlaced"]) == 0


def accept(path: str = "/words", *more: str) -> list[str]:
    rule = "schema/bound-tightened"
    return ["schema", "accept", "WordsCounted", rule, path, "--reason", "nobody counts less", *more]


def test_a_finding_is_accepted_until_a_day(released: Path, capsys: Shown) -> None:
    """A waiver lets it pass as a minor; its release records it, after which the waiver is not needed."""
    events("words: Literal[1, 2, 3, 4, 5]", "1.1.0")
    report = asked(capsys, "schema", "check", "WordsCounted", code=1)
    found = next(one for one in report["findings"] if one["rule"].startswith("schema/"))
    words = ["schema", "accept", "WordsCounted", found["rule"], found["path"], "--reason", "all are small"]
    assert run([*words, "--until", TEN_YEARS, "--by", "ada"]) == 0
    assert run([*words, "--until", TEN_YEARS, "--by", "bob"]) == 6
    report = asked(capsys, "schema", "check", "WordsCounted", code=1)
    assert own(report["findings"]) == ["version/unreleased"]
    assert [(one["rule"], one["waived_by"]) for one in report["waived"]] == [(found["rule"], "ada")]
    assert run(["schema", "release", "WordsCounted"]) == 0
    report = asked(capsys, "schema", "check", "WordsCounted")
    assert own(report["findings"], "warning") == ["waiver/unused"]
    Path("config/schemas/waivers.yaml").unlink()
    assert run(["schema", "check", "WordsCounted"]) == 0


def test_an_expired_waiver_fails_at_its_line(released: Path, capsys: Shown) -> None:
    """It covers nothing any more, and has to go."""
    path = Path("config/schemas/waivers.yaml")
    path.write_text(
        "- {event: WordsCounted, rule: schema/x, path: /words, reason: r, by: ada, until: 2020-01-31}\n"
    )
    assert run(["schema", "check", "WordsCounted"]) == 1
    assert f"{path}:1: breaking: WordsCounted at /words: the waiver of ada" in capsys.readouterr().out
    path.write_text(
        "- {event: WordsCounted, rule: schema/x, path: /words, reason: r, by: ada, until: soon}\n"
    )
    assert run(["schema", "check", "WordsCounted"]) == 2
    assert f"{path}:1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["check", "WordsCountd"], 3, "did you mean 'WordsCounted'?"),
        (["show", "WordsCountd"], 3, "did you mean 'WordsCounted'?"),
        (["show", "WordsCounted@2.0.0"], 3, "released are: 1.0.0"),
        (["show", "WordsCounted@two"], 1, "write it as 1.0.0"),
        (["show", "WordsCounted", "--raw", "--reader"], 2, "choose one"),
        (["history", "WordsCountd"], 3, "did you mean 'WordsCounted'?"),
        (["diff", "WordsCountd"], 3, "did you mean 'WordsCounted'?"),
        (["diff", "WordsCounted", "3.0.0"], 3, "released are: 1.0.0"),
        (["release"], 2, "which events?"),
        (["release", "--all", "WordsCounted"], 2, "which events?"),
        (["release", "WordsCountd"], 3, "did you mean 'WordsCounted'?"),
        (["release", "--all", "--sample", "a.json"], 2, "a sample is of one event"),
        (["check", "--annotations", "github", "--json"], 2, "choose one"),
        (accept("/words", "--until", "2020-01-31")[1:], 2, "has passed"),
        (accept("/words", "--until", "soon")[1:], 2, "is no day"),
        (accept("/words", "--until", TEN_YEARS)[1:], 3, "none that could be accepted"),
        (["accept", "WordsCounted", "version/x", "", "--reason", "r", "--until", TEN_YEARS], 2, "nobody"),
        (["accept", "Nope", "schema/x", "", "--reason", "r", "--until", TEN_YEARS], 3, "no event 'Nope'"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_exit_code(
    released: Path, words: list[str], code: int, said: str, capsys: Shown
) -> None:
    """A wrong call says what is wrong on stderr and changes no file."""
    before = sorted(path.name for path in released.rglob("*") if "__pycache__" not in path.parts)
    assert run(["schema", *words]) == code
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Traceback" not in shown.err
    assert sorted(path.name for path in released.rglob("*") if "__pycache__" not in path.parts) == before


def test_a_shipped_event_is_not_the_projects_to_release(released: Path, capsys: Shown) -> None:
    """Its records are the runtime's; a project can look at them, and releases only its own."""
    assert run(["schema", "release", "--all"]) == 0
    assert [path.name for path in RECORDS.parent.iterdir()] == ["WordsCounted"]
    assert run(["schema", "show", "ExecutionPlanProposed", "--writer"]) == 0
    assert json.loads(capsys.readouterr().out)["additionalProperties"] is False


def test_show_and_diff_tell_what_changed(released: Path, capsys: Shown) -> None:
    """Either schema, the record as it is filed, and the lines that differ between a release and the class."""
    told = asked(capsys, "schema", "show", "WordsCounted@1.0.0")
    assert told["fields"] == [{"field": "words", "type": "integer", "readers_need_it": True}]
    assert told["dataschema"] == "urn:wingman:event:WordsCounted:1.0.0"
    assert run(["schema", "show", "WordsCounted@1.0.0", "--raw"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((RECORDS / "1.0.0.json").read_text())
    events('words: int\nlanguage: str = ""', "1.1.0")
    assert run(["schema", "diff", "WordsCounted"]) == 0
    shown = capsys.readouterr()
    assert '+    "language": {' in shown.out.splitlines()
    assert "WordsCounted 1.0.0 → WordsCounted as it stands: minor" in shown.err
    assert run(["schema", "release", "WordsCounted"]) == 0
    told = asked(capsys, "schema", "diff", "WordsCounted", "1.0.0", "1.1.0")
    assert (told["from"], told["to"], told["change"]) == ("1.0.0", "1.1.0", "minor")
    assert run(["schema", "show", "WordsCounted"]) == 0
    assert "readers_need_it" in capsys.readouterr().out


def test_running_workers_stand_beside_the_releases(
    released: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    """What living workers read, have seen and have written is added up per event."""
    monkeypatch.setenv("WINGMAN_REDIS_URL", valkey_url)
    settings = Project.find(released).settings

    async def beats() -> None:
        async with connect(settings) as server:
            for name, written in (
                ("w1", {"WordsCounted": {"1.0.0": 3}}),
                ("w2", {"WordsCounted": {"1.1.0": 4}}),
            ):
                told = {"reads": {"PermissionsVerified": "1.0.0"}, "seen": {}, "written": written}
                await workers.beat(server.store, name, {"schemas": {"word_count": told}})

    asyncio.run(beats())
    assert run(["schema", "list"]) == 0
    shown = capsys.readouterr().out
    assert "written 1.0.0 ×3, 1.1.0 ×4" in shown
    assert "read as 1.0.0" in shown
    row = next(one for one in asked(capsys, "schema", "list") if one["event"] == "WordsCounted")
    assert [(one["worker"], one["agent"], one["written"]) for one in row["running"]] == [
        ("w1", "word_count", {"1.0.0": 3}),
        ("w2", "word_count", {"1.1.0": 4}),
    ]


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository itself, which is a project."""
    monkeypatch.delenv("WINGMAN_PROJECT", raising=False)
    monkeypatch.chdir(reference_root())
    return reference_root()


def test_the_repositorys_own_events_are_released(repository: Path, capsys: Shown) -> None:
    """Every shipped event is recorded as its class stands."""
    report = asked(capsys, "schema", "check")
    assert (report["clean"], report["findings"], report["waived"]) == (True, [], [])
    assert {one["event"] for one in report["events"]} >= set(SHIPPED)
    assert {one["status"] for one in report["events"]} == {"current"}


def test_breaking_a_shipped_event_names_the_agents_it_hurts(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    """A field of ExecutionPlanProposed is renamed: the check fails; handshake must act first."""
    fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in SHIPPED["ExecutionPlanProposed"].model_fields.items()
        if name != "plan_digest"
    }
    broken = create_model("ExecutionPlanProposed", __base__=EventModel, digest=(str, Field()), **fields)
    monkeypatch.setitem(SHIPPED, "ExecutionPlanProposed", broken)
    report = asked(capsys, "schema", "check", code=1)
    assert {one["event"] for one in report["findings"]} == {"ExecutionPlanProposed"}
    hurt = [
        one for one in report["findings"] if one["direction"] == "forward" and one["path"] == "/plan_digest"
    ]
    assert hurt
    assert "handshake" in hurt[0]["act"]
    assert "version/understated" in {one["rule"] for one in report["findings"]}
    assert run(["schema", "release", "ExecutionPlanProposed"]) == 1
    assert "handshake" in capsys.readouterr().out
