"""`wingman agent new` and `wingman event new`: one at a time, sound once the lines they say are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.orders import page_file
from wingman_runtime.errors import ConflictError, NotFoundError, UsageError
from wingman_runtime.generate.generate import generate
from wingman_runtime.generate.one import new_agent, new_event
from wingman_runtime.project.agents import collect_events
from wingman_runtime.project.init import init_project
from wingman_runtime.project.load import Project
from wingman_runtime.sdk import Done, Emit
from wingman_runtime.testing import event_of

FLOW = "config/flows/request.yaml"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    init_project(tmp_path / "hello")
    return Project.find(tmp_path / "hello")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_new_agent_is_sound_with_the_lines_it_says(project: Project) -> None:
    """Before them the check names what is missing; with them there is nothing to say."""
    made = new_agent(project, "tone", consumes=["RequestValidated"], emits=["ToneJudged"])
    assert made.files == (
        "agents/tone/agent.py", "agents/tone/events.py", "agents/tone/manifest.yaml",
        "tests/test_agent_tone.py",
    )  # fmt: skip
    assert any("[permission, tone]" in line for line in made.to_do)
    assert any("no flow leads to tone" in one.message for one in project.check())
    flow = project.root / FLOW
    edit(flow, "RequestValidated: permission\n", "RequestValidated: [permission, tone]\n  ToneJudged: []\n")
    assert project.check() == []


def test_a_new_agent_answers(project: Project) -> None:
    """One that sends nothing leaves a note; one that does sends its event."""
    new_agent(project, "looking")
    new_agent(project, "tone", consumes=["WordsCounted"], emits=["ToneJudged"])
    agents = project.mount([])
    counted = event_of(collect_events(agents, [])["WordsCounted"].model_validate({"words": 3}))
    assert isinstance(agents["tone"].function(counted), Emit)
    assert isinstance(agents["looking"].function(counted), Done)


def test_a_new_event_is_put_behind_those_there_are(project: Project) -> None:
    """The file is added to, not written anew; what the manifest and the flow need is said."""
    path = project.root / "agents/word_count/events.py"
    before = path.read_text()
    made = new_event(project, "WordsLost", agent="word_count")
    assert path.read_text().startswith(before.rstrip())
    assert "agents/word_count/manifest.yaml: emits: [WordsCounted, WordsLost]" in made.to_do
    edit(project.root / "agents/word_count/manifest.yaml", "[WordsCounted]", "[WordsCounted, WordsLost]")
    edit(project.root / FLOW, "  WordsCounted: []", "  WordsLost: []\n  WordsCounted: []")
    assert project.check() == []


@pytest.mark.parametrize(
    ("name", "hint"), [("Tone-Two", "write 'tone_two'"), ("audit", "choose another"), ("class", "letter")]
)
def test_a_name_that_cannot_be_is_refused(project: Project, name: str, hint: str) -> None:
    """With the nearest one that can."""
    with pytest.raises(UsageError, match=hint):
        new_agent(project, name)
    assert not (project.root / "agents" / name).exists()


def test_nothing_is_overwritten(project: Project) -> None:
    """An agent or an event of that name is there: nothing at all is written."""
    edit(project.root / "agents/word_count/agent.py", "len(text.split())", "7")
    with pytest.raises(ConflictError, match="word_count"):
        new_agent(project, "word_count")
    with pytest.raises(ConflictError, match="there is an event WordsCounted"):
        new_event(project, "WordsCounted", agent="word_count")
    with pytest.raises(ConflictError, match="there is an event WordsCounted"):
        new_agent(project, "tone", emits=["WordsCounted"])
    assert "7" in (project.root / "agents/word_count/agent.py").read_text()
    assert not (project.root / "agents/tone").exists()


def test_what_there_is_not_is_told_with_what_was_meant(project: Project) -> None:
    """An event, an agent, a flow."""
    with pytest.raises(NotFoundError, match="did you mean 'RequestValidated'"):
        new_agent(project, "tone", consumes=["RequestValidatd"])
    with pytest.raises(NotFoundError, match="did you mean 'word_count'"):
        new_event(project, "WordsLost", agent="word_cuont")
    with pytest.raises(NotFoundError, match="did you mean 'request'"):
        new_agent(project, "tone", flow="reqest")


def test_generated_events_are_not_added_to(project: Project) -> None:
    """Their place is the models."""
    (project.root / "models.py").write_text(page_file("models.py"))
    generate(project.root / "models.py", project.root)
    with pytest.raises(ConflictError, match="add a move to the models"):
        new_event(project, "OrderLost", agent="payments")


def test_an_envelope_for_a_test_is_whole(project: Project) -> None:
    """`event_of` carries the data it was given, and what one says of the envelope."""
    model = collect_events(project.mount([]), [])["WordsCounted"]
    event = event_of(model.model_validate({"words": 3}), actor="bob")
    assert (event.actor, event.type, event.data.model_dump()) == ("bob", "WordsCounted", {"words": 3})
