"""A generated system grows: minor and major versions, old and new workers together, nothing lost."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.orders import make_shop, page_file, plain_order
from tests.worker.projects import Site, load, site, until
from wingman_runtime.cli.app import run
from wingman_runtime.cli.common import called
from wingman_runtime.generate.generate import generate

MODELS = page_file("models.py")
MINOR = MODELS.replace("    address: Address\n", "    address: Address\n    gift: bool = False\n").replace(
    '    USD = "USD"\n', '    USD = "USD"\n    CHF = "CHF"\n'
)
MAJOR = (
    MINOR.replace("    address: Address\n", "    ship_to: Address\n")
    .replace("    ends={", '    upcasts={1: renamed(address="ship_to")},\n    ends={')
    .replace("RetryPolicy, entity", "RetryPolicy, entity, renamed")
)
EACH = 15


def versions(shop: Path) -> dict[str, str]:
    """The version of each generated event, as its class says it."""
    text = "".join(path.read_text() for path in sorted((shop / "agents").glob("*/events.py")))
    return dict(
        re.findall(r'class (Order\w+)\(EventModel\):.*?schema_version[^"]*"([\d.]+)"', text, re.DOTALL)
    )


def evolve(shop: Path, models: str) -> None:
    """Other models, generated and released."""
    (shop / "models.py").write_text(models)
    generate(shop / "models.py", shop)
    assert run(["schema", "release", "--all", "--project", str(shop)]) == 0


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The shop as it was released three times: 1.0, 1.1 and 2.0."""
    root = tmp_path_factory.mktemp("releases")
    shop = make_shop(root / "shop-1.0")
    assert run(["schema", "release", "--all", "--project", str(shop)]) == 0
    for name, before, models in (("1.1", "1.0", MINOR), ("2.0", "1.1", MAJOR)):
        shutil.copytree(root / f"shop-{before}", root / f"shop-{name}")
        evolve(root / f"shop-{name}", models)
    return {name: root / f"shop-{name}" for name in ("1.0", "1.1", "2.0")}


def test_a_version_follows_from_the_change(releases: dict[str, Path]) -> None:
    """An optional field and a member of an open enum make a minor, a renamed field a major; what is not
    touched stays as it is."""
    found = {name: versions(shop) for name, shop in releases.items()}
    orders = ("OrderPlaced", "OrderPaid", "OrderDeclined", "OrderPacked", "OrderDelivered")
    for name, version in (("1.0", "1.0.0"), ("1.1", "1.1.0"), ("2.0", "2.0.0")):
        assert {found[name][event] for event in orders} == {version}
        assert found[name]["OrderFailed"] == "1.0.0"


def test_a_released_version_is_generated_again(releases: dict[str, Path]) -> None:
    """After the release nothing is stale, and its check is clean."""
    shop = releases["2.0"]
    assert not generate(shop / "models.py", shop, dry_run=True).stale
    assert run(["schema", "check", "--project", str(shop)]) == 0


def test_a_major_without_an_upcast_is_told(releases: dict[str, Path], tmp_path: Path) -> None:
    """What to write, and where, for which events."""
    shop = tmp_path / "shop"
    shutil.copytree(releases["1.1"], shop)
    upcast = '    upcasts={1: renamed(address="ship_to")},\n'
    (shop / "models.py").write_text(MAJOR.replace(upcast, "").replace("entity, renamed", "entity"))
    [lack] = generate(shop / "models.py", shop, dry_run=True).lacks
    assert lack.path == "models.py"
    assert "nothing brings data of 1.x to 2.x" in lack.message
    assert "upcasts={1:" in lack.hint


def test_a_major_raises_the_version_of_its_readers(
    releases: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With contracts recorded: what to write is told, and then every step that is named next goes through."""
    shop = tmp_path / "shop"
    shutil.copytree(releases["1.1"], shop)
    assert run(["contract", "record", "--project", str(shop)]) == 0
    (shop / "models.py").write_text(MAJOR)
    [lack] = generate(shop / "models.py", shop, dry_run=True).lacks
    assert "payments 1.0.0 does not read 2.x of OrderPlaced" in lack.message
    assert lack.hint.startswith('write version="2.0.0" in the lifecycle')
    (shop / "models.py").write_text(MAJOR.replace("    start=", '    version="2.0.0",\n    start='))
    capsys.readouterr()
    assert run(["generate", str(shop / "models.py"), "--into", str(shop)]) == 0
    told = capsys.readouterr()
    assert "by hand" not in told.out
    steps = [line.split()[1:] for line in told.err.splitlines() if line.split()[:1] == [called()]]
    assert steps == [["contract", "record"], ["schema", "release", "--all"], ["check"]]
    for step in steps:
        assert run([*step, "--project", str(shop)]) == 0
    assert not generate(shop / "models.py", shop, dry_run=True).stale


def newer(number: int) -> dict[str, Any]:
    """An order as a client of 2.0 has it."""
    plain = plain_order(number) | {"gift": True, "schema_version": "2.0.0"}
    plain["lines"] = [{"sku": "tea", "quantity": 1, "price": {"amount": "3.00", "currency": "CHF"}}]
    return plain | {"ship_to": plain.pop("address")}


async def test_old_and_new_workers_together_lose_nothing(releases: dict[str, Path], valkey_url: str) -> None:
    """Workers and clients of three releases on one server: every order ends well, whoever gets which step."""
    loaded = {name: load(shop, valkey_url, durability="relaxed") for name, shop in releases.items()}
    async with site(loaded["1.0"]) as old, site(loaded["1.1"]), site(loaded["2.0"]) as new:
        client = old.client

        async def placed(params: dict[str, Any]) -> Any:
            return await client.submit("orders.place", params, flow="orders", actor="alice", tenant="demo")

        asked = [
            await placed(one)
            for at in range(EACH)
            for one in (plain_order(at) | {"schema_version": "1.0.0"}, newer(1000 + at))
        ]
        ends = await asyncio.gather(*(request.result(60) for request in asked))
        assert Counter(end.outcome.value for end in ends) == {"completed": 2 * EACH}
        seen = {record.record["event"]["dataschema"] for one in asked for record in await client.trail(one.id)
                if record.type == "OrderPlaced" and record.kind == "event"}  # fmt: skip
        assert "urn:wingman:event:OrderPlaced:2.0.0" in seen
        await until(lambda: _idle(new))
        assert [one for one in (await client.status()).agents if one.dead] == []


async def _idle(place: Site) -> bool:
    return all(one.parked == 0 for one in (await place.client.status()).agents)


async def test_an_order_of_a_newer_client_waits_for_a_worker_that_reads_it(
    releases: dict[str, Path], valkey_url: str
) -> None:
    """Only old workers: it is parked, neither failed nor counted; the new worker takes it up."""
    loaded = {name: load(shop, valkey_url, durability="relaxed") for name, shop in releases.items()}
    async with site(loaded["1.0"]) as old:
        request = await old.client.submit(
            "orders.place", newer(1), flow="orders", actor="alice", tenant="demo"
        )

        async def parked() -> bool:
            return any(one.parked for one in (await old.client.status()).agents)

        await until(parked)
        assert not (await request.state()).ended
        async with site(loaded["2.0"]):
            assert (await request.result(60)).outcome == "completed"
