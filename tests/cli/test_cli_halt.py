"""`wingman halt`, `request effects` and `request settle` against a running project."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_cli_live import developed, wingman
from tests.worker.test_worker_settle import project as bank


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The reference project with a bank whose line goes dead, and `wingman dev` running."""
    root = bank(tmp_path_factory.mktemp("halt") / "p")
    with developed(root):
        yield root


def test_a_halt_is_told_shown_and_lifted(project: Path) -> None:
    """What was acknowledged and when, as text and JSON; status says who, why and since when; a submit is
    refused meanwhile, with the reason.
    """
    done = wingman(project, "halt", "tenant:demo", "--reason", "wrong prices", "--as", "bob", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["target"], told["mode"], told["by"]) == ("tenant:demo", "halt", "bob")
    assert (told["in_flight"], told["drained"]) == ([], None)
    assert len(told["epochs"]) == len(told["positions"]) == 1
    shown = wingman(project, "status")
    line = next(line for line in shown.stdout.splitlines() if line.startswith("tenant:demo"))
    assert "halt" in line
    assert "bob" in line
    assert "wrong prices" in line
    refused = wingman(project, "submit", "note.write", "-p", "title=a", "-p", "body=b", "--as", "alice")
    assert refused.returncode == 7
    assert "wrong prices" in refused.stderr
    again = wingman(
        project, "halt", "tenant:demo", "--reason", "undo", "--compensate", "--drain", "--as", "bob"
    )
    assert again.returncode == 0
    assert "no effect is left in flight" in again.stderr
    lifted = wingman(project, "resume", "tenant:demo", "--reason", "right again", "--as", "bob")
    assert lifted.returncode == 0
    assert wingman(project, "halt", "everything", "--reason", "x").returncode == 2
    assert wingman(project, "halt", "tenant:nobody", "--reason", "x").returncode == 3


def test_an_uncertain_effect_is_shown_and_settled(project: Path) -> None:
    """The ledger line says that nobody knows; the word of an approver settles it, that of the requester does
    not; cancelling what has ended is a conflict that names the outcome.
    """
    steps = json.dumps([{"tool": "bank.pay", "args": {"name": "rent"}}])
    (project / "steps.json").write_text(steps)
    how = ("--steps", "@steps.json", "--as", "alice", "--wait", "20", "--json")
    asked = wingman(project, "submit", "bank.pay", *how)
    request = json.loads(asked.stdout)["request_id"]
    lines = wingman(project, "request", "effects", request)
    assert "uncertain" in lines.stdout
    assert "nobody knows whether it was done" in lines.stderr
    [line] = json.loads(wingman(project, "request", "effects", request, "--json").stdout)
    effect = line["effect_id"][-8:]
    word = ("request", "settle", request, effect, "--as-done", "--reason", "the bank says so")
    assert wingman(project, *word, "--as", "alice").returncode == 4
    done = wingman(project, *word, "--result", '{"receipt": 7}', "--as", "bob")
    assert done.returncode == 0, done.stdout + done.stderr
    [line] = json.loads(wingman(project, "request", "effects", request, "--json").stdout)
    assert (line["status"], line["result"], line["settled"]["by"]) == ("done", {"receipt": 7}, "bob")
    assert wingman(project, *word, "--as", "bob").returncode == 6
    cancelled = wingman(project, "request", "cancel", request, "--reason", "x", "--as", "alice")
    assert cancelled.returncode == 6
    assert "uncertain" in cancelled.stderr
