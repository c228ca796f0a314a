"""The worked examples of docs/flows.md and docs/agents.md, on a real server."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.docs.docs_reader import ROOT
from wingman_runtime.testing import Run, arun

FLOW = "config/flows/request.yaml"
PLAIN = "  RequestValidated: permission\n"
_SHOWN = re.compile(
    r"^<!-- (?P<path>[\w/.-]+)(?:: (?P<part>\w+))? -->\n```\w+\n(?P<text>.*?)^```$", re.M | re.S
)


def shown(page: str) -> dict[str, str]:
    """What the page shows of each file, by its path."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return {
        ":".join(filter(None, match.group("path", "part"))): match["text"] for match in _SHOWN.finditer(text)
    }


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    for part in ("config", "policies", "tools"):
        shutil.copytree(ROOT / part, tmp_path / part)
    return tmp_path


def change(project: Path, old: str, new: str) -> None:
    flow = project / FLOW
    text = flow.read_text()
    assert text.count(old) == 1
    flow.write_text(text.replace(old, new))


async def note(project: Path, body: str) -> Run:
    return await arun(project, "note.write", {"title": "t", "body": body}, actor="alice", timeout=20)


async def test_the_joined_reviews_hold_the_chain_up(reference: Path) -> None:
    """Both review, then the request goes on; or it is rejected with each reviewer's reason."""
    files = shown("flows.md")
    change(reference, PLAIN, files.pop(f"{FLOW}:routes"))
    change(reference, "joins: {}\n", files.pop(f"{FLOW}:joins"))
    with (reference / "policies" / "80-emit.cedar").open("a") as out:
        out.write("\n" + files.pop("policies/80-emit.cedar"))
    for path, text in files.items():
        for name in ("style", "facts") if "/style/" in path else ("style",):
            file = reference / path.replace("style", name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("style", name).replace("Style", name.capitalize()))
    calm = await note(reference, "hello")
    assert calm.outcome == "completed", calm.reasons
    assert calm.files() == {"notes/t.md": "hello"}
    loud = await note(reference, "hello!!!")
    assert loud.outcome == "rejected"
    assert loud.reasons == ("3 exclamation marks", "3 exclamation marks")
    assert loud.files() == {}


async def test_the_gate_stops_a_request_and_lets_others_pass(reference: Path) -> None:
    """The agent of docs/agents.md, in its two lines."""
    for path, text in shown("agents.md").items():
        file = reference / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    change(reference, PLAIN, "  RequestValidated: word_limit\n  word_limit>RequestValidated: permission\n")
    assert (await note(reference, "two words")).outcome == "completed"
    long = await note(reference, "word " * 501)
    assert long.outcome == "rejected"
    assert long.reasons == ("501 words are more than 500",)
    assert long.effects == ()
