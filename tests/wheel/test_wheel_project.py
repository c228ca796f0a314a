"""What is released, used as its users will: installed, in a project extended in all four ways."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wheel.wheel_house import ROOT, House, build_wheel, foreign_wheel, furnish
from tests.wheel.wheel_shop import extend

WAIT = 60.0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> House:
    folder = tmp_path_factory.mktemp("house")
    return furnish(folder / "env", wheel, foreign_wheel(folder))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, house: House) -> Iterator[Path]:
    """An extended project with `wingman dev` running in it."""
    folder = tmp_path_factory.mktemp("shop")
    house.run("wingman", "init", "shop", cwd=folder)
    project = folder / "shop"
    extend(project)
    house.run("wingman", "config", "check", cwd=project)
    log = folder / "dev.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["wingman", "dev", "--workers", "1"], cwd=project, env=house.environment(),
            executable=str(house.folder / "bin" / "wingman"), stdout=file, stderr=file, process_group=0,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + WAIT
            while "in another terminal" not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield project
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(WAIT)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def test_what_the_wheel_holds(wheel: Path) -> None:
    """The package with its scripts and types, the reference project, and nothing of the workshop."""
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"wingman_runtime"}

    def there(*folders: str) -> set[str]:
        found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
        return {path.relative_to(ROOT).as_posix() for path in found if "__pycache__" not in path.parts}

    reference = {
        f"wingman_runtime/reference/{name}" for name in there("agents", "policies", "config", "tools")
    }
    facts = {name for name in names if ".dist-info/" in name}
    assert names - facts == there("wingman_runtime") | reference
    assert "wingman_runtime/py.typed" in names
    assert {name for name in names if name.endswith(".lua")} >= {
        "wingman_runtime/redisio/lua/commit.lua",
        "wingman_runtime/redisio/lua/intent.lua",
    }
    assert any(name.endswith("/licenses/LICENSE") for name in facts)
    assert not [name for name in names - facts if "/tests/" in name and "policies/tests" not in name
                and "starter/tests" not in name]  # fmt: skip


def test_the_policies_of_a_new_project_are_sound(house: House, tmp_path: Path) -> None:
    """What `init` writes passes its own checks and cases."""
    house.run("wingman", "init", "fresh", cwd=tmp_path)
    house.run("wingman", "policy", "check", cwd=tmp_path / "fresh")
    cases = json.loads(house.run("wingman", "policy", "test", "--json", cwd=tmp_path / "fresh"))
    assert {case["passed"] for case in cases} == {True}


def test_the_installed_package_is_the_wheels(house: House, tmp_path: Path) -> None:
    """Not the checkout, and `agents` is the foreign package."""
    shown = house.run(
        str(house.python), "-c",
        "import agents, wingman_runtime; print(agents.FOREIGN); print(wingman_runtime.__file__)",
        cwd=tmp_path,
    ).splitlines()  # fmt: skip
    assert shown[0] == "True"
    assert Path(shown[1]).is_relative_to(house.folder)


def test_a_request_passes_through_all_four(house: House, shop: Path) -> None:
    """The own flow leads it by the own agent, the own planner plans it, the own tool does it."""
    words = ("submit", "shelf.fill", "-p", 'items:=["tea", "salt"]', "--flow", "restock", "--as", "alice")
    response = json.loads(house.run("wingman", *words, "--wait", "30", "--json", cwd=shop))
    assert response["outcome"] == "completed"
    done = [(one["tool"], one["resource"], one["status"]) for one in response["effects"]]
    assert done == [("shelf.put", "shelf:tea", "done"), ("shelf.put", "shelf:salt", "done")]
    assert sorted(path.name for path in (shop / "workspace/shelf").iterdir()) == ["salt.txt", "tea.txt"]
    watched = house.run("wingman", "request", "watch", response["request_id"], "--json", cwd=shop)
    events = {(one["agent"], one["type"]): one["data"] for one in map(json.loads, watched.splitlines())}
    assert events["counting", "ItemsCounted"]["items"] == 2
    listed = json.loads(house.run("wingman", "request", "list", "--json", cwd=shop))
    assert [row["flow"] for row in listed if row["request_id"] == response["request_id"]] == ["restock"]


def test_the_own_planner_refuses_in_its_own_words(house: House, shop: Path) -> None:
    """What the planner says is wrong stands in the outcome; nothing was done."""
    words = ("submit", "shelf.fill", "-p", "items=tea", "--flow", "restock", "--as", "alice", "--wait", "30")
    shown = house.run("wingman", *words, cwd=shop, code=4)
    assert "planner 'one-step-per-item': params.items: a list of items is expected" in shown


def test_the_flows_lie_side_by_side(house: House, shop: Path) -> None:
    """The flow that `init` wrote goes on as it was, and the new agent is not in it."""
    words = ("submit", "greeting.send", "-p", "to=ada", "-p", "text=hello", "--as", "alice", "--wait", "30")
    response = json.loads(house.run("wingman", *words, "--json", cwd=shop))
    assert response["outcome"] == "completed"
    tree = house.run("wingman", "request", "show", response["request_id"], "--tree", cwd=shop)
    assert "WordsCounted" in tree
    assert "ItemsCounted" not in tree
