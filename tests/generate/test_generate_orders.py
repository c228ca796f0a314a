"""From the models of docs/generate.md to a system: checked, tested as generated, and put to work."""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.orders import make_shop, page_file, plain_order
from tests.worker.projects import load, site
from wingman_runtime.generate.generate import generate

ROOT = Path(__file__).parents[2]
COUNT = 50


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's project, generated."""
    return make_shop(tmp_path_factory.mktemp("generated") / "shop")


@pytest.fixture
def orders(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The generated client."""
    monkeypatch.syspath_prepend(str(shop))
    yield importlib.import_module("clients.orders")
    for name in ("clients.orders", "clients", "models"):
        sys.modules.pop(name, None)


def typed(folder: Path, *arguments: str) -> str:
    """A command in the project; what it said, if it failed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", *arguments], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_model_is_of_an_ordinary_size() -> None:
    """About sixty lines say all of it."""
    assert 50 <= len(page_file("models.py").splitlines()) <= 75


def test_what_is_generated_is_typed(shop: Path) -> None:
    """Mypy in strict mode has nothing to say, stubs, client and tests included."""
    house = ("--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache"))
    assert typed(shop, "mypy", *house, "models.py", "agents", "clients", "tests") == ""


def test_what_is_generated_is_clean(shop: Path) -> None:
    """Ruff, with the rules of this repository, finds nothing to say and nothing to format."""
    house = ("--config", str(ROOT / "pyproject.toml"))
    ours = ("models.py", "agents", "clients", "conftest.py", "tests/test_orders_life.py")
    assert typed(shop, "ruff", "check", "--no-cache", *house, *ours) == ""
    assert typed(shop, "ruff", "format", "--no-cache", "--check", *house, *ours) == ""


def test_ruff_as_it_comes_finds_nothing(shop: Path) -> None:
    """With ruff's own choice of rules, too: nothing, what `wingman init` wrote included."""
    assert typed(shop, "ruff", "check", "--no-cache", "--isolated", ".") == ""


def test_an_agent_that_breaks_fails_the_generated_tests(shop: Path, tmp_path: Path) -> None:
    """Also where the life has a bad end of the same outcome: a crash is no end of it."""
    broken = tmp_path / "shop"
    shutil.copytree(shop, broken)
    models = (broken / "models.py").read_text()
    (broken / "models.py").write_text(models.replace('"declined": "rejected"', '"declined": "failed"'))
    generate(broken / "models.py", broken)
    work = broken / "agents" / "payments" / "work.py"
    paid = "    return moves.order_paid"
    work.write_text(work.read_text().replace(paid, f"    order.no_such_field\n{paid}"))
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-k", "comes_to_an_end")
    told = typed(broken, "pytest", *options, "tests/test_orders_life.py")
    assert "no_such_field" in told


def test_its_own_tests_pass(shop: Path) -> None:
    """The generated tests, on a server of their own."""
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "tests/test_orders_life.py")
    assert typed(shop, "pytest", *options) == ""


async def test_orders_are_processed_and_poison_is_put_aside(shop: Path, orders: Any, valkey_url: str) -> None:
    """Each order comes to its end by its own path; the poisoned one is a dead letter, and harms no other."""
    order = importlib.import_module("models").Order
    async with site(load(shop, valkey_url, durability="relaxed", tenant="demo")) as place:
        client = place.client
        asked = [orders.place(client, order(**plain_order(at)), actor="alice") for at in range(COUNT)]
        good = await asyncio.gather(*asked)
        nobody = await orders.place(client, order(**plain_order(900, "nobody")), actor="alice")
        poison = await orders.place(client, order(**plain_order(901, "poison")), actor="alice")
        ends = await asyncio.gather(*(request.result(60) for request in good))
        assert Counter(end.outcome.value for end in ends) == {"completed": COUNT}
        trail = [record.type for record in await client.trail(good[0].id) if record.kind == "event"]
        assert trail == [
            "UserRequestReceived", "OrderPlaced", "OrderPaid", "OrderPacked", "OrderDelivered",
            "AuditStamped",
        ]  # fmt: skip
        assert (await nobody.result(60)).outcome == "rejected"
        failed = await poison.result(60)
        assert failed.outcome == "failed"
        assert "this order cannot be worked on" in failed.reasons[0]
        [letter] = await orders.dead_letters(client)
        assert (letter.agent, letter.event_type, letter.attempts) == ("payments", "OrderPlaced", 3)
        told = [record for record in await client.trail(poison.id) if record.type == "OrderFailed"]
        assert [one.data["agent"] for one in told] == ["payments"]
        again = await orders.replay(client, letter, reason="it is mended", by="bob")
        assert (await again.result(60)).outcome == "failed"


async def test_an_order_handed_in_twice_is_one_request(shop: Path, orders: Any, valkey_url: str) -> None:
    """The order's own key makes it idempotent, without the caller thinking of it."""
    order = importlib.import_module("models").Order
    async with site(load(shop, valkey_url, durability="relaxed")) as place:
        one = await orders.place(place.client, order(**plain_order(1)), actor="alice")
        two = await orders.place(place.client, order(**plain_order(1)), actor="alice")
        assert one.id == two.id
        assert (await one.result(60)).outcome == "completed"


async def test_only_its_maker_may_say_an_event(shop: Path, valkey_url: str) -> None:
    """The emit gate knows each event's maker: least privilege, beside manifest and flow."""
    loaded = load(shop, valkey_url)
    from wingman_runtime.policy.judge import Judge

    judge = Judge(loaded.bundle)
    assert judge.can_emit("payments", "OrderPaid", "orders").allow
    assert judge.can_emit("warehouse", "OrderPaid", "orders").forbidden
    assert judge.can_emit("word_count", "WordsCounted", "request").allow
