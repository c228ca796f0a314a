"""Scopes: what lies inside, what lies outside and why, and mistakes of the file with their lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.agents.agents_fakes import a_request
from wingman_runtime.errors import ConfigError
from wingman_runtime.project.planners import load_planners
from wingman_runtime.project.scopes import ScopeBook, load_scopes
from wingman_runtime.sdk import Grant

SCOPES = """\
scopes:
  small:
    purpose: short notes
    intents: [note.write]
    tenants: [demo]
    limits: {bytes: 60, steps: 1}
    tools:
      file.write: ["file:notes/{{ params.title }}.md", "file:drafts/*"]
  large:
    purpose: notes of a trusted tenant
    intents: [note.write, note.archive]
    tenants: [acme, beta]
    planner: archive
    tools:
      file.write: ["file:*"]
"""


def scopes_of(tmp_path: Path, text: str = SCOPES) -> ScopeBook:
    path = tmp_path / "scopes.yaml"
    path.write_text(text, encoding="utf-8")
    return load_scopes(path)


def test_first_scope_that_holds_the_request(tmp_path: Path) -> None:
    """Scopes are tried in the order of the file; parameters fill its patterns, tool by tool."""
    scopes = scopes_of(tmp_path)
    scope, reasons = scopes.find(a_request(params={"title": "a"}), "demo")
    assert reasons == ()
    assert scope is not None
    assert (scope.name, scope.planner, scope.tools) == ("small", "", ("file.write",))
    assert scope.grants == (
        Grant(tool="file.write", resource="file:notes/a.md"),
        Grant(tool="file.write", resource="file:drafts/*"),
    )
    assert scope.resources == ("file:notes/a.md", "file:drafts/*")
    scope, _ = scopes.find(a_request(), "acme")
    assert scope is not None
    assert (scope.name, scope.planner) == ("large", "archive")


def test_a_scope_without_parameters_is_bound_to_each_intent_and_still_has_its_limits(tmp_path: Path) -> None:
    """One made ready at load names the intent that was asked for; tenant and size are looked at each time."""
    scopes = scopes_of(tmp_path, SCOPES.replace("planner: archive", "limits: {bytes: 99}"))
    for intent in ("note.write", "note.archive"):
        scope, _ = scopes.find(a_request(intent=intent), "acme")
        assert scope is not None
        assert (scope.name, scope.intent, scope.resources) == ("large", intent, ("file:*",))
        assert scopes.find(a_request(intent=intent, params={"title": "a" * 99}), "acme")[0] is None
        assert scopes.find(a_request(intent=intent), "other")[0] is None


@pytest.mark.parametrize(
    ("changes", "tenant", "said"),
    [
        (
            {"intent": "note.wriet"},
            "demo",
            "no scope holds the intent 'note.wriet'; did you mean 'note.write'?",
        ),
        ({"intent": "zzz"}, "demo", "no scope holds the intent 'zzz'"),
        ({}, "other", "scope 'small': tenant 'other' is not among its tenants"),
        ({"params": {"title": "a" * 80}}, "demo", "scope 'small': params: 97 bytes are more than its 60"),
        ({"params": {}}, "demo", "scope 'small': params.title: the request lacks this parameter"),
        ({"params": {"title": "*"}}, "demo", "scope 'small': params.title: may not hold *"),
        ({"params": {"title": ["a"]}}, "demo", "scope 'small': params.title: list cannot stand inside text"),
        ({"steps": [{"tool": "a"}]}, "demo", "scope 'small': steps: tool 'a' is not among its tools"),
        (
            {"steps": [{"tool": "file.write"}, {"tool": "file.write"}]},
            "demo",
            "scope 'small': steps: 2 are more than its 1",
        ),
        ({"params": {"title": 2**70}}, "demo", "request[0].title: integer past 64 bits"),
    ],
)
def test_outside_says_why(tmp_path: Path, changes: dict[str, Any], tenant: str, said: str) -> None:
    """Each limit that a request breaks is a reason of its own, with the scope that drew it."""
    scope, reasons = scopes_of(tmp_path).find(a_request(**changes), tenant)
    assert scope is None
    assert said in reasons


def test_placeholder_in_a_parameter_stays_text(tmp_path: Path) -> None:
    """What a requester sends is never read for placeholders."""
    scope, _ = scopes_of(tmp_path).find(a_request(params={"title": "{{ intent }}"}), "demo")
    assert scope is not None
    assert scope.grants[0].resource == "file:notes/{{ intent }}.md"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("limits: {bytes: 60, steps: 1}", "limits: {bytes: 0}", 6, "must be at least 1"),
        ("    purpose: short notes\n", "", 2, "is missing"),
        ("planner: archive", "planer: archive", 13, "is not known here"),
        ("intents: [note.write]", "intents: []", 4, "may not be empty"),
        ('file.write: ["file:*"]', "file.write: []", 15, "may not be empty"),
        ("{{ params.title }}", "{{ title }}", 8, "names nothing a request has"),
        ("{{ params.title }}", "{{ params.title", 8, "braces that are no placeholder"),
        ("{{ params.title }}", "{{ params.title | upper }}", 8, "names nothing a request has"),
        ("  large:", "  small:", 9, "written twice"),
        ("  large:", "  Large:", 9, "not of the right form"),
    ],
)
def test_mistakes_have_their_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    """A mistake in scopes.yaml is reported at file:line."""
    assert old in SCOPES
    with pytest.raises(ConfigError) as caught:
        scopes_of(tmp_path, SCOPES.replace(old, new, 1))
    assert (caught.value.where or "").endswith(f"scopes.yaml:{line}"), str(caught.value)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("tools", "planners", "line", "hint"),
    [
        ({"file.writes"}, {"note.write", "archive"}, 8, "did you mean 'file.writes'?"),
        ({"file.write"}, {"note.write"}, 13, "known: note.write"),
        ({"file.write"}, {"archive"}, 4, "add config/plans/note.write.yaml"),
    ],
)
def test_names_are_checked_against_the_project(
    tmp_path: Path, tools: set[str], planners: set[str], line: int, hint: str
) -> None:
    """A tool, planner or plan nobody declares is found at load, at its line."""
    with pytest.raises(ConfigError) as caught:
        scopes_of(tmp_path).check(tools, planners)
    assert (caught.value.where or "").endswith(f":{line}")
    assert hint in (caught.value.hint or "")


def test_reference_scopes_and_plans_fit_each_other(project_root: Path) -> None:
    """Every intent of the reference project has a scope, and a plan that stays in its scope's tools."""
    scopes = load_scopes(project_root / "config" / "scopes.yaml")
    planners = load_planners(project_root)
    # What a person says of an effect comes as a step of the client's making: there is no plan for it.
    *intents, settling = scopes.intents()
    assert intents == ["note.write", "page.publish", "ticket.open", "record.update"]
    assert settling == "effect.settle"
    params = {
        "title": "a",
        "body": "b",
        "slug": "s",
        "channel": "archive",
        "record": "inventory/42",
        "fields": {"n": 1},
        "port": 8080,
        "team": "support",
    }
    for intent in intents:
        request = a_request(intent=intent, params=params)
        scope, reasons = scopes.find(request, "demo")
        assert scope is not None, reasons
        calls = planners.get(intent).plan(request, scope)
        assert {tool for tool, _ in calls} <= set(scope.tools)
