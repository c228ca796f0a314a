"""`wingman contract`: recorded for agents and for other teams' services, checked before a deployment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wingman_runtime.cli.app import run
from wingman_runtime.project.init import init_project
from wingman_runtime.testing import contract_cases

Shown = pytest.CaptureFixture[str]
EVENTS = "agents/word_count/events.py"
BILLING = "config/contracts/billing.json"
OWN = "config/contracts/word_count.json"
ASKED = 'class Asked(EventModel):\n    projects: ClassVar[str] = "PermissionsVerified"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh project, which is the working directory; beside it another team's reader of its event."""
    monkeypatch.delenv("WINGMAN_PROJECT", raising=False)
    root = tmp_path / "fresh"
    init_project(root)
    monkeypatch.chdir(root)
    (tmp_path / "billing.py").write_text(
        "from pydantic import BaseModel\n\n\nclass Words(BaseModel):\n    words: int\n"
    )
    return root


RECORD = (
    "contract", "record", "--consumer", "billing", "--owner", "billing team", "--consumer-version", "1.0.0",
    "--event", "WordsCounted", "--model", "../billing.py:Words",
)  # fmt: skip


def changed(project: Path, old: str, new: str, file: str = EVENTS) -> None:
    path = project / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def findings(capsys: Shown, *more: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    code = run(["contract", "check", "--json", *more])
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert code == (0 if told["clean"] else 1)
    found: list[dict[str, Any]] = told["findings"]
    return found


def test_recording_is_stable_and_keeps_what_people_agreed_to(project: Path, capsys: Shown) -> None:
    """A file per agent with its version and owner; a second time nothing changes; consents stay."""
    assert run(["contract", "record", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"consumer": "word_count", "changed": True, "file": OWN}]
    told = json.loads((project / OWN).read_text())
    assert told["consumer_version"] == "1.0.0"
    assert told["kind"] == "agent"
    assert list(told["reads"]) == ["PermissionsVerified"]
    assert told["reads"]["PermissionsVerified"]["envelope"] == ["id", "source", "specversion", "type"]
    agree = ["contract", "consent", "word_count", "PermissionsVerified", "2", "--by", "bo", "--reason", "ok"]
    assert run(agree) == 0
    before = (project / OWN).read_bytes()
    assert run(["contract", "record", "word_count"]) == 0
    assert (project / OWN).read_bytes() == before
    assert json.loads(before)["consents"]["PermissionsVerified"][0]["major"] == 2
    assert findings(capsys) == []


def test_a_service_of_another_team_is_hurt_by_name(project: Path, capsys: Shown) -> None:
    """Removing what it reads fails before anything is deployed: consumer, owner, path, witness, remedy."""
    assert run(RECORD) == 0
    assert (
        json.loads((project / BILLING).read_text())["reads"]["WordsCounted"]["model"] == "../billing.py:Words"
    )
    assert findings(capsys, "--event", "WordsCounted") == []
    changed(project, "    words: int\n", "    count: int\n")
    changed(project, "words=", "count=", "agents/word_count/agent.py")
    (hurt,) = findings(capsys, "--event", "WordsCounted")[:1]
    assert (hurt["rule"], hurt["path"], hurt["weight"]) == ("contract/breaks", "/words", "breaking")
    assert "billing 1.0.0 (billing team)" in hurt["message"]
    assert "word_count" in hurt["message"]
    assert hurt["where"] == f"{EVENTS}:6"
    assert "words" not in hurt["witness"]
    assert hurt["remedy"]
    assert run(["contract", "check"]) == 1
    assert "billing team" in capsys.readouterr().out
    assert run(["contract", "check", "--annotations", "github"]) == 1
    assert capsys.readouterr().out.startswith(f"::error file={EVENTS},line=6,title=contract/breaks::")


def test_a_field_nobody_reads_may_go(project: Path, capsys: Shown) -> None:
    """`check --event` names it while it is there; `list --event` says who reads what."""
    assert run(RECORD) == 0
    changed(project, "    words: int\n", "    words: int\n    letters: int = 0\n")
    (said,) = findings(capsys, "--event", "WordsCounted")
    assert (said["rule"], said["path"], said["weight"]) == ("contract/unread", "/letters", "note")
    assert run(["contract", "list", "--event", "WordsCounted", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"field": "/letters", "readers": []},
        {"field": "/words", "readers": ["billing"]},
    ]


def test_a_contract_that_is_not_what_the_code_says_is_stale(project: Path, capsys: Shown) -> None:
    """An agent that narrows what it reads: the recorded contract says more, and has to be recorded again."""
    assert run(["contract", "record"]) == 0
    changed(
        project,
        "from .events import WordsCounted\n",
        "from .events import WordsCounted\n\n\nclass Params(BaseModel):\n    params: dict[str, Any]\n\n\n"
        f"{ASKED}    request: Params\n",
        "agents/word_count/agent.py",
    )
    changed(
        project, "from wingman_runtime.sdk import Emit, Event, PermissionsVerified",
        "from typing import Any, ClassVar\n\nfrom pydantic import BaseModel\n\n"
        "from wingman_runtime.sdk import Emit, Event, EventModel", "agents/word_count/agent.py",
    )  # fmt: skip
    changed(project, "Event[PermissionsVerified]", "Event[Asked]", "agents/word_count/agent.py")
    (stale,) = findings(capsys)
    assert (stale["rule"], stale["event"]) == ("contract/stale", "PermissionsVerified")
    assert stale["where"].startswith("agents/word_count/agent.py:")
    assert "wingman contract record word_count" in stale["remedy"]
    assert run(["contract", "record"]) == 0
    assert findings(capsys) == []
    capsys.readouterr()
    assert run(["contract", "show", "word_count"]) == 0
    assert "read as Asked" in capsys.readouterr().out
    assert [str(case) for case in contract_cases(project)] == ["word_count reads PermissionsVerified"]


def test_a_projection_of_what_is_not_there_is_found_unrecorded(project: Path, capsys: Shown) -> None:
    """An agent's code is held even before its contract is recorded; the test cases say the same."""
    changed(
        project, "from wingman_runtime.sdk import Emit, Event, PermissionsVerified",
        "from typing import ClassVar\n\nfrom wingman_runtime.sdk import Emit, Event, EventModel",
        "agents/word_count/agent.py",
    )  # fmt: skip
    changed(
        project,
        "def handle(event: Event[PermissionsVerified])",
        f"{ASKED}    reqest: dict\n\n\ndef handle(event: Event[Asked])",
        "agents/word_count/agent.py",
    )
    assert [(one["rule"], one["path"]) for one in findings(capsys)] == [("contract/breaks", "/reqest")]
    (case,) = contract_cases(project)
    assert "as its code says" in str(case)
    with pytest.raises(AssertionError, match="reqest"):
        case.holds()


def test_a_recorded_version_is_not_rewritten_when_it_would_be_hurt(project: Path, capsys: Shown) -> None:
    """What runs as 1.0.0 reads as it was recorded: who reads otherwise is another version."""
    own = "agents/word_count"
    (project / "agents" / "reader").mkdir()
    text = (project / own / "manifest.yaml").read_text().replace("word_count", "reader")
    text = text.replace("WordsCounted", "").replace("PermissionsVerified", "WordsCounted")
    (project / "agents" / "reader" / "manifest.yaml").write_text(text.replace("a  event", "an event"))
    (project / "agents" / "reader" / "agent.py").write_text(
        "from wingman_runtime.sdk import Done\n\n\ndef handle(event) -> Done:\n    return Done()\n"
    )
    changed(project, "  WordsCounted: []", "  WordsCounted: reader", "config/flows/request.yaml")
    assert run(["contract", "record"]) == 0
    changed(project, "    words: int\n", "    count: int\n")
    before = (project / "config/contracts/reader.json").read_bytes()
    capsys.readouterr()
    assert run(["contract", "record"]) == 6
    told = capsys.readouterr().err
    assert "agents/reader/manifest.yaml:3" in told
    assert "higher version" in told
    assert (project / "config/contracts/reader.json").read_bytes() == before
    changed(project, "version: 1.0.0", "version: 1.1.0", "agents/reader/manifest.yaml")
    assert run(["contract", "record"]) == 0
    assert json.loads((project / "config/contracts/reader.json").read_text())["consumer_version"] == "1.1.0"


def test_what_is_agreed_takes_effect(project: Path, capsys: Shown) -> None:
    """A sign-off with a day in the past lets the field go; the new major needs a consent."""
    assert run(RECORD) == 0
    signed = ["contract", "sign-off", "billing", "WordsCounted", "/words", "--by", "bo", "--reason", "gone"]
    assert run([*signed, "--until", "2020-01-31"]) == 0
    changed(project, "    words: int\n", "    count: int\n")
    assert [one["rule"] for one in findings(capsys, "--event", "WordsCounted")][:1] == ["contract/agreed"]
    changed(project, "    count: int\n", '    schema_version = "2.0.0"\n    count: int\n')
    assert [one["rule"] for one in findings(capsys)] == ["contract/major"]
    consent = ["contract", "consent", "billing", "WordsCounted", "2", "--by", "bo", "--reason", "ready"]
    capsys.readouterr()
    assert run([*consent, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"consumer": "billing", "file": BILLING}
    assert [one["rule"] for one in findings(capsys)] == ["contract/consented"]


def test_contracts_of_what_is_gone(project: Path, capsys: Shown) -> None:
    """An agent that is no more, an event that is no more: each with the file."""
    assert run(["contract", "record"]) == 0
    assert run(RECORD) == 0
    (project / OWN).rename(project / "config/contracts/old.json")
    changed(project, '"word_count"', '"old"', "config/contracts/old.json")
    changed(project, '"WordsCounted"', '"WordsCountd"', BILLING)
    found = {one["rule"]: one for one in findings(capsys)}
    assert found["contract/orphan"]["where"] == "config/contracts/old.json"
    assert found["contract/unknown-event"]["where"] == BILLING
    assert "WordsCounted" in found["contract/unknown-event"]["remedy"]
    assert found["contract/missing"]["weight"] == "note"


WRONG: dict[str, tuple[list[str], int, str]] = {
    "no consumer": (["contract", "show", "bilin"], 3, "the consumers are"),
    "no agent": (["contract", "record", "word_cont"], 3, "did you mean 'word_count'"),
    "no event": (["contract", "check", "--event", "Nothing"], 1, "unknown event type"),
    "half a service": (["contract", "record", "--event", "WordsCounted"], 2, "name it: --consumer"),
    "no owner": ([*RECORD[:4], *RECORD[8:]], 2, "--owner"),
    "no class": ([*RECORD[:-1], "../billing.py:Word"], 2, "did you mean 'Words'"),
    "no file": ([*RECORD[:-1], "../bill.py:Words"], 2, "path.py:Class"),
    "not recorded": (
        ["contract", "consent", "word_count", "PermissionsVerified", "2", "--by", "b", "--reason", "r"],
        6, "wingman contract record word_count",
    ),
    "two answers": (["contract", "check", "--json", "--annotations", "github"], 2, "choose one"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_typed_wrongly_is_told(project: Path, capsys: Shown, case: str) -> None:
    """Its exit code, and what to do instead."""
    words, code, said = WRONG[case]
    assert run(words) == code
    assert said in capsys.readouterr().err
