"""Models of other shapes: nested values, shared events, a circle of agents, two lives in one file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.contracts.events import UserRequestReceived
from wingman_runtime.errors import ContractError, NewerSchemaError
from wingman_runtime.generate.generate import generate
from wingman_runtime.project.init import init_project
from wingman_runtime.project.load import LoadedProject, Project
from wingman_runtime.sdk import opened
from wingman_runtime.testing import event_of

ROOT = Path(__file__).parents[2]
MODELS = '''\
"""Claims of an insurance, and the visits of its experts."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field
from wingman_runtime.sdk import Lifecycle, Move, Primitive, RetryPolicy, entity

Percent = Annotated[int, Field(ge=0, le=100)]


class Severity(Enum):
    LOW = "low"
    HIGH = "high"


class Report(BaseModel):
    text: str
    share: Percent = 0
    at: AwareDatetime


class Payout(BaseModel):
    amount: Annotated[Decimal, Field(gt=0)]
    report: Report | None = None


class Cash(BaseModel):
    kind: Literal["cash"] = "cash"


class Wire(BaseModel):
    kind: Literal["wire"] = "wire"
    iban: str = Field(pattern=r"^[A-Z]{2}\\d{20}$", examples=["DE00000000000000000000"])


@entity(
    domain="claims",
    owner="claims: the team",
    key="number",
    lifecycle=Lifecycle(
        start="filed",
        moves=(
            Move("filed", "assessed", "ClaimAssessed", by="assessor", sets=("severity", "report")),
            Move(
                "assessed",
                "disputed",
                "ClaimDisputed",
                by="assessor",
                sets=("objection",),
                carries=("policy", "severity"),
            ),
            Move(
                "disputed", "assessed", "ClaimReassessed", by="second_assessor", sets=("severity", "report")
            ),
            Move(("filed", "assessed"), "withdrawn", "ClaimWithdrawn", by="assessor"),
            Move("disputed", "withdrawn", "ClaimWithdrawn", by="second_assessor"),
            Move(
                "assessed",
                "settled",
                "ClaimSettled",
                by="assessor",
                sets=("payout", "due", "settled_at"),
                purpose='it is "settled", it\\'s done',
                primitives=(Primitive.AUDIT_STAMP, Primitive.ROLLBACK_COVENANT),
            ),
        ),
        ends={"settled": "completed", "withdrawn": "rejected"},
    ),
)
class Claim(BaseModel):
    number: int = Field(ge=1)
    policy: str
    by: Cash | Wire = Field(default=Cash(), discriminator="kind")
    happened: date
    tags: list[str] = []
    notes: dict[str, str] = Field(default_factory=dict)
    severity: Severity | None = None
    report: Report | None = None
    objection: str | None = Field(None, min_length=3)
    payout: Payout | None = None
    due: date | None = None
    settled_at: datetime | None = None


@entity(
    domain="visits",
    owner="experts",
    key="visit",
    lifecycle=Lifecycle(
        start="planned",
        request="plan",
        event="VisitPlanned",
        moves=(
            Move(
                "planned",
                "done",
                "VisitDone",
                by="expert",
                sets=("findings",),
                timeout=5,
                retry=RetryPolicy(attempts=2),
            ),
        ),
        ends={"done": "completed"},
    ),
)
class Visit(BaseModel):
    visit: str
    findings: tuple[str, ...] | None = None
'''


@pytest.fixture(scope="module")
def insurance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that is generated from them."""
    root = tmp_path_factory.mktemp("shapes") / "insurance"
    init_project(root)
    (root / "models.py").write_text(MODELS)
    generate(root / "models.py", root)
    return root


@pytest.fixture(scope="module")
def loaded(insurance: Path) -> LoadedProject:
    return Project.find(insurance).load()


def test_it_is_sound_and_stays_as_it_is(insurance: Path) -> None:
    """Every check is content, and a second run has nothing to do."""
    assert Project.check_at(insurance) == []
    assert not generate(insurance / "models.py", insurance).stale


@pytest.mark.parametrize(
    "tool",
    [
        ("ruff", "check", "--no-cache", "--config", str(ROOT / "pyproject.toml")),
        ("ruff", "format", "--no-cache", "--check", "--config", str(ROOT / "pyproject.toml")),
        ("mypy", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")),
    ],
    ids=["ruff", "format", "mypy"],
)
def test_it_is_clean_and_typed(insurance: Path, tool: tuple[str, ...]) -> None:
    """Unions, enums, aliases, defaults given by position: the generated code holds all of it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    ours = ("models.py", "agents", "clients", "tests/test_claims_life.py", "tests/test_visits_life.py")
    done = subprocess.run(
        [sys.executable, "-P", "-m", *tool, *ours], cwd=insurance, env=environment, capture_output=True,
        text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_event_carries_what_is_known_by_then(loaded: LoadedProject) -> None:
    """What a move sets is certain; what is known on some ways only keeps its default; `carries` narrows."""

    def fields(event: str) -> dict[str, bool]:
        return {name: one.is_required() for name, one in loaded.catalog.model(event).model_fields.items()}

    assert fields("ClaimAssessed")["severity"]
    assert set(fields("ClaimDisputed")) == {"number", "policy", "severity", "objection"}
    assert "happened" not in fields("ClaimWithdrawn")
    assert fields("ClaimWithdrawn")["number"]
    assert not fields("ClaimWithdrawn")["objection"]


def test_a_circle_of_agents_is_declared(loaded: LoadedProject) -> None:
    """One that goes on with its own event, and two that go back and forth: the flow says so."""
    assert set(loaded.sources["claims"].cycles) == {("assessor",), ("assessor", "second_assessor")}


def test_who_stamps_takes_what_decides_an_outcome(loaded: LoadedProject) -> None:
    """The shipped audit consumes the closing events of both lives, and no others of theirs."""
    consumes = set(loaded.manifests["audit"].consumes)
    assert {"ClaimSettled", "ClaimWithdrawn", "ClaimFailed", "VisitDone", "VisitFailed"} <= consumes
    assert not {"ClaimFiled", "ClaimAssessed", "VisitPlanned"} & consumes


def test_a_gate_is_continued_and_no_gate_of_its_own(loaded: LoadedProject) -> None:
    """The rules of 80-emit.claims.cedar are judged at 80-emit.cedar."""
    assert "80-emit.claims.cedar" not in loaded.bundle.gates
    rules = {rule.id for rule in loaded.bundle.gates["80-emit.cedar"].rules.values()}
    assert {"emit-claims-ClaimSettled", "emit-visits-VisitDone", "emit-own-events"} <= rules


def asked(**params: object) -> UserRequestReceived:
    return UserRequestReceived.model_validate({"request": {"intent": "visits.plan", "params": params}})


def test_a_request_is_read_as_its_start_event(loaded: LoadedProject) -> None:
    """Strictly, at the version it names: what does not fit is located, what is newer is kept."""
    model: type[EventModel] = loaded.catalog.model("VisitPlanned")
    assert opened(event_of(asked(visit="v-1")), model).model_dump() == {"visit": "v-1"}
    assert opened(event_of(asked(visit="v-1", schema_version="1.0.0")), model)
    with pytest.raises(ContractError) as caught:
        opened(event_of(asked(visit=1)), model)
    assert caught.value.where == "visit"
    with pytest.raises(NewerSchemaError):
        opened(event_of(asked(visit="v-1", schema_version="2.0.0")), model)
    with pytest.raises(ContractError, match="names no version"):
        opened(event_of(asked(visit="v-1", schema_version="new")), model)
