"""docs/generate.md, done from top to bottom: from models.py to a running system, and on."""

from __future__ import annotations

from pathlib import Path

from tests.docs.docs_reader import ROOT, Reader, blocks_of


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    """Every marked block, in order: models, an order through the client, work.py, a minor version."""
    blocks = blocks_of(ROOT / "docs" / "generate.md")
    assert len(blocks) >= 8
    with Reader(tmp_path) as reader:
        for block in blocks:
            reader.do(block)
        assert (reader.cwd / "config" / "schemas" / "OrderPlaced" / "1.1.0.json").is_file()
        assert "nobody pays" in (reader.cwd / "agents" / "payments" / "work.py").read_text()
