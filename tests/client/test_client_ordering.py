"""Ordering keys, limits of a tenant and remembered keys, as a client and the command line have them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.worker.projects import COMPLETE, END, Agent, Site, Spec, load, site, until, write
from wingman_runtime import SyncClient
from wingman_runtime.errors import (
    AdmissionClosedError,
    ConfigError,
    ConflictError,
    ContractError,
    StillPendingError,
)
from wingman_runtime.settings import Settings

ROOT = Path(__file__).parents[2]
LIMITS = (
    "admission:\n  retry_after: 0.05\n  tenants:\n    default: {open: 2}\n    fast: {rate: 4, burst: 1}\n"
)


def spec(settings: str = "") -> Spec:
    agents = {"work": Agent(COMPLETE, emits=["ExecutionComplete"])}
    return Spec(agents, {"UserRequestReceived": "work", **END}, settings=settings)


@pytest.fixture
async def idle(tmp_path: Path, valkey_url: str) -> AsyncIterator[Site]:
    """A project of two partitions, without a worker: what is admitted stays."""
    async with site(load(write(tmp_path / "p", spec()), valkey_url, partitions=2), workers=0) as place:
        yield place


@pytest.fixture
async def limited(tmp_path: Path, valkey_url: str) -> AsyncIterator[Site]:
    """The same in one partition, with limits of tenants."""
    async with site(load(write(tmp_path / "p", spec(LIMITS)), valkey_url), workers=0) as place:
        yield place


async def wingman(place: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line on the same server."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WINGMAN_")}
    url = place.project.settings.redis.url
    assert url is not None
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "wingman_runtime", *arguments],
        cwd=place.project.settings.project, capture_output=True, text=True, timeout=60, check=False,
        env={**clean, "PYTHONPATH": str(ROOT), "WINGMAN_REDIS_URL": url.get_secret_value()},
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


async def test_a_place_is_told_until_the_turn_comes(idle: Site) -> None:
    """All of a key are in one partition; each knows whom it waits for, and whoever waits for it."""
    first, second, third = [await idle.submit(ordering_key="customer-7") for _ in range(3)]
    assert len({one.id.split("_")[1] for one in (first, second, third)}) == 1
    assert str(await third.place()) == f"waits for {second.id}, 2nd in line"
    with pytest.raises(StillPendingError) as caught:
        await second.result(0.01)
    assert f"waits for {first.id}, 1st in line" in (caught.value.hint or "")
    await second.cancel(reason="no more")
    await idle.start()
    assert (await third.result(20)).outcome == "completed"
    assert (await second.result(20)).outcome == "cancelled"
    assert await third.place() is None


async def test_a_key_is_any_text_of_some_length(idle: Site) -> None:
    """A colon, an umlaut or a line break is no matter; too long or not text is refused with its place."""
    for key in ("a:b", "Müller & Söhne", "x\ny"):
        assert await (await idle.submit(ordering_key=key)).place() is not None
    for key in ("x" * 201, "\ud800"):
        with pytest.raises(ContractError) as caught:
            await idle.submit(ordering_key=key)
        assert (caught.value.where or "").startswith("ordering_key")


async def test_an_idempotency_key_counts_among_those_of_its_ordering_key(idle: Site) -> None:
    """The repeat meets the first; another body is a conflict; another ordering key is another request."""
    first = await idle.submit(ordering_key="a", idempotency_key="k")
    assert (await idle.submit(ordering_key="a", idempotency_key="k")).id == first.id
    with pytest.raises(ConflictError):
        await idle.submit("other", ordering_key="a", idempotency_key="k")
    assert (await idle.submit(ordering_key="b", idempotency_key="k")).id != first.id


async def test_a_key_is_remembered_for_its_window(tmp_path: Path, valkey_url: str) -> None:
    """Within it the same body is the same request, another a conflict; after it the key is free."""
    project = load(write(tmp_path / "p", spec()), valkey_url, times__idempotency_ttl=0.4)
    async with site(project, workers=0) as place:
        first = await place.submit(idempotency_key="k")
        assert (await place.submit(idempotency_key="k")).id == first.id
        with pytest.raises(ConflictError) as caught:
            await place.submit("other", idempotency_key="k")
        assert caught.value.where == first.id

        async def free() -> bool:
            try:
                return (await place.submit("other", idempotency_key="k")).id != first.id
            except ConflictError:
                return False

        await until(free)


async def test_a_closed_door_is_waited_out(limited: Site) -> None:
    """With patience the same submit passes when the door opens, and gives up when that is too far off."""
    await limited.submit(tenant="fast")
    with pytest.raises(AdmissionClosedError, match=r"admission\.tenants\.fast\.rate"):
        await limited.submit(tenant="fast")
    began = time.monotonic()
    await limited.submit(tenant="fast", patience=5)
    # The bucket was emptied just before: a token takes a quarter of a second.
    assert time.monotonic() - began > 0.1
    held = [await limited.submit() for _ in range(2)]
    with pytest.raises(AdmissionClosedError, match=r"2 requests of tenant 'demo' are open, the limit is 2"):
        await limited.submit(patience=0.1)
    waiting = asyncio.create_task(limited.submit(patience=20))
    await limited.start()
    assert (await (await waiting).result(20)).outcome == "completed"
    assert {(await one.result(20)).outcome for one in held} == {"completed"}


async def test_the_client_without_async_has_both(limited: Site) -> None:
    """`SyncClient.submit` takes an ordering key and patience."""

    def work() -> str:
        with SyncClient(limited.project.settings, actor="alice", tenant="sync") as client:
            one = client.submit("t", flow="work", ordering_key="k", patience=1)
            return one.id

    request_id = await asyncio.to_thread(work)
    assert (await limited.client.request(request_id).place()) is not None


async def test_the_command_line_says_who_waits_for_whom(limited: Site) -> None:
    """`submit`, `request list` and `show` tell the place; exit 7 for a closed door, 6 for a conflict."""
    flags = ("submit", "t", "--flow", "work", "--as", "alice", "--tenant", "demo", "--ordering-key", "c-7")
    first = (await wingman(limited, *flags, "--json")).stdout
    request_id = json.loads(first)["request_id"]
    told = await wingman(limited, *flags)
    assert told.returncode == 0, told.stderr
    assert f"it waits for {request_id}, 1st in line, for the ordering key c-7" in told.stderr
    second = told.stdout.strip()
    shown = json.loads((await wingman(limited, "request", "show", second, "--json")).stdout)
    assert (shown["line"], shown["place"]) == (f"waits for {request_id}, 1st in line", 1)
    listed = json.loads((await wingman(limited, "request", "list", "--json")).stdout)
    assert {row["request_id"]: row["place"] for row in listed} == {request_id: 0, second: 1}
    full = await wingman(limited, *flags)
    assert full.returncode == 7
    assert "the limit is 2 (admission.tenants.default.open)" in full.stderr
    keyed = ("submit", "t", "--flow", "work", "--as", "alice", "--tenant", "else", "--key", "k")
    assert (await wingman(limited, *keyed)).returncode == 0
    assert (await wingman(limited, *keyed)).returncode == 0
    assert (await wingman(limited, *keyed, "-p", "a=b")).returncode == 6


async def test_reconcile_tells_mends_and_is_quiet(limited: Site) -> None:
    """A dry run says what would be done; the run does it; the next finds nothing; `status` tells."""
    await limited.store.call("HSET", limited.store.keys(0).tenants, "ghost", 3)
    dry = await wingman(limited, "reconcile", "--dry-run")
    assert dry.returncode == 1, dry.stderr
    assert "tenant_miscounted" in dry.stdout
    assert "nothing was changed" in dry.stderr
    done = await wingman(limited, "reconcile", "--json")
    assert done.returncode == 1
    assert [row["anomaly"] for row in json.loads(done.stdout)] == ["tenant_miscounted"]
    again = await wingman(limited, "reconcile")
    assert (again.returncode, again.stdout) == (0, ""), again.stdout
    status = await wingman(limited, "status", "--json")
    assert "tenant_miscounted" in json.loads(status.stdout)["mended"][0]


def test_limits_of_tenants_are_checked_with_their_place(tmp_path: Path) -> None:
    """Names of tenants are free, those of limits are not; an error has its line."""
    root = write(tmp_path / "p", spec(LIMITS))
    settings = Settings.load(root)
    assert settings.admission.of_tenant("fast")[1].rate == 4
    assert settings.admission.of_tenant("any") == ("default", settings.admission.tenants["default"])
    [shown] = [one.value for one in settings.explain() if one.path == "admission.tenants"]
    assert shown == "default: open 2; fast: rate 4, burst 1"
    path = root / "config" / "wingman.yaml"
    for wrong in ("{opne: 2}", "{open: 0}", "{rate: .inf}"):
        path.write_text(path.read_text().replace("{open: 2}", wrong))
        line = path.read_text().splitlines().index(f"    default: {wrong}") + 1
        with pytest.raises(ConfigError) as caught:
            Settings.load(root)
        assert (caught.value.where or "").endswith(f"wingman.yaml:{line}"), caught.value
        path.write_text(path.read_text().replace(wrong, "{open: 2}"))
