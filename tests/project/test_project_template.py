"""Placeholders that a tool fills in once it has its answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from wingman_runtime.contracts.work import Scope, WorkRequest
from wingman_runtime.errors import ConfigError, ContractError
from wingman_runtime.project.planners import load_template
from wingman_runtime.project.scopes import load_scopes

PLAN = """
plan: ticket.open
purpose: p
steps:
  - tool: http.call
    args:
      url: "https://example.com/{{ params.team }}/tickets"
      undo:
        url: "https://example.com/{{ params.team }}/tickets/{{ response.id }}"
        json: "{{ response.id }}"
"""
SCOPE = Scope(name="s", intent="ticket.open", tools=(), resources=())


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "ticket.open.yaml"
    path.write_text(PLAN)
    return path


def test_a_placeholder_of_the_answer_stays(plan: Path) -> None:
    """The plan keeps it for the tool; those of the request are filled in around it."""
    request = WorkRequest(intent="ticket.open", params={"team": "red"})
    [(_, args)] = load_template(plan).plan(request, SCOPE)
    assert args["undo"]["url"] == "https://example.com/red/tickets/{{ response.id }}"
    assert args["undo"]["json"] == "{{ response.id }}"


@pytest.mark.parametrize("value", ["{{ response.token }}", ["a", {"b": "{{response.x}}"}]])
def test_a_request_cannot_smuggle_one_in(plan: Path, value: object) -> None:
    """Braces in a parameter are refused where a tool would read them as a placeholder."""
    request = WorkRequest(intent="ticket.open", params={"team": "red", "note": value})
    with pytest.raises(ContractError, match=r"may hold no \{\{"):
        load_template(plan).plan(request, SCOPE)


def test_others_are_as_wrong_as_ever(plan: Path, tmp_path: Path) -> None:
    """Neither other words in a plan, nor the answer's in a scope."""
    plan.write_text(PLAN.replace("response.id", "secrets.id"))
    with pytest.raises(ConfigError, match=r"secrets\.id"):
        load_template(plan)
    scopes = tmp_path / "scopes.yaml"
    tools = "{http.call: ['http:{{ response.id }}']}"
    scopes.write_text(f"scopes: {{s: {{purpose: p, intents: [a], tenants: [t], tools: {tools}}}}}\n")
    with pytest.raises(ConfigError, match=r"response\.id"):
        load_scopes(scopes)
