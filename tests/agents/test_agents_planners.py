"""Planners: templates, explicit steps, a project's own; mistakes with their lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.agents.agents_fakes import NOTES, a_request
from wingman_runtime.errors import ConfigError, ContractError, NotFoundError
from wingman_runtime.project.planners import load_planners
from wingman_runtime.sdk import planner

PLAN = """\
plan: note.write
purpose: write a note
steps:
  - tool: file.write
    args:
      path: notes/{{ params.title }}.md
      content: "{{ params.body }}"
      deep: [1, {"by": "{{params.who.name}} ({{ intent }})"}]
  - tool: file.append
"""


def project(root: Path, *, plan: str = PLAN, name: str = "note.write.yaml", **own: str) -> Path:
    (root / "config" / "plans").mkdir(parents=True)
    (root / "config" / "plans" / name).write_text(plan, encoding="utf-8")
    (root / "planners").mkdir()
    for stem, text in own.items():
        (root / "planners" / f"{stem}.py").write_text(text, encoding="utf-8")
    return root


PARAMS = {"title": "a", "body": {"kept": [1, None, True]}, "who": {"name": "ann"}}


def test_template_fills_and_keeps_types(tmp_path: Path) -> None:
    """A lone placeholder keeps the value's type; inside text it becomes text."""
    calls = load_planners(project(tmp_path)).get("note.write").plan(a_request(params=PARAMS), NOTES)
    assert calls == [
        (
            "file.write",
            {
                "path": "notes/a.md",
                "content": {"kept": [1, None, True]},
                "deep": [1, {"by": "ann (note.write)"}],
            },
        ),
        ("file.append", {}),
    ]


@pytest.mark.parametrize(("value", "text"), [(3, "3"), (1.5, "1.5"), (True, "true"), ("{{ x }}", "{{ x }}")])
def test_template_writes_scalars_into_text(tmp_path: Path, value: Any, text: str) -> None:
    """Numbers and booleans stand in text as JSON writes them; text is never read for placeholders again."""
    request = a_request(params={**PARAMS, "title": value})
    ((_, args), _) = load_planners(project(tmp_path)).get("note.write").plan(request, NOTES)
    assert args["path"] == f"notes/{text}.md"


@pytest.mark.parametrize(
    ("params", "where", "said"),
    [
        ({}, "params.title (for steps[0].args.path)", "lacks"),
        ({"title": None}, "params.title (for steps[0].args.path)", "NoneType cannot stand inside text"),
        ({"title": "a"}, "params.body (for steps[0].args.content)", "lacks"),
        ({"title": "a", "body": 1, "who": {}}, "params.who.name (for steps[0].args.deep[1].by)", "lacks"),
        ({"title": "a", "body": 1, "who": "x"}, "params.who.name (for steps[0].args.deep[1].by)", "lacks"),
    ],
)
def test_missing_parameter_is_located(tmp_path: Path, params: dict[str, Any], where: str, said: str) -> None:
    """A parameter the template needs: ContractError names it and the argument that needs it."""
    with pytest.raises(ContractError) as caught:
        load_planners(project(tmp_path)).get("note.write").plan(a_request(params=params), NOTES)
    assert caught.value.where == where
    assert said in caught.value.message


def test_template_cannot_reach_past_parameters(tmp_path: Path) -> None:
    """A path looks up keys of the parameters, never attributes of objects."""
    plan = PLAN.replace("params.title", "params.title.__class__")
    with pytest.raises(ContractError, match="lacks this parameter"):
        load_planners(project(tmp_path, plan=plan)).get("note.write").plan(a_request(params=PARAMS), NOTES)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("plan: note.write", "plan: other", 1, "stands in note.write.yaml"),
        ("purpose: write a note\n", "", 1, "is missing"),
        ("  - tool: file.write", "  - tol: file.write", 4, "is not known here"),
        ("{{ params.title }}", "{{ request.title }}", 6, "names nothing a request has"),
        ("{{ intent }}", "{{ intent", 8, "braces"),
        ("{{ intent }}", "{{ intent() }}", 8, "names nothing a request has"),
    ],
)
def test_template_mistakes_have_their_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    """A mistake in a plan is reported at file:line when the project loads."""
    assert old in PLAN
    with pytest.raises(ConfigError) as caught:
        load_planners(project(tmp_path, plan=PLAN.replace(old, new, 1)))
    assert (caught.value.where or "").endswith(f"note.write.yaml:{line}"), str(caught.value)
    assert said in str(caught.value)


