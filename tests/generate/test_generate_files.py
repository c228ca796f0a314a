"""Generated and hand-written files: never mixed, never lost, the same every time."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.orders import make_shop, page_file
from wingman_runtime.cli.app import run
from wingman_runtime.errors import ConflictError
from wingman_runtime.generate.generate import generate
from wingman_runtime.generate.text import header_of

MODELS = page_file("models.py")
WORK = "agents/payments/work.py"
DECLINED = '        Move("placed", "declined", "OrderDeclined", by="payments", sets=("reason",)),\n'


def written(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_shop(tmp_path / "shop")


def change(shop: Path, old: str, new: str) -> None:
    assert old in MODELS
    (shop / "models.py").write_text(MODELS.replace(old, new))


def test_a_second_run_changes_nothing(shop: Path) -> None:
    """Byte for byte; and --check agrees."""
    before = written(shop)
    again = generate(shop / "models.py", shop)
    assert not again.stale
    assert written(shop) == before
    assert run(["generate", str(shop / "models.py"), "--into", str(shop), "--check"]) == 0


def test_what_is_generated_says_so(shop: Path) -> None:
    """Each generated file names its models and whether it was edited; yours does not."""
    heads = {path: header_of(data.decode()) for path, data in written(shop).items()}
    assert {path for path in heads if path.endswith(("/work.py", "conftest.py", "shop/models.py"))}
    for path, head in heads.items():
        if path.startswith("agents/payments/") and path != WORK:
            assert head is not None, path
            assert (head.source, head.whole) == ("models.py", True)
    assert heads[WORK] is None
    assert heads["conftest.py"] is None


def test_a_change_of_the_models_leaves_what_is_yours(shop: Path) -> None:
    """Events and agents follow the models; work.py is the same to the byte."""
    mine = (shop / WORK).read_bytes()
    change(shop, "    customer: str = Field(min_length=1)\n", "    customer: str = Field(min_length=2)\n")
    assert run(["generate", str(shop / "models.py"), "--into", str(shop), "--check"]) == 1
    assert "min_length=2" not in (shop / "agents/payments/events.py").read_text()
    done = generate(shop / "models.py", shop)
    assert (shop / WORK).read_bytes() == mine
    assert "min_length=2" in (shop / "agents/payments/events.py").read_text()
    assert {one.path for one in done.changes if one.state == "kept"} >= {WORK}


def test_an_edited_file_is_not_overwritten(shop: Path) -> None:
    """Somebody edited a generated file: nothing at all is written, and it is named."""
    flow = shop / "config/flows/orders.yaml"
    flow.write_text(flow.read_text().replace("OrderPaid: warehouse", "OrderPaid: [warehouse, word_count]"))
    change(shop, "    customer: str = Field(min_length=1)\n", "    customer: str = Field(min_length=2)\n")
    before = written(shop)
    with pytest.raises(ConflictError, match=r"orders\.yaml was edited by hand"):
        generate(shop / "models.py", shop)
    assert written(shop) == before


def test_a_file_of_somebody_else_is_in_the_way(shop: Path) -> None:
    """An agent of the project's own has the name of one that would be generated."""
    (shop / "agents/shipping/manifest.yaml").write_text("name: shipping\n")
    with pytest.raises(ConflictError, match=r"manifest\.yaml was not generated from this"):
        generate(shop / "models.py", shop)


def test_a_move_that_is_gone_takes_its_files_with_it(shop: Path) -> None:
    """What was generated for an agent is deleted while nobody edited it; its work.py is named, and left."""
    last = '        Move("packed", "delivered", "OrderDelivered", by="shipping", sets=("tracking",)),\n'
    text = MODELS.replace(last, "").replace('"packed", "OrderPacked"', '"delivered", "OrderDelivered"')
    (shop / "models.py").write_text(text)
    done = generate(shop / "models.py", shop)
    assert not (shop / "agents/shipping/manifest.yaml").exists()
    assert (shop / "agents/shipping/work.py").is_file()
    assert [one.path for one in done.lacks if "gone" in one.message] == ["agents/shipping/work.py"]


def test_an_edited_file_of_a_move_that_is_gone_is_kept(shop: Path) -> None:
    """It is listed, and nothing is deleted."""
    moves = shop / "agents/shipping/moves.py"
    moves.write_text(moves.read_text() + "\nMINE = 1\n")
    last = '        Move("packed", "delivered", "OrderDelivered", by="shipping", sets=("tracking",)),\n'
    text = MODELS.replace(last, "").replace('"packed", "OrderPacked"', '"delivered", "OrderDelivered"')
    (shop / "models.py").write_text(text)
    before = written(shop)
    with pytest.raises(ConflictError, match=r"shipping/moves\.py was edited"):
        generate(shop / "models.py", shop)
    assert written(shop) == before


def test_a_function_that_is_lacking_is_told(shop: Path) -> None:
    """A new state of an agent needs a function in its work.py; its first line is given."""
    more = '        Move("paid", "checked", "OrderChecked", by="payments"),\n'
    change(shop, DECLINED, DECLINED + more)
    text = (shop / "models.py").read_text()
    (shop / "models.py").write_text(text.replace('Move("paid", "packed"', 'Move("checked", "packed"'))
    done = generate(shop / "models.py", shop)
    assert {one.path: one.hint for one in done.lacks} == {
        WORK: "write `async def paid(order: OrderPaid) -> OrderChecked:`",
        "agents/warehouse/work.py": "write `async def checked(order: OrderChecked) -> OrderPacked:`",
    }
    assert done.stale


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    """It says what would be written."""
    shop = make_shop(tmp_path / "shop")
    change(shop, "orders team", "shop team")
    before = written(shop)
    assert run(["generate", str(shop / "models.py"), "--into", str(shop), "--dry-run"]) == 0
    assert written(shop) == before


def test_what_a_killed_run_left_is_not_in_the_way(shop: Path) -> None:
    """A draft that was not moved into its place, whole or not, is neither yours nor generated."""
    agent = (shop / "agents/payments/agent.py").read_bytes()
    for name, left in ((".agent.py.4242", agent[:700]), (".agent.py.4243", agent)):
        (shop / "agents/payments" / name).write_bytes(left)
    change(shop, "    customer: str = Field(min_length=1)\n", "    customer: str = Field(min_length=2)\n")
    done = generate(shop / "models.py", shop)
    assert {one.state for one in done.changes} == {"changed", "same", "kept"}
    assert not generate(shop / "models.py", shop).stale


def test_line_ends_of_another_system_are_no_edit(shop: Path) -> None:
    """Everything checked out with ``\\r\\n``: nothing is stale, and a change still goes through."""
    for path, data in written(shop).items():
        (shop / path).write_bytes(data.replace(b"\n", b"\r\n"))
    assert not generate(shop / "models.py", shop).stale
    changed = MODELS.replace("customer: str = Field(min_length=1)", "customer: str = Field(min_length=2)")
    (shop / "models.py").write_bytes(changed.replace("\n", "\r\n").encode())
    generate(shop / "models.py", shop)
    assert b"min_length=2" in (shop / "agents/payments/events.py").read_bytes()
