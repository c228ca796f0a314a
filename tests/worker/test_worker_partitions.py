"""Partitions with different bundles: what an apply that died half-way leaves, and how it is mended."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import orjson
import pytest

from tests.worker.projects import COMPLETE, END, Agent, Site, Spec, load, site, until, write
from wingman_runtime import bootstrap
from wingman_runtime.cli import doctor
from wingman_runtime.errors import BackendError, PolicyError
from wingman_runtime.policy.bundle import Bundle
from wingman_runtime.project.load import LoadedProject
from wingman_runtime.redisio import control
from wingman_runtime.worker.lawbook import Lawbook

SPEC = Spec({"work": Agent(COMPLETE, emits=["ExecutionComplete"])}, {"UserRequestReceived": "work", **END})


def _two(tmp_path: Path, url: str) -> tuple[LoadedProject, LoadedProject]:
    """A project, and the same with one more policy."""
    root = write(tmp_path / "p", SPEC)
    shutil.copytree(root, tmp_path / "q")
    with (tmp_path / "q" / "policies" / "60-audit.cedar").open("a") as out:
        out.write('\n@id("more")\n@reason("a test")\nforbid (principal, action, resource) when { false };\n')
    return load(root, url, partitions=2), load(tmp_path / "q", url, partitions=2)


async def _half(place: Site, digest: str) -> None:
    """Put a bundle in force in partition 1 alone."""
    record = {"action": "policy_applied", "digest": digest, "by": "test", "reason": "half"}
    await place.store.run("control", 1, "policy", digest, b"{}", orjson.dumps(record))


async def test_with_two_bundles_work_goes_on_and_applying_again_mends(
    tmp_path: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests of both partitions complete, each bundle is loaded once, `status` and `doctor` name it; the
    repeated apply puts one in force everywhere and is logged only where it changed something.
    """
    old, new = _two(tmp_path, valkey_url)
    loads: list[str] = []
    find_bundle = bootstrap.find_bundle

    def counted(project: LoadedProject) -> object:
        find = find_bundle(project)

        def found(digest: str) -> Bundle:
            loads.append(digest)
            return find(digest)

        return found

    monkeypatch.setattr(bootstrap, "find_bundle", counted)
    async with site(old) as place:
        new.bundle.save(bootstrap.bundles_dir(old.settings))
        await _half(place, new.bundle.digest)
        assert await control.policies(place.store) == (old.bundle.digest, new.bundle.digest)
        requests = [await place.submit() for _ in range(12)]
        assert {request.id.split("_")[1] for request in requests} == {"p0", "p1"}
        assert {(await request.result(10)).outcome for request in requests} == {"completed"}
        assert sorted(loads) == sorted([old.bundle.digest, new.bundle.digest])
        status = await place.client.status()
        assert old.bundle.digest[:19] in status.disagreement
        assert "policy apply" in status.disagreement
        await bootstrap.activate(old, place.store, by="test")
        assert len({*await control.policies(place.store)}) == 2  # nobody guesses which one is meant
        before = len(await place.log("admin"))
        await bootstrap.apply_policy(new, place.store, by="test", reason="again")
        assert {*await control.policies(place.store)} == {new.bundle.digest}
        assert len(await place.log("admin")) == before + 1
        assert (await place.client.status()).disagreement == ""
        assert (await (await place.submit()).result(10)).outcome == "completed"


async def test_a_partition_without_a_bundle_gets_that_of_the_others(tmp_path: Path, valkey_url: str) -> None:
    """The very first apply died half-way: the next process that starts ends it."""
    old, new = _two(tmp_path, valkey_url)
    async with site(old) as place:
        await place.store.call("HDEL", f"{place.store.keys(1).anchor}:control", "policy")
        await bootstrap.activate(new, place.store, by="test")
        assert await control.policies(place.store) == (old.bundle.digest, old.bundle.digest)


async def test_what_one_partition_refuses_the_others_still_get(tmp_path: Path, valkey_url: str) -> None:
    """An apply that fails in one partition says so, is in force in the others, and can be repeated."""
    old, new = _two(tmp_path, valkey_url)
    async with site(old) as place:
        key = f"{place.store.keys(0).anchor}:control"
        await place.store.call("RENAME", key, f"{key}-away")
        await place.store.call("SET", key, "in the way")
        with pytest.raises(BackendError):
            await bootstrap.apply_policy(new, place.store, by="test", reason="t")
        assert (await control.read(place.store, 1)).policy == new.bundle.digest
        await place.store.call("RENAME", f"{key}-away", key)
        await bootstrap.apply_policy(new, place.store, by="test", reason="t")
        assert {*await control.policies(place.store)} == {new.bundle.digest}


async def test_doctor_names_the_disagreement(tmp_path: Path, valkey_url: str) -> None:
    """It is an error there, with what to do."""
    old, new = _two(tmp_path, valkey_url)
    async with site(old) as place:
        await _half(place, new.bundle.digest)

        async def looked() -> list[doctor.Check]:
            checks = await asyncio.to_thread(lambda: list(doctor._workers(old.settings)))
            return [check for check in checks if check.check == "policies in force"]

        [told] = await until(looked)
        assert (told.state, told.hint) == ("error", "run `wingman policy apply` again")


def test_a_missing_bundle_stops_and_the_one_before_is_not_loaded_again(
    tmp_path: Path, valkey_url: str
) -> None:
    """The lawbook keeps two judges, and none while the active bundle is not there."""
    old, new = _two(tmp_path, valkey_url)
    here = {one.bundle.digest: one.bundle for one in (old, new)}
    loads: list[str] = []

    def find(digest: str) -> Bundle:
        loads.append(digest)
        if digest not in here:
            raise PolicyError("not here")
        return here[digest]

    book = Lawbook(find)
    for digest in [*here, *here, *here]:
        assert book.turn_to(digest)
        assert book.judge is not None
        assert book.judge.digest == digest
    assert loads == [*here]
    for missing in ("sha256:else", ""):
        assert not book.turn_to(missing)
        assert book.judge is None
        assert book.missing == (missing or "none")
    assert book.turn_to(old.bundle.digest)
    assert book.missing == ""
    assert len(loads) == 3