def test_explicit_steps_are_taken_as_they_are(tmp_path: Path) -> None:
    """The planner `steps` hands on what the request carries; without steps there is no plan."""
    steps = load_planners(tmp_path).get("steps")
    request = a_request(
        steps=[{"tool": "file.write", "args": {"path": "a", "content": "{{ params.title }}"}}]
    )
    assert steps.plan(request, NOTES) == [("file.write", {"path": "a", "content": "{{ params.title }}"})]
    with pytest.raises(ContractError, match="carries no steps"):
        steps.plan(a_request(), NOTES)


OWN = """\
from wingman_runtime.sdk import Scope, WorkRequest, planner


@planner("twice")
def plan(request: WorkRequest, scope: Scope) -> list:
    return [("file.write", {"path": request.params["title"]})] * 2


@planner("counting")
class Counting:
    def __init__(self) -> None:
        self.start = 1

    def plan(self, request, scope):
        return [("file.write", {"n": self.start})]


def helper(request, scope):
    return []
"""


def test_own_planners_plug_in_by_name(tmp_path: Path) -> None:
    """A marked function or class of planners/*.py is found by its name; what is unmarked is not."""
    planners = load_planners(project(tmp_path, mine=OWN, other="from .mine import plan, Counting\n"))
    assert planners.names() == ("counting", "note.write", "steps", "twice")
    calls = planners.get("twice").plan(a_request(), NOTES)
    assert calls == [("file.write", {"path": "a"})] * 2
    assert planners.get("counting").plan(a_request(), NOTES) == [("file.write", {"n": 1})]
    with pytest.raises(NotFoundError, match="did you mean 'twice'"):
        planners.get("twise")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("\n@planner('steps')\ndef plan(request, scope): ...\n", 3, "the runtime's own"),
        ("\n@planner('note.write')\ndef plan(request, scope): ...\n", 3, "note.write.yaml:1"),
        ("@planner('x')\ndef plan(request): ...\n", 2, "too many positional arguments"),
        ("@planner('x')\nasync def plan(request, scope): ...\n", 2, "async"),
        ("@planner('x')\nclass P: ...\n", 2, "plan"),
        ("@planner('x')\nclass P:\n    def __init__(self, a): ...\n", 2, "missing 1 required"),
        ("1/0\n", 2, "ZeroDivisionError"),
        ("@planner('X y')\ndef plan(request, scope): ...\n", 2, "no planner name"),
        ("def (:\n", 2, "not valid Python"),
    ],
)
def test_own_planner_mistakes_have_their_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    """What cannot plan, or takes a name that is taken, is refused at load with file and line."""
    source = "from wingman_runtime.sdk import planner\n" + text
    with pytest.raises(ConfigError) as caught:
        load_planners(project(tmp_path, mine=source))
    assert (caught.value.where or "").endswith(f"mine.py:{line}"), str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "where"),
    [("None", "plan"), ("'ab'", "plan"), ("[('a', {}), ('b',)]", "steps[1]"), ("[(1, {})]", "steps[0]")],
)
def test_own_planner_that_answers_nonsense(tmp_path: Path, answer: str, where: str) -> None:
    """An answer that is no list of (tool, args) is a ContractError, so the request is rejected, not stuck."""
    source = f"from wingman_runtime.sdk import planner\n@planner('x')\ndef plan(r, s): return {answer}\n"
    with pytest.raises(ContractError) as caught:
        load_planners(project(tmp_path, mine=source)).get("x").plan(a_request(), NOTES)
    assert caught.value.where == where


def test_marking_registers_nothing(tmp_path: Path) -> None:
    """A planner marked in one place is unknown to a project that does not hold it."""

    @planner("elsewhere")
    def plan(request: Any, scope: Any) -> list[Any]:
        return []

    assert plan(None, None) == []
    assert load_planners(tmp_path).names() == ("steps",)
