"""The reference project's tools, and the one that docs/tools.md shows, as a project would load them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.effects.effects_fakes import REQUEST, Bench
from wingman_runtime.contracts.compensation import plan_compensation
from wingman_runtime.effects.registry import ToolRegistry
from wingman_runtime.errors import ContractError

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(ToolRegistry.load([REPOSITORY / "tools"]), tmp_path / "workspace")


def contents(root: Path) -> dict[str, str]:
    """Every file a person would see in the workspace."""
    return {
        str(path.relative_to(root)): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".undo" not in path.parts
    }


async def undo(bench: Bench) -> str:
    plan = plan_compensation(await bench.store.of_request(REQUEST), REQUEST, "evt_2")
    return (await bench.run(plan)).status


def publish(channel: str) -> tuple[tuple[str, dict[str, str]], ...]:
    return (
        ("page.write", {"slug": "hello", "title": "Hello", "body": "World"}),
        ("page.index", {"slug": "hello", "title": "Hello"}),
        ("page.announce", {"slug": "hello", "channel": channel}),
    )


async def test_publishing_writes_lists_and_announces(bench: Bench) -> None:
    """Three effects on disk; undone, the workspace is empty again."""
    report = await bench.run(bench.plan(*publish("team")))
    assert report.status == "done"
    found = contents(bench.root)
    assert found["pages/hello.md"] == "# Hello\n\nWorld\n"
    assert json.loads(found["pages/index/hello.json"]) == {"slug": "hello", "title": "Hello"}
    assert len([path for path in found if path.startswith("channels/team/")]) == 1
    assert await undo(bench) == "done"
    assert contents(bench.root) == {}


async def test_a_closed_channel_fails_with_nothing_announced(bench: Bench) -> None:
    """The third step fails; compensating the first two leaves nothing behind."""
    report = await bench.run(bench.plan(*publish("archive")))
    assert (report.status, report.failed_step) == ("failed", 2)
    assert "channel 'archive' is closed" in report.error
    assert await undo(bench) == "done"
    assert contents(bench.root) == {}


async def test_a_record_is_merged_and_put_back(bench: Bench) -> None:
    """Fields are set, null removes one, and undoing gives the record back as it was."""
    file = bench.root / "records" / "inventory" / "42.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"count": 1, "name": "bolt"}')
    fields = {"count": 2, "name": None, "price": 0.5}
    plan = bench.plan(("record.update", {"record": "inventory/42", "fields": fields}))
    assert plan.steps[0].resource == "record:inventory/42"
    assert (await bench.run(plan)).status == "done"
    assert json.loads(file.read_text()) == {"count": 2, "price": 0.5}
    assert await undo(bench) == "done"
    assert file.read_text() == '{"count": 1, "name": "bolt"}'


@pytest.mark.parametrize("record", ["../x", "/x", "a//b", "A", "protected/../a", "a\n", ".undo/x", ""])
def test_a_record_has_one_name(bench: Bench, record: str) -> None:
    """No second spelling gets around a policy about record:protected/*."""
    with pytest.raises(ContractError):
        bench.registry.validate("record.update", {"record": record, "fields": {}})


async def test_the_tool_of_the_docs_works(tmp_path: Path) -> None:
    """What docs/tools.md shows loads, runs, fails and is undone as it says."""
    text = (REPOSITORY / "docs" / "tools.md").read_text()
    shown = re.search(r"```python\n# tools/greetings\.py\n(.*?)```", text, re.DOTALL)
    assert shown is not None
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "greetings.py").write_text(shown[1])
    bench = Bench(ToolRegistry.load([tmp_path / "tools"]), tmp_path / "workspace")
    report = await bench.run(
        bench.plan(("greet.say", {"name": "Ada"}), ("greet.say", {"name": "Bob", "times": 0}))
    )
    assert (report.status, report.failed_step) == ("failed", 1)
    assert contents(bench.root) == {"greetings/Ada.txt": "Hello, Ada!\n"}
    assert await undo(bench) == "done"
    assert contents(bench.root) == {}


def test_the_docs_list_the_tools_that_exist() -> None:
    """The table of docs/tools.md has every tool, its risk and whether it is idempotent; no other."""
    rows = re.findall(
        r"^\| `([a-z.]+)` \|[^|]*\|[^|]*\| (\w+) \| (yes|no) \|",
        (REPOSITORY / "docs" / "tools.md").read_text(),
        re.MULTILINE,
    )
    registry = ToolRegistry.load([REPOSITORY / "tools"])
    infos = [registry.info(name) for name in registry.names()]
    assert sorted(rows) == [(i.name, i.risk.value, "yes" if i.idempotent else "no") for i in infos]
