"""A third party checks an export with the script printed in docs/audit.md, and nothing of ours."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.ledger.ledger_fakes import draft, fill
from wingman_runtime.ledger.export import FIELDS, export
from wingman_runtime.ledger.query import Filter
from wingman_runtime.ledger.store import AuditStore

PAGE = Path(__file__).parents[2] / "docs" / "audit.md"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script as the page has it."""
    blocks = re.findall(r"```python\n(# check_trail\.py.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 1
    assert len(blocks[0].splitlines()) <= 40
    path = tmp_path / "check_trail.py"
    path.write_text(blocks[0])
    return path


def check(script: Path, trail: Path) -> subprocess.CompletedProcess[str]:
    # -I: no project on the path; the script stands alone.
    command = [sys.executable, "-I", str(script), str(trail)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def exported(tmp_path: Path, which: Filter | None = None, form: Literal["jsonl", "csv"] = "jsonl") -> Path:
    store_path = tmp_path / "audit.db"
    if not store_path.exists():
        fill(store_path, 20, partitions=2)
        with AuditStore(store_path) as store:
            store.submit(
                [draft(21, b"\xff\xfe no text"), draft(22, '{"umlaut":"ä\\n","x":"\n"}'.encode())]
            ).result(10)
    trail = tmp_path / f"trail.{form}"
    with trail.open("w", newline="") as out:
        out.writelines(export(store_path, which, form=form))
    return trail


def edited(trail: Path, change: Callable[[list[dict[str, Any]]], object]) -> Path:
    lines = [json.loads(line) for line in trail.read_text().splitlines()]
    change(lines)
    trail.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return trail


def test_the_page_s_script_accepts_an_export(tmp_path: Path, script: Path) -> None:
    """Every record of a whole export verifies, bodies that are no text included."""
    result = check(script, exported(tmp_path))
    assert result.returncode == 0, result.stdout
    assert "42 records" in result.stdout


def test_a_filtered_export_verifies_record_by_record(tmp_path: Path, script: Path) -> None:
    """Leaving out records is not held against a filtered export."""
    result = check(script, exported(tmp_path, Filter(text="evt_0_7")))
    assert result.returncode == 0, result.stdout
    assert "1 records" in result.stdout


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[3].update(body="{}"),
        lambda lines: lines[3].update(at_ms=1),
        lambda lines: lines[3].update(request_id="req_p0_x"),
        lambda lines: lines[3].update(hash="00" * 32),
        lambda lines: lines[3].update(prev_hash="00" * 32),
        lambda lines: lines[3].update(n=44),
    ],
)
def test_the_page_s_script_finds_a_change(
    tmp_path: Path, script: Path, change: Callable[[list[dict[str, Any]]], object]
) -> None:
    """A changed field is found at its record."""
    result = check(script, edited(exported(tmp_path), change))
    assert result.returncode == 1
    assert "line 4" in result.stdout


def test_csv_carries_the_same(tmp_path: Path) -> None:
    """The CSV has every field of every record; line ends inside a body survive."""
    trail = exported(tmp_path, form="csv")
    with trail.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    plain = [json.loads(line) for line in exported(tmp_path).read_text().splitlines()]
    assert len(rows) == 42
    assert tuple(rows[0]) == FIELDS
    assert rows == [{key: "" if value is None else str(value) for key, value in row.items()} for row in plain]
