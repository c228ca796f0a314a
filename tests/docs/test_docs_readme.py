"""README.md, done from top to bottom by somebody who has only that; and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.docs_reader import ROOT, Reader, blocks_of

README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
_PATH = re.compile(r"`((?:wingman_runtime|agents|config|policies|tools|tests|docs)/[\w./*-]+)`")


def test_the_readme_does_what_it_says(tmp_path: Path) -> None:
    """Every marked block, in order: project, approval, pause, an agent, a tool, a policy, both clients."""
    blocks = [block for block in blocks_of(README) if block.verb != "demo"]
    assert len(blocks) > 15
    with Reader(tmp_path) as reader:
        for block in blocks:
            reader.do(block)
        assert (reader.cwd / "workspace" / "board" / "party.txt").read_text() == "Friday, 4 pm"
        assert not (reader.cwd / "workspace" / "todo" / "secret").exists()


def test_the_readme_shows_scenes_the_demo_plays() -> None:
    """The excerpt is of this demo: its scenes are in it, word for word."""
    [excerpt] = [block.text for block in blocks_of(README) if block.verb == "demo"]
    source = (ROOT / "wingman_runtime" / "cli" / "demo.py").read_text(encoding="utf-8")
    scenes = [line[2:] for line in excerpt.splitlines() if line.startswith("✓ ")]
    assert len(scenes) > 1
    assert [scene for scene in scenes if scene not in source] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_or_names_exists(page: Path) -> None:
    """Relative links lead somewhere; a path in code type is here, or in the page's own project."""
    text = page.read_text(encoding="utf-8")
    dead = [link for link in _LINK.findall(text) if not (page.parent / link).exists()]
    assert dead == []
    if page.name in {"README.md", "architecture.md"}:
        own = {block.about for block in blocks_of(page) if block.verb in {"write", "append", "change"}}
        gone = [
            path for path in _PATH.findall(text) if path not in own and not list(ROOT.glob(path.rstrip("/")))
        ]
        assert gone == []


def test_the_index_lists_every_page() -> None:
    """docs/README.md links each page of docs/, decisions included."""
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {
        page.relative_to(ROOT / "docs").as_posix() for page in PAGES if page.is_relative_to(ROOT / "docs")
    }
    assert sorted(page for page in pages - {"README.md"} if f"({page})" not in index) == []
