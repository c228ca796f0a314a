"""Waivers: who answers for which finding, why, and until when."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from wingman_runtime.errors import ConfigError, ConflictError
from wingman_runtime.schemas.finding import Direction, SchemaFinding, Weight
from wingman_runtime.schemas.waivers import (
    EXPIRED,
    UNUSED,
    Waiver,
    about_waivers,
    append_waiver,
    apply_waivers,
    load_waivers,
)

FILE = "config/schemas/waivers.yaml"
TODAY = date(2026, 6, 15)
ONE = """\
# why we have these
- event: OrderPlaced
  rule: schema/pattern-changed
  path: /code
  reason: nobody ever sent another one
  by: ada
  until: 2026-06-15
"""


def finding(
    rule: str = "schema/pattern-changed", path: str = "/code", event: str = "OrderPlaced"
) -> SchemaFinding:
    return SchemaFinding(rule, event, path, Direction.BACKWARD, Weight.BREAKING, "the pattern changed")


def written(root: Path, text: str) -> Path:
    path = root / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def waiver(**change: object) -> Waiver:
    values = {
        "event": "OrderPlaced",
        "rule": "schema/bound-tightened",
        "path": "/lines/*/count",
        "reason": 'said "never: mind" # really',
        "by": "bob",
        "until": date(2026, 12, 31),
    }
    return Waiver(**{**values, **change})  # type: ignore[arg-type]


def test_without_a_file_nothing_is_waived(tmp_path: Path) -> None:
    """No file, an empty one and one of comments only are all the same."""
    assert load_waivers(tmp_path) == ()
    for text in ("", "# nothing yet\n\n"):
        written(tmp_path, text)
        assert load_waivers(tmp_path) == ()


def test_a_waiver_covers_one_finding_until_its_day(tmp_path: Path) -> None:
    """Event, rule and path must be the same; its last day counts, the next one does not."""
    written(tmp_path, ONE)
    waivers = load_waivers(tmp_path)
    others = [finding(rule="schema/removed"), finding(path="/code/*"), finding(event="OrderPaid")]
    result = apply_waivers([finding(), *others], waivers, TODAY)
    assert list(result.left) == others
    assert result.waived == ((finding(), waivers[0]),)
    late = apply_waivers([finding()], waivers, date(2026, 6, 16))
    assert (late.left, late.waived) == ((finding(),), ())


def test_an_expired_waiver_is_an_error_at_its_line(tmp_path: Path) -> None:
    """Not only that it covers nothing any more: it has to go, or to be given anew."""
    path = written(tmp_path, ONE)
    told = about_waivers(load_waivers(tmp_path), [], ["OrderPlaced"], date(2026, 6, 16))
    assert [(one.rule, one.weight, one.where) for one in told] == [(EXPIRED, Weight.BREAKING, f"{path}:2")]
    assert "ada" in told[0].message
    assert "2026-06-15" in told[0].message


def test_an_unused_waiver_is_a_warning(tmp_path: Path) -> None:
    """If its event was looked at; of what was not looked at nothing is said."""
    written(tmp_path, ONE)
    waivers = load_waivers(tmp_path)
    told = about_waivers(waivers, [], ["OrderPlaced"], TODAY)
    assert [(one.rule, one.weight) for one in told] == [(UNUSED, Weight.WARNING)]
    assert about_waivers(waivers, waivers, ["OrderPlaced"], TODAY) == []
    assert about_waivers(waivers, [], ["OrderPaid"], TODAY) == []


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (ONE.replace("  until: 2026-06-15\n", ""), 2, "until: is missing"),
        (ONE.replace("2026-06-15", "soon"), 7, "until"),
        (ONE.replace("2026-06-15", "2026-02-30"), 7, "until"),
        (ONE.replace("nobody ever sent another one", '""'), 5, "reason"),
        (ONE.replace("reason:", "reasons:"), 2, "reason"),
        (ONE + "  by: bob\n", 8, "written twice"),
        (ONE + ONE, 9, "the second waiver"),
        ("waivers:\n" + ONE.replace("\n", "\n  "), 1, "a list is expected"),
        ("- OrderPlaced\n", 1, "a mapping is expected"),
        ("- event: [\n", 2, "not valid YAML"),
    ],
)
def test_a_wrong_file_is_refused_at_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    """Every way to write it wrongly names file and line."""
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_waivers(tmp_path)
    assert said in str(caught.value)
    assert (caught.value.where or "").rpartition(":")[0] == str(path)
    assert abs(int((caught.value.where or "").rpartition(":")[2]) - line) <= 1


def test_what_is_added_is_read_again(tmp_path: Path) -> None:
    """In a file of its own at first, then below what people wrote, which stays as it is."""
    append_waiver(tmp_path, waiver())
    assert load_waivers(tmp_path) == (waiver(where=f"{tmp_path / FILE}:3"),)
    written(tmp_path, ONE.rstrip("\n"))
    append_waiver(tmp_path, waiver())
    assert (tmp_path / FILE).read_text(encoding="utf-8").startswith(ONE)
    assert [one.by for one in load_waivers(tmp_path)] == ["ada", "bob"]
    assert [one.name for one in (tmp_path / FILE).parent.iterdir()] == ["waivers.yaml"]


def test_one_finding_has_one_waiver(tmp_path: Path) -> None:
    """A second one for the same finding is refused, and the first one's place is named."""
    append_waiver(tmp_path, waiver())
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(ConflictError) as caught:
        append_waiver(tmp_path, waiver(reason="another", until=date(2027, 1, 1)))
    assert caught.value.where == f"{tmp_path / FILE}:3"
    assert (tmp_path / FILE).read_bytes() == before


def test_a_file_that_cannot_be_added_to_is_left_alone(tmp_path: Path) -> None:
    """A list in brackets cannot be added to below it: the file is refused and stays."""
    row = '{event: E, rule: r, path: "", reason: r, by: b, until: 2026-12-31}'
    path = written(tmp_path, f"[{row}]\n")
    with pytest.raises(ConfigError):
        append_waiver(tmp_path, waiver())
    assert path.read_text(encoding="utf-8") == f"[{row}]\n"
